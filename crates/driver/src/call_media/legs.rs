//! The calls of a conversation: what they have in common, and what comes of all of them together.

use std::array;

use securecall_media::{Effort, FrameSize, Mixer, TICK_SAMPLES, Tick, VoiceWish, shared_size};
use securecall_session::CallHandle;
use web_time::Instant;

use super::leg::{Hearers, Leg};
use super::queues::Joining;
use crate::audio_engine::Captured;
use crate::peer_connection::Arrival;

/// A conference has eight people, and one of them is here.
pub(super) const MAX_LEGS: usize = 7;

/// The calls, and their voices as one.
pub(super) struct Legs {
    legs: Vec<Leg>,
    mixer: Mixer,
}

impl Legs {
    /// One call.
    pub(super) fn of(leg: Leg) -> Self {
        Self {
            legs: vec![leg],
            mixer: Mixer::new(),
        }
    }

    /// One call more. There is no room for more than a conference may have.
    pub(super) fn join(&mut self, joining: Joining) {
        if self.legs.len() >= MAX_LEGS {
            tracing::error!("more calls in a conversation than there may be");
        } else if let Some((call, settings)) = joining.accept() {
            self.legs.push(Leg::new(call, settings));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    pub(super) fn first(&self) -> Option<CallHandle> {
        self.legs.first().map(Leg::call)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Leg> {
        self.legs.iter_mut()
    }

    pub(super) fn get_mut(&mut self, call: CallHandle) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.call() == call)
    }

    /// Takes a call out that ends.
    pub(super) fn take(&mut self, call: CallHandle) -> Option<Leg> {
        let at = self.legs.iter().position(|leg| leg.call() == call)?;
        Some(self.legs.remove(at))
    }

    /// When something is due for one of them.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        self.legs.iter().filter_map(|leg| leg.next_wake(now)).min()
    }

    /// Waits until something comes to one of them. Each has its turn, whatever comes to the others.
    pub(super) async fn receive(&mut self) -> (&mut Leg, Arrival) {
        let (at, arrival) = {
            let mut legs = self.legs.iter_mut();
            let [a, b, c, d, e, f, g]: [_; MAX_LEGS] = array::from_fn(|_| legs.next());
            tokio::select! {
                arrival = arrival(a) => (0, arrival),
                arrival = arrival(b) => (1, arrival),
                arrival = arrival(c) => (2, arrival),
                arrival = arrival(d) => (3, arrival),
                arrival = arrival(e) => (4, arrival),
                arrival = arrival(f) => (5, arrival),
                arrival = arrival(g) => (6, arrival),
            }
        };
        (&mut self.legs[at], arrival)
    }

    /// Who of all hears the microphone.
    pub(super) fn hearers(&self) -> Hearers {
        Hearers {
            any: self.legs.iter().any(|leg| leg.microphone_open),
            all_held: !self.is_empty() && self.legs.iter().all(|leg| leg.held),
        }
    }

    /// Whether somebody gets silence where others get what the microphone hears.
    pub(super) fn needs_silence(&self) -> bool {
        let hearers = self.hearers();
        self.legs.iter().any(|leg| leg.gets_silence(hearers))
    }

    /// How large the frames of an epoch that begins may be.
    pub(super) fn shared_size(&self) -> FrameSize {
        shared_size(self.legs.iter().filter_map(|leg| leg.peer.next_size()))
    }

    /// What all paths ask of the encoder, where one asks for anything.
    pub(super) fn wish(&self) -> Option<VoiceWish> {
        let wishes = self.legs.iter().filter_map(|leg| leg.peer.wish());
        wishes.reduce(VoiceWish::and)
    }

    /// Gives the 10 ms that are to be heard from `now` on.
    pub(super) fn playback(&mut self, now: Instant, effort: Effort, heard: &mut Tick) {
        let mut tick = [0.0; TICK_SAMPLES];
        for leg in &mut self.legs {
            leg.peer.set_effort(effort);
            leg.peer.playback(now, &mut tick);
            if leg.is_heard() {
                leg.listen(&tick);
                self.mixer.add(&tick, &mut leg.volume);
            }
        }
        self.mixer.mix(heard);
    }

    /// Sends each what it may hear of 10 ms of the microphone.
    pub(super) fn send(&mut self, now: Instant, captured: &Captured<'_>) {
        let hearers = self.hearers();
        for leg in &mut self.legs {
            let (samples, frame) = leg.share(hearers, captured);
            if let Some(frame) = frame {
                leg.peer.send_frame(now, frame);
            }
            leg.peer.send_samples(now, samples);
        }
    }
}

/// What comes to a call, if there is one.
async fn arrival(leg: Option<&mut Leg>) -> Arrival {
    match leg {
        Some(leg) => leg.peer.receive().await,
        None => std::future::pending().await,
    }
}
