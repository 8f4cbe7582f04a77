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
use super::format::Format;
use super::keeper::{OpenStream, Opened, StreamErrors};
use super::quiet_alsa::keep_terminal_clean;
use crate::latency::{CallbackReport, ring_target};

/// How long cpal may take to open a stream.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// Opens the streams of one choice.
pub(super) struct Opener<S> {
    choice: Choice,
    opened: Sender<OpenSide<S>>,
    /// What was opened last.
    last: Option<String>,
    side: PhantomData<fn() -> S>,
}

impl<S> Opener<S> {
    pub(super) fn new(choice: Choice, opened: Sender<OpenSide<S>>) -> Self {
        Self {
            choice,
            opened,
            last: None,
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
        errors: &StreamErrors,
    ) -> Result<Opened<Stream>, cpal::Error> {
        keep_terminal_clean();
        let host = cpal::default_host();
        let not_there = || cpal::Error::new(cpal::ErrorKind::DeviceNotAvailable);
        let named = self.choice.device(&host);
        // Somebody whose headset is unplugged wants to go on without it.
        let is_replaced = named.is_none() && self.last.is_some();
        let device = match named {
            None if is_replaced => self.choice.default_device(&host),
            named => named,
        };
        let device = device.ok_or_else(not_there)?;
        let format = Format::choose(&device, self.choice.role, buffer_ms)?;
        let stream = match self.build(&device, format, errors) {
            // Some drivers offer periods that they then refuse.
            Err(error) if error.kind() == cpal::ErrorKind::UnsupportedConfig => {
                let mut format = format;
                format.config.buffer_size = BufferSize::Default;
                self.build(&device, format, errors)?
            }
            other => other?,
        };
        let name = device.to_string();
        let changed = self.last.replace(name.clone());
        let is_another = changed.is_some_and(|before| before != name);
        Ok(Opened {
            stream,
            replacement: (is_replaced && is_another).then_some(name),
        })
    }
}

impl<S: TickSide> Opener<S> {
    fn build(
        &self,
        device: &cpal::Device,
        format: Format,
        errors: &StreamErrors,
    ) -> Result<Stream, cpal::Error> {
        let config = format.config;
        let rate = config.sample_rate;
        // A second: ten times what is ever kept.
        let (callback_end, tick_end) = S::assign(RingBuffer::new(rate as usize));
        let report = Arc::new(CallbackReport::new());
        let report_of_errors = ErrorReport {
            report: Arc::clone(&report),
            errors: errors.clone(),
        };
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
        });
        Ok(stream)
    }
}

/// Where the errors of a stream go.
pub(super) struct ErrorReport {
    report: Arc<CallbackReport>,
    errors: StreamErrors,
}

impl ErrorReport {
    /// From cpal's error callback.
    pub(super) fn tell(&self, error: cpal::Error) {
        if error.kind() == cpal::ErrorKind::Xrun {
            self.report.xrun();
        } else {
            self.errors.tell(error);
        }
    }
}

/// The limit for [`cpal::traits::DeviceTrait::build_input_stream`] and its twin.
pub(super) fn open_limit() -> Option<Duration> {
    Some(OPEN_LIMIT)
}
