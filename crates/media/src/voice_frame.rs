//! What a voice frame holds inside its seal, and the few sizes that it can have.
//!
//! ```text
//! Opus ‖ report (2)
//! Opus (78) ‖ an older frame's Opus (78) ‖ how many frames older (1) ‖ report (2)
//! ```
//!
//! Which of the two it is follows from the size, which the seal authenticates. A sender keeps one size for a whole epoch.
//! See `docs/protocol/frame.md`.

use crate::{
    audio::{FRAME_SAMPLES, SAMPLE_RATE},
    opus_codec::PAYLOAD_BYTES,
    voice_report::{REPORT_BYTES, VoiceReport},
};

/// A copy is of a frame at most this much older than the frame that it comes with.
pub(crate) const MAX_COPY_DISTANCE: usize = 4;

/// How large the frames of an epoch are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameSize {
    /// 12 kbit/s: 30 bytes.
    Kbps12,
    /// 16 kbit/s: 40 bytes.
    Kbps16,
    /// 24 kbit/s: 60 bytes.
    Kbps24,
    /// 32 kbit/s: 80 bytes. Every call begins with it.
    #[default]
    Kbps32,
    /// 32 kbit/s, and beside each frame a whole older one: 159 bytes.
    Kbps32Twice,
}

impl FrameSize {
    /// All sizes, the smallest first.
    pub const ALL: [Self; 5] = [
        Self::Kbps12,
        Self::Kbps16,
        Self::Kbps24,
        Self::Kbps32,
        Self::Kbps32Twice,
    ];

    /// The size with this many bytes inside the seal, if there is one.
    pub fn of(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.bytes() == bytes)
    }

    /// Bytes of a frame inside its seal.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Kbps12 | Self::Kbps16 | Self::Kbps24 | Self::Kbps32 => {
                self.opus_bytes() + REPORT_BYTES
            }
            Self::Kbps32Twice => 2 * PAYLOAD_BYTES + 1 + REPORT_BYTES,
        }
    }

    /// Bytes of the Opus packet of a frame.
    pub const fn opus_bytes(self) -> usize {
        match self {
            Self::Kbps12 => 28,
            Self::Kbps16 => 38,
            Self::Kbps24 => 58,
            Self::Kbps32 | Self::Kbps32Twice => PAYLOAD_BYTES,
        }
    }

    /// Whether a whole older frame is beside each frame.
    pub const fn has_copy(self) -> bool {
        matches!(self, Self::Kbps32Twice)
    }

    /// Bits a second inside the seal.
    pub const fn bit_rate(self) -> u32 {
        (self.bytes() * 8 * SAMPLE_RATE as usize / FRAME_SAMPLES) as u32
    }
}

/// A whole older frame beside a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameCopy<'a> {
    /// How many frames older, 1 to [`MAX_COPY_DISTANCE`].
    pub(crate) distance: usize,
    pub(crate) opus: &'a [u8],
}

/// The contents of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VoiceFrame<'a> {
    pub(crate) size: FrameSize,
    /// An Opus packet or a muted frame, as long as the size says. Not looked into.
    pub(crate) opus: &'a [u8],
    /// Read from, and written to, sizes that have one; there not in the first frames.
    pub(crate) copy: Option<FrameCopy<'a>>,
    pub(crate) report: VoiceReport,
}

impl<'a> VoiceFrame<'a> {
    /// Reads what was inside a seal; nothing for a size that no frame has.
    pub(crate) fn parse(contents: &'a [u8]) -> Option<Self> {
        let size = FrameSize::of(contents.len())?;
        let (opus, rest) = contents.split_at_checked(size.opus_bytes())?;
        let (copy, report) = rest.split_last_chunk()?;
        Some(Self {
            size,
            opus,
            copy: parse_copy(copy),
            report: VoiceReport::from_bytes(*report),
        })
    }

    /// Appends the frame to `contents`. Both packets must be as long as the size says.
    pub(crate) fn write(&self, contents: &mut Vec<u8>) {
        contents.extend_from_slice(self.opus);
        if self.size.has_copy() {
            let end = contents.len() + PAYLOAD_BYTES;
            contents.extend_from_slice(self.copy.map_or(&[], |copy| copy.opus));
            contents.resize(end, 0);
            contents.push(self.copy.map_or(0, |copy| copy.distance as u8));
        }
        contents.extend_from_slice(&self.report.to_bytes());
    }
}

/// A distance that cannot be means that there is no copy.
fn parse_copy(bytes: &[u8]) -> Option<FrameCopy<'_>> {
    let (distance, opus) = bytes.split_last()?;
    let distance = usize::from(*distance);
    (1..=MAX_COPY_DISTANCE)
        .contains(&distance)
        .then_some(FrameCopy { distance, opus })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_sizes_are_those_of_the_protocol() {
        let sizes = FrameSize::ALL.map(|size| (size.bytes(), size.bit_rate()));
        let expected = [
            (30, 12_000),
            (40, 16_000),
            (60, 24_000),
            (80, 32_000),
            (159, 63_600),
        ];
        assert_eq!(sizes, expected);
        for bytes in 0..1_300 {
            let size = FrameSize::of(bytes);
            assert_eq!(
                size.is_some(),
                expected.iter().any(|(size, _)| *size == bytes)
            );
            assert_eq!(size, VoiceFrame::parse(&vec![7; bytes]).map(|it| it.size));
        }
    }

    #[test]
    fn frames_of_each_size_read_as_they_were_written() {
        let report = VoiceReport::new(7, 2.0, Duration::from_millis(40));
        for size in FrameSize::ALL {
            for distance in 0..=if size.has_copy() {
                MAX_COPY_DISTANCE
            } else {
                0
            } {
                let (opus, older) = (vec![1; size.opus_bytes()], [2; PAYLOAD_BYTES]);
                let frame = VoiceFrame {
                    size,
                    opus: &opus,
                    copy: (distance > 0).then_some(FrameCopy {
                        distance,
                        opus: &older,
                    }),
                    report,
                };
                let mut contents = Vec::new();
                frame.write(&mut contents);
                assert_eq!(contents.len(), size.bytes());
                assert_eq!(VoiceFrame::parse(&contents), Some(frame));
            }
        }
    }

    #[test]
    fn a_copy_from_too_far_back_is_none() {
        let mut contents = vec![1; FrameSize::Kbps32Twice.bytes()];
        for (distance, there) in [(0, false), (1, true), (4, true), (5, false), (255, false)] {
            contents[156] = distance;
            let frame = VoiceFrame::parse(&contents).unwrap();
            assert_eq!(frame.copy.is_some(), there, "{distance}");
        }
    }
}
