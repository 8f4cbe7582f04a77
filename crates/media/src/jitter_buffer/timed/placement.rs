//! Where on the timeline a packet belongs, by its RTP time.

use crate::{
    rtp_voice::{Codec, ReceivedPacket},
    sequence::near_distance,
};

/// Further from the newest packet than this, in samples, is another stream, or an attack: 60 s. In a silence there may be no packet for
/// a while.
const MAX_JUMP: i64 = 60 * 48_000;
/// So many in order, far from the newest, are another stream.
const BELIEVED_AFTER: u8 = 3;

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It begins at this sample.
    At(i64),
    /// The same, on a timeline of its own.
    NewTimeline(i64),
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    codec: Codec,
    sequence: u64,
    rtp_time: u64,
    start: i64,
}

/// Counts samples at 48 kHz from the first packet on.
#[derive(Debug, Default)]
pub(super) struct Placement {
    newest: Option<Newest>,
    /// The sequence number that would follow those that came from far away, and how many they are.
    jump: Option<(u64, u8)>,
}

impl Placement {
    /// Finds the place of a packet, or nothing for numbers that cannot be.
    pub(super) fn place(&mut self, packet: &ReceivedPacket) -> Option<Place> {
        let Some(newest) = self.newest.filter(|newest| newest.codec == packet.codec) else {
            // Another codec has another clock.
            return Some(self.begin(packet));
        };
        let distance = near_distance(newest.sequence, packet.sequence);
        let units = packet.rtp_time.wrapping_sub(newest.rtp_time) as i64;
        let samples = units.checked_mul(i64::from(packet.codec.samples_per_unit()));
        let near = samples.filter(|samples| (-MAX_JUMP..=MAX_JUMP).contains(samples));
        let (Some(distance), Some(samples)) = (distance, near) else {
            let in_order = match self.jump {
                Some((expected, count)) if expected == packet.sequence => count + 1,
                _ => 1,
            };
            self.jump = Some((packet.sequence.wrapping_add(1), in_order));
            return (in_order >= BELIEVED_AFTER).then(|| self.begin(packet));
        };
        self.jump = None;
        let start = newest.start + samples;
        // What was overtaken must not take the count back with it.
        if distance > 0 {
            self.newest = Some(Newest {
                codec: packet.codec,
                sequence: packet.sequence,
                rtp_time: packet.rtp_time,
                start,
            });
        }
        Some(Place::At(start))
    }

    fn begin(&mut self, packet: &ReceivedPacket) -> Place {
        self.newest = Some(Newest {
            codec: packet.codec,
            sequence: packet.sequence,
            rtp_time: packet.rtp_time,
            start: 0,
        });
        self.jump = None;
        Place::NewTimeline(0)
    }
}
