//! Voice as any WebRTC peer speaks it: RTP payloads that the transport alone protects.
//!
//! ```text
//! microphone ──10 ms──▶ RtpVoiceEncoder ──packet──▶ Transport (profile Matrix) ──▶ network
//! speaker ◀──10 ms── RtpReceivePipeline ◀──packet, as it comes── Transport ◀──┘
//! ```
//!
//! There is no seal here, and so no step for it. What a packet looks like is what the two descriptions have agreed on: which
//! [`Codec`], and for Opus what the peer asks for ([`OpusWishes`], RFC 7587). How our packets come the peer tells by RTCP
//! ([`PeerReport`]), not in frames, and by how long connectivity checks take. On a narrow path Opus gets fewer bits, as sealed frames
//! do, but at any packet: there are no epochs, and its packets differ in size as it is.

mod codec;
mod g711;
mod narrowband;
mod path;
mod receive;
mod send;

pub(crate) use self::{
    codec::MAX_PACKET_SAMPLES,
    g711::{expand_a_law, expand_mu_law},
    narrowband::Interpolator,
    send::LONGEST_EMPTY,
};
pub use self::{
    codec::{Codec, OpusWishes},
    receive::{ReceivedPacket, RtpReceivePipeline, RtpReceiveStatistics},
    send::{OutboundPacket, PeerReport, RtpVoiceEncoder},
};
