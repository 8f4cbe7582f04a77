//! WebRTC transport, Opus, jitter buffer, send and receive pipelines.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod transport;

pub use transport::{
    Datagram, Fingerprint, MAX_DESCRIPTION_LEN, PathKind, ReceivedFrame, SelectedPair, Transport,
    TransportError, TransportEvent, TransportOutput, TransportStats,
};
