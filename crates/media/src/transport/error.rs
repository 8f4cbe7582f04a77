//! What can go wrong in a transport.

use str0m::{RtcError, error::SdpError};

/// Why a transport refuses something, or cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The SDP is longer than [`MAX_DESCRIPTION_LEN`](super::MAX_DESCRIPTION_LEN).
    #[error("the description is too long")]
    DescriptionTooLong,
    /// The SDP cannot be read, or lacks what it must have.
    #[error("the description is malformed: {0}")]
    Description(String),
    /// The SDP does not have one audio m-line and one data channel m-line.
    #[error("expected one audio and one application m-line")]
    MediaLines,
    /// The SDP has no audio m-line that can be used, where any WebRTC peer must have one.
    #[error("the description has no audio")]
    NoAudio,
    /// The audio m-line has no codec that we have.
    #[error("the description has no audio codec that is known here")]
    NoCodec,
    /// The SDP has no fingerprint, several, or one that is not sha-256.
    #[error("expected exactly one sha-256 fingerprint")]
    Fingerprint,
    /// A later SDP has another fingerprint than the first.
    #[error("the fingerprint differs from the one this call began with")]
    FingerprintChanged,
    /// The peer's certificate is not the one its SDP names.
    #[error("the peer's certificate has another fingerprint than its description")]
    CertificateMismatch,
    /// A candidate is malformed, no host's address, or one too many.
    #[error("the candidate cannot be used")]
    Candidate,
    /// Bytes that are neither STUN nor DTLS nor RTP.
    #[error("the datagram is malformed")]
    MalformedDatagram,
    /// A call in the wrong order: our own fault.
    #[error("offer and answer are out of order")]
    Misuse,
    /// The transport was closed, and takes nothing more.
    #[error("the transport is closed")]
    Closed,
    /// There is a candidate pair, but the peer did not do its part of the DTLS handshake in time: the network lost too much.
    #[error("the DTLS handshake took too long")]
    HandshakeTimedOut,
    /// There is a candidate pair, but what came over it as the peer's part of the DTLS handshake was broken, by the peer or on its
    /// way.
    #[error("the peer's part of the DTLS handshake is broken")]
    HandshakeBroken,
    /// The WebRTC engine reported an error it cannot recover from.
    #[error("the transport failed: {0}")]
    Engine(String),
    /// The WebRTC engine panicked; this call is over.
    #[error("the transport engine panicked")]
    EnginePanicked,
}

impl From<RtcError> for TransportError {
    fn from(error: RtcError) -> Self {
        match error {
            // The only errors about fingerprints that remain after our own reading of the SDP.
            RtcError::RemoteSdp(reason) if reason.contains("fingerprint") => {
                Self::CertificateMismatch
            }
            RtcError::RemoteSdp(reason) => Self::Description(reason),
            RtcError::Sdp(error) => error.into(),
            RtcError::ChangesOutOfOrder => Self::Misuse,
            other => Self::Engine(other.to_string()),
        }
    }
}

impl From<SdpError> for TransportError {
    fn from(error: SdpError) -> Self {
        Self::Description(error.to_string())
    }
}
