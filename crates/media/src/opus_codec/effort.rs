/// How much of the processor the coding of a voice may take: measured at the start of a call, lowered where ticks come late, and
/// raised again.
///
/// | effort | encoding a frame | where losses are expected | decoding a frame | one that is missing |
/// | --- | --- | --- | --- | --- |
/// | High | 170 µs | 320 µs, with DRED 350 µs | 40 µs, 90 µs where much is missing and copied | 190 µs |
/// | Medium | 130 µs | 260 µs, with DRED 290 µs | 20 µs | 190 µs |
/// | Low | 100 µs | 200 µs, no DRED | 20 µs | 20 µs, never out of DRED |
///
/// That is on a core of an AMD EPYC, of which 200 µs a frame are 1 %. What the levels sound like is in docs/performance.md.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// For machines that can hardly keep up.
    Low,
    /// For slow ones.
    Medium,
    /// For everything else.
    #[default]
    High,
}

impl Effort {
    /// [`EncoderSettings::complexity`](super::EncoderSettings::complexity) at this effort.
    pub fn encoder_complexity(self) -> u8 {
        match self {
            Self::Low => 2,
            Self::Medium => 6,
            Self::High => 9,
        }
    }

    /// How many of `wanted` [`EncoderSettings::dred_frames`](super::EncoderSettings::dred_frames) there is time for.
    pub fn dred_frames(self, wanted: u8) -> u8 {
        if self.has_dred() { wanted } else { 0 }
    }

    /// Whether there is time for deep redundancy, ours and the peer's. A frame out of it costs as much as one that the network of
    /// neurons makes up, and twice that where it begins.
    pub(crate) fn has_dred(self) -> bool {
        match self {
            Self::Low => false,
            Self::Medium | Self::High => true,
        }
    }

    /// The next lower one.
    pub fn lower(self) -> Option<Self> {
        match self {
            Self::Low => None,
            Self::Medium => Some(Self::Low),
            Self::High => Some(Self::Medium),
        }
    }

    /// The next higher one.
    pub fn higher(self) -> Option<Self> {
        match self {
            Self::Low => Some(Self::Medium),
            Self::Medium => Some(Self::High),
            Self::High => None,
        }
    }

    /// From 5 on, libopus conceals by a network of neurons; at 6, another (LACE) takes the noise of coding out of what is decoded, and
    /// at 7 a larger one (NoLACE), which is better where much is missing and copies take their share of the bytes.
    pub(crate) fn decoder_complexity(self, much_is_copied: bool) -> u8 {
        match self {
            Self::Low => 0,
            Self::Medium => 5,
            Self::High if much_is_copied => 7,
            Self::High => 6,
        }
    }
}
