//! The card as a microphone.

use std::sync::mpsc::Sender;

use cpal::traits::DeviceTrait;
use cpal::{FromSample, Sample, SizedSample, StreamConfig};
use rtrb::{Consumer, Producer};
use rubato::ResamplerConstructionError;

use super::card::{Card, TickSide};
use super::format::Role;
use super::stream::{Message, open_limit};
use crate::device::{Microphone, Tick};
use crate::drift::FromCard;
use crate::fault::{DeviceFault, OpenError};

/// The sound card as a microphone. Nothing is captured before the first [`read`](Microphone::read).
pub(crate) struct CardMicrophone(Card<FromCard>);

impl CardMicrophone {
    pub(crate) fn open() -> Result<Self, OpenError> {
        Card::open(None).map(Self)
    }
}

impl Microphone for CardMicrophone {
    fn read(&mut self, out: &mut Tick) {
        match self.0.start() {
            Some(card) => {
                card.read(out);
            }
            None => out.fill(0.0),
        }
    }

    fn discard(&mut self) {
        if let Some(card) = self.0.side() {
            card.discard();
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

impl TickSide for FromCard {
    const ROLE: Role = Role::Microphone;

    type CallbackEnd = Producer<f32>;
    type TickEnd = Consumer<f32>;

    fn assign(
        (producer, consumer): (Producer<f32>, Consumer<f32>),
    ) -> (Producer<f32>, Consumer<f32>) {
        (producer, consumer)
    }

    fn build<T>(
        device: &cpal::Device,
        config: StreamConfig,
        mut ring: Producer<f32>,
        on_error: Sender<Message>,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        T: SizedSample + FromSample<f32>,
        f32: FromSample<T>,
    {
        let channels = usize::from(config.channels.max(1));
        device.build_input_stream(
            config,
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

    fn new(
        ring: Consumer<f32>,
        rate: u32,
        target: usize,
    ) -> Result<Self, ResamplerConstructionError> {
        FromCard::new(ring, rate, target)
    }

    fn delay_ms(&self) -> u32 {
        FromCard::delay_ms(self)
    }
}
