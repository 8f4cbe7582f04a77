//! What the engine wants sent and tells: taken from it after every mutation, and made into what the transport puts out.

use std::{net::SocketAddr, time::Duration};

use str0m::{Event, IceConnectionState, Output, Reason, Rtc, net::Transmit};
use tracing::debug;
use web_time::Instant;

use super::early_flights::Shown;
use super::event::{Datagram, ReceivedFrame, SelectedPair, TransportEvent, TransportOutput};
use super::negotiation::CHANNEL_LABEL;
use super::{AUTHENTICATED_INTERVAL, Transport, TransportError};

/// Pairs checked at once when candidates arrive, before pacing begins.
const CHECK_BURST: usize = 8;
/// Pacing of connectivity checks (RFC 8445 section 14.2 allows 5 ms; str0m's own is 50 ms).
const CHECK_PACING: Duration = Duration::from_millis(5);
/// str0m's pacing: a deadline this near means that a check waits only for it.
const STR0M_PACING: Duration = Duration::from_millis(50);
/// The most datagrams that the engine sends at one moment. DTLS 1.3 of dimpl 0.9 repeats its last flight without end and without
/// waiting when the peer's part of the handshake is broken in certain places; a call sends a handful.
const MAX_SENT_AT_ONCE: usize = 1000;
/// The most datagrams that DTLS sends at one moment before there is a pair. A flight is two.
const MAX_EARLY: usize = 64;
/// str0m's "never" is decades away.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

impl Transport {
    pub(super) fn is_checking(&self) -> bool {
        matches!(
            self.ice,
            IceConnectionState::New | IceConnectionState::Checking
        )
    }

    /// Checks the pairs that are due at once instead of one in 50 ms.
    pub(super) fn check(&mut self, now: Instant) -> Result<(), TransportError> {
        for _ in 0..CHECK_BURST {
            let before = self.outputs.len();
            self.handle_timeout(now)?;
            if self.outputs.len() == before {
                break;
            }
        }
        Ok(())
    }

    /// Drains the engine, as it must be after every mutation.
    pub(super) fn settle(&mut self, now: Instant) -> Result<(), TransportError> {
        self.engine.dtls.set_now(now);
        let (mut sent, mut flight) = (0, Vec::new());
        loop {
            let output = |rtc: &mut Rtc| Ok((rtc.poll_output()?, rtc.last_timeout_reason()));
            match self.engine.run(output)? {
                (Output::Timeout(at), reason) => {
                    let early = self.engine.dtls.take_early();
                    if early.is_empty() {
                        self.send_early(flight);
                        self.drained(now, at, reason);
                        return Ok(());
                    }
                    // The engine gives one datagram of a flight at a time.
                    flight.extend(early);
                    if flight.len() > MAX_EARLY {
                        return Err(self.break_handshake());
                    }
                }
                (Output::Transmit(transmit), _) => {
                    sent += 1;
                    if sent > MAX_SENT_AT_ONCE {
                        return Err(self.break_handshake());
                    }
                    self.transmit(now, &transmit);
                }
                (Output::Event(event), _) => self.on_event(now, event),
            }
        }
    }

    /// A broken handshake, which the engine may repeat without end.
    fn break_handshake(&mut self) -> TransportError {
        self.engine.let_go();
        TransportError::HandshakeBroken
    }

    /// Only when all is drained: while a better pair takes over, datagrams go by both.
    fn drained(&mut self, now: Instant, at: Instant, reason: Reason) {
        self.deadline = self.next_deadline(now, at, reason);
        // Not before `PathUp`, which names the first.
        if self.path_up
            && let Some((kind, pair)) = self.nomination.news()
        {
            self.emit(TransportEvent::PathChanged { kind, pair });
        }
    }

    fn transmit(&mut self, now: Instant, transmit: &Transmit) {
        let contents = transmit.contents.to_vec();
        let pair = SelectedPair {
            local: transmit.source,
            remote: transmit.destination,
        };
        let Some(pair) = self.way_of(now, pair, &contents) else {
            return;
        };
        self.outputs.push_back(TransportOutput::Transmit(Datagram {
            source: pair.local,
            destination: pair.remote,
            contents,
        }));
        // Behind the datagram that shows where it can go.
        self.follow_check(transmit.source, transmit.destination, &transmit.contents);
        // What was sent may have shown which pair the engine sends over.
        self.bring_up();
    }

    fn next_deadline(&self, now: Instant, at: Instant, reason: Reason) -> Option<Instant> {
        let wait = at.saturating_duration_since(now);
        if wait > NEVER {
            return None;
        }
        let paced = reason == Reason::Ice && self.is_checking() && wait <= STR0M_PACING;
        Some(if paced {
            at.min(now + CHECK_PACING)
        } else {
            at
        })
    }

    fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => {
                debug!("dtls is up");
                self.dtls_up = true;
                self.bring_up();
            }
            Event::IceConnectionStateChange(state) => {
                debug!(?state, "ice");
                self.ice = state;
                if state.is_connected() && !self.engine.dtls.has_nominated_pair() {
                    let last_flight = self.early.end();
                    self.engine.dtls.use_nominated_pair(last_flight);
                }
                if state == IceConnectionState::Disconnected {
                    self.emit(TransportEvent::PathDown);
                }
            }
            Event::MediaAdded(added) => self.mid = Some(added.mid),
            Event::ChannelOpen(id, label) if label == CHANNEL_LABEL && self.channel.is_none() => {
                self.channel = Some(id);
                // With SNAP the association is up before there is a path.
                if self.path_up {
                    self.emit(TransportEvent::ChannelOpen);
                }
            }
            // Only what is on our channel: another one has no meaning between us.
            Event::ChannelData(data) if Some(data.id) == self.channel => {
                self.authenticated(now);
                self.emit(TransportEvent::Control(data.data));
            }
            Event::RtpPacket(packet) if self.browser.is_some() => {
                self.authenticated(now);
                self.take_packet(&packet);
            }
            Event::MediaEgressStats(stats) => self.take_peer_report(&stats),
            Event::RtpPacket(packet) => {
                self.authenticated(now);
                self.emit(TransportEvent::Frame(ReceivedFrame {
                    sequence: *packet.seq_no,
                    media_time: packet.time.numer(),
                    payload: packet.payload.to_vec(),
                }));
            }
            Event::PeerStats(stats) => {
                if let Some(pair) = stats.selected_candidate_pair {
                    self.stats.rtt = pair.current_round_trip_time;
                    self.tell_round_trip();
                }
            }
            Event::Closed => self.emit(TransportEvent::Closed),
            _ => {}
        }
    }

    /// The path is up as soon as there are keys, and a pair that the engine sends over. What it sends shows which: if nothing
    /// else, the last flight of the handshake, which goes over it once more. A peer's checks may be faster than its word where it
    /// is, and only that tells what kind of path this is.
    pub(super) fn bring_up(&mut self) {
        let has_pair = self.ice.is_connected() && self.nomination.pair().is_some();
        if self.path_up || !self.dtls_up || !has_pair || !self.is_told {
            return;
        }
        self.path_up = true;
        // What it tells is no change.
        self.nomination.news();
        self.emit(TransportEvent::PathUp {
            kind: self.nomination.kind(),
            pair: self.nomination.pair(),
        });
        if self.channel.is_some() {
            self.emit(TransportEvent::ChannelOpen);
        }
    }

    /// The engine has sent a datagram: if that was a check or the answer to one, a flight of DTLS may follow it.
    fn follow_check(&mut self, local: SocketAddr, remote: SocketAddr, contents: &[u8]) {
        let Some(shown) = Shown::by(contents) else {
            return;
        };
        if self.engine.dtls.has_nominated_pair() {
            return;
        }
        match shown {
            Shown::Tried => self.engine.dtls.try_addresses(),
            Shown::Live => self.engine.dtls.use_live_pairs(),
        }
        let datagrams = self.early.shown(shown, local, remote);
        self.transmit_early(datagrams);
    }

    /// DTLS has made a flight, and there is no nominated pair for it.
    fn send_early(&mut self, flight: Vec<Vec<u8>>) {
        if !flight.is_empty() {
            let datagrams = self.early.send(flight);
            self.transmit_early(datagrams);
        }
    }

    fn transmit_early(&mut self, datagrams: Vec<Datagram>) {
        if !datagrams.is_empty() {
            debug!(
                datagrams = datagrams.len(),
                "a flight of DTLS before there is a pair"
            );
        }
        let transmits = datagrams.into_iter().map(TransportOutput::Transmit);
        self.outputs.extend(transmits);
    }

    fn authenticated(&mut self, now: Instant) {
        self.heard = true;
        let recent = self
            .authenticated_at
            .is_some_and(|at| now.saturating_duration_since(at) < AUTHENTICATED_INTERVAL);
        if !recent {
            self.authenticated_at = Some(now);
            self.emit(TransportEvent::AuthenticatedPacket);
        }
    }

    pub(super) fn emit(&mut self, event: TransportEvent) {
        self.outputs.push_back(TransportOutput::Event(event));
    }
}
