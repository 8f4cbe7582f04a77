//! What a run is for, and what that is to the client.

use securecall_audio_device::ProcessingChoice;
use securecall_driver::{
    AnswerPolicy, AudioSpec, CallOptions, Callee, Contacts, PlaceError, Require, RingPolicy, Route,
};
use securecall_profile::who::Person;

use crate::cli::{Answer, MediaOptions, RequireChoice, Ring, RouteChoice};
use crate::error::Failure;

/// What the command is for.
#[derive(Debug)]
pub(crate) enum Goal {
    /// One call, which is placed at the start.
    Call(Person),
    /// A group call with these people, which is begun at the start.
    Group(Vec<Person>),
    /// The group call of a room, which is joined at the start, or begun.
    Room(RoomCall),
    /// Calls that come in: one, or all.
    Listen { once: bool },
}

/// The group call of a room, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomCall {
    /// The room's alias or ID.
    pub(crate) room: String,
    /// What sets the calls up may be in clear.
    pub(crate) in_clear: bool,
}

/// Everything a run is told.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) goal: Goal,
    pub(crate) answer: Answer,
    /// What is called at the start is with a muted microphone.
    pub(crate) muted: bool,
    pub(crate) media: MediaOptions,
    /// What the command itself was started with, whatever the settings say.
    pub(crate) asked: Option<RequireChoice>,
}

/// Whom to call, if they can be called at all: said before anything else is begun.
///
/// # Errors
///
/// The person is blocked, or their key is not known.
pub(crate) fn callee(
    person: &Person,
    media: &MediaOptions,
    contacts: &Contacts,
) -> Result<Callee, Failure> {
    let callee = Callee {
        identity: person.id.map(|id| id.identity_key()),
        matrix_id: person.matrix_id.clone(),
    };
    contacts
        .identity_of(&callee, call_options(media).require)
        .map_err(PlaceError::Refused)?;
    Ok(callee)
}

/// What every call of the run is to be like.
pub(super) fn call_options(media: &MediaOptions) -> CallOptions {
    CallOptions {
        route: media.route.map(|route| match route {
            RouteChoice::Direct => Route::Direct,
            RouteChoice::Relay => Route::Relay,
            RouteChoice::GhostNet => Route::GhostNet,
        }),
        require: media.require.map_or(Require::Any, |require| match require {
            RequireChoice::Any => Require::Any,
            RequireChoice::Securecall => Require::SecureCall,
        }),
        ..CallOptions::default()
    }
}

/// The microphone and the speaker of the run.
pub(super) fn audio(media: &MediaOptions) -> AudioSpec {
    AudioSpec {
        microphone: media.mic.clone().unwrap_or_default(),
        speaker: media.speaker.clone().unwrap_or_default(),
        processing: media
            .processing
            .map_or(ProcessingChoice::Automatic, Into::into),
    }
}

/// Who may make it ring.
pub(super) const fn ring_policy(ring: Ring) -> RingPolicy {
    match ring {
        Ring::Anyone => RingPolicy::Anyone,
        Ring::Contacts => RingPolicy::Contacts,
        Ring::Nobody => RingPolicy::Nobody,
    }
}

/// Who is answered without asking.
pub(super) const fn answer_policy(answer: Answer) -> AnswerPolicy {
    match answer {
        Answer::Ask => AnswerPolicy::Ask,
        Answer::Contacts => AnswerPolicy::Contacts,
        Answer::Auto => AnswerPolicy::Auto,
    }
}
