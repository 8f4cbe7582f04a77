//! The profile `Matrix`: offers, answers and audio packets as browsers and their kin exchange them.
//!
//! The peer's description never gets to the engine. It is read once, into types and within bounds (`peer_description`), and the
//! engine is given one of our own making that says what was understood: one audio line with codecs that we have. What the engine
//! answers is taken for its credentials and candidates alone, and our description is written around them (`own_description`), with
//! a line for each of the peer's: the audio line taken, every other declined.

mod audio_line;
mod negotiation;
mod own_description;
mod packets;
mod peer_description;
mod sections;

use std::{collections::BTreeSet, net::SocketAddr};

use web_time::Instant;

pub use self::negotiation::AgreedAudio;
pub(super) use self::negotiation::OFFERED_MID_EXTENSION;
use self::{audio_line::CodecMap, own_description::EngineFacts, peer_description::MediaLine};
use super::profile::StreamId;

/// The longest description of a peer that is read. A browser's for audio and video with all its codecs has some 10 KiB; more than
/// this no Matrix event carries (spec, section on size limits).
pub const MAX_PEER_DESCRIPTION_LEN: usize = 64 * 1024;

/// What this profile knows of its call.
#[derive(Debug)]
pub(super) struct Browser {
    stream: StreamId,
    /// Our descriptions so far.
    versions: u32,
    /// We have put the peer on hold.
    holds: bool,
    /// An offer of ours that the engine has no part in: nothing in it concerns ICE.
    plain_offer: bool,
    /// What the offer that is pending, or was taken last, says of the lines. As the first description has them, they stay.
    lines: Vec<MediaLine>,
    /// Which of them is the audio line.
    audio: usize,
    /// The peer knows of BUNDLE.
    is_bundle: bool,
    /// By which payload type each codec goes.
    codecs: CodecMap,
    mid_extension: Option<u8>,
    /// By which credentials the peer's ICE generations are told apart.
    peer_credentials: Option<(String, String)>,
    /// Addresses that the peer's descriptions have named in this generation.
    candidates: BTreeSet<SocketAddr>,
    /// What the engine said in the last description of ours that the peer has taken, and in a restart offer that it has not.
    facts: Option<EngineFacts>,
    restart_facts: Option<EngineFacts>,
    agreed: Option<AgreedAudio>,
    /// When the check was answered whose round trip was told last.
    round_trip_at: Option<Instant>,
}

impl Browser {
    pub(super) fn new(stream: StreamId) -> Self {
        Self {
            stream,
            versions: 0,
            holds: false,
            plain_offer: false,
            lines: Vec::new(),
            audio: 0,
            codecs: CodecMap::default(),
            mid_extension: None,
            is_bundle: false,
            peer_credentials: None,
            candidates: BTreeSet::new(),
            facts: None,
            restart_facts: None,
            agreed: None,
            round_trip_at: None,
        }
    }
}
