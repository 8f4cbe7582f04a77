//! The default input.

use std::sync::mpsc::{Receiver, Sender, channel};

use cpal::traits::DeviceTrait;
use cpal::{FromSample, Sample, SampleFormat, SizedSample};
use rtrb::{Producer, RingBuffer};

use super::stream::{Format, Message, OpenStream, StreamThread, open_limit, target};
use super::{Choice, Role};
use crate::device::{Microphone, Tick};
use crate::drift::FromCard;
use crate::fault::{DeviceFault, OpenError};

const DEFAULT: Choice = Choice {
    role: Role::Microphone,
    name: None,
};

/// The sound card as a microphone. Nothing is captured before the first [`read`](Microphone::read).
pub(crate) struct CardMicrophone {
    running: Option<Running>,
}

struct Running {
    thread: StreamThread,
    /// A new one comes each time the stream is opened.
    opened: Receiver<FromCard>,
    card: Option<FromCard>,
}

impl CardMicrophone {
    pub(crate) fn open() -> Result<Self, OpenError> {
        DEFAULT.check()?;
        Ok(Self { running: None })
    }
}

impl Running {
    fn start() -> Self {
        let (opened_sender, opened) = channel();
        let thread = StreamThread::start(
            DEFAULT,
            Opener {
                opened: opened_sender,
            },
        );
        Self {
            thread,
            opened,
            card: None,
        }
    }

    fn card(&mut self) -> Option<&mut FromCard> {
        if let Ok(card) = self.opened.try_recv() {
            self.card = Some(card);
        }
        self.card.as_mut()
    }
}

impl Microphone for CardMicrophone {
    fn read(&mut self, out: &mut Tick) {
        match self.running.get_or_insert_with(Running::start).card() {
            Some(card) => {
                card.read(out);
            }
            None => out.fill(0.0),
        }
    }

    fn discard(&mut self) {
        if let Some(card) = self.running.as_mut().and_then(Running::card) {
            card.discard();
        }
    }

    fn take_fault(&mut self) -> Option<DeviceFault> {
        self.running.as_ref()?.thread.take_fault()
    }

    fn delay_ms(&self) -> u32 {
        let card = self
            .running
            .as_ref()
            .and_then(|running| running.card.as_ref());
        card.map_or(0, FromCard::delay_ms)
    }
}

struct Opener {
    opened: Sender<FromCard>,
}

impl OpenStream for Opener {
    fn open(
        &mut self,
        device: &cpal::Device,
        format: Format,
        on_error: Sender<Message>,
    ) -> Result<cpal::Stream, cpal::Error> {
        let rate = format.config.sample_rate;
        // A second: ten times what is ever kept.
        let (producer, consumer) = RingBuffer::new(rate as usize);
        let stream = match format.sample_format {
            SampleFormat::F32 => build::<f32>(device, format, producer, on_error),
            SampleFormat::I16 => build::<i16>(device, format, producer, on_error),
            SampleFormat::I32 => build::<i32>(device, format, producer, on_error),
            SampleFormat::U16 => build::<u16>(device, format, producer, on_error),
            SampleFormat::U8 => build::<u8>(device, format, producer, on_error),
            _ => Err(cpal::Error::new(cpal::ErrorKind::UnsupportedConfig)),
        }?;
        let card = FromCard::new(consumer, rate, target(&stream, rate))
            .map_err(|_| cpal::Error::new(cpal::ErrorKind::UnsupportedConfig))?;
        // Nobody takes it any more: then the thread is told to stop as well.
        let _ = self.opened.send(card);
        Ok(stream)
    }
}

fn build<T>(
    device: &cpal::Device,
    format: Format,
    mut ring: Producer<f32>,
    on_error: Sender<Message>,
) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let channels = usize::from(format.config.channels.max(1));
    device.build_input_stream(
        format.config,
        move |data: &[T], _| {
            for frame in data.chunks_exact(channels) {
                let sum: f32 = frame.iter().map(|sample| f32::from_sample(*sample)).sum();
                // Full: the tick has stalled, and this would be dropped there anyway.
                let _ = ring.push(sum / channels as f32);
            }
        },
        move |error| {
            let _ = on_error.send(Message::Failed(error));
        },
        open_limit(),
    )
}
