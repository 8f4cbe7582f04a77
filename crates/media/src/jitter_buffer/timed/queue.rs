//! Packets that wait for their turn, in the order of their time.

use std::collections::VecDeque;

use crate::{
    audio::TICK_SAMPLES,
    rtp_voice::{Codec, LONGEST_EMPTY},
};

/// No more wait at once: 1.28 s of the shortest.
const MAX_PACKETS: usize = 128;
/// Nor over a longer time than this, in samples.
const MAX_SPAN: i64 = 128 * TICK_SAMPLES as i64;

/// A packet that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) sequence: u64,
    /// Its first sample.
    pub(super) start: i64,
    pub(super) samples: usize,
    pub(super) codec: Codec,
    pub(super) payload: Vec<u8>,
}

impl Waiting {
    /// Whether it says that nothing follows for a while (RFC 7587 section 3.1.3).
    pub(super) fn is_empty(&self) -> bool {
        self.codec == Codec::Opus && self.payload.len() <= LONGEST_EMPTY
    }

    fn end(&self) -> i64 {
        self.start + self.samples as i64
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Waiting>);

impl Queue {
    /// Keeps a packet; false if there is one of this time already.
    pub(super) fn insert(&mut self, packet: Waiting) -> bool {
        // Mostly it is the newest.
        let at = self.0.partition_point(|other| other.start < packet.start);
        if self
            .0
            .get(at)
            .is_some_and(|other| other.start == packet.start)
        {
            return false;
        }
        self.0.insert(at, packet);
        true
    }

    /// Lets the oldest go until no more wait than may; how many that were.
    pub(super) fn shrink(&mut self) -> u64 {
        let mut released = 0;
        while let (Some(first), Some(last)) = (self.0.front(), self.0.back())
            && (self.0.len() > MAX_PACKETS || last.start - first.start > MAX_SPAN)
        {
            self.0.pop_front();
            released += 1;
        }
        released
    }

    /// Lets go of what ends before this sample; how many that were.
    pub(super) fn release_before(&mut self, next: i64) -> u64 {
        let before = self.0.len();
        self.0.retain(|packet| packet.end() > next);
        (before - self.0.len()) as u64
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.0.front()
    }

    pub(super) fn last(&self) -> Option<&Waiting> {
        self.0.back()
    }

    /// Where the first packet begins that begins no sooner than this.
    pub(super) fn first_from(&self, sample: i64) -> Option<i64> {
        let starts = self.0.iter().map(|packet| packet.start);
        starts.into_iter().find(|start| *start >= sample)
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.0.pop_front()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
