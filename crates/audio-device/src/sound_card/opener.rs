//! Opens a card's stream, with a ring to the tick.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use cpal::traits::StreamTrait;
use cpal::{BufferSize, SampleFormat, Stream};
use rtrb::RingBuffer;

use super::card::{OpenSide, TickSide};
use super::choice::Choice;
use super::error_report::ErrorReport;
use super::format::Format;
use super::keeper::{Occasion, OpenStream, Opened, StreamErrors};
use super::quiet_alsa::keep_terminal_clean;
use crate::latency::{CallbackReport, ring_target};

/// How long cpal may take to open a stream.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// A card that could not be opened again so many times is gone: its pauses make a third of a second.
const GONE_AFTER: u32 = 3;

/// Opens the streams of one choice.
pub(super) struct Opener<S> {
    choice: Choice,
    opened: Sender<OpenSide<S>>,
    was_open: bool,
    side: PhantomData<fn() -> S>,
}

impl<S> Opener<S> {
    pub(super) fn new(choice: Choice, opened: Sender<OpenSide<S>>) -> Self {
        Self {
            choice,
            opened,
            was_open: false,
            side: PhantomData,
        }
    }
}

impl<S: TickSide> OpenStream for Opener<S> {
    type Stream = Stream;

    fn device(&self) -> String {
        self.choice.words()
    }

    fn open(
        &mut self,
        buffer_ms: u32,
        occasion: Occasion,
        errors: &StreamErrors,
    ) -> Result<Opened<Stream>, cpal::Error> {
        keep_terminal_clean();
        let host = cpal::default_host();
        let named = self.choice.device(&host);
        let (stream, replacement) = match self.open_one(named, buffer_ms, occasion, errors) {
            Ok((stream, _)) => (stream, None),
            // Somebody whose headset is unplugged wants to go on without it.
            Err(_) if self.is_gone(occasion) => {
                let default = self.choice.default_device(&host);
                let (stream, name) = self.open_one(default, buffer_ms, occasion, errors)?;
                (stream, Some(name))
            }
            Err(error) => return Err(error),
        };
        self.was_open = true;
        Ok(Opened {
            stream,
            replacement,
        })
    }
}

impl<S: TickSide> Opener<S> {
    /// Whether the card that was named has worked, and is away for longer than a moment.
    fn is_gone(&self, occasion: Occasion) -> bool {
        let is_away = matches!(occasion, Occasion::Alone { attempt } if attempt >= GONE_AFTER);
        self.choice.name.is_some() && self.was_open && is_away
    }

    fn open_one(
        &self,
        device: Option<cpal::Device>,
        buffer_ms: u32,
        occasion: Occasion,
        errors: &StreamErrors,
    ) -> Result<(Stream, String), cpal::Error> {
        let not_there = || cpal::Error::new(cpal::ErrorKind::DeviceNotAvailable);
        let device = device.ok_or_else(not_there)?;
        let mut format = Format::choose(&device, self.choice.role, buffer_ms)?;
        let stream = match self.build(&device, format, occasion, errors) {
            // Some drivers offer periods that they then refuse.
            Err(error) if error.kind() == cpal::ErrorKind::UnsupportedConfig => {
                format.config.buffer_size = BufferSize::Default;
                self.build(&device, format, occasion, errors)?
            }
            other => other?,
        };
        Ok((stream, device.to_string()))
    }

    fn build(
        &self,
        device: &cpal::Device,
        format: Format,
        occasion: Occasion,
        errors: &StreamErrors,
    ) -> Result<Stream, cpal::Error> {
        let config = format.config;
        let rate = config.sample_rate;
        // A second: ten times what is ever kept.
        let (callback_end, tick_end) = S::assign(RingBuffer::new(rate as usize));
        let report = Arc::new(CallbackReport::new());
        let report_of_errors = ErrorReport::new(Arc::clone(&report), errors.clone());
        let build = match format.sample_format {
            SampleFormat::F32 => S::build::<f32>,
            SampleFormat::I16 => S::build::<i16>,
            SampleFormat::I32 => S::build::<i32>,
            SampleFormat::U16 => S::build::<u16>,
            SampleFormat::U8 => S::build::<u8>,
            _ => return Err(cpal::Error::new(cpal::ErrorKind::UnsupportedConfig)),
        };
        let reported = Arc::clone(&report);
        let stream = build(device, config, callback_end, reported, report_of_errors)?;
        let period = stream
            .buffer_size()
            .map_or(rate as usize / 50, |frames| frames as usize);
        let side = S::new(tick_end, rate, ring_target(period, 0, rate))
            .map_err(|_| cpal::Error::new(cpal::ErrorKind::UnsupportedConfig))?;
        stream.play()?;
        // Nobody takes it any more: then the thread is told to stop as well.
        let _ = self.opened.send(OpenSide {
            side,
            report,
            rate,
            period,
            is_beside: occasion == Occasion::Beside,
        });
        Ok(stream)
    }
}

/// The limit for [`cpal::traits::DeviceTrait::build_input_stream`] and its twin.
pub(super) fn open_limit() -> Option<Duration> {
    Some(OPEN_LIMIT)
}
