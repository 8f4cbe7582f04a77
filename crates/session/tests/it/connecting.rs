//! When a call counts as connected: path, frame and words, each of them, and nobody has hung up.

use std::time::Duration;

use securecall_crypto::{Direction, Established, FrameSealer, MediaSeed};
use securecall_session::{EndReason, Event, MediaEvent, PathRoute};
use securecall_testkit::ringing_pair;

use crate::hand_made_caller::{HandMade, nonce};

/// What a callee that has answered waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Path,
    Frame,
    Words,
}

use Piece::{Frame, Path, Words};

/// A caller made by hand, whose call was answered.
pub(crate) struct Answered {
    pub(crate) caller: HandMade,
    pub(crate) established: Established,
    sealer: FrameSealer,
}

impl Answered {
    pub(crate) fn new() -> Self {
        let mut caller = HandMade::good();
        let mut established = caller.established();
        let seed = std::mem::replace(
            &mut established.outbound_media_seed,
            MediaSeed::from_bytes([0; 32]),
        );
        caller.universe.answer(caller.callee, caller.call);
        caller.universe.run_for(Duration::from_secs(1));
        Self {
            caller,
            established,
            sealer: FrameSealer::new(Direction::CallerToCallee, seed),
        }
    }

    /// With everything it waits for.
    pub(crate) fn connected() -> Self {
        let mut answered = Self::new();
        for piece in [Words, Path, Frame] {
            answered.bring(piece);
        }
        assert!(answered.is_connected());
        answered
    }

    pub(crate) fn bring(&mut self, piece: Piece) {
        let (callee, call) = (self.caller.callee, self.caller.call);
        match piece {
            Path => self.caller.universe.inject_media(
                callee,
                call,
                MediaEvent::PathUp {
                    route: PathRoute::Direct,
                },
            ),
            Frame => {
                let mut frame = vec![0; 80];
                self.sealer.seal_in_place(&mut frame).unwrap();
                assert!(self.caller.universe.inject_frame(callee, call, frame));
            }
            Words => self.caller.say(&mut self.established, &nonce("01")),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        let callee = &self.caller.universe.devices[self.caller.callee];
        let connected = self.caller.universe.connected(self.caller.callee);
        let microphone = "OpenMicrophone".to_owned();
        let commands = &callee.media[&self.caller.call].commands;
        assert_eq!(connected, commands.contains(&microphone));
        connected
    }
}

#[test]
fn path_frame_and_words_connect_a_callee_in_any_order_and_no_two_of_them_do() {
    for order in [
        [Path, Frame, Words],
        [Path, Words, Frame],
        [Frame, Path, Words],
        [Frame, Words, Path],
        [Words, Path, Frame],
        [Words, Frame, Path],
    ] {
        let mut answered = Answered::new();
        for (place, piece) in order.into_iter().enumerate() {
            assert!(!answered.is_connected(), "{order:?}, before {place}");
            answered.bring(piece);
        }
        assert!(answered.is_connected(), "{order:?}");
    }
}

#[test]
fn a_callee_that_hears_the_peer_before_the_words_come_is_told_so_right_after() {
    let mut answered = Answered::new();
    answered.bring(Path);
    answered.bring(Frame);
    answered.caller.universe.run_for(Duration::from_millis(500));
    answered.bring(Words);
    let callee = &answered.caller.universe.devices[answered.caller.callee];
    let told = callee.events.iter().filter_map(|event| match event {
        Event::Connected { setup, .. } => Some(("connected", setup.as_millis())),
        Event::FirstAudio { setup, .. } => Some(("first audio", setup.as_millis())),
        _ => None,
    });
    // When it was heard counts, not when it is told.
    assert_eq!(
        told.collect::<Vec<_>>(),
        [("connected", 1500), ("first audio", 1000)]
    );
}

#[test]
fn words_that_come_when_the_callee_has_hung_up_connect_nothing() {
    let mut answered = Answered::new();
    answered.bring(Path);
    answered.bring(Frame);
    let (callee, call) = (answered.caller.callee, answered.caller.call);
    answered.caller.universe.hang_up(callee, call);
    answered.bring(Words);
    assert!(!answered.is_connected());
    assert_eq!(
        answered.caller.universe.ended(callee),
        Some(EndReason::Cancelled)
    );
}

#[test]
fn a_path_on_which_no_frame_comes_connects_neither_side() {
    let mut pair = ringing_pair();
    pair.universe.network.frames = false;
    pair.universe.answer(pair.callee, pair.call());
    pair.universe.run_for(Duration::from_secs(40));
    for device in [pair.caller, pair.callee] {
        assert!(!pair.universe.connected(device));
        assert!(!pair.universe.devices[device].media[&pair.call()].microphone_open);
        assert_eq!(pair.universe.ended(device), Some(EndReason::IceFailed));
    }
}
