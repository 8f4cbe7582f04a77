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
    CodecError, Effort, EffortControl, EncodedFrame, SilentEncoder, TICK_SAMPLES, Tick,
    VoiceEncoder, VoiceWish,
};
use tokio::task::JoinHandle;
use web_time::Instant;

use crate::audio::{begin_to_open, begin_to_open_one};
use crate::event::Event;
use crate::media_output::MediaOutputs;

/// Microphone and speaker are served this often.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// An engine that was held up longer than this lets the missed ticks go.
const MAX_TICK_BACKLOG: Duration = Duration::from_millis(200);
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
    /// How hard the encoder may work on this machine.
    effort: EffortControl,
    microphone_open: bool,
    muted: bool,
    next_tick: Option<Instant>,
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
    ) -> Self {
        Self {
            outputs,
            spec,
            devices,
            opening: None,
            wishes: VecDeque::new(),
            exchanging: None,
            capture: None,
            effort: EffortControl::new(),
            microphone_open: false,
            muted: false,
            next_tick: None,
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
    pub(crate) const fn start_ticks(&mut self, at: Instant) {
        self.next_tick = Some(at);
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
        self.next_tick.or(waits.then_some(self.discard_at))
    }

    /// The first tick after a moment, once there are ticks.
    pub(crate) fn tick_after(&self, moment: Instant) -> Option<Instant> {
        let next = self.next_tick?;
        Some(if next > moment { next } else { next + TICK })
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

    /// How long ago a tick was due, if one is.
    pub(crate) fn take_due_tick(&mut self, now: Instant) -> Option<Duration> {
        let at = self.next_tick.filter(|at| *at <= now)?;
        let late = now.saturating_duration_since(at);
        self.effort.handle_tick(now, late);
        self.next_tick = Some(if late > MAX_TICK_BACKLOG {
            now + TICK
        } else {
            at + TICK
        });
        Some(late)
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

    /// 10 ms for the speaker, 10 ms from the microphone, due at `due_us` since the Unix epoch. Every
    /// second tick gives a frame, where frames are wanted, and beside it silence, if `silence_too`.
    pub(crate) fn tick(
        &mut self,
        due_us: u64,
        heard: &Tick,
        silence_too: bool,
    ) -> Option<Captured<'_>> {
        let (Some(devices), Some(capture)) = (&mut self.devices, &mut self.capture) else {
            return None;
        };
        self.ticks += 1;
        devices.speaker.write(heard);
        self.started.speaker(due_us);
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

    fn encoder(&mut self) -> Option<&mut VoiceEncoder> {
        self.capture.as_mut()?.encoder.as_deref_mut()
    }

    /// Closes microphone and speaker; recordings get their headers, which waits for the disk elsewhere.
    pub(crate) fn stop(&mut self) {
        self.next_tick = None;
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
