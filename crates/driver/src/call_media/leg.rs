//! One call of a conversation: the connection to its peer, and what is its own of microphone and speaker.

use securecall_crypto::Direction;
use securecall_media::{EncodedFrame, Speaking, TICK_SAMPLES, Tick, Volume};
use securecall_session::{CallHandle, MediaEvent, MediaFailure, NamedCall, Protection};
use web_time::Instant;

use super::LegSettings;
use super::first_tick::FirstTick;
use crate::audio_engine::Captured;
use crate::event::Event;
use crate::media_output::MediaOutputs;
use crate::peer_connection::PeerConnection;
use crate::peer_connection::peer_voice::VoiceError;

/// A call, as far as it is one of several.
pub(super) struct Leg {
    call: CallHandle,
    pub(super) peer: PeerConnection,
    pub(super) outputs: MediaOutputs,
    pub(super) first_tick: FirstTick,
    stage: Stage,
    /// The peer is proven and may hear us.
    pub(super) microphone_open: bool,
    /// This side holds the call.
    pub(super) held: bool,
    pub(super) volume: Volume,
    speaking: Speaking,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is nobody to be heard yet.
    Begun,
    /// There is voice, as far as there is a path.
    Voice,
    /// It is over for the user.
    Over,
}

/// Who of all hears the microphone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearers {
    /// It is open for somebody.
    pub(super) any: bool,
    /// For nobody, as long as every call is held.
    pub(super) all_held: bool,
}

impl Leg {
    pub(super) fn new(call: NamedCall, settings: LegSettings) -> Self {
        let handle = call.handle;
        let _entered = settings.runtime.enter();
        let outputs = MediaOutputs::of(call, settings.outputs);
        Self {
            call: handle,
            peer: PeerConnection::new(outputs.clone(), settings.network, &settings.servers),
            outputs,
            first_tick: FirstTick::default(),
            stage: Stage::Begun,
            microphone_open: false,
            held: false,
            volume: Volume::new(),
            speaking: Speaking::new(),
        }
    }

    pub(super) const fn call(&self) -> CallHandle {
        self.call
    }

    /// When something is due.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let wakes = [self.peer.next_wake(), self.first_tick.next_wake(now)];
        wakes.into_iter().flatten().min()
    }

    /// There is voice from now on, protected so.
    pub(super) fn start_voice(&mut self, protection: Protection) -> Result<(), VoiceError> {
        if let Protection::Sealed { direction, .. } = &protection
            && *direction == Direction::CallerToCallee
        {
            self.first_tick.follow();
        }
        self.peer.start_voice(protection)?;
        self.stage = Stage::Voice;
        Ok(())
    }

    /// It is over for the user.
    pub(super) fn stop_voice(&mut self) {
        self.peer.stop_voice();
        self.stage = Stage::Over;
        self.microphone_open = false;
        if self.speaking.speaks() {
            self.speaking = Speaking::new();
            self.tell_speaking(false);
        }
    }

    /// Whether it is over for the user.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Whether ticks may begin for it.
    pub(super) fn may_tick(&self) -> bool {
        self.stage == Stage::Voice && self.peer.is_path_up()
    }

    /// Whether the peer is heard.
    pub(super) fn is_heard(&self) -> bool {
        self.stage == Stage::Voice && !self.held
    }

    /// Whether its peer gets silence where others get what the microphone hears.
    pub(super) fn gets_silence(&self, hearers: Hearers) -> bool {
        (hearers.any && !self.microphone_open) || (self.held && !hearers.all_held)
    }

    /// What its peer may hear of 10 ms of the microphone.
    pub(super) fn share<'a>(
        &self,
        hearers: Hearers,
        captured: &Captured<'a>,
    ) -> (&'a Tick, Option<EncodedFrame<'a>>) {
        if self.gets_silence(hearers) {
            (&[0.0; TICK_SAMPLES], captured.silence)
        } else {
            (captured.samples, captured.frame)
        }
    }

    /// Hears whether the peer speaks.
    pub(super) fn listen(&mut self, tick: &Tick) {
        if let Some(speaking) = self.speaking.hear(tick) {
            self.tell_speaking(speaking);
        }
    }

    fn tell_speaking(&self, speaking: bool) {
        self.outputs.tell(|call| Event::Speaking {
            call: call.handle,
            speaking,
        });
    }

    /// Tells what the last tick brought.
    pub(super) fn tell_voice(&mut self, now: Instant) {
        self.peer.tell_voice(now);
    }

    /// `input` is how loud the microphone is, where frames are made of it.
    pub(super) fn tell_levels(&self, input: Option<f32>) {
        if let Some(input) = input.or_else(|| self.peer.own_level())
            && let Some(output) = self.peer.level()
        {
            self.outputs.tell(|call| Event::Levels {
                call: call.handle,
                input,
                output,
            });
        }
    }

    /// Something on this machine makes the call impossible.
    pub(super) fn fail_here(&self, why: String) {
        self.outputs.notice(why);
        self.outputs.event(MediaEvent::Failed {
            reason: MediaFailure::Local,
        });
    }
}
