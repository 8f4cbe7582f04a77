//! The default output, or one by its name.

use std::sync::mpsc::{Receiver, Sender, channel};

use cpal::traits::DeviceTrait;
use cpal::{FromSample, SampleFormat, SizedSample};
use rtrb::{Consumer, RingBuffer};

use super::stream::{Format, Message, OpenStream, StreamThread, open_limit, target};
use super::{Choice, Role};
use crate::device::{Speaker, Tick};
use crate::drift::ToCard;
use crate::fault::{DeviceFault, OpenError};

/// The sound card as a speaker. It is opened with the first [`write`](Speaker::write).
pub(crate) struct CardSpeaker {
    choice: Choice,
    running: Option<Running>,
}

struct Running {
    thread: StreamThread,
    /// A new one comes each time the stream is opened.
    opened: Receiver<ToCard>,
    card: Option<ToCard>,
}

impl CardSpeaker {
    /// The default output, or the one of this name.
    pub(crate) fn open(name: Option<&str>) -> Result<Self, OpenError> {
        let choice = Choice {
            role: Role::Speaker,
            name: name.map(str::to_owned),
        };
        choice.check()?;
        Ok(Self {
            choice,
            running: None,
        })
    }
}

impl Running {
    fn start(choice: &Choice) -> Self {
        let (opened_sender, opened) = channel();
        let thread = StreamThread::start(
            choice.clone(),
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

    fn card(&mut self) -> Option<&mut ToCard> {
        if let Ok(card) = self.opened.try_recv() {
            self.card = Some(card);
        }
        self.card.as_mut()
    }
}

impl Speaker for CardSpeaker {
    fn write(&mut self, samples: &Tick) {
        let choice = &self.choice;
        let running = self.running.get_or_insert_with(|| Running::start(choice));
        if let Some(card) = running.card() {
            card.write(samples);
        }
    }

    fn is_running(&mut self) -> bool {
        self.running.as_mut().and_then(Running::card).is_some()
    }

    fn take_fault(&mut self) -> Option<DeviceFault> {
        self.running.as_ref()?.thread.take_fault()
    }

    fn delay_ms(&self) -> u32 {
        let card = self
            .running
            .as_ref()
            .and_then(|running| running.card.as_ref());
        card.map_or(0, ToCard::delay_ms)
    }
}

struct Opener {
    opened: Sender<ToCard>,
}

impl OpenStream for Opener {
    fn open(
        &mut self,
        device: &cpal::Device,
        format: Format,
        on_error: Sender<Message>,
    ) -> Result<cpal::Stream, cpal::Error> {
        let rate = format.config.sample_rate;
        let (producer, consumer) = RingBuffer::new(rate as usize);
        let stream = match format.sample_format {
            SampleFormat::F32 => build::<f32>(device, format, consumer, on_error),
            SampleFormat::I16 => build::<i16>(device, format, consumer, on_error),
            SampleFormat::I32 => build::<i32>(device, format, consumer, on_error),
            SampleFormat::U16 => build::<u16>(device, format, consumer, on_error),
            SampleFormat::U8 => build::<u8>(device, format, consumer, on_error),
            _ => Err(cpal::Error::new(cpal::ErrorKind::UnsupportedConfig)),
        }?;
        let card = ToCard::new(producer, rate, target(&stream, rate))
            .map_err(|_| cpal::Error::new(cpal::ErrorKind::UnsupportedConfig))?;
        // Nobody takes it any more: then the thread is told to stop as well.
        let _ = self.opened.send(card);
        Ok(stream)
    }
}

fn build<T>(
    device: &cpal::Device,
    format: Format,
    mut ring: Consumer<f32>,
    on_error: Sender<Message>,
) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample + FromSample<f32>,
{
    let channels = usize::from(format.config.channels.max(1));
    device.build_output_stream(
        format.config,
        move |data: &mut [T], _| {
            for frame in data.chunks_exact_mut(channels) {
                // Empty: the tick is late, or nothing has come yet.
                frame.fill(T::from_sample(ring.pop().unwrap_or(0.0)));
            }
        },
        move |error| {
            let _ = on_error.send(Message::Failed(error));
        },
        open_limit(),
    )
}
