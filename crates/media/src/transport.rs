//! The WebRTC transport of one call: ICE, DTLS, SRTP and the data channel, by str0m.
//!
//! [`Transport`] is sans-IO: datagrams, time and commands go in, and [`Transport::poll_output`] says what to send and what
//! happened. It carries sealed frames as RTP payloads and control messages on one data channel; it can open neither. That is the
//! [`Profile::SecureCall`]; in [`Profile::Matrix`] it carries audio packets as other WebRTC peers do, and nothing else.
//!
//! Call [`Transport::poll_output`] until [`TransportOutput::Timeout`] after every other call.

mod browser;
mod candidate;
mod check_sources;
mod description;
mod drain;
mod dtls;
mod early_flights;
mod engine;
mod error;
mod event;
mod held_checks;
mod negotiation;
mod nomination;
mod packet;
mod profile;
mod reach;
mod roaming;
mod selection;
mod silence;
mod triggered_checks;

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use str0m::{
    Candidate, IceConnectionState, Input,
    change::SdpPendingOffer,
    channel::ChannelId,
    media::{Mid, Pt},
    net::{Protocol, Receive},
    rtp::RtpWrite,
};
use tracing::debug;
use web_time::Instant;

use browser::Browser;
pub use browser::{AgreedAudio, MAX_PEER_DESCRIPTION_LEN};
use candidate::{Advertised, parse_remote, without_fragment};
pub use candidate::{CandidateKind, LocalCandidate, MAX_CANDIDATE_LEN, MAX_REMOTE_CANDIDATES};
use check_sources::CheckSources;
pub use description::{Fingerprint, MAX_DESCRIPTION_LEN};
use early_flights::{EarlyFlights, Shown};
use engine::{Engine, parse};
pub use error::TransportError;
pub use event::{
    Datagram, PathKind, ReceivedFrame, SelectedPair, TransportEvent, TransportOutput,
    TransportStats,
};
use held_checks::HeldChecks;
use nomination::Nomination;
use packet::{Check, check_of, is_dtls};
pub use profile::{Profile, StreamId};
pub use reach::Reach;
use selection::Selection;
use silence::{Patience, Silence};
use triggered_checks::TriggeredChecks;

/// [`TransportEvent::AuthenticatedPacket`] comes at most this often, and so does whatever is told of it.
pub const AUTHENTICATED_INTERVAL: Duration = Duration::from_millis(250);

/// The WebRTC transport of one call.
pub struct Transport {
    engine: Engine,
    early: EarlyFlights,
    /// The handshake is done, perhaps before there is a nominated pair.
    dtls_up: bool,
    reach: Reach,
    /// What the profile `Matrix` knows of its call; `None` in the other.
    browser: Option<Box<Browser>>,
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
    held_checks: HeldChecks,
    check_sources: CheckSources,
    triggered_checks: TriggeredChecks,
    /// What the peer has named and nobody has asked for yet.
    named: Vec<SocketAddr>,
    ice: IceConnectionState,
    path_up: bool,
    next_sequence: u64,
    authenticated_at: Option<Instant>,
    nomination: Nomination,
    selection: Selection,
    silence: Silence,
    /// A packet of the peer was authenticated since this was last looked at.
    heard: bool,
    stats: TransportStats,
    outputs: VecDeque<TransportOutput>,
    deadline: Option<Instant>,
}

impl Transport {
    /// Has the cryptography library do what it does once in a program, which takes some 20 ms: before there is a call that would
    /// wait for it.
    pub fn prepare(now: Instant) {
        // What does not work now says so when there is a call.
        drop(Engine::new(now, &Profile::SecureCall));
    }

    /// A transport with a certificate of its own, made for this call alone. `reach` says where the peer may be.
    ///
    /// # Errors
    /// [`TransportError::EnginePanicked`] if no certificate could be made.
    pub fn new(now: Instant, reach: Reach) -> Result<Self, TransportError> {
        Self::with_profile(now, reach, Profile::SecureCall)
    }

    /// The same, for peers of another kind.
    ///
    /// # Errors
    /// [`TransportError::EnginePanicked`] if no certificate could be made.
    pub fn with_profile(
        now: Instant,
        reach: Reach,
        profile: Profile,
    ) -> Result<Self, TransportError> {
        let (engine, local_fingerprint) = Engine::new(now, &profile)?;
        let (browser, patience, triggered_checks) = match profile {
            Profile::SecureCall => (None, Patience::STEADY, TriggeredChecks::default()),
            Profile::Matrix { stream } => (
                Some(Box::new(Browser::new(stream))),
                Patience::QUIET,
                TriggeredChecks::in_set_up(),
            ),
        };
        Ok(Self {
            engine,
            early: EarlyFlights::default(),
            dtls_up: false,
            reach,
            browser,
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
            held_checks: HeldChecks::default(),
            check_sources: CheckSources::default(),
            triggered_checks,
            named: Vec::new(),
            ice: IceConnectionState::New,
            path_up: false,
            next_sequence: 1,
            authenticated_at: None,
            nomination: Nomination::default(),
            selection: Selection::default(),
            silence: Silence::new(patience),
            heard: false,
            stats: TransportStats::default(),
            outputs: VecDeque::new(),
            deadline: None,
        })
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
        self.silence.explain();
        if local.kind == CandidateKind::Relay {
            self.nomination.local_relay(local.base);
        }
        let line = self.engine.run(|rtc| {
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
        let candidate = parse(|| parse_remote(line, self.reach))?;
        self.remote_candidates += 1;
        if self.trickled.len() >= MAX_REMOTE_CANDIDATES {
            self.trickled.pop_front();
        }
        self.trickled.push_back((now, candidate.clone()));
        let address = candidate.addr();
        self.use_candidate(candidate)?;
        self.bring_up();
        self.settle(now)?;
        self.check(now)?;
        // After our own checks: whoever was faster has waited for this word alone.
        self.take_held_checks(now, address)
    }

    /// Takes the checks that have come from this address before the peer has named it.
    fn take_held_checks(
        &mut self,
        now: Instant,
        address: SocketAddr,
    ) -> Result<(), TransportError> {
        for held in self.held_checks.take_from(address) {
            self.handle_datagram(now, address, held.destination, &held.contents)?;
        }
        Ok(())
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
        if !self.reach.admits_socket(source) {
            return Ok(());
        }
        if !self.is_told && Shown::by(bytes) == Some(Shown::Tried) {
            if self.engine.vouches_for(now, destination, bytes) {
                self.held_checks.hold(source, destination, bytes);
            }
            return Ok(());
        }
        let engine = &mut self.engine;
        let is_genuine = || engine.vouches_for(now, destination, bytes);
        if !self.check_sources.admit(source, bytes, is_genuine) {
            return Ok(());
        }
        // The first hello settles who shakes hands with us, and nothing of it is signed.
        if is_dtls(bytes) && self.browser.is_some() && !self.check_sources.knows(source) {
            return Ok(());
        }
        let input = parse(|| {
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
        let engine = &mut self.engine;
        let is_genuine = || engine.vouches_for(now, destination, bytes);
        let is_answer = self
            .selection
            .answer_came(now, pair, bytes, is_genuine, is_relayed);
        if is_answer {
            self.triggered_checks.settled(pair);
        }
        // Who need not say anything says so that it is there.
        if is_answer && self.browser.is_some() && self.selection.pair() == Some(pair) {
            self.silence.heard(now, pair);
        }
        self.engine.dtls.set_now(now);
        if is_dtls(bytes) {
            self.early.heard();
        }
        // What was heard before did not come with this datagram.
        self.heard = false;
        let handled = self
            .engine
            .run(|rtc| Ok(rtc.handle_input(Input::Receive(now, receive))?));
        match handled {
            // Anybody can send bytes that look like DTLS or RTP; they must not end the call.
            Ok(()) | Err(TransportError::Engine(_) | TransportError::Description(_)) => {}
            Err(error) => return Err(error),
        }
        self.settle(now)?;
        if std::mem::take(&mut self.heard) {
            self.heard_at(now, pair)?;
        }
        match check_of(bytes) {
            Some(Check::Plain) => self.follow_check_of_peer(now, pair)?,
            Some(Check::Nominating) => self.triggered_checks.settled(pair),
            None => {}
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
        self.engine
            .run(|rtc| Ok(rtc.handle_input(Input::Timeout(now))?))?;
        self.settle(now)?;
        self.notice_silence(now)
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
        self.engine.run(|rtc| {
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
        let sent = self.engine.run(|rtc| match rtc.channel(channel) {
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
            .engine
            .run(|rtc| Ok(rtc.close()?))
            .and_then(|()| self.settle(now))
            .and_then(|()| self.handle_timeout(now));
        if let Err(error) = closed {
            debug!(%error, "transport closed");
        }
        self.engine.let_go();
    }

    /// What is to be sent, what happened, and when to call [`Transport::handle_timeout`].
    pub fn poll_output(&mut self) -> TransportOutput {
        self.outputs.pop_front().unwrap_or_else(|| {
            let deadlines = [self.deadline, self.silence_deadline()];
            let deadline = deadlines.into_iter().flatten().min();
            TransportOutput::Timeout(deadline.filter(|_| self.engine.is_open()))
        })
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

    /// The one way of a candidate of the peer into the engine, after the filter.
    fn use_candidate(&mut self, candidate: Candidate) -> Result<(), TransportError> {
        self.silence.explain();
        self.check_sources.name(candidate.addr());
        self.named.push(candidate.addr());
        self.nomination.remote_candidate(&candidate);
        self.engine.run(|rtc| {
            rtc.add_remote_candidate(candidate);
            Ok(())
        })
    }
}
