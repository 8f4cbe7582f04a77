//! Figures of the jitter buffer.

/// What the buffer did since the start, and how it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct JitterStatistics {
    /// How long audio waits here: from the arrival of the fastest packets to its playback, in milliseconds.
    pub playout_delay_ms: f32,
    /// The delay that arrivals and losses call for at present, in milliseconds.
    pub target_delay_ms: f32,
    /// Interarrival jitter as in RFC 3550, in milliseconds.
    pub jitter_ms: f32,
    /// Audio made up because nothing better was there, in milliseconds.
    pub concealed_ms: f64,
    /// Recent share of frames whose own packet did not come, not even 0.2 s later than others, 0 to 1.
    pub loss: f32,
    /// Frames that took their turn, there or not.
    pub frames_expected: u64,
    /// Frames that were there when their turn came, and were decoded.
    pub frames_decoded: u64,
    /// Of those, frames that came while they were waited for: their turn had begun.
    pub frames_awaited: u64,
    /// Frames recovered from what a later packet carries for that (FEC or DRED).
    pub frames_recovered: u64,
    /// Frames whose own packet did not come, but a whole copy of them in a later one.
    pub frames_from_copies: u64,
    /// Frames that never took part: neither decoded nor recovered nor copied.
    pub frames_lost: u64,
    /// Frames that came after their turn.
    pub frames_late: u64,
    /// Frames that came twice.
    pub frames_duplicate: u64,
    /// Frames passed over because the delay had grown out of bounds.
    pub frames_skipped: u64,
    /// Payloads that are not 20 ms of Opus, or of an impossible sequence.
    pub frames_malformed: u64,
    /// The longest stretch without any audio of the peer, in milliseconds, outages included.
    pub longest_gap_ms: f32,
    /// Audio cut out or put in by time-stretching, in milliseconds.
    pub stretched_ms: f64,
}
