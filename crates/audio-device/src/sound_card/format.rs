//! Which way a stream goes, and what it is opened with.

use cpal::traits::DeviceTrait;
use cpal::{BufferSize, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfig};

use crate::device::SAMPLE_RATE;
use crate::latency::samples;

/// Which way a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Microphone,
    Speaker,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        }
    }
}

/// What a stream is opened with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) config: StreamConfig,
    pub(super) sample_format: SampleFormat,
}

impl Format {
    /// 48 kHz if the card can, float or 16 bit if it can, as few channels as it can; a period of so many milliseconds, or
    /// the nearest.
    pub(super) fn choose(
        device: &cpal::Device,
        role: Role,
        buffer_ms: u32,
    ) -> Result<Self, cpal::Error> {
        let ranges: Vec<_> = match role {
            Role::Microphone => device.supported_input_configs()?.collect(),
            Role::Speaker => device.supported_output_configs()?.collect(),
        };
        let best = ranges
            .into_iter()
            .filter(|range| handled(range.sample_format()))
            .filter_map(|range| range.try_with_sample_rate(SAMPLE_RATE))
            .min_by_key(|config| (rank(config.sample_format()), config.channels()));
        let supported = match best {
            Some(config) => config,
            None => match role {
                Role::Microphone => device.default_input_config()?,
                Role::Speaker => device.default_output_config()?,
            },
        };
        Ok(Self::of(supported, buffer_ms))
    }

    fn of(supported: SupportedStreamConfig, buffer_ms: u32) -> Self {
        let mut config = supported.config();
        let period = u32::try_from(samples(buffer_ms, config.sample_rate)).unwrap_or(u32::MAX);
        if let SupportedBufferSize::Range { min, max } = *supported.buffer_size() {
            config.buffer_size = BufferSize::Fixed(period.clamp(min, max.max(min)));
        }
        Self {
            config,
            sample_format: supported.sample_format(),
        }
    }
}

/// The sample formats that the callbacks convert.
fn handled(format: SampleFormat) -> bool {
    rank(format) < u8::MAX
}

fn rank(format: SampleFormat) -> u8 {
    match format {
        SampleFormat::F32 => 0,
        SampleFormat::I16 => 1,
        SampleFormat::I32 => 2,
        SampleFormat::U16 => 3,
        SampleFormat::U8 => 4,
        _ => u8::MAX,
    }
}
