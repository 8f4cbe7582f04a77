//! The card as a speaker.

use std::sync::mpsc::Sender;

use cpal::traits::DeviceTrait;
use cpal::{FromSample, SizedSample, StreamConfig};
use rtrb::{Consumer, Producer};
use rubato::ResamplerConstructionError;

use super::card::{Card, TickSide};
use super::format::Role;
use super::stream::{Message, open_limit};
use crate::device::{Speaker, Tick};
use crate::drift::ToCard;
use crate::fault::{DeviceFault, OpenError};

/// The sound card as a speaker. It is opened with the first [`write`](Speaker::write).
pub(crate) struct CardSpeaker(Card<ToCard>);

impl CardSpeaker {
    /// The default output, or the one of this name.
    pub(crate) fn open(name: Option<&str>) -> Result<Self, OpenError> {
        Card::open(name).map(Self)
    }
}

impl Speaker for CardSpeaker {
    fn write(&mut self, samples: &Tick) {
        if let Some(card) = self.0.start() {
            card.write(samples);
        }
    }

    fn is_running(&mut self) -> bool {
        self.0.side().is_some()
    }

    fn take_fault(&mut self) -> Option<DeviceFault> {
        self.0.take_fault()
    }

    fn delay_ms(&self) -> u32 {
        self.0.delay_ms()
    }
}

impl TickSide for ToCard {
    const ROLE: Role = Role::Speaker;

    type CallbackEnd = Consumer<f32>;
    type TickEnd = Producer<f32>;

    fn assign(
        (producer, consumer): (Producer<f32>, Consumer<f32>),
    ) -> (Consumer<f32>, Producer<f32>) {
        (consumer, producer)
    }

    fn build<T>(
        device: &cpal::Device,
        config: StreamConfig,
        mut ring: Consumer<f32>,
        on_error: Sender<Message>,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        T: SizedSample + FromSample<f32>,
        f32: FromSample<T>,
    {
        let channels = usize::from(config.channels.max(1));
        device.build_output_stream(
            config,
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

    fn new(
        ring: Producer<f32>,
        rate: u32,
        target: usize,
    ) -> Result<Self, ResamplerConstructionError> {
        ToCard::new(ring, rate, target)
    }

    fn delay_ms(&self) -> u32 {
        ToCard::delay_ms(self)
    }
}
