//! The copies of earlier frames that packets carry (FEC), and how long they are worth waiting for.

use securecall_opus::packet;

use super::media_us;
use crate::rtp_voice::{Codec, ReceivedPacket};

/// Packets without a copy after which none is waited for any more.
const REMEMBERED: u32 = 100;

/// Whether packets carry copies of those before them, and how long these are.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Packets for which that is taken to be so: the peer makes no copies of silence.
    remembered: u32,
    samples: usize,
}

impl Copies {
    pub(super) fn note(&mut self, packet: &ReceivedPacket, samples: usize) {
        if packet.codec == Codec::Opus && packet::has_fec(&packet.payload) {
            self.remembered = REMEMBERED;
            self.samples = samples;
        } else {
            self.remembered = self.remembered.saturating_sub(1);
        }
    }

    /// By how much the packet that restores one comes later than it.
    pub(super) const fn wait_us(&self) -> i64 {
        if self.remembered == 0 {
            return 0;
        }
        media_us(self.samples as i64)
    }
}
