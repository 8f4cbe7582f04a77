//! A server of DTLS 1.2 whose client may have a certificate of RSA, by OpenSSL.
//!
//! OpenSSL is given datagrams and gives some back; it sees no socket. It reads the system's clock for repetitions of its own, the
//! first after a second, and only when a datagram comes: too late for a call, and not at all while nothing comes. So flights are
//! repeated here, as they were, on the transport's time: a record that has arrived before is dropped by its number (RFC 6347
//! section 4.1.2.6), and one that got lost is as good as new.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use dimpl::TimeoutError;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey};
use openssl::srtp::SrtpProfileId;
use openssl::ssl::{
    ErrorCode, ShutdownState, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions,
    SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509Ref};
use str0m::crypto::dtls::{DtlsCert, DtlsImplError, DtlsOutput, KeyingMaterial, SrtpProfile};
use web_time::Instant;

use super::{FLIGHT_RETRIES, FLIGHT_RTO, HANDSHAKE_TIMEOUT, NOT_DUE, records};

/// Our certificate is of ECDSA, and forward secrecy and an AEAD are what dimpl insists on as well.
const CIPHERS: &str =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305";
const GROUPS: &str = "X25519:P-256:P-384";
/// What the peer may sign with.
const SIGNATURES: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:\
     rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
/// In the order of preference that dimpl has.
const SRTP_PROFILES: &str = "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
/// How large an RSA key may be: smaller ones can be broken (NIST SP 800-131A), and larger ones keep us busy.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;
/// The same for ECDSA: P-256, P-384, P-521.
const ECDSA_BITS: std::ops::RangeInclusive<u32> = 256..=521;
/// RFC 5764 section 4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";
/// The most that an exporter gives: two keys and two salts of AES-256-GCM.
const MAX_KEYING_MATERIAL: usize = 88;
/// The longest datagram that OpenSSL makes.
const MTU: u32 = 1200;
/// The longest plaintext of a record.
const MAX_RECORD: usize = 16 * 1024;

/// One end of DTLS.
pub(super) struct OpenSslServer {
    stream: SslStream<Datagrams>,
    stage: Stage,
    now: Instant,
    deadline: Instant,
    /// What was sent last, and when it goes once more.
    flight: Vec<Vec<u8>>,
    repeat_at: Option<Instant>,
    repeated: usize,
    /// What is to be sent.
    packets: VecDeque<Vec<u8>>,
    close_notify: CloseNotify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    ShakesHands,
    /// The handshake is done; this is the next thing that is told of it.
    Done(News),
    /// The peer's part of the handshake was refused. OpenSSL never gets over it.
    Broken,
}

/// What is told of a handshake that is done, in this order: whose certificate is not the right one gets no answer, and no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    PeerCertificate,
    Connected,
    Keys(SrtpProfile),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseNotify {
    None,
    Received,
    Told,
}

impl OpenSslServer {
    pub(super) fn new(certificate: &DtlsCert, now: Instant) -> Result<Self, ErrorStack> {
        let context = context(certificate)?;
        let mut ssl = Ssl::new(&context)?;
        ssl.set_mtu(MTU)?;
        ssl.set_accept_state();
        Ok(Self {
            stream: SslStream::new(ssl, Datagrams::default())?,
            stage: Stage::ShakesHands,
            now,
            deadline: now + HANDSHAKE_TIMEOUT,
            flight: Vec::new(),
            repeat_at: None,
            repeated: 0,
            packets: VecDeque::new(),
            close_notify: CloseNotify::None,
        })
    }

    pub(super) fn handle_packet(&mut self, packet: &[u8]) {
        let records = records::of_client(packet);
        if records.is_empty() || self.stage == Stage::Broken {
            return;
        }
        self.stream.get_mut().incoming = Some(records);
        if self.stage == Stage::ShakesHands {
            self.shake_hands();
        }
        if matches!(self.stage, Stage::Done(_)) {
            self.read();
        }
        let datagrams = self.stream.get_mut();
        datagrams.incoming = None;
        let sent: Vec<_> = datagrams.outgoing.drain(..).collect();
        if sent.is_empty() {
            return;
        }
        self.packets.extend(sent.iter().cloned());
        if self.stage == Stage::ShakesHands {
            self.repeated = 0;
            self.repeat_at = Some(self.now + FLIGHT_RTO);
            self.flight = sent;
        }
    }

    pub(super) fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        if let Stage::Done(news) = self.stage
            && news != News::Nothing
        {
            match self.tell(news, buffer) {
                Some(Told::PeerCertificate(length)) => {
                    return DtlsOutput::PeerCert(&buffer[..length]);
                }
                Some(Told::Connected) => return DtlsOutput::Connected,
                Some(Told::Keys(keys, profile)) => {
                    return DtlsOutput::KeyingMaterial(keys, profile);
                }
                None => self.break_off(),
            }
        }
        if let Some(packet) = self.packets.pop_front() {
            let Some(copy) = buffer.get_mut(..packet.len()) else {
                return DtlsOutput::BufferTooSmall {
                    needed: packet.len(),
                };
            };
            copy.copy_from_slice(&packet);
            return DtlsOutput::Packet(copy);
        }
        if self.close_notify == CloseNotify::Received {
            self.close_notify = CloseNotify::Told;
            return DtlsOutput::CloseNotify;
        }
        DtlsOutput::Timeout(match self.stage {
            Stage::ShakesHands => self
                .repeat_at
                .map_or(self.deadline, |at| at.min(self.deadline)),
            Stage::Done(_) => self.now + NOT_DUE,
            // An error can be told then alone.
            Stage::Broken => self.now,
        })
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.now = now;
        match self.stage {
            Stage::Done(_) => return Ok(()),
            Stage::Broken => return Err(DtlsImplError::ConnectionClosed),
            Stage::ShakesHands => {}
        }
        if now >= self.deadline {
            return Err(DtlsImplError::Timeout(TimeoutError::Handshake));
        }
        if self.repeat_at.is_some_and(|at| at <= now) {
            self.packets.extend(self.flight.iter().cloned());
            self.repeated += 1;
            let wait = FLIGHT_RTO * 2_u32.saturating_pow(self.repeated as u32);
            self.repeat_at = (self.repeated < FLIGHT_RETRIES).then_some(now + wait);
        }
        Ok(())
    }

    /// Whether the peer's part of the handshake was refused.
    pub(super) fn is_broken(&self) -> bool {
        self.stage == Stage::Broken
    }

    pub(super) fn send_application_data(&mut self, data: &[u8]) -> usize {
        if !matches!(self.stage, Stage::Done(_)) {
            return 0;
        }
        let written = self.stream.ssl_write(data).unwrap_or(0);
        self.packets
            .extend(self.stream.get_mut().outgoing.drain(..));
        written
    }

    pub(super) fn is_closed(&self) -> bool {
        self.packets.is_empty() && self.has_said_goodbye()
    }

    pub(super) fn has_said_goodbye(&self) -> bool {
        self.close_notify != CloseNotify::None
    }

    /// Says goodbye, if there is anybody to say it to.
    pub(super) fn close(&mut self) {
        if matches!(self.stage, Stage::Done(_)) && self.close_notify == CloseNotify::None {
            // It is one datagram, which goes or does not.
            let _ = self.stream.shutdown();
            self.packets
                .extend(self.stream.get_mut().outgoing.drain(..));
        }
        self.close_notify = CloseNotify::Told;
    }

    fn shake_hands(&mut self) {
        match self.stream.do_handshake() {
            Ok(()) => {
                self.repeat_at = None;
                self.flight.clear();
                self.stage = Stage::Done(News::PeerCertificate);
            }
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            Err(_) => self.break_off(),
        }
    }

    /// The peer sends nothing but its goodbye; when it repeats the end of the handshake, OpenSSL repeats ours. There is no data
    /// channel with these peers.
    fn read(&mut self) {
        let mut data = vec![0; MAX_RECORD];
        while self.stream.ssl_read(&mut data).is_ok() {}
        let is_over = self.stream.get_shutdown().contains(ShutdownState::RECEIVED);
        if is_over && self.close_notify == CloseNotify::None {
            self.close_notify = CloseNotify::Received;
        }
    }

    fn break_off(&mut self) {
        self.stage = Stage::Broken;
        self.repeat_at = None;
    }

    /// The next thing that is told of a handshake; nothing if it lacks what it must have.
    fn tell(&mut self, news: News, buffer: &mut [u8]) -> Option<Told> {
        let ssl = self.stream.ssl();
        let (told, next) = match news {
            News::PeerCertificate => {
                let certificate = ssl.peer_certificate()?.to_der().ok()?;
                buffer
                    .get_mut(..certificate.len())?
                    .copy_from_slice(&certificate);
                (Told::PeerCertificate(certificate.len()), News::Connected)
            }
            News::Connected => (
                Told::Connected,
                News::Keys(profile(ssl.selected_srtp_profile()?.id())?),
            ),
            News::Keys(profile) => {
                let mut keys = [0; MAX_KEYING_MATERIAL];
                let keys = keys.get_mut(..profile.keying_material_len())?;
                ssl.export_keying_material(keys, EXPORTER, None).ok()?;
                (
                    Told::Keys(KeyingMaterial::new(keys), profile),
                    News::Nothing,
                )
            }
            News::Nothing => return None,
        };
        self.stage = Stage::Done(next);
        Some(told)
    }
}

enum Told {
    /// It is in the buffer, so long.
    PeerCertificate(usize),
    Connected,
    Keys(KeyingMaterial, SrtpProfile),
}

/// What OpenSSL reads and writes: one datagram at a time, each as a whole.
#[derive(Default)]
pub(super) struct Datagrams {
    pub(super) incoming: Option<Vec<u8>>,
    pub(super) outgoing: Vec<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.take().ok_or(io::ErrorKind::WouldBlock)?;
        // What does not fit into it is longer than any record.
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for Datagrams {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn context(certificate: &DtlsCert) -> Result<SslContext, ErrorStack> {
    let mut context = SslContextBuilder::new(SslMethod::dtls_server())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list(CIPHERS)?;
    context.set_groups_list(GROUPS)?;
    context.set_sigalgs_list(SIGNATURES)?;
    // It gives zero for success.
    context.set_tlsext_use_srtp(SRTP_PROFILES)?;
    context.set_options(
        SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION,
    );
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_certificate(&*X509::from_der(&certificate.certificate)?)?;
    context.set_private_key(&*PKey::private_key_from_der(&certificate.private_key)?)?;
    // Nobody vouches for these certificates: whose one it is, the fingerprint in the description says. Of those above it that a
    // peer may send nothing is taken, so there is little to look at.
    context.set_verify_depth(0);
    context.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        |_, chain| {
            let is_peer = chain.error_depth() == 0;
            !is_peer || chain.current_cert().is_some_and(has_good_key)
        },
    );
    Ok(context.build())
}

/// Whether what the peer signs with can be relied on, and does not keep us busy. Asked before there is a signature to look at.
fn has_good_key(certificate: &X509Ref) -> bool {
    certificate.public_key().is_ok_and(|key| match key.id() {
        Id::RSA => RSA_BITS.contains(&key.bits()),
        Id::EC => ECDSA_BITS.contains(&key.bits()),
        _ => false,
    })
}

fn profile(id: SrtpProfileId) -> Option<SrtpProfile> {
    match id {
        SrtpProfileId::SRTP_AEAD_AES_256_GCM => Some(SrtpProfile::AEAD_AES_256_GCM),
        SrtpProfileId::SRTP_AEAD_AES_128_GCM => Some(SrtpProfile::AEAD_AES_128_GCM),
        SrtpProfileId::SRTP_AES128_CM_SHA1_80 => Some(SrtpProfile::AES128_CM_SHA1_80),
        _ => None,
    }
}
