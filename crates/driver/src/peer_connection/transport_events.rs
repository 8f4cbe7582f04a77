//! What the transport tells: a path, a message, a frame.

use securecall_media::{PathKind, ReceivedFrame, ReceivedPacket, Transport, TransportEvent};
use securecall_session::{MediaEvent, PathRoute, Route};
use web_time::Instant;

use super::peer_voice::PeerVoice;
use super::{PeerConnection, SILENCE, STATS_INTERVAL};
use crate::clock;
use crate::event::Event;
use crate::ghostnet::Carriers;

impl PeerConnection {
    /// Takes what the transport tells.
    pub(super) fn handle_event(&mut self, event: TransportEvent) {
        let now = clock::now();
        match event {
            TransportEvent::PathChanged { kind, pair } => {
                self.gathering.prefer_peer(now, pair.local, pair.remote);
                self.follow_sources(now);
                if let Some(PeerVoice::Rtp(voice)) = &mut self.voice {
                    voice.path_changed();
                }
                let route = path_route(kind, self.gathering.route());
                self.tell_carriers(route);
                self.outputs.event(MediaEvent::RouteChanged { route });
            }
            TransportEvent::PathUp { kind, pair } => {
                if let Some(pair) = pair {
                    self.gathering.prefer_peer(now, pair.local, pair.remote);
                    self.follow_sources(now);
                }
                self.stats_at = Some(now + STATS_INTERVAL);
                let route = path_route(kind, self.gathering.route());
                self.tell_carriers(route);
                self.outputs.event(MediaEvent::PathUp { route });
            }
            TransportEvent::PathLost => self.path_is_lost(),
            TransportEvent::PathSilent => self.path_is_silent(now),
            // The endpoint has its own rule for a dead path: no authenticated packet for 3 s.
            TransportEvent::PathDown => {
                tracing::debug!("no candidate pair works");
                // A relay may have been started anew, and know nothing of us.
                self.gathering.check(now);
                self.follow_sources(now);
            }
            TransportEvent::ChannelOpen => self.outputs.event(MediaEvent::DataChannelOpen),
            TransportEvent::Control(bytes) => {
                self.authenticated(now);
                self.outputs.control(bytes);
            }
            TransportEvent::Frame(frame) => self.take_frame(now, frame),
            TransportEvent::Packet(packet) => self.take_packet(now, &packet),
            TransportEvent::PeerReport(report) => {
                if let Some(PeerVoice::Rtp(voice)) = &mut self.voice {
                    voice.handle_report(report);
                }
            }
            TransportEvent::RoundTrip(round_trip) => {
                if let Some(PeerVoice::Rtp(voice)) = &mut self.voice {
                    voice.handle_round_trip(round_trip);
                }
            }
            // Of a peer without sealed frames nobody can say more. Otherwise frames and control messages say the same, end to end.
            TransportEvent::AuthenticatedPacket => {
                if matches!(self.voice, Some(PeerVoice::Rtp(_))) {
                    self.authenticated(now);
                }
            }
            TransportEvent::Closed => self.outputs.event(MediaEvent::DataChannelClosed),
        }
    }

    fn take_frame(&mut self, now: Instant, mut frame: ReceivedFrame) {
        let Some(PeerVoice::Sealed(voice)) = &mut self.voice else {
            return;
        };
        if voice.handle_frame(now, &mut frame).is_ok() {
            if self.told.first_frame() {
                self.heard_at = Some(now);
                self.outputs.event(MediaEvent::FirstFrameOpened);
            }
            self.authenticated(now);
        }
    }

    /// A packet of the peer, protected by the transport alone, which has said that it is the peer's.
    fn take_packet(&mut self, now: Instant, packet: &ReceivedPacket) {
        if let Some(PeerVoice::Rtp(voice)) = &mut self.voice
            && voice.handle_packet(now, packet)
            && self.told.first_frame()
        {
            self.heard_at = Some(now);
            self.outputs.event(MediaEvent::FirstFrameOpened);
        }
    }

    /// A peer that need not say anything while nobody speaks still answers checks.
    pub(super) fn count_answers(&mut self, now: Instant) {
        let answered = self.transport.as_ref().and_then(Transport::last_answer);
        if matches!(self.voice, Some(PeerVoice::Rtp(_))) && answered > self.answered_at {
            self.answered_at = answered;
            self.authenticated(now);
        }
    }

    pub(super) fn authenticated(&mut self, now: Instant) {
        self.silent_at = Some(now + SILENCE);
        // What comes in says nothing of what goes out: where our own packets lead nowhere, the peer hears nothing, and neither
        // control messages nor a restart get there by this path.
        if self.transport.as_ref().is_some_and(Transport::is_path_lost) {
            return;
        }
        self.path_lost = false;
        if self.told.authenticated(now) {
            self.outputs.event(MediaEvent::AuthenticatedPacket);
        }
    }

    /// Tells whose relays carry the call.
    fn tell_carriers(&self, route: PathRoute) {
        let carriers = self.ghostnet.as_ref().map(|(_, carriers)| carriers);
        if route == PathRoute::GhostNet
            && let Some([entry, exit]) = carriers.and_then(Carriers::operators)
        {
            self.outputs.tell(|call| Event::Carried {
                call: call.clone(),
                entry: entry.clone(),
                exit: exit.clone(),
            });
        }
    }
}

/// On GhostNet every candidate of ours is one of its exits.
const fn path_route(kind: PathKind, route: Route) -> PathRoute {
    match kind {
        PathKind::Direct => PathRoute::Direct,
        PathKind::Relay if matches!(route, Route::GhostNet) => PathRoute::GhostNet,
        PathKind::Relay => PathRoute::Relay,
    }
}
