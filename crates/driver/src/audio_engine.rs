//! Microphone, speaker and encoder of this device.
//!
//! It knows no peer: what is heard of all of them comes in as one tick, and each encoded frame goes
//! out to be sealed for each. With several peers their ticks are mixed before they come here. It speaks
//! in the name of one of their calls.

use std::collections::VecDeque;
use std::time::Duration;

use securecall_audio_device::{
    AudioDevices, AudioSpec, DeviceFault, DeviceWish, NewDevice, OpenError,
};
use securecall_media::{
    CodecError, Effort, EncodedFrame, SilentEncoder, SpeakerPace, TICK_SAMPLES, Tick, VoiceEncoder,
    VoiceWish,
};
use tokio::task::JoinHandle;
use web_time::Instant;

use crate::audio::{begin_to_open, begin_to_open_one};
use crate::event::Event;
use crate::media_output::MediaOutputs;
use crate::voice_effort::{LastEffort, VoiceEffort};

/// Microphone and speaker are served this often.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// An engine that was held up longer than this lets the missed ticks go.
const MAX_TICK_BACKLOG: Duration = Duration::from_millis(200);
/// A tick of the speaker that is due so soon after a frame came is served with it.
const BEHIND_A_FRAME: Duration = Duration::from_micros(1_300);
/// Every how many ticks levels are told.
const LEVELS_TICKS: u64 = 10;
/// How often a microphone that waits for its call is emptied: a pipe holds more than twice as much.
const IDLE_DISCARD: Duration = Duration::from_millis(250);

/// Microphone, speaker and encoder.
pub(crate) struct AudioEngine {
    outputs: MediaOutputs,
    spec: AudioSpec,
    devices: Option<AudioDevices>,
    /// The devices on their way, where none were open.
    opening: Option<JoinHandle<Result<AudioDevices, OpenError>>>,
    /// Other devices that are wished for.
    wishes: VecDeque<DeviceWish>,
    /// The first of them on its way.
    exchanging: Option<JoinHandle<Result<NewDevice, OpenError>>>,
    /// While audio runs.
    capture: Option<Capture>,
    /// How hard encoder and decoders may work on this machine.
    effort: VoiceEffort,
    microphone_open: bool,
    muted: bool,
    /// The microphone's next tick: frames and so packets follow it, and it keeps its pace.
    next_tick: Option<Instant>,
    /// The speaker's next tick: it begins with the microphone's, and then follows the peers' frames.
    next_playback: Option<Instant>,
    pace: SpeakerPace,
    /// When a microphone that is not read yet is emptied next.
    discard_at: Instant,
    ticks: u64,
    started: Started,
    /// The end of the recording, under way.
    recording: Option<JoinHandle<Option<DeviceFault>>>,
}

impl AudioEngine {
    /// An engine that does nothing yet. `devices` were opened before; without them they are opened
    /// when audio starts.
    pub(crate) fn new(
        now: Instant,
        outputs: MediaOutputs,
        spec: AudioSpec,
        devices: Option<AudioDevices>,
        last_effort: LastEffort,
    ) -> Self {
        Self {
            outputs,
            spec,
            devices,
            opening: None,
            wishes: VecDeque::new(),
            exchanging: None,
            capture: None,
            effort: VoiceEffort::new(last_effort),
            microphone_open: false,
            muted: false,
            next_tick: None,
            next_playback: None,
            pace: SpeakerPace::new(),
            discard_at: now,
            ticks: 0,
            started: Started::default(),
            recording: None,
        }
    }

    /// Makes audio ready: ticks begin with [`start_ticks`](Self::start_ticks), once there are devices.
    /// Where audio runs for another peer, it is only seen to that this one gets what it wants as well.
    pub(crate) fn start(&mut self, wanted: Wanted) -> Result<(), CodecError> {
        let runs = self.capture.is_some();
        let muted = self.muted;
        let capture = self.capture.get_or_insert_default();
        if wanted == Wanted::Frames && capture.encoder.is_none() {
            let mut encoder = Box::new(VoiceEncoder::new()?);
            encoder.set_muted(muted);
            capture.encoder = Some(encoder);
        }
        if runs {
            return Ok(());
        }
        match self.devices.take() {
            Some(devices) => self.use_devices(devices),
            None => self.opening = Some(begin_to_open(&self.spec)),
        }
        Ok(())
    }

    /// Begins to measure how hard this machine can work on a voice, if that has not begun. It is to be known before ticks begin, but
    /// they do not wait for it.
    pub(crate) fn measure_effort(&mut self) {
        self.effort.measure();
    }

    /// Speaks in the name of another call from now on.
    pub(crate) fn speak_for(&mut self, outputs: MediaOutputs) {
        self.outputs = outputs;
    }

    /// Waits for devices that are being opened, and takes them; for ever where none are.
    pub(crate) async fn opened(&mut self) -> Result<(), String> {
        if let Some(opening) = &mut self.opening {
            let joined = opening.await;
            self.opening = None;
            let opened = joined.map_err(|error| error.to_string());
            match opened.and_then(|opened| opened.map_err(|error| error.to_string())) {
                Ok(devices) => self.use_devices(devices),
                Err(why) => {
                    // A call that joins later tries again.
                    self.capture = None;
                    return Err(why);
                }
            }
        } else if let Some(exchanging) = &mut self.exchanging {
            let joined = exchanging.await;
            self.exchanging = None;
            match joined {
                Ok(Ok(device)) => self.use_device(device),
                // The one before goes on.
                Ok(Err(error)) => self.outputs.tell(|call| Event::DeviceRefused {
                    call: call.handle,
                    error,
                }),
                Err(error) => self.outputs.notice(error.to_string()),
            }
            self.grant_next();
        } else {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    /// Puts another device in the place of one, as soon as it is open.
    pub(crate) fn exchange(&mut self, wish: DeviceWish) {
        self.wishes.push_back(wish);
        if self.exchanging.is_none() {
            self.grant_next();
        }
    }

    fn grant_next(&mut self) {
        if let Some(wish) = self.wishes.pop_front() {
            self.exchanging = Some(begin_to_open_one(&self.spec, wish));
        }
    }

    /// Where no devices are open yet, those that will be are other ones.
    fn use_device(&mut self, device: NewDevice) {
        self.spec = device.spec().clone();
        if let Some(notice) = device.notice() {
            self.outputs.notice(notice.to_owned());
        }
        self.outputs.notice(device.to_string());
        if let Some(devices) = &mut self.devices {
            devices.exchange(device);
        }
    }

    /// How late microphone and speaker are, in milliseconds, where they are sound cards.
    pub(crate) fn card_latencies(&self) -> [Option<f64>; 2] {
        let Some(AudioDevices {
            microphone,
            speaker,
            ..
        }) = &self.devices
        else {
            return [None; 2];
        };
        [microphone.card(), speaker.card()].map(|card| card?.latency_ms)
    }

    /// Takes the devices.
    fn use_devices(&mut self, devices: AudioDevices) {
        let notices = [devices.microphone.notice(), devices.speaker.notice()];
        for notice in notices.into_iter().flatten() {
            self.outputs.notice(notice.to_owned());
        }
        self.devices = Some(devices);
    }

    /// Whether all is there for ticks to begin, and they have not begun.
    pub(crate) const fn may_tick(&self) -> bool {
        self.capture.is_some() && self.devices.is_some() && self.next_tick.is_none()
    }

    /// From a moment on a tick every 10 ms. Call it when [`may_tick`](Self::may_tick) says so.
    pub(crate) fn start_ticks(&mut self, at: Instant) {
        self.next_tick = Some(at);
        self.next_playback = Some(at);
        self.pace = SpeakerPace::new();
    }

    /// A frame of silence out of turn.
    pub(crate) fn silence(&mut self) -> Option<EncodedFrame<'_>> {
        let encoder = self.capture.as_mut()?.encoder.as_mut()?;
        let silence = [0.0; TICK_SAMPLES];
        // Two ticks make a frame.
        let _ = encoder.push(&silence);
        encoder.push(&silence).ok().flatten()
    }

    /// When something is due.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let waits = self.next_tick.is_none() && self.devices.is_some();
        let ticks = [self.next_playback, self.next_tick].into_iter().flatten();
        ticks.min().or(waits.then_some(self.discard_at))
    }

    /// The first tick after a moment, once there are ticks.
    pub(crate) fn tick_after(&self, moment: Instant) -> Option<Instant> {
        let ticks = [self.next_playback, self.next_tick].into_iter().flatten();
        ticks
            .map(|at| if at > moment { at } else { at + TICK })
            .min()
    }

    /// Empties a microphone that waits for its call.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.next_tick.is_none() && self.discard_at <= now {
            self.discard_at = now + IDLE_DISCARD;
            if let Some(devices) = &mut self.devices {
                devices.microphone.discard();
            }
        }
    }

    /// Which tick was due, and how long ago, if one was: the older one. The speaker's comes before the microphone's, so that the
    /// echo canceller knows a sound before its echo.
    pub(crate) fn take_due_tick(&mut self, now: Instant) -> Option<(Device, Duration)> {
        let playback = (self.next_playback?, Device::Speaker);
        let capture = (self.next_tick?, Device::Microphone);
        let (at, device) = if playback.0 <= capture.0 {
            playback
        } else {
            capture
        };
        let late = now.checked_duration_since(at)?;
        let next = Some(if late > MAX_TICK_BACKLOG {
            now + TICK
        } else {
            at + TICK
        });
        match device {
            Device::Speaker => self.next_playback = next,
            Device::Microphone => {
                self.effort.handle_tick(now, late);
                self.next_tick = next;
            }
        }
        Some((device, late))
    }

    /// When the speaker's tick is due that can be served now that a frame has come. Ticks come right behind frames, and this saves
    /// the timer of every second one.
    pub(crate) fn take_tick_behind(&mut self, now: Instant) -> Option<Instant> {
        let (at, capture_at) = (self.next_playback?, self.next_tick?);
        let is_soon = now <= at && at <= now + BEHIND_A_FRAME;
        if !is_soon || at > capture_at {
            return None;
        }
        self.next_playback = Some(at + TICK);
        Some(at)
    }

    /// Encodes the frames to come as the paths to the peers ask for, as hard as this machine can.
    pub(crate) fn follow(&mut self, wish: VoiceWish) {
        let settings = wish.settings(self.effort.effort());
        if let Some(encoder) = self.encoder()
            && let Err(error) = encoder.configure(settings)
        {
            tracing::error!(%error, ?settings, "the encoder does not follow the network");
        }
    }

    /// How hard this machine can work on a voice.
    pub(crate) fn effort(&self) -> Effort {
        self.effort.effort()
    }

    /// 10 ms for the speaker, due at `due_us` since the Unix epoch. The next 10 ms come so much earlier, a sample or two, as the
    /// peers' frames can do with `spare` microseconds less.
    pub(crate) fn play(&mut self, due_us: u64, heard: &Tick, spare: Option<i64>) {
        let Some(devices) = &mut self.devices else {
            return;
        };
        let earlier = self.pace.step(spare);
        if earlier != 0 {
            devices.speaker.move_next(earlier);
            self.next_playback = self
                .next_playback
                .map(|at| at + SpeakerPace::interval(earlier) - TICK);
        }
        devices.speaker.write(heard);
        self.started.speaker(due_us);
    }

    /// 10 ms from the microphone, due at `due_us` since the Unix epoch. Every second tick gives a frame, where frames are wanted,
    /// and beside it silence, if `silence_too`.
    pub(crate) fn capture(&mut self, due_us: u64, silence_too: bool) -> Option<Captured<'_>> {
        let (Some(devices), Some(capture)) = (&mut self.devices, &mut self.capture) else {
            return None;
        };
        self.ticks += 1;
        capture.samples.fill(0.0);
        if self.microphone_open {
            devices.microphone.read(&mut capture.samples);
            // What it gives now was captured in the 10 ms before.
            self.started.microphone(due_us.saturating_sub(micros(TICK)));
        } else {
            // Silence is sent, and nothing is kept for later.
            devices.microphone.discard();
        }
        Some(capture.encode(silence_too))
    }

    /// Tells what the last tick brought.
    pub(crate) fn tell(&mut self) {
        if let Some(devices) = &mut self.devices {
            let faults = [
                devices.microphone.take_fault(),
                devices.speaker.take_fault(),
            ];
            for fault in faults.into_iter().flatten() {
                self.outputs.fault(fault);
            }
            let notices = [
                devices.microphone.take_notice(),
                devices.speaker.take_notice(),
            ];
            for notice in notices.into_iter().flatten() {
                self.outputs.notice(notice);
            }
        }
        if let Some((microphone_at_unix_us, speaker_at_unix_us)) = self.started.take_news() {
            self.outputs.tell(|call| Event::AudioStarted {
                call: call.clone(),
                microphone_at_unix_us,
                speaker_at_unix_us,
            });
        }
    }

    /// Whether it is time to tell levels.
    pub(crate) const fn tells_levels(&self) -> bool {
        self.ticks.is_multiple_of(LEVELS_TICKS)
    }

    /// How loud the microphone is, where frames are wanted.
    pub(crate) fn level(&self) -> Option<f32> {
        let encoder = self.capture.as_ref()?.encoder.as_ref()?;
        Some(encoder.level().rms)
    }

    /// Whether the microphone may be heard, by whomever.
    pub(crate) const fn set_microphone_open(&mut self, open: bool) {
        self.microphone_open = open;
    }

    /// Gives frames that say that we are muted, or the microphone again.
    pub(crate) fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
        if let Some(encoder) = self.encoder() {
            encoder.set_muted(muted);
        }
    }

    /// What encodes the microphone, where frames are wanted.
    pub(crate) fn encoder(&mut self) -> Option<&mut VoiceEncoder> {
        self.capture.as_mut()?.encoder.as_deref_mut()
    }

    /// Closes microphone and speaker; recordings get their headers, which waits for the disk elsewhere.
    pub(crate) fn stop(&mut self) {
        if self.next_tick.take().is_some() {
            self.effort.remember();
        }
        self.next_playback = None;
        self.opening = None;
        self.exchanging = None;
        self.wishes.clear();
        self.capture = None;
        if let Some(AudioDevices {
            microphone,
            mut speaker,
            ..
        }) = self.devices.take()
        {
            drop(microphone);
            self.recording = Some(tokio::task::spawn_blocking(move || speaker.finish().err()));
        }
    }

    /// Stops, and waits until recordings are finished.
    pub(crate) async fn finish(&mut self) {
        self.stop();
        if let Some(recording) = self.recording.take()
            && let Ok(Some(fault)) = recording.await
        {
            self.outputs.fault(fault);
        }
    }
}

/// What tests need no measurement for.
#[cfg(test)]
impl AudioEngine {
    pub(crate) const fn voice_effort(&mut self) -> &mut VoiceEffort {
        &mut self.effort
    }
}

/// Which of the two a tick is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// 10 ms are played.
    Speaker,
    /// 10 ms were heard.
    Microphone,
}

/// What is wanted of the microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Frames of a fixed size, to be sealed for each peer.
    Frames,
    /// What it hears: the peer has an encoder of its own, for what it has asked for.
    Samples,
}

/// What becomes of what the microphone hears.
struct Capture {
    /// Where frames are wanted.
    encoder: Option<Box<VoiceEncoder>>,
    /// Where somebody must not hear what others do.
    silence: Option<Box<SilentEncoder>>,
    /// The last tick.
    samples: Tick,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            encoder: None,
            silence: None,
            samples: [0.0; TICK_SAMPLES],
        }
    }
}

impl Capture {
    fn encode(&mut self, silence_too: bool) -> Captured<'_> {
        let encoder = self.encoder.as_deref_mut();
        let frame = encoder.and_then(|encoder| logged(encoder.push(&self.samples)).flatten());
        let silence = frame
            .filter(|_| silence_too)
            .and_then(|frame| logged(silence_instead_of(frame, &mut self.silence)));
        Captured {
            samples: &self.samples,
            frame,
            silence,
        }
    }
}

fn silence_instead_of<'a>(
    frame: EncodedFrame<'_>,
    encoder: &'a mut Option<Box<SilentEncoder>>,
) -> Result<EncodedFrame<'a>, CodecError> {
    let encoder = match encoder {
        Some(encoder) => encoder,
        None => encoder.insert(Box::new(SilentEncoder::new()?)),
    };
    encoder.instead_of(frame)
}

fn logged<T>(encoded: Result<T, CodecError>) -> Option<T> {
    encoded
        .inspect_err(|error| tracing::warn!(%error, "a frame was not encoded"))
        .ok()
}

/// What a tick gave.
pub(crate) struct Captured<'a> {
    /// As it was heard.
    pub(crate) samples: &'a Tick,
    /// Encoded, every second tick, where frames are wanted.
    pub(crate) frame: Option<EncodedFrame<'a>>,
    /// A frame of silence of the same time and length, where that is wanted.
    pub(crate) silence: Option<EncodedFrame<'a>>,
}

/// When microphone and speaker began, in microseconds since the Unix epoch; told once both have.
#[derive(Default)]
struct Started {
    microphone_at: Option<u64>,
    speaker_at: Option<u64>,
    told: bool,
}

impl Started {
    fn microphone(&mut self, at: u64) {
        self.microphone_at.get_or_insert(at);
    }

    fn speaker(&mut self, at: u64) {
        self.speaker_at.get_or_insert(at);
    }

    /// Both times, once.
    fn take_news(&mut self) -> Option<(u64, u64)> {
        let both = self.microphone_at.zip(self.speaker_at);
        both.filter(|_| !std::mem::replace(&mut self.told, true))
    }
}

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use securecall_audio_device::{MicrophoneSpec, ProcessingChoice, SpeakerSpec, open_devices};
    use securecall_session::{CallHandles, NamedCall, WireCallId};

    use super::*;
    use crate::queue::queue;

    /// An engine without sound.
    fn engine(now: Instant) -> AudioEngine {
        let call = NamedCall {
            handle: CallHandles::default().issue(),
            id: WireCallId::parse("call").unwrap(),
        };
        let spec = AudioSpec {
            microphone: MicrophoneSpec::Null,
            speaker: SpeakerSpec::Null,
            processing: ProcessingChoice::Off,
        };
        let devices = open_devices(&spec).unwrap();
        let outputs = MediaOutputs::of(call, queue().0);
        let mut engine = AudioEngine::new(now, outputs, spec, Some(devices), LastEffort::default());
        engine.start(Wanted::Frames).unwrap();
        engine
    }

    /// The ticks of a second, from `start` on, for a peer whose frames come so many microseconds before a tick of 10 ms.
    fn second(engine: &mut AudioEngine, start: Instant, before_us: i64) -> Vec<(Device, Duration)> {
        let mut ticks = Vec::new();
        while let Some(now) = engine.next_wake()
            && now < start + Duration::from_secs(1)
        {
            let (device, late) = engine.take_due_tick(now).unwrap();
            assert_eq!(late, Duration::ZERO);
            match device {
                Device::Speaker => {
                    let of_grid = (now - start).as_micros() as i64 % 10_000;
                    let spare = (of_grid + before_us).rem_euclid(10_000);
                    engine.play(0, &[0.0; TICK_SAMPLES], Some(spare));
                }
                Device::Microphone => {
                    engine.capture(0, false).unwrap();
                }
            }
            ticks.push((device, now - start));
        }
        ticks
    }

    #[test]
    fn the_speaker_follows_the_peers_frames_and_the_microphone_keeps_its_pace() {
        let start = crate::clock::now();
        let mut engine = engine(start);
        engine.start_ticks(start);
        // Frames that come right before the microphone's ticks: one timer serves both, and the speaker goes first.
        for (number, (device, at)) in second(&mut engine, start, 600).into_iter().enumerate() {
            assert_eq!(device == Device::Speaker, number % 2 == 0);
            assert_eq!(at, TICK * (number as u32 / 2));
        }
        let mut moved = Vec::new();
        for after in 1..5 {
            let begun = start + Duration::from_secs(after);
            moved = second(&mut engine, begun, 4_000);
            let of = |wanted| moved.iter().filter(move |tick| tick.0 == wanted);
            let microphone: Vec<_> = of(Device::Microphone).map(|tick| tick.1).collect();
            let grid: Vec<_> = (0..100).map(|number| TICK * number).collect();
            assert_eq!(microphone, grid);
            assert!(of(Device::Speaker).count() >= 100);
        }
        for (device, at) in moved {
            let of_grid = at.as_micros() % 10_000;
            let near = (6_000..6_300).contains(&of_grid);
            assert!(device == Device::Microphone || near, "{at:?}");
        }
    }

    #[test]
    fn a_tick_right_behind_a_frame_needs_no_timer() {
        let start = crate::clock::now();
        let mut engine = engine(start);
        let due = start + TICK;
        engine.start_ticks(due);
        assert_eq!(engine.take_tick_behind(due - BEHIND_A_FRAME * 2), None);
        let now = due - BEHIND_A_FRAME;
        assert_eq!(engine.take_tick_behind(now), Some(due));
        // The microphone's is due at its own time, and before the next of the speaker's.
        assert_eq!(engine.take_due_tick(now), None);
        assert_eq!(engine.take_tick_behind(due + TICK), None);
        let microphone = Some((Device::Microphone, Duration::ZERO));
        assert_eq!(engine.take_due_tick(due), microphone);
        assert_eq!(engine.take_tick_behind(due + TICK), Some(due + TICK));
    }

    #[test]
    fn an_engine_that_was_held_up_for_long_lets_the_ticks_of_both_go() {
        let start = crate::clock::now();
        let mut engine = engine(start);
        engine.start_ticks(start);
        let late = Duration::from_millis(201);
        let now = start + late;
        assert_eq!(engine.take_due_tick(now), Some((Device::Speaker, late)));
        assert_eq!(engine.take_due_tick(now), Some((Device::Microphone, late)));
        assert_eq!(engine.take_due_tick(now), None);
        assert_eq!(engine.next_wake(), Some(now + TICK));
    }
}
