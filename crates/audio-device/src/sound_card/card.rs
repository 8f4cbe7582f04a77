//! What microphone and speaker have in common: a card that is opened with the first tick, and the ring between it and
//! the tick.

use std::sync::mpsc::{Receiver, Sender, channel};

use cpal::{FromSample, SampleFormat, SizedSample, StreamConfig};
use rtrb::{Consumer, Producer, RingBuffer};
use rubato::ResamplerConstructionError;

use super::choice::Choice;
use super::format::{Format, Role};
use super::stream::{Message, OpenStream, StreamThread, target};
use crate::fault::{DeviceFault, OpenError};

/// The tick's side of a card's ring, and all that differs between the two directions of sound.
pub(super) trait TickSide: Sized + Send + 'static {
    const ROLE: Role;

    /// The end of the ring that the card's callback has.
    type CallbackEnd: Send + 'static;

    /// The end of the ring that the tick has.
    type TickEnd;

    /// Says which end of a new ring is whose.
    fn assign(ring: (Producer<f32>, Consumer<f32>)) -> (Self::CallbackEnd, Self::TickEnd);

    /// Opens a stream whose callback copies between the card and the ring.
    fn build<T>(
        device: &cpal::Device,
        config: StreamConfig,
        ring: Self::CallbackEnd,
        on_error: Sender<Message>,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        T: SizedSample + FromSample<f32>,
        f32: FromSample<T>;

    /// `rate` is the card's, `target` the level to keep in the ring.
    fn new(
        ring: Self::TickEnd,
        rate: u32,
        target: usize,
    ) -> Result<Self, ResamplerConstructionError>;

    /// Milliseconds that lie in the ring.
    fn delay_ms(&self) -> u32;
}

/// A sound card as one direction of sound uses it.
pub(super) struct Card<S> {
    choice: Choice,
    /// Nothing runs before the first tick.
    running: Option<Running<S>>,
}

struct Running<S> {
    thread: StreamThread,
    /// A new one comes each time the stream is opened.
    opened: Receiver<S>,
    side: Option<S>,
}

impl<S: TickSide> Card<S> {
    /// The default card of this direction, or the one of this name.
    pub(super) fn open(name: Option<&str>) -> Result<Self, OpenError> {
        let choice = Choice {
            role: S::ROLE,
            name: name.map(str::to_owned),
        };
        choice.check()?;
        Ok(Self {
            choice,
            running: None,
        })
    }

    /// The tick's side of the stream that is open; starts to open one if none was asked for yet.
    pub(super) fn start(&mut self) -> Option<&mut S> {
        let choice = &self.choice;
        self.running
            .get_or_insert_with(|| Running::start(choice))
            .side()
    }

    /// The tick's side of the stream, if it was started and is open.
    pub(super) fn side(&mut self) -> Option<&mut S> {
        self.running.as_mut().and_then(Running::side)
    }

    pub(super) fn take_fault(&self) -> Option<DeviceFault> {
        self.running.as_ref()?.thread.take_fault()
    }

    /// Milliseconds between the card and the tick.
    pub(super) fn delay_ms(&self) -> u32 {
        let side = self
            .running
            .as_ref()
            .and_then(|running| running.side.as_ref());
        side.map_or(0, S::delay_ms)
    }
}

impl<S: TickSide> Running<S> {
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
            side: None,
        }
    }

    fn side(&mut self) -> Option<&mut S> {
        if let Ok(side) = self.opened.try_recv() {
            self.side = Some(side);
        }
        self.side.as_mut()
    }
}

struct Opener<S> {
    opened: Sender<S>,
}

impl<S: TickSide> OpenStream for Opener<S> {
    fn open(
        &mut self,
        device: &cpal::Device,
        format: Format,
        on_error: Sender<Message>,
    ) -> Result<cpal::Stream, cpal::Error> {
        let config = format.config;
        let rate = config.sample_rate;
        // A second: ten times what is ever kept.
        let (callback_end, tick_end) = S::assign(RingBuffer::new(rate as usize));
        let stream = match format.sample_format {
            SampleFormat::F32 => S::build::<f32>(device, config, callback_end, on_error),
            SampleFormat::I16 => S::build::<i16>(device, config, callback_end, on_error),
            SampleFormat::I32 => S::build::<i32>(device, config, callback_end, on_error),
            SampleFormat::U16 => S::build::<u16>(device, config, callback_end, on_error),
            SampleFormat::U8 => S::build::<u8>(device, config, callback_end, on_error),
            _ => Err(cpal::Error::new(cpal::ErrorKind::UnsupportedConfig)),
        }?;
        let side = S::new(tick_end, rate, target(&stream, rate))
            .map_err(|_| cpal::Error::new(cpal::ErrorKind::UnsupportedConfig))?;
        // Nobody takes it any more: then the thread is told to stop as well.
        let _ = self.opened.send(side);
        Ok(stream)
    }
}
