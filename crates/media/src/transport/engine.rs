//! The engine under the transport, str0m: how it is set up, and what becomes of a call when it breaks.

use std::{
    net::{Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use str0m::{
    Input, Rtc, RtcConfig,
    config::DtlsVersion,
    media::Pt,
    net::{Protocol, Receive},
    rtp::Extension,
};
use tracing::warn;
use web_time::Instant;

use super::TransportError;
use super::browser::OFFERED_MID_EXTENSION;
use super::description::Fingerprint;
use super::dtls::DtlsHandshake;
use super::profile::Profile;

/// First retransmission of a connectivity check: a host on the same network has answered long before.
const INITIAL_STUN_RTO: Duration = Duration::from_millis(50);
/// Checks of a pair come no further apart than this, so that a path that returns is found within a second.
const MAX_STUN_RTO: Duration = Duration::from_secs(1);
/// 50 + 100 + … + 800 ms and then a check each second: pairs are tried longer than the 30 s a call waits for its path. It is also
/// how often an address that never answers is sent to, from each candidate of ours.
const MAX_STUN_RETRANSMITS: usize = 35;

/// How often a receiver report goes out in the profile `Matrix`.
const RTCP_INTERVAL: Duration = Duration::from_secs(1);

/// The engine of one call, as long as it works.
pub(super) struct Engine {
    /// `None` once it was let go of.
    rtc: Option<Box<Rtc>>,
    /// What its DTLS instance shares with us.
    pub(super) dtls: DtlsHandshake,
}

impl Engine {
    /// One with a certificate of its own, and the fingerprint of that.
    pub(super) fn new(
        now: Instant,
        profile: &Profile,
    ) -> Result<(Self, Fingerprint), TransportError> {
        let dtls = DtlsHandshake::new(now);
        let (rtc, fingerprint) = catch_unwind(AssertUnwindSafe(|| {
            let mut rtc = dtls.make(|| config(profile).build(now));
            let fingerprint = Fingerprint::try_from(rtc.direct_api().local_dtls_fingerprint());
            fingerprint.map(|fingerprint| (Box::new(rtc), fingerprint))
        }))
        .map_err(|_| TransportError::EnginePanicked)??;
        let rtc = Some(rtc);
        Ok((Self { rtc, dtls }, fingerprint))
    }

    /// Runs the engine. A panic inside it ends this call and no other.
    pub(super) fn run<T>(
        &mut self,
        run: impl FnOnce(&mut Rtc) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let rtc = self.rtc.as_deref_mut().ok_or(TransportError::Closed)?;
        match catch_unwind(AssertUnwindSafe(|| run(rtc))) {
            Ok(result) => result
                .map_err(|error| self.dtls.blame(error))
                .inspect_err(|error| warn!(%error, "transport")),
            Err(_) => {
                self.let_go();
                Err(TransportError::EnginePanicked)
            }
        }
    }

    /// Closed, or of no use any more: nothing runs from now on.
    pub(super) fn let_go(&mut self) {
        self.rtc = None;
    }

    /// Whether it was not let go of.
    pub(super) const fn is_open(&self) -> bool {
        self.rtc.is_some()
    }

    /// What frames are marked with, as the descriptions say.
    pub(super) fn payload_type(&self) -> Option<Pt> {
        let codecs = self.rtc.as_deref()?.codec_config();
        codecs.params().first().map(|codec| codec.pt())
    }

    /// Whether a message of STUN is of the peer: a check that is signed with the password which the peer has of us, or the answer to
    /// a check of the engine's, signed with the peer's own (RFC 8445 section 7).
    pub(super) fn vouches_for(&mut self, now: Instant, to: SocketAddr, bytes: &[u8]) -> bool {
        // Of what comes from where the peer was last, the engine looks at no signature. So it is not told from where this comes.
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let read = parse(|| {
            Receive::new(Protocol::Udp, nowhere, to, bytes)
                .map_err(|_| TransportError::MalformedDatagram)
        });
        read.is_ok_and(|receive| {
            let accepted = self.run(|rtc| Ok(rtc.accepts(&Input::Receive(now, receive))));
            accepted.unwrap_or(false)
        })
    }
}

/// Runs a parser of the engine on bytes of the peer.
pub(super) fn parse<T, E: Into<TransportError>>(
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, TransportError> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| TransportError::EnginePanicked)?
        .map_err(Into::into)
}

fn config(profile: &Profile) -> RtcConfig {
    let config = RtcConfig::new()
        .clear_codecs()
        .enable_opus(true, false)
        .clear_extension_map()
        .set_rtp_mode(true);
    let config = match profile {
        Profile::SecureCall => config
            // The data channel needs no SCTP handshake of its own (draft-hancke-tsvwg-snap): two round trips less, and
            // none of SCTP's 3 s time-outs where packets get lost.
            .set_snap_enabled(true)
            // One round trip less than 1.2, and both ends are ours.
            .set_dtls_version(DtlsVersion::Dtls13),
        Profile::Matrix { .. } => config
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            // By it packets are known whose source no description has named.
            .set_extension(OFFERED_MID_EXTENSION, Extension::RtpMid)
            // Reports are what the other end spends bytes on redundancy by.
            .set_rtcp_report_interval_audio(RTCP_INTERVAL)
            .set_dtls_version(DtlsVersion::Auto),
    };
    let mut config = config
        .set_crypto_provider(Arc::new(DtlsHandshake::crypto_provider()))
        .set_stats_interval(Some(Duration::from_secs(1)));
    config.set_initial_stun_rto(INITIAL_STUN_RTO);
    config.set_max_stun_rto(MAX_STUN_RTO);
    config.set_max_stun_retransmits(MAX_STUN_RETRANSMITS);
    config
}
