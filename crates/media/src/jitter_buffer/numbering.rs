//! Which frame a packet holds, by its sequence number and RTP time.

use crate::{audio::FRAME_SAMPLES, sequence::near_distance};

/// So many in order, far from the newest, are another stream.
const BELIEVED_AFTER: u8 = 3;

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The frame with this index.
    Frame(i64),
    /// The same, but the sender's clock of RTP times has jumped.
    NewTimeline(i64),
    /// Frame 0 of another stream.
    NewStream,
}

#[derive(Debug, Clone, Copy)]
struct Origin {
    newest_sequence: u64,
    newest: i64,
    /// RTP time minus 960 × sequence: it changes only when the sender's timeline does.
    rtp_offset: u32,
}

/// Counts frames from the first packet on.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    origin: Option<Origin>,
    /// The sequence number that would follow those that came from far away, and how many they are.
    jump: Option<(u64, u8)>,
}

impl Numbering {
    /// Finds the place of a packet, or nothing for a number that cannot be.
    pub(super) fn place(&mut self, sequence: u64, rtp_time: u32) -> Option<Place> {
        let rtp_offset = offset(sequence, rtp_time);
        let Some(origin) = &mut self.origin else {
            return Some(self.restart(sequence, rtp_offset));
        };
        let Some(distance) = near_distance(origin.newest_sequence, sequence) else {
            let in_order = match self.jump {
                Some((expected, count)) if expected == sequence => count + 1,
                _ => 1,
            };
            self.jump = Some((sequence.wrapping_add(1), in_order));
            return (in_order >= BELIEVED_AFTER).then(|| self.restart(sequence, rtp_offset));
        };
        self.jump = None;
        let index = origin.newest + distance;
        let same_timeline = std::mem::replace(&mut origin.rtp_offset, rtp_offset) == rtp_offset;
        // What was overtaken must not take the count back with it.
        if distance > 0 {
            origin.newest = index;
            origin.newest_sequence = sequence;
        }
        Some(if same_timeline {
            Place::Frame(index)
        } else {
            Place::NewTimeline(index)
        })
    }

    /// How many frames before the newest one this is, for one of the same timeline, at most as old as can matter.
    pub(super) fn frames_back(&self, sequence: u64, rtp_time: u32) -> Option<i64> {
        let origin = self.origin?;
        let back = near_distance(sequence, origin.newest_sequence)?;
        (back >= 0 && origin.rtp_offset == offset(sequence, rtp_time)).then_some(back)
    }

    /// The index of the newest frame.
    pub(super) fn newest(&self) -> i64 {
        self.origin.map_or(0, |origin| origin.newest)
    }

    fn restart(&mut self, sequence: u64, rtp_offset: u32) -> Place {
        self.origin = Some(Origin {
            newest_sequence: sequence,
            newest: 0,
            rtp_offset,
        });
        self.jump = None;
        Place::NewStream
    }
}

fn offset(sequence: u64, rtp_time: u32) -> u32 {
    rtp_time.wrapping_sub((sequence as u32).wrapping_mul(FRAME_SAMPLES as u32))
}
