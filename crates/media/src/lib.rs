//! WebRTC transport, Opus, jitter buffer, send and receive pipelines.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod audio;
mod frame_protection;
pub mod jitter_buffer;
mod opus_codec;
mod receive_pipeline;
mod send_pipeline;
#[cfg(feature = "transport")]
mod transport;

pub use audio::{FRAME_SAMPLES, Level, SAMPLE_RATE, TICK_SAMPLES, Tick};
pub use frame_protection::{OpenError, OpenFrame, SealError, SealFrame};
pub use jitter_buffer::{JitterBuffer, JitterStatistics};
pub use opus_codec::{CodecError, Decoder, Encoder, LOOKAHEAD_SAMPLES, PAYLOAD_BYTES};
pub use receive_pipeline::{ReceivePipeline, ReceiveStatistics};
pub use send_pipeline::{OutboundFrame, SendError, SendPipeline};
#[cfg(feature = "transport")]
pub use transport::{
    Datagram, Fingerprint, MAX_DESCRIPTION_LEN, PathKind, ReceivedFrame, SelectedPair, Transport,
    TransportError, TransportEvent, TransportOutput, TransportStats,
};
