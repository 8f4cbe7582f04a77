//! The card as a microphone.

use std::sync::Arc;

use cpal::traits::DeviceTrait;
use cpal::{FromSample, Sample, SizedSample, StreamConfig};
use rtrb::{Consumer, Producer};
use rubato::ResamplerConstructionError;

use super::card::{Card, TickSide};
use super::error_report::ErrorReport;
use super::format::Role;
use super::opener::open_limit;
use super::quiet_alsa::QuietThread;
use crate::cross_fade::cross_fade;
use crate::device::{Microphone, TICK_SAMPLES, Tick};
use crate::drift::FromCard;
use crate::fault::OpenError;
use crate::latency::{CallbackReport, Latency, duration};

/// The default sound card as a microphone, or the one of this name. Nothing is captured before the first
/// [`read`](Microphone::read).
pub(crate) fn card_microphone(name: Option<&str>) -> Result<Box<dyn Microphone>, OpenError> {
    Ok(Box::new(Card::<FromCard>::open(name)?))
}

impl Microphone for Card<FromCard> {
    fn read(&mut self, out: &mut Tick) {
        if !self.pass(out) {
            out.fill(0.0);
        }
    }

    fn discard(&mut self) {
        if let Some(card) = self.side() {
            card.discard();
        }
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
        report: Arc<CallbackReport>,
        mut errors: ErrorReport,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        T: SizedSample + FromSample<f32>,
        f32: FromSample<T>,
    {
        let channels = usize::from(config.channels.max(1));
        let rate = config.sample_rate;
        let mut quiet = QuietThread::default();
        device.build_input_stream(
            config,
            move |data: &[T], info: &cpal::InputCallbackInfo| {
                quiet.call_once();
                let time = info.timestamp();
                let age = time.callback.saturating_duration_since(time.capture);
                report.captured(age, duration(data.len() / channels, rate));
                for frame in data.chunks_exact(channels) {
                    let sum: f32 = frame.iter().map(|sample| f32::from_sample(*sample)).sum();
                    // Full: the tick has stalled, and this would be dropped there anyway.
                    let _ = ring.push(sum / channels as f32);
                }
            },
            move |error| errors.tell(error),
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

    fn set_target(&mut self, target: usize) {
        FromCard::set_target(self, target);
    }

    fn pass(&mut self, tick: &mut Tick) -> bool {
        self.read(tick)
    }

    fn is_ready(&mut self) -> bool {
        !self.is_filling() || self.is_full_enough()
    }

    fn is_running(&self) -> bool {
        !self.is_filling()
    }

    fn hand_over(&mut self, next: &mut Self, tick: &mut Tick) {
        let mut last = [0.0; TICK_SAMPLES];
        self.read(&mut last);
        next.read(tick);
        cross_fade(&last, tick);
    }

    fn measure(&self, report: &CallbackReport, latency: &mut Latency) {
        if let Some(edge_ms) = report.edge_ms()
            && !self.is_filling()
        {
            latency.heard(self.level_ms(), edge_ms);
        }
    }
}
