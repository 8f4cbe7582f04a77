//! The WebRTC transport of one call: ICE, DTLS, SRTP and the data channel, by str0m.
//!
//! [`Transport`] is sans-IO: datagrams, time and commands go in, and [`Transport::poll_output`] says what to send and what
//! happened. It carries sealed frames as RTP payloads and control messages on one data channel; it can open neither.
//!
//! Call [`Transport::poll_output`] until [`TransportOutput::Timeout`] after every other call.

mod candidate;
mod check_sources;
mod description;
mod dtls;
mod early_flights;
mod error;
mod event;
mod nomination;
mod reach;
mod roaming;
mod selection;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Reason, Rtc, RtcConfig,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    config::DtlsVersion,
    media::{Direction, MediaKind, Mid, Pt},
    net::{Protocol, Receive},
    rtp::RtpWrite,
};
use tracing::{debug, warn};
use web_time::Instant;

use candidate::{Advertised, parse_remote, without_fragment};
pub use candidate::{CandidateKind, LocalCandidate, MAX_CANDIDATE_LEN, MAX_REMOTE_CANDIDATES};
use check_sources::CheckSources;
use description::{Description, with_one_fingerprint};
pub use description::{Fingerprint, MAX_DESCRIPTION_LEN};
use dtls::DtlsHandshake;
use early_flights::{EarlyFlights, Shown};
pub use error::TransportError;
pub use event::{
    Datagram, PathKind, ReceivedFrame, SelectedPair, TransportEvent, TransportOutput,
    TransportStats,
};
use nomination::Nomination;
pub use reach::Reach;
use selection::Selection;

/// By this label the engine says which data channel has opened.
const CHANNEL_LABEL: &str = "securecall";
/// The SCTP stream of the data channel, agreed here instead of by DCEP, whose messages would have to arrive first.
const CHANNEL_STREAM: u16 = 0;
/// First retransmission of a connectivity check: a host on the same network has answered long before.
const INITIAL_STUN_RTO: Duration = Duration::from_millis(50);
/// Checks of a pair come no further apart than this, so that a path that returns is found within a second.
const MAX_STUN_RTO: Duration = Duration::from_secs(1);
/// 50 + 100 + … + 800 ms and then a check each second: pairs are tried longer than the 30 s a call waits for its path. It is also
/// how often an address that never answers is sent to, from each candidate of ours.
const MAX_STUN_RETRANSMITS: usize = 35;
/// Pairs checked at once when candidates arrive, before pacing begins.
const CHECK_BURST: usize = 8;
/// Pacing of connectivity checks (RFC 8445 section 14.2 allows 5 ms; str0m's own is 50 ms).
const CHECK_PACING: Duration = Duration::from_millis(5);
/// str0m's pacing: a deadline this near means that a check waits only for it.
const STR0M_PACING: Duration = Duration::from_millis(50);
/// [`TransportEvent::AuthenticatedPacket`] comes at most this often, and so does whatever is told of it.
pub const AUTHENTICATED_INTERVAL: Duration = Duration::from_millis(250);
/// The most datagrams that the engine sends at one moment. DTLS 1.3 of dimpl 0.9 repeats its last flight without end and without
/// waiting when the peer's part of the handshake is broken in certain places; a call sends a handful.
const MAX_SENT_AT_ONCE: usize = 1000;
/// An offer that leaves to the other end who begins the DTLS handshake, and one that does not (RFC 8842).
const SETUP_ANY: &str = "a=setup:actpass";
const SETUP_PASSIVE: &str = "a=setup:passive";
/// The most datagrams that DTLS sends at one moment before there is a pair. A flight is two.
const MAX_EARLY: usize = 64;
/// How a datagram of DTLS begins (RFC 7983).
const DTLS: RangeInclusive<u8> = 20..=63;
/// str0m's "never" is decades away.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// The WebRTC transport of one call.
pub struct Transport {
    /// `None` after [`Transport::close`] or a failure.
    rtc: Option<Box<Rtc>>,
    dtls: DtlsHandshake,
    early: EarlyFlights,
    /// The handshake is done, perhaps before there is a nominated pair.
    dtls_up: bool,
    reach: Reach,
    local_fingerprint: Fingerprint,
    remote_fingerprint: Option<Fingerprint>,
    pending: Option<SdpPendingOffer>,
    mid: Option<Mid>,
    payload_type: Option<Pt>,
    channel: Option<ChannelId>,
    advertised: Advertised,
    /// Candidates of ours that the engine has.
    local_candidates: Vec<LocalCandidate>,
    remote_candidates: usize,
    /// Candidates of the peer that came by themselves, and when.
    trickled: VecDeque<(Instant, Candidate)>,
    /// The peer has told any address, usable or not.
    is_told: bool,
    check_sources: CheckSources,
    /// What the peer has named and nobody has asked for yet.
    named: Vec<SocketAddr>,
    ice: IceConnectionState,
    path_up: bool,
    next_sequence: u64,
    authenticated_at: Option<Instant>,
    nomination: Nomination,
    selection: Selection,
    /// A packet of the peer was authenticated since this was last looked at.
    heard: bool,
    stats: TransportStats,
    outputs: VecDeque<TransportOutput>,
    deadline: Option<Instant>,
}

impl Transport {
    /// A transport with a certificate of its own, made for this call alone. `reach` says where the peer may be.
    ///
    /// # Errors
    /// [`TransportError::EnginePanicked`] if no certificate could be made.
    pub fn new(now: Instant, reach: Reach) -> Result<Self, TransportError> {
        let mut config = RtcConfig::new()
            .clear_codecs()
            .enable_opus(true, false)
            .clear_extension_map()
            .set_rtp_mode(true)
            // The data channel needs no SCTP handshake of its own (draft-hancke-tsvwg-snap): two round trips less, and
            // none of SCTP's 3 s time-outs where packets get lost.
            .set_snap_enabled(true)
            // One round trip less than 1.2, and both ends are ours.
            .set_dtls_version(DtlsVersion::Dtls13)
            .set_crypto_provider(Arc::new(DtlsHandshake::crypto_provider()))
            .set_stats_interval(Some(Duration::from_secs(1)));
        config.set_initial_stun_rto(INITIAL_STUN_RTO);
        config.set_max_stun_rto(MAX_STUN_RTO);
        config.set_max_stun_retransmits(MAX_STUN_RETRANSMITS);
        let dtls = DtlsHandshake::new(now);
        let (rtc, local_fingerprint) = catch_unwind(AssertUnwindSafe(|| {
            let mut rtc = dtls.make(|| config.build(now));
            let fingerprint = Fingerprint::try_from(rtc.direct_api().local_dtls_fingerprint());
            fingerprint.map(|fingerprint| (Box::new(rtc), fingerprint))
        }))
        .map_err(|_| TransportError::EnginePanicked)??;
        Ok(Self {
            rtc: Some(rtc),
            dtls,
            early: EarlyFlights::default(),
            dtls_up: false,
            reach,
            local_fingerprint,
            remote_fingerprint: None,
            pending: None,
            mid: None,
            payload_type: None,
            channel: None,
            advertised: Advertised::default(),
            local_candidates: Vec::new(),
            remote_candidates: 0,
            trickled: VecDeque::new(),
            is_told: false,
            check_sources: CheckSources::default(),
            named: Vec::new(),
            ice: IceConnectionState::New,
            path_up: false,
            next_sequence: 1,
            authenticated_at: None,
            nomination: Nomination::default(),
            selection: Selection::default(),
            heard: false,
            stats: TransportStats::default(),
            outputs: VecDeque::new(),
            deadline: None,
        })
    }

    /// An offer of one audio m-line and one data channel. It has no candidate in it.
    ///
    /// # Errors
    /// [`TransportError::Misuse`] if there was an offer or answer before; see [`TransportError`] for the rest.
    pub fn create_offer(&mut self, now: Instant) -> Result<String, TransportError> {
        if self.mid.is_some() || self.pending.is_some() || self.remote_fingerprint.is_some() {
            return Err(TransportError::Misuse);
        }
        let (offer, pending, mid) = self.engine(|rtc| {
            let mut changes = rtc.sdp_api();
            let mid = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
            changes.add_channel_with_config(channel_config());
            let (offer, pending) = changes.apply().ok_or(TransportError::Misuse)?;
            Ok((offer.to_sdp_string(), pending, mid))
        })?;
        self.pending = Some(pending);
        self.mid = Some(mid);
        self.set_controlling(false)?;
        self.settle(now)?;
        Ok(with_one_fingerprint(&offer))
    }

    /// Takes the peer's first offer and gives the answer, which has no candidate in it unless some were added before.
    ///
    /// # Errors
    /// [`TransportError`]: what is wrong with the offer.
    pub fn accept_offer(&mut self, now: Instant, sdp: &str) -> Result<String, TransportError> {
        if self.mid.is_some() || self.pending.is_some() {
            return Err(TransportError::Misuse);
        }
        let answer = self.apply_offer(now, sdp)?;
        self.engine(|rtc| {
            rtc.direct_api().create_data_channel(channel_config());
            Ok(())
        })?;
        self.set_controlling(true)?;
        self.settle(now)?;
        Ok(answer)
    }

    /// Takes the peer's answer to the last offer of ours, first or restart.
    ///
    /// # Errors
    /// [`TransportError`]: what is wrong with the answer.
    pub fn set_answer(&mut self, now: Instant, sdp: &str) -> Result<(), TransportError> {
        let description = self.check_description(sdp)?;
        let answer = self.parse(|| SdpAnswer::from_sdp_string(&description.text))?;
        // Last, so that an answer that cannot be read leaves the offer open for the true one.
        let pending = self.pending.take().ok_or(TransportError::Misuse)?;
        self.engine(|rtc| Ok(rtc.sdp_api().accept_answer(pending, answer)?))?;
        self.described(now, description)?;
        self.settle(now)
    }

    /// An offer that restarts ICE, with all our candidates in it. Media goes on over the old pair meanwhile.
    ///
    /// # Errors
    /// [`TransportError::Misuse`] before the first offer and answer are through.
    pub fn create_restart_offer(&mut self, now: Instant) -> Result<String, TransportError> {
        if self.remote_fingerprint.is_none() {
            return Err(TransportError::Misuse);
        }
        let (offer, pending) = self.engine(|rtc| {
            let mut changes = rtc.sdp_api();
            changes.ice_restart(true);
            let (offer, pending) = changes.apply().ok_or(TransportError::Misuse)?;
            Ok((offer.to_sdp_string(), pending))
        })?;
        self.pending = Some(pending);
        self.settle(now)?;
        Ok(with_one_fingerprint(
            &self.advertised.rewrite_description(&offer),
        ))
    }

    /// Takes the peer's restart offer and gives the answer, with all our candidates in it.
    ///
    /// # Errors
    /// [`TransportError`]: what is wrong with the offer; another fingerprint than the call's is
    /// [`TransportError::FingerprintChanged`].
    pub fn accept_restart_offer(
        &mut self,
        now: Instant,
        sdp: &str,
    ) -> Result<String, TransportError> {
        if self.remote_fingerprint.is_none() {
            return Err(TransportError::Misuse);
        }
        let answer = self.apply_offer(now, sdp)?;
        self.pending = None;
        Ok(answer)
    }

    /// Adds a candidate of ours. Gives it as the peer is told, as in an `a=` line without the `a=`.
    ///
    /// # Errors
    /// [`TransportError::Candidate`] if the address cannot be one.
    pub fn add_local_candidate(
        &mut self,
        now: Instant,
        local: LocalCandidate,
    ) -> Result<String, TransportError> {
        let candidate = local.to_engine()?;
        if local.kind == CandidateKind::Relay {
            self.nomination.local_relay(local.base);
        }
        let line = self.engine(|rtc| {
            let added = rtc.add_local_candidate(candidate);
            Ok(added.map(Candidate::to_sdp_string))
        })?;
        self.settle(now)?;
        self.check(now)?;
        if local.kind == CandidateKind::Host {
            self.advertised.insert(local.base, local.address);
        }
        let line = line.ok_or(TransportError::Candidate)?;
        self.local_candidates.push(local);
        // In a restart the engine has its next fragment only with the answer, and the peer has it before.
        Ok(without_fragment(&self.advertised.rewrite_candidate(&line)))
    }

    /// Addresses that the peer has named since the last time, in candidates and in descriptions: where a relay of ours has
    /// to let packets through.
    pub fn take_named_addresses(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.named)
    }

    /// Adds a candidate of the peer, as in an `a=` line without the `a=`.
    ///
    /// # Errors
    /// [`TransportError::Candidate`] if it is malformed, not UDP, nowhere a peer can be ([`Reach`]), or one too many.
    pub fn add_remote_candidate(&mut self, now: Instant, line: &str) -> Result<(), TransportError> {
        self.is_told = true;
        if self.remote_candidates >= MAX_REMOTE_CANDIDATES {
            return Err(TransportError::Candidate);
        }
        let candidate = self.parse(|| parse_remote(line, self.reach))?;
        self.remote_candidates += 1;
        if self.trickled.len() >= MAX_REMOTE_CANDIDATES {
            self.trickled.pop_front();
        }
        self.trickled.push_back((now, candidate.clone()));
        self.use_candidate(candidate)?;
        self.bring_up();
        self.settle(now)?;
        self.check(now)
    }

    /// A datagram that came to one of our sockets. What is not for this call is dropped, and what comes from where no peer can
    /// be: the engine learns addresses from checks, and those are from outside like any other.
    ///
    /// # Errors
    /// [`TransportError`] if the call cannot go on, for instance because the peer's certificate is not the one of its SDP.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), TransportError> {
        // Before the engine sees it, which would learn a candidate from any check.
        if !self.reach.admits_socket(source) || !self.admits_check(source, bytes) {
            return Ok(());
        }
        let input = self.parse(|| {
            Receive::new(Protocol::Udp, source, destination, bytes)
                .map_err(|_| TransportError::MalformedDatagram)
        });
        let Ok(receive) = input else {
            return Ok(());
        };
        let pair = SelectedPair {
            local: destination,
            remote: source,
        };
        let nomination = &self.nomination;
        let is_relayed = |pair| nomination.is_relayed(pair);
        self.selection.answer_came(now, pair, bytes, is_relayed);
        self.dtls.set_now(now);
        if bytes.first().is_some_and(|byte| DTLS.contains(byte)) {
            self.early.heard();
        }
        // What was heard before did not come with this datagram.
        self.heard = false;
        let handled = self.engine(|rtc| Ok(rtc.handle_input(Input::Receive(now, receive))?));
        match handled {
            // Anybody can send bytes that look like DTLS or RTP; they must not end the call.
            Ok(()) | Err(TransportError::Engine(_) | TransportError::Description(_)) => {}
            Err(error) => return Err(error),
        }
        self.settle(now)?;
        if std::mem::take(&mut self.heard) {
            self.heard_at(now, pair)?;
        }
        if self.is_checking() {
            self.check(now)
        } else {
            Ok(())
        }
    }

    /// To be called at the time that [`TransportOutput::Timeout`] names.
    ///
    /// # Errors
    /// [`TransportError`] if the call cannot go on.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), TransportError> {
        self.engine(|rtc| Ok(rtc.handle_input(Input::Timeout(now))?))?;
        self.settle(now)
    }

    /// Sends one sealed frame; `media_time` counts samples at 48 kHz. Dropped while there is no path.
    ///
    /// # Errors
    /// [`TransportError`] if the call cannot go on.
    pub fn send_frame(
        &mut self,
        now: Instant,
        media_time: u64,
        frame: &[u8],
    ) -> Result<(), TransportError> {
        let (true, Some(mid), Some(pt)) = (self.path_up, self.mid, self.payload_type) else {
            return Ok(());
        };
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        // RTP time is the low 32 bits; the receiver extends it.
        let rtp_time = (media_time & u64::from(u32::MAX)) as u32;
        self.engine(|rtc| {
            if let Some(stream) = rtc.direct_api().stream_tx_by_mid(mid, None) {
                stream.write_rtp(RtpWrite::new(pt, sequence.into(), rtp_time, now, frame));
            }
            Ok(())
        })?;
        self.settle(now)?;
        self.handle_timeout(now)
    }

    /// Sends one control message on the data channel. False if the channel is not open or full: nothing was sent.
    ///
    /// # Errors
    /// [`TransportError`] if the call cannot go on.
    pub fn send_control(&mut self, now: Instant, message: &[u8]) -> Result<bool, TransportError> {
        let (true, Some(channel)) = (self.path_up, self.channel) else {
            return Ok(false);
        };
        let sent = self.engine(|rtc| match rtc.channel(channel) {
            // A full or closing channel is a lost message, and those are sent again.
            Some(mut channel) => Ok(channel.write(true, message).unwrap_or(false)),
            None => Ok(false),
        })?;
        self.settle(now)?;
        self.handle_timeout(now)?;
        Ok(sent)
    }

    /// Says goodbye to the peer's transport and lets go of the engine; what is left to send comes from
    /// [`Transport::poll_output`].
    pub fn close(&mut self, now: Instant) {
        let closed = self
            .engine(|rtc| Ok(rtc.close()?))
            .and_then(|()| self.settle(now))
            .and_then(|()| self.handle_timeout(now));
        if let Err(error) = closed {
            debug!(%error, "transport closed");
        }
        self.rtc = None;
        self.deadline = None;
    }

    /// What is to be sent, what happened, and when to call [`Transport::handle_timeout`].
    pub fn poll_output(&mut self) -> TransportOutput {
        self.outputs
            .pop_front()
            .unwrap_or(TransportOutput::Timeout(self.deadline))
    }

    /// The fingerprint of our certificate.
    pub fn local_fingerprint(&self) -> Fingerprint {
        self.local_fingerprint
    }

    /// The fingerprint of the peer's SDP, fixed for the call.
    pub fn remote_fingerprint(&self) -> Option<Fingerprint> {
        self.remote_fingerprint
    }

    /// Whether ICE and DTLS have been up.
    pub fn is_path_up(&self) -> bool {
        self.path_up
    }

    /// The nominated candidate pair: what carries frames and control messages now.
    pub fn selected_pair(&self) -> Option<SelectedPair> {
        self.nomination.pair()
    }

    /// What kind of path the nominated pair is.
    pub fn path_kind(&self) -> PathKind {
        self.nomination.kind()
    }

    /// Figures, renewed each second.
    pub fn stats(&self) -> &TransportStats {
        &self.stats
    }

    fn apply_offer(&mut self, now: Instant, sdp: &str) -> Result<String, TransportError> {
        let description = self.check_description(sdp)?;
        // Who answers begins the handshake: by then the other end has our addresses, and has opened its NAT to them. The engine
        // would leave it to the other end.
        let text = description.text.replace(SETUP_ANY, SETUP_PASSIVE);
        let offer = self.parse(|| SdpOffer::from_sdp_string(&text))?;
        let answer = self.engine(|rtc| Ok(rtc.sdp_api().accept_offer(offer)?.to_sdp_string()))?;
        self.described(now, description)?;
        self.settle(now)?;
        Ok(with_one_fingerprint(
            &self.advertised.rewrite_description(&answer),
        ))
    }

    /// Exactly one sha-256 fingerprint, and the same for the whole call.
    fn check_description(&self, sdp: &str) -> Result<Description, TransportError> {
        let description = self.parse(|| Description::read(sdp, self.reach))?;
        if self
            .remote_fingerprint
            .is_some_and(|known| known != description.fingerprint)
        {
            return Err(TransportError::FingerprintChanged);
        }
        Ok(description)
    }

    fn described(&mut self, now: Instant, description: Description) -> Result<(), TransportError> {
        let is_restart = self
            .remote_fingerprint
            .replace(description.fingerprint)
            .is_some();
        if is_restart {
            self.begin_generation();
        }
        self.remote_candidates = description.candidates.len();
        self.is_told |= !description.candidates.is_empty();
        if let Some(rtc) = &self.rtc {
            self.payload_type = rtc
                .codec_config()
                .params()
                .first()
                .map(str0m::format::PayloadParams::pt);
        }
        for candidate in description.candidates {
            self.use_candidate(candidate)?;
        }
        if is_restart {
            self.use_overtaking(now)?;
        }
        Ok(())
    }

    /// The one way of a candidate of the peer into the engine, after the filter.
    fn use_candidate(&mut self, candidate: Candidate) -> Result<(), TransportError> {
        self.check_sources.name(candidate.addr());
        self.named.push(candidate.addr());
        self.nomination.remote_candidate(&candidate);
        self.engine(|rtc| {
            rtc.add_remote_candidate(candidate);
            Ok(())
        })
    }

    /// Who nominates. RFC 8445 gives that to whoever offers; here it is who answers, and hears of the other's addresses last: a
    /// pair that works both ways is known there first, and it need not be told over the network before the first frame leaves.
    fn set_controlling(&mut self, controlling: bool) -> Result<(), TransportError> {
        self.engine(|rtc| {
            rtc.direct_api().set_ice_controlling(controlling);
            Ok(())
        })
    }

    fn admits_check(&mut self, source: SocketAddr, bytes: &[u8]) -> bool {
        // A check that overtakes the peer's word where it is would make a candidate of unknown kind, which counts for more than
        // one by a server: a relay would be preferred to a direct path. It comes again 50 ms later.
        if !self.is_told && Shown::by(bytes) == Some(Shown::Tried) {
            return false;
        }
        let rtc = &mut self.rtc;
        self.check_sources.admit(source, bytes, || {
            let rtc = rtc.as_deref_mut()?;
            Some(rtc.direct_api().local_ice_credentials().ufrag)
        })
    }

    fn is_checking(&self) -> bool {
        matches!(
            self.ice,
            IceConnectionState::New | IceConnectionState::Checking
        )
    }

    /// Checks the pairs that are due at once instead of one in 50 ms.
    fn check(&mut self, now: Instant) -> Result<(), TransportError> {
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
    fn settle(&mut self, now: Instant) -> Result<(), TransportError> {
        self.dtls.set_now(now);
        let mut sent = 0;
        let mut flight = Vec::new();
        loop {
            match self.engine(|rtc| Ok((rtc.poll_output()?, rtc.last_timeout_reason())))? {
                (Output::Timeout(at), reason) => {
                    let early = self.dtls.take_early();
                    if !early.is_empty() {
                        // The engine gives one datagram of a flight at a time.
                        flight.extend(early);
                        if flight.len() <= MAX_EARLY {
                            continue;
                        }
                        // Of a broken handshake, which the engine may repeat without end.
                        self.rtc = None;
                        self.deadline = None;
                        return Err(TransportError::HandshakeBroken);
                    }
                    if !flight.is_empty() {
                        let datagrams = self.early.send(flight);
                        self.transmit_early(datagrams);
                    }
                    self.deadline = self.next_deadline(now, at, reason);
                    // Only when all is drained: while a better pair takes over, datagrams go by
                    // both. And only after `PathUp`, which names the first.
                    if self.path_up
                        && let Some((kind, pair)) = self.nomination.news()
                    {
                        self.emit(TransportEvent::PathChanged { kind, pair });
                    }
                    return Ok(());
                }
                (Output::Transmit(transmit), _) => {
                    sent += 1;
                    if sent > MAX_SENT_AT_ONCE {
                        self.rtc = None;
                        self.deadline = None;
                        return Err(TransportError::HandshakeBroken);
                    }
                    let contents = transmit.contents.to_vec();
                    let pair = SelectedPair {
                        local: transmit.source,
                        remote: transmit.destination,
                    };
                    let Some(pair) = self.way_of(now, pair, &contents) else {
                        continue;
                    };
                    self.outputs.push_back(TransportOutput::Transmit(Datagram {
                        source: pair.local,
                        destination: pair.remote,
                        contents,
                    }));
                    self.follow_check(transmit.source, transmit.destination, &transmit.contents);
                    self.bring_up();
                }
                (Output::Event(event), _) => self.on_event(now, event),
            }
        }
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
                if state.is_connected() && !self.dtls.has_nominated_pair() {
                    let last_flight = self.early.end();
                    self.dtls.use_nominated_pair(last_flight);
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
                }
            }
            Event::Closed => self.emit(TransportEvent::Closed),
            _ => {}
        }
    }

    /// The path is up as soon as there are keys, and a pair that the engine sends over. What it sends shows which: if nothing
    /// else, the last flight of the handshake, which goes over it once more. A peer's checks may be faster than its word where it
    /// is, and only that tells what kind of path this is.
    fn bring_up(&mut self) {
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
        if self.dtls.has_nominated_pair() {
            return;
        }
        match shown {
            Shown::Tried => self.dtls.try_addresses(),
            Shown::Live => self.dtls.use_live_pairs(),
        }
        let datagrams = self.early.shown(shown, local, remote);
        self.transmit_early(datagrams);
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

    fn emit(&mut self, event: TransportEvent) {
        self.outputs.push_back(TransportOutput::Event(event));
    }

    /// Runs the engine. A panic inside it ends this call and no other.
    fn engine<T>(
        &mut self,
        run: impl FnOnce(&mut Rtc) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let rtc = self.rtc.as_deref_mut().ok_or(TransportError::Closed)?;
        match catch_unwind(AssertUnwindSafe(|| run(rtc))) {
            Ok(result) => result
                .map_err(|error| self.dtls.blame(error))
                .inspect_err(|error| warn!(%error, "transport")),
            Err(_) => {
                self.rtc = None;
                self.deadline = None;
                Err(TransportError::EnginePanicked)
            }
        }
    }

    /// Runs a parser of the engine on bytes of the peer.
    fn parse<T, E: Into<TransportError>>(
        &self,
        run: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, TransportError> {
        catch_unwind(AssertUnwindSafe(run))
            .map_err(|_| TransportError::EnginePanicked)?
            .map_err(Into::into)
    }
}

/// Unordered and without retransmission: acknowledgement and retry are the session's, and an ordered channel stays blocked
/// for tens of seconds after a cut.
fn channel_config() -> ChannelConfig {
    ChannelConfig {
        label: CHANNEL_LABEL.to_owned(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        negotiated: Some(CHANNEL_STREAM),
        ..ChannelConfig::default()
    }
}
