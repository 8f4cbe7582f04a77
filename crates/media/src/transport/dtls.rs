//! The DTLS handshake on a path that loses packets: when it begins, how soon a flight is repeated, that it timed out.
//!
//! str0m's own factory of DTLS leaves dimpl its first repetition after a second, as RFC 9147 section 5.8.2 says for hosts that
//! know nothing of their path. Checks have just gone over ours, and somebody waits: with packets lost it was the handshake
//! that took long. (libwebrtc begins at 50 ms.)
//!
//! Nor does str0m tell DTLS what time it is when a datagram comes, or whether there is a path to send over. So flights were
//! repeated and waits doubled while nothing could leave, and a wait began when the engine had last looked at its clock.
//! [`DtlsHandshake`] says both. It also hands out what can be sent before str0m would
//! ([`EarlyFlights`](super::early_flights::EarlyFlights)).

mod association;
mod dimpl_end;
mod openssl_server;
mod records;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dimpl::{Config, Dtls};
use str0m::{
    config::DtlsVersion,
    crypto::{
        CryptoError, CryptoProvider,
        dtls::{DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion},
        from_feature_flags,
    },
};
use web_time::Instant;

use super::error::TransportError;
use association::Association;

/// A flight is repeated after this long, then after twice as long, and so on, each time up to a quarter earlier or later. On
/// paths of a longer round trip the peer gets the first flights more than once, which it has to take anyway.
const FLIGHT_RTO: Duration = Duration::from_millis(100);
/// More than fit into [`HANDSHAKE_TIMEOUT`], so that it is time that ends a handshake. Repetitions that the peer's own bring
/// about count as well, so this is also the bound of what a flood of them can have us send.
const FLIGHT_RETRIES: usize = 9;
/// As long as a call waits for its path.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest datagram that is looked at. Paths carry 1,500 bytes.
const MAX_DATAGRAM: usize = 2048;
/// How many datagrams dimpl keeps until it can read what they bring.
const MAX_QUEUED: usize = 30;
/// Nothing is due. The transport takes whatever is so far away for never.
const NOT_DUE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

thread_local! {
    /// What the instance that is being made shares with its transport: str0m's factory takes nothing of ours.
    static BEING_MADE: RefCell<Option<DtlsHandshake>> = const { RefCell::new(None) };
}

/// What a transport and its DTLS instance tell each other.
#[derive(Clone, Debug)]
pub(super) struct DtlsHandshake(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Instant,
    stage: Stage,
    /// Made before there was a nominated pair: taken by the transport, past the engine.
    early: Vec<Vec<u8>>,
    /// To be sent once more over the nominated pair.
    again: VecDeque<Vec<u8>>,
    fault: Option<Fault>,
}

/// What ended a handshake, where the engine has no more than a text for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    TimedOut,
    Broken,
}

/// Where flights can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nowhere: no address of the peer is known.
    Nowhere,
    /// To addresses that the peer has named, once.
    Anywhere,
    /// Where the peer has shown itself: lost flights are repeated from now on.
    Live,
    /// Over the nominated pair, by the engine.
    Nominated,
}

impl DtlsHandshake {
    pub(super) fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State {
            now,
            stage: Stage::Nowhere,
            early: Vec::new(),
            again: VecDeque::new(),
            fault: None,
        })))
    }

    /// The engine's cryptography, with DTLS as it is here.
    pub(super) fn crypto_provider() -> CryptoProvider {
        CryptoProvider {
            dtls_provider: &Provider,
            ..from_feature_flags()
        }
    }

    /// Makes an engine whose DTLS instance knows this handshake.
    pub(super) fn make<T>(&self, engine: impl FnOnce() -> T) -> T {
        BEING_MADE.set(Some(self.clone()));
        let made = engine();
        BEING_MADE.take();
        made
    }

    /// Says what time it is.
    pub(super) fn set_now(&self, now: Instant) {
        self.state().now = now;
    }

    /// Checks are on their way to where the peer may be: the first flight can go with them.
    pub(super) fn try_addresses(&self) {
        self.reach(Stage::Anywhere);
    }

    /// The peer has shown itself somewhere: flights can go there.
    pub(super) fn use_live_pairs(&self) {
        self.reach(Stage::Live);
    }

    /// There is a nominated pair: flights go over it from now on, beginning with this last one, which may have got lost.
    pub(super) fn use_nominated_pair(&self, last_flight: Vec<Vec<u8>>) {
        self.reach(Stage::Nominated);
        self.state().again.extend(last_flight);
    }

    /// Whether there is a nominated pair.
    pub(super) fn has_nominated_pair(&self) -> bool {
        self.state().stage == Stage::Nominated
    }

    /// What there is to be sent before there is a nominated pair.
    pub(super) fn take_early(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state().early)
    }

    fn reach(&self, stage: Stage) {
        let mut state = self.state();
        state.stage = state.stage.max(stage);
    }

    /// Tells what ended the handshake from other faults of the engine, which names all in words alone.
    pub(super) fn blame(&self, error: TransportError) -> TransportError {
        match (error, self.state().fault) {
            (TransportError::Engine(_), Some(Fault::TimedOut)) => TransportError::HandshakeTimedOut,
            (TransportError::Engine(_), Some(Fault::Broken)) => TransportError::HandshakeBroken,
            (other, _) => other,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes DTLS instances.
#[derive(Debug)]
struct Provider;

impl DtlsProvider for Provider {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let make = match version {
            DtlsVersion::Dtls13 => Dtls::new_13,
            DtlsVersion::Auto => Dtls::new_auto,
            _ => {
                return Err(CryptoError::Other(format!("{version} is not used here")));
            }
        };
        let mut config = Config::builder()
            // ICE has shown that the peer is where it says.
            .use_server_cookie(false)
            .max_queue_rx(MAX_QUEUED)
            .flight_start_rto(FLIGHT_RTO)
            .flight_retries(FLIGHT_RETRIES)
            .handshake_timeout(HANDSHAKE_TIMEOUT);
        if let Some(mtu) = mtu {
            config = config.mtu(mtu);
        }
        let config = config
            .build()
            .map_err(|error| CryptoError::Other(error.to_string()))?;
        let dtls = make(Arc::new(config), cert.clone(), now);
        let association = match version {
            DtlsVersion::Auto => Association::of_either(dtls, cert.clone(), now),
            _ => Association::of_dimpl(dtls, now),
        };
        Ok(Box::new(Instance {
            association,
            is_13_alone: version == DtlsVersion::Dtls13,
            handshake: BEING_MADE.take().unwrap_or_else(|| DtlsHandshake::new(now)),
            has_begun: false,
        }))
    }
}

/// One end of DTLS.
struct Instance {
    association: Association,
    handshake: DtlsHandshake,
    /// No other version is taken.
    is_13_alone: bool,
    /// Its clock was set after flights could go anywhere.
    has_begun: bool,
}

impl Instance {
    /// Notes what ends the handshake, before str0m makes a text of it.
    fn noted(&self, result: Result<(), DtlsImplError>) -> Result<(), DtlsImplError> {
        if let Err(DtlsImplError::Timeout(_)) = result {
            self.handshake.state().fault = Some(Fault::TimedOut);
        } else if self.association.is_broken() {
            self.handshake.state().fault = Some(Fault::Broken);
        }
        result
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").finish_non_exhaustive()
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.association.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        let is_13_alone = self.is_13_alone;
        if packet.len() > MAX_DATAGRAM
            || !self.association.sorts_records() && records::is_made_up(packet, is_13_alone)
        {
            return Ok(());
        }
        // The waits for what the packet brings about begin now.
        let now = self.handshake.state().now;
        self.handle_timeout(now)?;
        self.association.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let mut state = self.handshake.state();
        let (now, stage) = (state.now, state.stage);
        if stage == Stage::Nowhere {
            return DtlsOutput::Timeout(now + NOT_DUE);
        }
        if !self.has_begun {
            return DtlsOutput::Timeout(now);
        }
        let again = state.again.pop_front();
        if let Some(packet) = again.filter(|packet| packet.len() <= buf.len()) {
            let copy = &mut buf[..packet.len()];
            copy.copy_from_slice(&packet);
            return DtlsOutput::Packet(copy);
        }
        match self.association.poll_output(buf) {
            DtlsOutput::Packet(packet) if stage < Stage::Nominated => {
                state.early.push(packet.to_vec());
                // To be asked again: there may be more.
                DtlsOutput::Timeout(now)
            }
            // Waits do not grow while nothing can leave.
            DtlsOutput::Timeout(_) if stage < Stage::Live => DtlsOutput::Timeout(now + NOT_DUE),
            output => output,
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.has_begun |= self.handshake.state().stage > Stage::Nowhere;
        let result = self.association.handle_timeout(now);
        self.noted(result)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.association.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.association.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.association.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.association.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.association.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.association.close()
    }
}
