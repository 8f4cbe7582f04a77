//! Echo cancellation, noise suppression and gain control between microphone and speaker.
//!
//! Only for sound cards unless forced: noise suppression takes a steady tone for noise, and files must stay as they are.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, MaxProcessingRate,
    NoiseSuppression, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use crate::device::{CardFigures, Device, Microphone, SAMPLE_RATE, Speaker, TICK_SAMPLES, Tick};
use crate::fault::DeviceFault;
use crate::fit::Fit;

/// After so many panics of the engine the voice goes through unprocessed.
const MAX_REBUILDS: u32 = 3;

/// What the processing asks of an engine. A seam for tests; the engine is `sonora`, a port of WebRTC's.
trait VoiceEngine: Send {
    /// The peer's voice: what was played in the 10 ms before this.
    fn render(&mut self, samples: &Tick);

    /// Our voice of the same 10 ms, with `delay_ms` from a rendered sample to its echo.
    fn capture(&mut self, samples: &mut Tick, delay_ms: u32);
}

struct Sonora(AudioProcessing);

impl Sonora {
    fn new() -> Self {
        let config = Config {
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
                ..Pipeline::default()
            },
            high_pass_filter: Some(HighPassFilter::default()),
            echo_canceller: Some(EchoCanceller::default()),
            noise_suppression: Some(NoiseSuppression::default()),
            gain_controller2: Some(GainController2 {
                adaptive_digital: Some(AdaptiveDigital::default()),
                ..GainController2::default()
            }),
            ..Config::default()
        };
        let stream = StreamConfig::new(SAMPLE_RATE, 1);
        Self(
            AudioProcessing::builder()
                .config(config)
                .capture_config(stream)
                .render_config(stream)
                .build(),
        )
    }
}

impl VoiceEngine for Sonora {
    fn render(&mut self, samples: &Tick) {
        // Nothing on the render path changes the sound, so it is analysed only.
        let mut unchanged = [0.0; TICK_SAMPLES];
        if let Err(error) = self.0.process_render_f32(&[samples], &mut [&mut unchanged]) {
            tracing::debug!(?error, "render side not processed");
        }
    }

    fn capture(&mut self, samples: &mut Tick, delay_ms: u32) {
        // An error says that the hint was out of range and has been limited.
        let _ = self
            .0
            .set_stream_delay_ms(i32::try_from(delay_ms).unwrap_or(i32::MAX));
        let mut processed = [0.0; TICK_SAMPLES];
        match self
            .0
            .process_capture_f32(&[&samples[..]], &mut [&mut processed])
        {
            Ok(()) => *samples = processed,
            Err(error) => tracing::debug!(?error, "capture side not processed"),
        }
    }
}

type EngineMaker = Box<dyn FnMut() -> Box<dyn VoiceEngine> + Send>;

/// The engine and its guard: a panic inside costs the engine its memory, never the call.
struct Guarded {
    make: EngineMaker,
    engine: Option<Box<dyn VoiceEngine>>,
    rebuilds: u32,
    speaker_delay_ms: u32,
    played: Played,
    /// Devices that are no sound cards stay as they are.
    is_on: bool,
}

impl Guarded {
    fn new(make: EngineMaker) -> Self {
        Self {
            engine: None,
            make,
            rebuilds: 0,
            speaker_delay_ms: 0,
            played: Played::default(),
            is_on: false,
        }
    }

    /// An engine that was off has forgotten the room.
    fn set_on(&mut self, is_on: bool) {
        if is_on == self.is_on {
            return;
        }
        self.is_on = is_on;
        self.rebuilds = 0;
        self.played = Played::default();
        self.engine = is_on.then(|| (self.make)());
    }

    fn run(&mut self, work: impl FnOnce(&mut dyn VoiceEngine)) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        // The engine is thrown away after a panic, so nobody sees what it left half done.
        if catch_unwind(AssertUnwindSafe(|| work(engine.as_mut()))).is_ok() {
            return;
        }
        self.rebuilds += 1;
        self.engine = (self.rebuilds <= MAX_REBUILDS).then(|| (self.make)());
        tracing::warn!(
            rebuilds = self.rebuilds,
            off = self.engine.is_none(),
            "the voice processing failed and was started again"
        );
    }
}

/// What is played, by the microphone's ticks. The speaker's are moved, each as long as until the next one; a canceller that was
/// given them as they come would see the room's echo come nearer and go away with them, and have to learn it again each time.
#[derive(Default)]
struct Played {
    fit: Fit,
    waiting: VecDeque<f32>,
    /// Enough has come for the microphone's ticks, wherever between them the speaker's lie.
    is_full: bool,
}

/// What waits at the most: a tick for the microphone's next, one for its phase, and one more if the speaker is ahead for a while.
const MAX_PLAYED: usize = 3 * TICK_SAMPLES;

impl Played {
    /// 10 ms begin to be played.
    fn put(&mut self, samples: &Tick) {
        if !std::mem::replace(&mut self.is_full, true) {
            self.waiting.clear();
            self.waiting.resize(TICK_SAMPLES, 0.0);
        }
        self.waiting.extend(self.fit.fit(samples).iter());
        if self.waiting.len() > MAX_PLAYED {
            self.waiting.drain(..TICK_SAMPLES);
        }
    }

    /// What was played in the last 10 ms.
    fn take(&mut self) -> Tick {
        if self.waiting.len() < TICK_SAMPLES {
            self.is_full = false;
            return [0.0; TICK_SAMPLES];
        }
        let mut tick = [0.0; TICK_SAMPLES];
        for (sample, played) in tick.iter_mut().zip(self.waiting.drain(..TICK_SAMPLES)) {
            *sample = played;
        }
        tick
    }
}

/// Microphone and speaker with the processing between them.
pub(crate) struct Processing;

/// Turns the processing on and off.
pub(crate) struct ProcessingSwitch(Arc<Mutex<Guarded>>);

impl ProcessingSwitch {
    pub(crate) fn set_on(&self, is_on: bool) {
        lock(&self.0).set_on(is_on);
    }
}

/// Both devices, and what turns the processing between them on.
type ProcessedDevices = (Box<dyn Microphone>, Box<dyn Speaker>, ProcessingSwitch);

impl Processing {
    /// Wraps both devices; the processing is off. Of ticks that are due together the speaker's [`write`](Speaker::write) must come
    /// before the microphone's [`read`](Microphone::read), so that the canceller knows a sound before its echo.
    pub(crate) fn wrap(
        microphone: Box<dyn Microphone>,
        speaker: Box<dyn Speaker>,
    ) -> ProcessedDevices {
        Self::wrap_with(microphone, speaker, Box::new(|| Box::new(Sonora::new())))
    }

    fn wrap_with(
        microphone: Box<dyn Microphone>,
        speaker: Box<dyn Speaker>,
        make: EngineMaker,
    ) -> ProcessedDevices {
        let shared = Arc::new(Mutex::new(Guarded::new(make)));
        let switch = ProcessingSwitch(Arc::clone(&shared));
        let microphone = Processed {
            inner: microphone,
            shared: Arc::clone(&shared),
        };
        let speaker = Processed {
            inner: speaker,
            shared,
        };
        (Box::new(microphone), Box::new(speaker), switch)
    }
}

/// Both ends are ticked by the same loop, so nobody ever waits here.
fn lock(shared: &Mutex<Guarded>) -> MutexGuard<'_, Guarded> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Processed<D: ?Sized> {
    inner: Box<D>,
    shared: Arc<Mutex<Guarded>>,
}

impl<D: Device + ?Sized> Device for Processed<D> {
    fn is_running(&mut self) -> bool {
        self.inner.is_running()
    }

    fn take_fault(&mut self) -> Option<DeviceFault> {
        self.inner.take_fault()
    }

    fn notice(&self) -> Option<&str> {
        self.inner.notice()
    }

    fn take_notice(&mut self) -> Option<String> {
        self.inner.take_notice()
    }

    fn delay_ms(&self) -> u32 {
        self.inner.delay_ms()
    }

    fn card(&self) -> Option<CardFigures> {
        self.inner.card()
    }
}

impl Microphone for Processed<dyn Microphone> {
    fn read(&mut self, out: &mut Tick) {
        self.inner.read(out);
        let mut processed = *out;
        let mut shared = lock(&self.shared);
        if shared.engine.is_none() {
            return;
        }
        let played = shared.played.take();
        let delay_ms = shared.speaker_delay_ms + self.inner.delay_ms();
        shared.run(|engine| {
            engine.render(&played);
            engine.capture(&mut processed, delay_ms);
            *out = processed;
        });
    }

    fn discard(&mut self) {
        self.inner.discard();
    }
}

impl Speaker for Processed<dyn Speaker> {
    fn write(&mut self, samples: &Tick) {
        {
            let mut shared = lock(&self.shared);
            shared.speaker_delay_ms = self.inner.delay_ms();
            if shared.engine.is_some() {
                shared.played.put(samples);
            }
        }
        self.inner.write(samples);
    }

    fn move_next(&mut self, earlier: i32) {
        lock(&self.shared).played.fit.move_next(earlier);
        self.inner.move_next(earlier);
    }

    fn finish(&mut self) -> Result<(), DeviceFault> {
        self.inner.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::null::{NullMicrophone, NullSpeaker};
    use crate::tone::ToneMicrophone;

    /// Panics on each capture whose number is divisible by ten; otherwise halves the sample values.
    struct Fragile {
        captures: Arc<AtomicU32>,
    }

    impl VoiceEngine for Fragile {
        fn render(&mut self, _samples: &Tick) {}

        fn capture(&mut self, samples: &mut Tick, _delay_ms: u32) {
            samples.iter_mut().for_each(|sample| *sample *= 0.5);
            let number = self.captures.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(!number.is_multiple_of(10), "as the real one did once");
        }
    }

    fn peak(samples: &[f32]) -> f32 {
        samples
            .iter()
            .fold(0.0, |peak, sample| sample.abs().max(peak))
    }

    #[test]
    fn a_panic_in_the_engine_costs_one_tick_of_processing_and_later_the_processing() {
        let captures = Arc::new(AtomicU32::new(0));
        let engine_captures = Arc::clone(&captures);
        let (mut microphone, _speaker, switch) = Processing::wrap_with(
            Box::new(ToneMicrophone::new(440.0)),
            Box::new(NullSpeaker),
            Box::new(move || {
                Box::new(Fragile {
                    captures: Arc::clone(&engine_captures),
                })
            }),
        );
        switch.set_on(true);
        let mut peaks = Vec::new();
        for _ in 0..60 {
            let mut tick = [0.0; TICK_SAMPLES];
            microphone.read(&mut tick);
            peaks.push(peak(&tick));
        }
        for (index, peak) in peaks.iter().enumerate() {
            let number = index + 1;
            let processed = number % 10 != 0 && number < 40;
            let expected = if processed { 0.125 } else { 0.25 };
            assert!((peak - expected).abs() < 0.01, "tick {number}: {peak}");
        }
        assert_eq!(
            captures.load(Ordering::Relaxed),
            40,
            "three rebuilds, then off"
        );
    }

    /// Hears what is played, 40 ms later and at half the level.
    struct Room {
        echo: Arc<Mutex<VecDeque<f32>>>,
        fit: Fit,
    }

    impl Device for Room {
        fn delay_ms(&self) -> u32 {
            20
        }
    }

    impl Microphone for Room {
        fn read(&mut self, out: &mut Tick) {
            let mut echo = self.echo.lock().unwrap();
            out.fill_with(|| echo.pop_front().unwrap());
        }
    }

    impl Speaker for Room {
        fn write(&mut self, samples: &Tick) {
            let samples = self.fit.fit(samples);
            let echo = samples.iter().map(|sample| sample * 0.5);
            self.echo.lock().unwrap().extend(echo);
        }

        fn move_next(&mut self, earlier: i32) {
            self.fit.move_next(earlier);
        }
    }

    /// By how many decibels the echo is quieter than it would be, from 5 s on for another 5 s; 400 ticks of the speaker from then on
    /// come so many samples earlier each.
    fn echo_reduction_db(earlier: i32) -> f64 {
        let echo = Arc::new(Mutex::new(VecDeque::from([0.0; 4 * TICK_SAMPLES])));
        let room = || Room {
            echo: Arc::clone(&echo),
            fit: Fit::default(),
        };
        let (mut microphone, mut speaker, switch) =
            Processing::wrap(Box::new(room()), Box::new(room()));
        switch.set_on(true);
        let (mut heard, mut returned) = (0.0_f64, 0.0_f64);
        // Noise in syllables: a plain 32-bit congruential generator, loud for 200 ms, quiet for 100 ms.
        let mut seed: u32 = 1;
        let (mut speaker_ticks, mut speaker_at) = (0, 0);
        for tick_number in 0..1_000 {
            let at = tick_number * TICK_SAMPLES as i32;
            while speaker_at <= at {
                let loud = speaker_ticks % 30 < 20;
                let played: Tick = std::array::from_fn(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = seed as f32 / u32::MAX as f32 - 0.5;
                    if loud { 0.5 * noise } else { 0.0 }
                });
                let is_moved = (500..900).contains(&speaker_ticks);
                let earlier = if is_moved { earlier } else { 0 };
                speaker.move_next(earlier);
                speaker.write(&played);
                speaker_ticks += 1;
                speaker_at += TICK_SAMPLES as i32 - earlier;
                // It needs some seconds to learn the room.
                if tick_number >= 500 {
                    let level = played.map(|sample| f64::from(sample * 0.5).powi(2));
                    heard += level.iter().sum::<f64>();
                }
            }
            let mut captured = [0.0; TICK_SAMPLES];
            microphone.read(&mut captured);
            if tick_number >= 500 {
                returned += captured
                    .iter()
                    .map(|sample| f64::from(*sample).powi(2))
                    .sum::<f64>();
            }
        }
        10.0 * (heard / returned.max(1e-12)).log10()
    }

    #[test]
    fn the_echo_of_the_peers_voice_is_taken_out() {
        let reduction_db = echo_reduction_db(0);
        assert!(reduction_db > 20.0, "{reduction_db:.1} dB");
    }

    #[test]
    fn ticks_of_the_speaker_that_are_moved_bring_no_echo_back() {
        for earlier in [1, -1] {
            let reduction_db = echo_reduction_db(earlier);
            assert!(reduction_db > 20.0, "{earlier}: {reduction_db:.1} dB");
        }
    }

    #[test]
    fn what_was_played_comes_to_the_canceller_in_its_order_whatever_ticks_are_left_out() {
        let mut played = Played::default();
        let mut next = 0.0;
        let mut put = |played: &mut Played| {
            played.put(&std::array::from_fn(|_| {
                next += 1.0;
                next
            }));
        };
        assert_eq!(played.take(), [0.0; TICK_SAMPLES], "nothing yet");
        put(&mut played);
        assert_eq!(played.take(), [0.0; TICK_SAMPLES], "begins now");
        put(&mut played);
        assert_eq!(played.take()[..2], [1.0, 2.0]);
        // The speaker is held up for two ticks.
        assert_eq!(played.take()[0], 481.0);
        assert_eq!(played.take(), [0.0; TICK_SAMPLES]);
        put(&mut played);
        assert_eq!(played.take(), [0.0; TICK_SAMPLES]);
        put(&mut played);
        assert_eq!(played.take()[0], 961.0);
        // The microphone is.
        for _ in 0..100 {
            put(&mut played);
        }
        assert_eq!(played.waiting.len(), MAX_PLAYED);
    }

    #[test]
    fn a_wrapped_device_still_answers_for_the_inner_one() {
        let (microphone, speaker, _) =
            Processing::wrap(Box::new(NullMicrophone), Box::new(NullSpeaker));
        assert!(microphone.notice().is_none());
        assert_eq!(speaker.delay_ms(), 0);
    }

    #[test]
    fn what_is_turned_off_leaves_the_sound_alone_and_works_again_when_turned_on() {
        let (mut microphone, _speaker, switch) = Processing::wrap_with(
            Box::new(ToneMicrophone::new(440.0)),
            Box::new(NullSpeaker),
            Box::new(|| {
                Box::new(Fragile {
                    captures: Arc::default(),
                })
            }),
        );
        for (is_on, expected) in [(false, 0.25), (true, 0.125), (false, 0.25), (true, 0.125)] {
            switch.set_on(is_on);
            let mut tick = [0.0; TICK_SAMPLES];
            microphone.read(&mut tick);
            assert!((peak(&tick) - expected).abs() < 0.01, "{is_on}");
        }
    }
}
