//! Sequence numbers of frames, extended to 64 bits.

/// A frame this far (20 s) from the newest is of another stream, or an attack.
const MAX_JUMP: i64 = 1_000;

/// How far `sequence` is ahead of `from`.
pub(crate) fn distance(from: u64, sequence: u64) -> i64 {
    sequence.wrapping_sub(from) as i64
}

/// The same, if both can be of one stream.
pub(crate) fn near_distance(from: u64, sequence: u64) -> Option<i64> {
    Some(distance(from, sequence)).filter(|it| (-MAX_JUMP..=MAX_JUMP).contains(it))
}
