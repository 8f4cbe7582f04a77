//! WebRTC transport, Opus, jitter buffer, send and receive pipelines.
//!
//! ```text
//!             one per device           one per peer
//! microphone ──10 ms──▶ VoiceEncoder ──20 ms──▶ SendPipeline ──sealed──▶ Transport ──▶ network
//! speaker ◀──10 ms── Mixer ◀──10 ms── ReceivePipeline ◀──sealed, as it comes── Transport ◀──┘
//! ```
//!
//! Each frame tells, beside the voice, how the other side's frames come ([`VoiceReport`]). [`NetworkAdaptation`] makes of that
//! how the encoder spends the bytes of a frame, and how large the frames of the next epoch are.
//!
//! Nothing here has a clock, a socket or a thread: time comes in as `now`, and so do the 10 ms ticks. Frames are sealed and
//! opened by whoever implements [`SealFrame`] and [`OpenFrame`]; this crate knows no key. Samples are `f32` from −1 to 1, 48 kHz,
//! one channel.
//!
//! The loop of a call, without its network:
//!
//! ```
//! use securecall_media::{
//!     OpenError, OpenFrame, OpenedFrame, ReceivePipeline, SealError, SealFrame, SendPipeline, TICK_SAMPLES,
//!     VoiceEncoder,
//! };
//! # use std::time::Duration;
//! # use web_time::Instant;
//! # struct Plain;
//! # impl SealFrame for Plain {
//! #     fn seal(&mut self, _: &mut Vec<u8>) -> Result<(), SealError> { Ok(()) }
//! # }
//! # impl OpenFrame for Plain {
//! #     fn open(&mut self, _: Instant, frame: &mut [u8]) -> Result<OpenedFrame, OpenError> {
//! #         Ok(OpenedFrame { payload: 0..frame.len(), order: 0, epoch: 0 })
//! #     }
//! # }
//! # let (sealer, opener, mut now) = (Plain, Plain, Instant::now());
//! let mut encoder = VoiceEncoder::new()?;
//! let mut sender = SendPipeline::new(sealer);
//! let mut receiver = ReceivePipeline::new(opener)?;
//! let mut sequence = 0;
//! for _ in 0..100 {
//!     let microphone = [0.1; TICK_SAMPLES];
//!     if let Some(encoded) = encoder.push(&microphone)? {
//!         let frame = sender.seal(encoded, receiver.report())?;
//!         let mut packet = frame.bytes.to_vec();
//!         receiver.handle_frame(now, sequence, frame.media_time as u32, &mut packet)?;
//!         sequence += 1;
//!     }
//!     let mut speaker = [0.0; TICK_SAMPLES];
//!     receiver.playback(now, &mut speaker);
//!     now += Duration::from_millis(10);
//! }
//! assert!(receiver.has_played());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod adaptation;
mod audio;
mod backoff;
mod effort;
mod frame_protection;
pub mod jitter_buffer;
mod mixer;
mod mute_fade;
mod muted_frame;
mod opus_codec;
mod queueing;
mod receive_pipeline;
mod reception;
mod rtp_voice;
mod send_pipeline;
mod sequence;
mod silent_encoder;
mod speaker_pace;
mod speaking;
#[cfg(feature = "transport")]
mod transport;
mod voice_encoder;
mod voice_frame;
mod voice_report;

pub use adaptation::{NetworkAdaptation, VoiceWish, shared_size};
pub use audio::{FRAME_SAMPLES, Level, SAMPLE_RATE, TICK_SAMPLES, Tick};
pub use effort::{EffortControl, measured_effort};
pub use frame_protection::{OpenError, OpenFrame, OpenedFrame, SealError, SealFrame};
pub use jitter_buffer::{JitterBuffer, JitterStatistics};
pub use mixer::{Mixer, Volume};
pub use muted_frame::MUTED_FRAME;
pub use opus_codec::{
    CodecError, Decoder, Effort, Encoder, EncoderSettings, LOOKAHEAD_SAMPLES, MAX_FRAMES_BACK,
    PAYLOAD_BYTES,
};
pub use receive_pipeline::{ReceivePipeline, ReceiveStatistics};
pub use rtp_voice::{
    Codec, OpusWishes, OutboundPacket, PeerReport, ReceivedPacket, RtpReceivePipeline,
    RtpReceiveStatistics, RtpVoiceEncoder,
};
pub use send_pipeline::{OutboundFrame, SendPipeline};
pub use silent_encoder::SilentEncoder;
pub use speaker_pace::SpeakerPace;
pub use speaking::Speaking;
#[cfg(feature = "transport")]
pub use transport::{
    AUTHENTICATED_INTERVAL, AgreedAudio, CandidateKind, Datagram, Fingerprint, LocalCandidate,
    MAX_CANDIDATE_LEN, MAX_DESCRIPTION_LEN, MAX_PEER_DESCRIPTION_LEN, MAX_REMOTE_CANDIDATES,
    PathKind, Profile, Reach, ReceivedFrame, SelectedPair, StreamId, Transport, TransportError,
    TransportEvent, TransportOutput, TransportStats,
};
pub use voice_encoder::{EncodedFrame, VoiceEncoder};
pub use voice_frame::FrameSize;
pub use voice_report::VoiceReport;
