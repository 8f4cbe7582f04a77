//! What the client's events are to scripts and people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use securecall_contact::SecureCallId;
use securecall_driver::{
    CallEvent, CallHandle, CallStats, ConferenceEvent, Event as ClientEvent, IncomingConference,
    NamedCall, NamedConference, PathRoute, Peer as CallPeer, Tier,
};
use securecall_matrix::ServerError;

use super::clock::now;
use crate::error::{ErrorKind, Failure};
use crate::output::{
    Event, GroupEvent, IncomingGroup, LegEvent, Peer, Stats, words_for_calls_of_others,
};

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
    /// Who is at the other end of each call that is not over, and which call that is.
    calls: BTreeMap<CallHandle, (NamedCall, CallPeer)>,
    /// The group call, and the calls that are its legs.
    group: Option<(NamedConference, BTreeSet<CallHandle>)>,
    /// Whether we are muted in it, as it was told: each leg says so, and once is enough.
    is_muted: Option<bool>,
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
            calls: BTreeMap::new(),
            group: None,
            is_muted: None,
        }
    }

    /// What is to be told about an event.
    pub(super) fn tell(&mut self, event: &ClientEvent) -> Option<Event> {
        if let ClientEvent::Call(event) = event {
            self.follow_call(event);
        }
        let leg = call_of(event).and_then(|call| self.leg(call));
        let told = self.tell_any(event);
        if let ClientEvent::Call(CallEvent::Ended { call, .. }) = event {
            self.forget(call.handle);
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
                group: conference.as_ref().map(|it| self.to_group(it, peer)),
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
                call_id: call.to_string(),
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

    /// What is to be told of a group call.
    fn tell_group(&self, conference: NamedConference, event: &ConferenceEvent) -> Option<Event> {
        let conference_id = conference.to_string();
        Some(Event::Group(match event {
            ConferenceEvent::Began { call } => GroupEvent::Conference {
                conference_id,
                call_id: call.as_ref().map(NamedCall::to_string),
            },
            // The leg's own events say it.
            ConferenceEvent::Leg { .. } => return None,
            ConferenceEvent::Invited { peer, by } => GroupEvent::MemberInvited {
                conference_id,
                peer: self.to_peer(peer),
                by: by.as_ref().map(|by| self.to_peer(by)),
            },
            ConferenceEvent::Joined {
                call,
                peer,
                brought_by,
            } => GroupEvent::MemberJoined {
                conference_id,
                call_id: call.to_string(),
                peer: self.to_peer(peer),
                brought_by: brought_by.as_ref().map(|by| self.to_peer(by)),
            },
            ConferenceEvent::Left { peer, why } => GroupEvent::MemberLeft {
                conference_id,
                peer: self.to_peer(peer),
                why: why.as_str(),
            },
            ConferenceEvent::NoPath { peer } => GroupEvent::MemberNoPath {
                conference_id,
                peer: self.to_peer(peer),
            },
            // No command joins the group call of a room.
            ConferenceEvent::Keeps(_)
            | ConferenceEvent::SealedInstead { .. }
            | ConferenceEvent::InClearRefused { .. } => return None,
            ConferenceEvent::Words(words) => GroupEvent::GroupWords {
                conference_id,
                words: words.words().map(str::to_owned).to_vec(),
            },
            ConferenceEvent::Replaced { by } => GroupEvent::ConferenceReplaced {
                conference_id,
                by: by.to_string(),
            },
            ConferenceEvent::Ended {
                reason,
                connected_for,
            } => GroupEvent::ConferenceEnded {
                conference_id,
                reason: reason.as_str(),
                duration_ms: connected_for.map_or(0, milliseconds),
            },
        }))
    }

    /// In a call of two, who speaks is no news.
    fn tell_speaking(&self, call: CallHandle, speaking: bool) -> Option<Event> {
        let (conference_id, peer) = self.leg(call)?;
        let (named, _) = self.calls.get(&call)?;
        Some(Event::Group(GroupEvent::Speaking {
            conference_id,
            call_id: named.to_string(),
            peer,
            speaking,
        }))
    }

    /// The group call that somebody calls us to, without them and ourselves.
    fn to_group(&self, asked: &IncomingConference, caller: &CallPeer) -> IncomingGroup {
        let others = asked.members.iter();
        let others =
            others.filter(|it| it.id != caller.id && it.matrix_id.as_str() != self.matrix_id);
        IncomingGroup {
            conference_id: asked.conference.to_string(),
            members: others.map(|it| self.to_peer(it)).collect(),
        }
    }

    /// Of which group call a call is a leg, and with whom.
    fn leg(&self, call: CallHandle) -> Option<(String, Peer)> {
        let (conference, legs) = self.group.as_ref()?;
        let (_, peer) = self.calls.get(&call).filter(|_| legs.contains(&call))?;
        Some((conference.to_string(), self.to_peer(peer)))
    }

    /// Keeps up with who is at the other end of calls, and which are legs.
    fn follow_call(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Dialing { call, peer, .. }
            | CallEvent::Incoming { call, peer, .. }
            | CallEvent::Connected { call, peer, .. } => {
                self.calls.insert(call.handle, (call.clone(), peer.clone()));
            }
            CallEvent::Replaced { call, by } => self.replace(call.handle, by),
            CallEvent::Conference { conference, event } => match event {
                ConferenceEvent::Began { call } => {
                    let legs = call.iter().map(|call| call.handle).collect();
                    self.group = Some((*conference, legs));
                    self.is_muted = None;
                }
                ConferenceEvent::Leg { call, peer } => {
                    self.calls.insert(call.handle, (call.clone(), peer.clone()));
                    if let Some((_, legs)) = &mut self.group {
                        legs.insert(call.handle);
                    }
                }
                ConferenceEvent::Ended { .. } | ConferenceEvent::Replaced { .. } => {
                    self.group
                        .take_if(|(ours, _)| ours.handle == conference.handle);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn replace(&mut self, call: CallHandle, by: &NamedCall) {
        if let Some((_, peer)) = self.calls.remove(&call) {
            self.calls.insert(by.handle, (by.clone(), peer));
        }
        if let Some((_, legs)) = &mut self.group
            && legs.remove(&call)
        {
            legs.insert(by.handle);
        }
    }

    fn forget(&mut self, call: CallHandle) {
        self.calls.remove(&call);
        if let Some((_, legs)) = &mut self.group {
            legs.remove(&call);
        }
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

#[cfg(test)]
mod tests {
    use securecall_contact::{MatrixId, SecureCallId};
    use securecall_crypto::IdentityKey;
    use securecall_driver::{
        CallHandles, ConferenceHandles, ConferenceId, EndReason, PathRoute, WireCallId,
    };
    use serde_json::{Value, json};

    use super::*;

    fn call() -> NamedCall {
        NamedCall {
            handle: CallHandles::default().issue(),
            id: WireCallId::parse("0123456789abcdef0123456789abcdef").unwrap(),
        }
    }

    fn peer() -> CallPeer {
        let id = SecureCallId::new(&IdentityKey::from_bytes([7; 32]).unwrap());
        let matrix_id: MatrixId = "@ada:example.org".parse().unwrap();
        CallPeer {
            id: Some(id),
            matrix_id,
            name: Some("Ada".to_owned()),
            new_address: false,
            device_id: None,
        }
    }

    fn told(event: &ClientEvent) -> Value {
        let mut narrator = Narrator::new(now(), "@me:example.org".to_owned());
        serde_json::to_value(narrator.tell(event).unwrap()).unwrap()
    }

    #[test]
    fn a_peer_has_id_address_and_name() {
        let event = told(&ClientEvent::Call(CallEvent::Dialing {
            call: call(),
            peer: peer(),
            tier: Tier::SecureCall,
        }));
        assert_eq!(event["event"], "dialing");
        assert_eq!(event["peer"]["id"], peer().id.unwrap().to_string());
        assert_eq!(event["peer"]["matrix_id"], "@ada:example.org");
        assert_eq!(event["peer"]["name"], "Ada");
        assert!(event["startup_ms"].is_u64());
    }

    #[test]
    fn a_call_that_never_connected_lasted_no_time() {
        let ended = |connected_for| {
            told(&ClientEvent::Call(CallEvent::Ended {
                call: call(),
                reason: EndReason::Declined,
                connected_for,
            }))
        };
        let expected = json!({"event": "ended", "call_id": call().to_string(), "reason": "declined", "duration_ms": 0});
        assert_eq!(ended(None), expected);
        assert_eq!(
            ended(Some(Duration::from_millis(1500)))["duration_ms"],
            1500
        );
    }

    #[test]
    fn legs_say_of_whom_they_are_and_that_we_are_muted_once() {
        let mut narrator = Narrator::new(now(), "@me:example.org".to_owned());
        let conference = NamedConference {
            handle: ConferenceHandles::default().issue(),
            id: ConferenceId::from_random([0xab; 16]),
        };
        let mut tell = |event| {
            let told = narrator.tell(&ClientEvent::Call(event));
            told.map(|told| serde_json::to_value(told).unwrap())
        };
        let of_group = |event| CallEvent::Conference { conference, event };
        let began = tell(of_group(ConferenceEvent::Began { call: None })).unwrap();
        let id = "ab".repeat(16);
        assert_eq!(
            began,
            json!({"event": "conference", "conference_id": id, "call_id": null})
        );
        let leg = of_group(ConferenceEvent::Leg {
            call: call(),
            peer: peer(),
        });
        assert_eq!(tell(leg), None);
        let ringing = tell(CallEvent::Ringing { call: call() }).unwrap();
        assert_eq!(
            (&ringing["conference_id"], &ringing["peer"]["name"]),
            (&json!(id), &json!("Ada"))
        );
        let muted = |local| CallEvent::Muted {
            call: call(),
            local,
            muted: true,
        };
        let told = tell(muted(true)).unwrap();
        assert_eq!((&told["by"], told.get("peer")), (&json!("self"), None));
        assert_eq!(tell(muted(true)), None);
        assert_eq!(tell(muted(false)).unwrap()["peer"]["name"], "Ada");
        // After its end the call is nobody's.
        let ended = tell(CallEvent::Ended {
            call: call(),
            reason: EndReason::RemoteHangup,
            connected_for: None,
        });
        assert_eq!(ended.unwrap()["peer"]["name"], "Ada");
        let ringing = tell(CallEvent::Ringing { call: call() }).unwrap();
        assert_eq!(ringing.get("conference_id"), None);
    }

    #[test]
    fn stats_have_the_fields_of_the_contract() {
        let event = told(&ClientEvent::Stats {
            call: call(),
            stats: CallStats {
                loss: 0.25,
                bit_rate: 32_000,
                peer_loss: Some(0.02),
                ..CallStats::default()
            },
        });
        for field in [
            "rtt_ms",
            "loss",
            "jitter_ms",
            "playout_delay_ms",
            "frames_sent",
            "frames_received",
            "frames_refused",
            "concealed_ms",
            "microphone_ms",
            "speaker_ms",
            "bit_rate",
            "peer_loss",
        ] {
            assert!(event.get(field).is_some(), "{field}");
        }
        assert_eq!(event["loss"], 0.25);
        assert_eq!(
            (&event["bit_rate"], &event["peer_loss"]),
            (&json!(32_000), &json!(0.02))
        );
        assert_eq!(PathRoute::Direct.as_str(), "direct");
    }
}
