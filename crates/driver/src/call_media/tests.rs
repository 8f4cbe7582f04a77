//! Calls that share a conversation, as far as they need no network for it.

mod arrivals;
mod effort;
mod joined_voices;

use securecall_audio_device::{MicrophoneSpec, ProcessingChoice, SpeakerSpec};
use securecall_crypto::{Direction, MediaSeed};
use securecall_media::{Codec, Reach};
use securecall_session::{CallHandles, EpochSeeds, MediaEvent, MediaFailure, Route, WireCallId};

use super::legs::MAX_LEGS;
use super::*;

type Outputs = Receiver<(CallHandle, MediaOutput)>;

/// Somebody who makes calls.
struct World {
    handles: CallHandles,
    sender: Sender<(CallHandle, MediaOutput)>,
    outputs: Outputs,
}

impl World {
    fn new() -> Self {
        let (sender, outputs) = queue();
        Self {
            handles: CallHandles::default(),
            sender,
            outputs,
        }
    }

    fn call(&mut self) -> NamedCall {
        NamedCall {
            handle: self.handles.issue(),
            id: WireCallId::parse("call").unwrap(),
        }
    }

    fn settings(&self) -> LegSettings {
        LegSettings {
            network: Network {
                bind: vec![std::net::Ipv4Addr::LOCALHOST.into()],
                reach: Reach::ThisMachine,
                ..Network::default()
            },
            servers: watch::channel(Servers::default()).1,
            outputs: self.sender.clone(),
            runtime: Handle::current(),
        }
    }

    fn first(&mut self) -> CallMedia {
        let audio = audio(MicrophoneSpec::Null);
        let last_effort = LastEffort::default();
        CallMedia::spawn(
            self.call(),
            self.settings(),
            audio,
            None,
            false,
            last_effort,
        )
    }

    fn beside(&mut self, other: &CallMedia) -> CallMedia {
        other.join(self.call(), self.settings())
    }

    /// What is said next, and by whom.
    async fn next(&mut self) -> (CallHandle, &'static str) {
        let (call, output) = self.outputs.next().await.unwrap();
        let said = match output {
            MediaOutput::Event(MediaEvent::LocalOffer { .. }) => "offer",
            MediaOutput::Event(MediaEvent::LocalCandidates { .. }) => "candidates",
            MediaOutput::Event(MediaEvent::Failed {
                reason: MediaFailure::Local,
            }) => "failed",
            MediaOutput::Closed => "closed",
            other => panic!("{other:?}"),
        };
        (call, said)
    }
}

const fn audio(microphone: MicrophoneSpec) -> AudioSpec {
    AudioSpec {
        microphone,
        speaker: SpeakerSpec::Null,
        processing: ProcessingChoice::Off,
    }
}

const fn offer(beside: Option<CallHandle>) -> MediaCommand {
    MediaCommand::CreateOffer {
        tier: Tier::SecureCall,
        route: Route::Direct,
        beside,
    }
}

fn seeds() -> EpochSeeds {
    EpochSeeds {
        first: MediaSeed::from_bytes([1; 32]),
        later: Vec::new(),
    }
}

/// Of a sealed call.
fn start_audio() -> MediaCommand {
    let protection = Protection::Sealed {
        direction: Direction::CallerToCallee,
        outbound: seeds(),
        inbound: seeds(),
    };
    MediaCommand::StartAudio { protection }
}

#[tokio::test]
async fn calls_of_one_conversation_have_offers_candidates_and_ends_of_their_own() {
    let mut world = World::new();
    let first = world.first();
    let second = world.beside(&first);
    for media in [&first, &second] {
        media.order(offer(Some(first.call)));
        assert_eq!(world.next().await, (media.call, "offer"));
    }
    first.order(MediaCommand::StopAudio);
    first.order(MediaCommand::Close);
    assert_eq!(world.next().await, (first.call, "closed"));
    second.order(MediaCommand::Gather);
    assert_eq!(world.next().await, (second.call, "candidates"));
    // A third joins by the call that goes on, or by the name of the one that is over.
    for other in [&second, &first] {
        let third = world.beside(other);
        third.order(offer(Some(second.call)));
        assert_eq!(world.next().await, (third.call, "offer"));
        third.order(MediaCommand::Close);
        assert_eq!(world.next().await, (third.call, "closed"));
    }
    second.order(MediaCommand::Close);
    assert_eq!(world.next().await, (second.call, "closed"));
}

#[tokio::test]
async fn what_leads_to_relays_lives_where_the_client_does_whoever_makes_the_leg() {
    let mut world = World::new();
    let (call, settings) = (world.call(), world.settings());
    // As the thread of a conversation that one more call joins: here it has no runtime at all.
    let leg = std::thread::spawn(|| Leg::new(call, settings)).join();
    assert!(leg.is_ok());
}

#[tokio::test]
async fn whoever_joins_a_conversation_that_has_ended_is_told_so() {
    let mut world = World::new();
    let first = world.first();
    first.order(MediaCommand::Close);
    // Behind the end in the queue, or after the task.
    for _ in 0..2 {
        let late = world.beside(&first);
        late.order(offer(Some(first.call)));
        let mut said = Vec::new();
        while said.len() < 2 {
            match world.next().await {
                (call, "closed") if call == first.call => {}
                (call, what) => said.push((call == late.call, what)),
            }
        }
        assert_eq!(said, [(true, "failed"), (true, "closed")]);
    }
}

#[tokio::test]
async fn a_conversation_has_room_for_a_conference_and_no_more() {
    let mut world = World::new();
    let first = world.first();
    let others: Vec<_> = (1..MAX_LEGS).map(|_| world.beside(&first)).collect();
    let one_too_many = world.beside(&first);
    assert_eq!(world.next().await, (one_too_many.call, "failed"));
    assert_eq!(world.next().await, (one_too_many.call, "closed"));
    for media in others.iter().chain([&first]) {
        media.order(MediaCommand::Close);
        assert_eq!(world.next().await, (media.call, "closed"));
    }
}

/// Which of two calls get silence where the other hears the microphone.
fn silent(open: [bool; 2], held: [bool; 2]) -> [bool; 2] {
    let mut world = World::new();
    let mut legs = Legs::of(Leg::new(world.call(), world.settings()));
    legs.join(Joining::new(world.call(), world.settings()));
    for (number, leg) in legs.iter_mut().enumerate() {
        leg.microphone_open = open[number];
        leg.held = held[number];
    }
    let hearers = legs.hearers();
    let mut silent = legs.iter().map(|leg| leg.gets_silence(hearers));
    let silent = [silent.next().unwrap(), silent.next().unwrap()];
    assert_eq!(legs.needs_silence(), silent != [false; 2]);
    silent
}

#[tokio::test]
async fn nobody_hears_the_microphone_before_they_are_proven_or_while_they_are_held() {
    let nobody = [false; 2];
    // The microphone is not read at all.
    assert_eq!(silent([false, false], nobody), nobody);
    assert_eq!(silent([true, true], nobody), nobody);
    assert_eq!(silent([true, false], nobody), [false, true]);
    assert_eq!(silent([true, true], [true, false]), [true, false]);
    // The encoder itself says that we are muted then.
    assert_eq!(silent([true, true], [true, true]), nobody);
}
