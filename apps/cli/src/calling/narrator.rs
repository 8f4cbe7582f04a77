//! What the client's events are to scripts and people.

mod group;
mod known_calls;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use securecall_contact::SecureCallId;
use securecall_driver::{
    CallEvent, CallHandle, CallStats, ConferenceHandle, Event as ClientEvent, PathRoute,
    Peer as CallPeer, Tier,
};
use securecall_matrix::ServerError;

use self::known_calls::KnownCalls;
use super::clock::now;
use crate::error::{ErrorKind, Failure};
use crate::output::{Event, LegEvent, Peer, Stats, words_for_calls_of_others};

/// Turns the client's events into ours.
#[derive(Debug)]
pub(super) struct Narrator {
    /// When the process started.
    started_at: Instant,
    /// Our own address.
    matrix_id: String,
    /// Contacts whose key was compared.
    verified: BTreeSet<SecureCallId>,
    /// Whose relays of GhostNet carry a call: the last that were told.
    relays: Option<(CallHandle, [String; 2])>,
    /// The last call of tier `matrix`: how it ends is said in other words.
    standard: Option<CallHandle>,
    calls: KnownCalls,
    /// Whether we are muted in the group call, as it was told: each leg says so, and once is enough.
    is_muted: Option<bool>,
    /// The group call that is that of a room.
    room_call: Option<ConferenceHandle>,
}

impl Narrator {
    /// A narrator for the client of `matrix_id`, in a process that started at `started_at`.
    pub(super) const fn new(started_at: Instant, matrix_id: String) -> Self {
        Self {
            started_at,
            matrix_id,
            verified: BTreeSet::new(),
            relays: None,
            standard: None,
            calls: KnownCalls::new(),
            is_muted: None,
            room_call: None,
        }
    }

    /// What is to be told about an event.
    pub(super) fn tell(&mut self, event: &ClientEvent) -> Option<Event> {
        if let ClientEvent::Call(event) = event {
            self.calls.follow(event);
            self.follow_group(event);
        }
        let leg = call_of(event).and_then(|call| self.leg(call));
        let told = self.tell_any(event);
        if let ClientEvent::Call(CallEvent::Ended { call, .. }) = event {
            self.calls.forget(call.handle);
        }
        let Some((conference_id, peer)) = leg else {
            return told;
        };
        let event = match event {
            ClientEvent::Call(CallEvent::Muted {
                local: true, muted, ..
            }) => {
                if self.is_muted.replace(*muted) == Some(*muted) {
                    return None;
                }
                LegEvent::of_all(told?, conference_id)
            }
            _ => LegEvent::new(told?, conference_id, peer),
        };
        Some(Event::Leg(Box::new(event)))
    }

    fn tell_any(&mut self, event: &ClientEvent) -> Option<Event> {
        Some(match event {
            ClientEvent::Ready => Event::Ready {
                matrix_id: self.matrix_id.clone(),
                startup_ms: self.startup_ms(),
            },
            ClientEvent::Call(event) => return self.tell_call(event),
            ClientEvent::AudioStarted {
                call,
                microphone_at_unix_us,
                speaker_at_unix_us,
            } => Event::AudioStarted {
                call_id: call.to_string(),
                microphone_at_unix_us: *microphone_at_unix_us,
                speaker_at_unix_us: *speaker_at_unix_us,
            },
            ClientEvent::Carried { call, entry, exit } => {
                self.relays = Some((call.handle, [entry.clone(), exit.clone()]));
                Event::Relays {
                    call_id: call.to_string(),
                    entry: entry.clone(),
                    exit: exit.clone(),
                }
            }
            ClientEvent::Stats { call, stats } => Event::Stats(to_stats(call.to_string(), *stats)),
            // Often, and only for the screen.
            ClientEvent::Levels { .. } => return None,
            ClientEvent::Speaking { call, speaking } => {
                return self.tell_speaking(*call, *speaking);
            }
            ClientEvent::Device { fault, .. } => {
                warning(ErrorKind::AudioUnavailable, fault.to_string(), fault.help())
            }
            ClientEvent::DeviceRefused { error, .. } => Event::from(&Failure::from(error)),
            ClientEvent::Notice { text, .. } => Event::Notice {
                message: text.as_str().into(),
            },
            ClientEvent::PlainTextRefused => warning(
                ErrorKind::PlainTextRefused,
                "somebody, or the homeserver, sent a call in plain text; it was refused".to_owned(),
                "nothing to do: SecureCall never takes calls in plain text",
            ),
            ClientEvent::ReplayMemoryFailed(error) => warning(
                ErrorKind::StorageFailed,
                error.to_string(),
                "no call rings until the disk has room and the profile directory can be written; whoever calls meanwhile is shown as missed",
            ),
            ClientEvent::Offline(error @ ServerError::Store { .. }) => warning(
                ErrorKind::StorageFailed,
                error.to_string(),
                "no call comes in until the disk has room and the profile directory can be written; trying on",
            ),
            ClientEvent::Offline(error) => {
                tracing::info!(%error, "the homeserver is out of reach");
                Event::Offline
            }
            ClientEvent::Online => Event::Online,
            // The failure with which the command ends says it.
            ClientEvent::SessionEnded | ClientEvent::NoRandomness(_) => return None,
        })
    }

    /// Who runs the entry and the exit of a call that goes through relays of GhostNet.
    fn operators(&self, call: CallHandle, route: PathRoute) -> Option<(String, String)> {
        let (carried, [entry, exit]) = self.relays.as_ref()?;
        let is_carried = *carried == call && route == PathRoute::GhostNet;
        is_carried.then(|| (entry.clone(), exit.clone()))
    }

    fn tell_call(&mut self, event: &CallEvent) -> Option<Event> {
        self.follow_tier(event);
        Some(match event {
            CallEvent::Dialing { call, peer, tier } => Event::Dialing {
                call_id: call.to_string(),
                peer: self.to_peer(peer),
                tier: tier.as_str(),
                startup_ms: self.startup_ms(),
            },
            CallEvent::Incoming {
                call,
                peer,
                tier,
                accepted,
                conference,
            } => Event::Incoming {
                call_id: call.to_string(),
                peer: self.to_peer(peer),
                tier: tier.as_str(),
                answered: *accepted,
                group: conference.as_ref().map(|it| self.to_group(it)),
            },
            CallEvent::Inviting { call, peer } => Event::Inviting {
                call_id: call.to_string(),
                peer: self.to_peer(peer),
            },
            CallEvent::NoSignOfRinging { call } => Event::NoSignOfRinging {
                call_id: call.to_string(),
            },
            CallEvent::Ringing { call } => Event::Ringing {
                call_id: call.to_string(),
            },
            CallEvent::Replaced { call, by } => Event::Replaced {
                call_id: call.to_string(),
                by: by.to_string(),
            },
            CallEvent::Connected {
                call,
                peer,
                tier,
                route,
                safety_words,
                setup,
            } => {
                let (entry, exit) = self.operators(call.handle, *route).unzip();
                Event::Connected {
                    call_id: call.to_string(),
                    tier: tier.as_str(),
                    route: route.as_str(),
                    setup_ms: milliseconds(*setup),
                    safety_words: safety_words.map(|it| it.words().map(str::to_owned).to_vec()),
                    peer: self.to_peer(peer),
                    entry,
                    exit,
                }
            }
            CallEvent::FirstAudio { call, setup } => Event::FirstAudio {
                call_id: call.to_string(),
                setup_ms: milliseconds(*setup),
            },
            CallEvent::Muted { call, local, muted } => Event::Muted {
                call_id: Some(call.to_string()),
                muted: *muted,
                by: if *local { "self" } else { "peer" },
            },
            CallEvent::Held { call, local, held } => Event::Held {
                call_id: call.to_string(),
                held: *held,
                by: if *local { "self" } else { "peer" },
            },
            CallEvent::RouteChanged { call, route } => Event::RouteChanged {
                call_id: call.to_string(),
                route: route.as_str(),
            },
            CallEvent::Reconnecting { call } => Event::Reconnecting {
                call_id: call.to_string(),
            },
            CallEvent::Reconnected { call } => Event::Reconnected {
                call_id: call.to_string(),
            },
            CallEvent::AnsweredElsewhere { call } => Event::AnsweredElsewhere {
                call_id: call.to_string(),
            },
            CallEvent::Ended {
                call,
                reason,
                connected_for,
            } => Event::Ended {
                call_id: call.to_string(),
                reason: reason.as_str(),
                duration_ms: connected_for.map_or(0, milliseconds),
                tier: match self.standard == Some(call.handle) {
                    true => Tier::Matrix.as_str(),
                    false => Tier::SecureCall.as_str(),
                },
            },
            CallEvent::Missed {
                call,
                peer,
                why,
                calls,
            } => Event::Missed {
                call_id: call.to_string(),
                peer: self.to_peer(peer),
                why: why.as_str(),
                calls: *calls,
            },
            CallEvent::Refused {
                call,
                peer,
                why,
                calls,
            } => Event::Refused {
                call_id: call.to_string(),
                peer: self.to_peer(peer),
                why: why.as_str(),
                calls: *calls,
            },
            CallEvent::CallsOfOthers { calls } => Event::Notice {
                message: words_for_calls_of_others(*calls).into(),
            },
            CallEvent::Conference { conference, event } => {
                return self.tell_group(*conference, event);
            }
        })
    }

    fn follow_tier(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Dialing { call, tier, .. } | CallEvent::Incoming { call, tier, .. }
                if *tier == Tier::Matrix =>
            {
                self.standard = Some(call.handle);
            }
            CallEvent::Replaced { call, by } if self.standard == Some(call.handle) => {
                self.standard = Some(by.handle);
            }
            _ => {}
        }
    }

    /// From now on these contacts count as verified.
    pub(super) fn know_verified(&mut self, verified: BTreeSet<SecureCallId>) {
        self.verified = verified;
    }

    fn to_peer(&self, peer: &CallPeer) -> Peer {
        Peer::new(
            peer.id.as_ref(),
            &peer.matrix_id,
            peer.name.as_deref(),
            peer.new_address,
            peer.id.is_some_and(|id| self.verified.contains(&id)),
        )
        .on(peer.device_id.as_ref())
    }

    fn startup_ms(&self) -> u64 {
        milliseconds(now().saturating_duration_since(self.started_at))
    }
}

/// Which call an event is about, if it is about one.
fn call_of(event: &ClientEvent) -> Option<CallHandle> {
    Some(match event {
        ClientEvent::AudioStarted { call, .. }
        | ClientEvent::Carried { call, .. }
        | ClientEvent::Stats { call, .. } => call.handle,
        ClientEvent::Call(
            CallEvent::Dialing { call, .. }
            | CallEvent::Incoming { call, .. }
            | CallEvent::Inviting { call, .. }
            | CallEvent::NoSignOfRinging { call }
            | CallEvent::Ringing { call }
            | CallEvent::Connected { call, .. }
            | CallEvent::FirstAudio { call, .. }
            | CallEvent::Muted { call, .. }
            | CallEvent::Held { call, .. }
            | CallEvent::RouteChanged { call, .. }
            | CallEvent::Reconnecting { call }
            | CallEvent::Reconnected { call }
            | CallEvent::AnsweredElsewhere { call }
            | CallEvent::Ended { call, .. },
        ) => call.handle,
        ClientEvent::Call(CallEvent::Replaced { by, .. }) => by.handle,
        _ => return None,
    })
}

fn to_stats(call_id: String, stats: CallStats) -> Stats {
    Stats {
        call_id,
        rtt_ms: stats.rtt_ms.map(rounded),
        loss: stats.loss,
        jitter_ms: rounded(stats.jitter_ms),
        playout_delay_ms: rounded(stats.playout_delay_ms),
        frames_sent: stats.frames_sent,
        frames_received: stats.frames_received,
        frames_refused: stats.frames_refused,
        concealed_ms: rounded(stats.concealed_ms),
        microphone_ms: stats.microphone_ms.map(rounded),
        speaker_ms: stats.speaker_ms.map(rounded),
        bit_rate: stats.bit_rate,
        peer_loss: stats.peer_loss,
    }
}

/// To hundredths: what lies below is noise.
fn rounded(milliseconds: f64) -> f64 {
    (milliseconds * 100.0).round() / 100.0
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn warning(kind: ErrorKind, message: String, help: &str) -> Event {
    Event::Error {
        kind: kind.name(),
        message: message.into(),
        help: Some(help.into()),
    }
}
