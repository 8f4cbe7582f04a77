//! The card as a speaker.

use std::sync::Arc;

use cpal::traits::DeviceTrait;
use cpal::{FromSample, SizedSample, StreamConfig};
use rtrb::{Consumer, Producer};
use rubato::ResamplerConstructionError;

use super::card::{Card, TickSide};
use super::error_report::ErrorReport;
use super::format::Role;
use super::opener::open_limit;
use super::quiet_alsa::QuietThread;
use crate::cross_fade::{faded_in, faded_out};
use crate::device::{Speaker, Tick};
use crate::drift::ToCard;
use crate::fault::OpenError;
use crate::latency::{CallbackReport, Latency, duration};

/// The default sound card as a speaker, or the one of this name. It is opened with the first
/// [`write`](Speaker::write).
pub(crate) fn card_speaker(name: Option<&str>) -> Result<Box<dyn Speaker>, OpenError> {
    Ok(Box::new(Card::<ToCard>::open(name)?))
}

impl Speaker for Card<ToCard> {
    fn write(&mut self, samples: &Tick) {
        let mut tick = *samples;
        self.pass(&mut tick);
    }

    fn move_next(&mut self, earlier: i32) {
        if let Some(side) = self.side() {
            side.move_next(earlier);
        }
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
        // Before the first tick, and once the ticks have ended, nothing is missing.
        let mut has_sound = false;
        device.build_output_stream(
            config,
            move |data: &mut [T], info: &cpal::OutputCallbackInfo| {
                quiet.call_once();
                let time = info.timestamp();
                let delay = time.playback.saturating_duration_since(time.callback);
                report.will_play(delay, duration(data.len() / channels, rate));
                let mut missing = false;
                for frame in data.chunks_exact_mut(channels) {
                    // Empty: the tick is late, or nothing has come yet.
                    let sample = ring.pop();
                    missing |= sample.is_err();
                    frame.fill(T::from_sample(sample.unwrap_or(0.0)));
                }
                if missing && has_sound {
                    report.ran_dry();
                }
                has_sound = !missing;
            },
            move |error| errors.tell(error),
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

    fn set_target(&mut self, target: usize) {
        ToCard::set_target(self, target);
    }

    fn pass(&mut self, tick: &mut Tick) -> bool {
        self.write(tick);
        true
    }

    fn is_ready(&mut self) -> bool {
        true
    }

    fn is_running(&self) -> bool {
        true
    }

    fn hand_over(&mut self, next: &mut Self, tick: &mut Tick) {
        self.write(&faded_out(tick));
        next.write(&faded_in(tick));
    }

    fn measure(&self, report: &CallbackReport, latency: &mut Latency) {
        if let Some(edge_ms) = report.edge_ms() {
            latency.played(self.level_ms(), edge_ms);
        }
    }
}
