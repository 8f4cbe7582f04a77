//! One end of dimpl, and certificates that are too long for whoever asks.
//!
//! dimpl panics if the peer's certificate does not fit into the buffer that it is asked to put things in, and the engine's has 2,000
//! bytes. What a peer shows is for the peer to choose, and is known only when it is asked for. So while it may come, things go
//! through a buffer that holds whatever dimpl can have collected, and what is too long for the engine ends the handshake.

use std::ops::{Deref, DerefMut};

use dimpl::Dtls;
use str0m::crypto::dtls::{DtlsImplError, DtlsOutput};
use tracing::warn;
use web_time::Instant;

use super::{MAX_DATAGRAM, MAX_QUEUED};

/// More than fits into all datagrams that dimpl keeps until it can read what they bring.
const COLLECTED: usize = MAX_DATAGRAM * MAX_QUEUED;

/// One end of dimpl.
pub(super) struct DimplEnd {
    dtls: Box<Dtls>,
    certificate: Certificate,
    now: Instant,
}

enum Certificate {
    /// It may still come, and goes through this.
    Awaited(Vec<u8>),
    /// It was told.
    Told,
    /// It is too long to be told.
    Refused,
}

impl DimplEnd {
    pub(super) fn new(dtls: Dtls, now: Instant) -> Self {
        Self {
            dtls: Box::new(dtls),
            certificate: Certificate::Awaited(vec![0; COLLECTED]),
            now,
        }
    }

    pub(super) fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let collected = match &mut self.certificate {
            Certificate::Awaited(collected) => collected,
            Certificate::Told => return self.dtls.poll_output(buffer),
            // An error can be told at a time-out alone.
            Certificate::Refused => return DtlsOutput::Timeout(self.now),
        };
        match self.dtls.poll_output(collected) {
            DtlsOutput::PeerCert(certificate) => {
                let length = certificate.len();
                let Some(told) = copied(certificate, buffer) else {
                    warn!(length, "the peer's certificate is too long");
                    self.certificate = Certificate::Refused;
                    return DtlsOutput::Timeout(self.now);
                };
                self.certificate = Certificate::Told;
                DtlsOutput::PeerCert(told)
            }
            DtlsOutput::Packet(packet) => {
                let needed = packet.len();
                copied(packet, buffer)
                    .map_or(DtlsOutput::BufferTooSmall { needed }, DtlsOutput::Packet)
            }
            DtlsOutput::Timeout(at) => DtlsOutput::Timeout(at),
            DtlsOutput::Connected => DtlsOutput::Connected,
            DtlsOutput::KeyingMaterial(keys, profile) => DtlsOutput::KeyingMaterial(keys, profile),
            DtlsOutput::CloseNotify => DtlsOutput::CloseNotify,
            // Nothing else can come before the certificate. The engine ends at this.
            _ => DtlsOutput::BufferTooSmall { needed: COLLECTED },
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.now = now;
        match self.certificate {
            Certificate::Refused => Err(DtlsImplError::ConnectionClosed),
            _ => self.dtls.handle_timeout(now),
        }
    }

    /// The peer's certificate was refused.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.certificate, Certificate::Refused)
    }
}

impl Deref for DimplEnd {
    type Target = Dtls;

    fn deref(&self) -> &Dtls {
        &self.dtls
    }
}

impl DerefMut for DimplEnd {
    fn deref_mut(&mut self) -> &mut Dtls {
        &mut self.dtls
    }
}

fn copied<'a>(bytes: &[u8], into: &'a mut [u8]) -> Option<&'a [u8]> {
    let copy = into.get_mut(..bytes.len())?;
    copy.copy_from_slice(bytes);
    Some(copy)
}
