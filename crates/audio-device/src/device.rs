//! What a call asks of a microphone and of a speaker, and the two together.

use std::fmt;
use std::sync::mpsc::Sender;

use crate::exchange::Exchangeable;
use crate::fault::DeviceFault;
use crate::open::{AudioSpec, EitherDevice, NewDevice};
use crate::processing::{Processing, ProcessingSwitch};

/// Samples a second, everywhere in this crate.
pub const SAMPLE_RATE: u32 = 48_000;

/// Samples of one 10 ms tick.
pub const TICK_SAMPLES: usize = 480;

/// 10 ms of one channel at 48 kHz, each sample from −1 to 1.
pub type Tick = [f32; TICK_SAMPLES];

/// How a sound card does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CardFigures {
    /// The card's own samples a second.
    pub sample_rate: u32,
    /// How much later sound comes than by a card without any buffer, in milliseconds: a running estimate over half a
    /// second, from what the card says of itself and what waits between it and the tick. None as long as the card starts.
    pub latency_ms: Option<f64>,
    /// What the card moves at once, in milliseconds.
    pub period_ms: f64,
    /// What the buffers are made for now, in milliseconds: as little as there are no glitches with.
    pub buffer_ms: u32,
    /// How often sound was missing, in the card or on the way to it.
    pub glitches: u64,
}

/// What microphones and speakers have in common. No method ever blocks.
pub trait Device: Send {
    /// Whether what is read now was captured, or what is written now is played. A sound card takes a while to start after its
    /// first tick: until then a microphone is silent, and what comes to a speaker is lost.
    fn is_running(&mut self) -> bool {
        true
    }

    /// What has gone wrong since it was last asked.
    fn take_fault(&mut self) -> Option<DeviceFault> {
        None
    }

    /// What the user should know once, for instance that a file is converted.
    fn notice(&self) -> Option<&str> {
        None
    }

    /// What the user should know since it was last asked, for instance that a sound card is back.
    fn take_notice(&mut self) -> Option<String> {
        None
    }

    /// A part of the echo canceller's delay hint, in milliseconds: how much later a sample is handed out than at the end of the
    /// 10 ms in which the mouth made it, or heard by the ear than it is given to [`write`](Speaker::write).
    fn delay_ms(&self) -> u32 {
        0
    }

    /// How the sound card does, if this is one that runs.
    fn card(&self) -> Option<CardFigures> {
        None
    }
}

/// A source of voice. No method ever blocks.
///
/// Samples handed out at tick *t* are those of \[*t* − 10 ms, *t*).
pub trait Microphone: Device {
    /// Hands out the next 10 ms; silence where nothing is there. The first call starts the capture:
    /// a sound card is opened and a file begins to play only then.
    fn read(&mut self, out: &mut Tick);

    /// Drops what has come in so far. Called each tick from the start of the program until the call is connected,
    /// so that whoever writes into a pipe is never held up and the peer hears no stale audio.
    fn discard(&mut self) {}
}

/// A sink of voice. No method ever blocks, but for [`finish`](Self::finish).
///
/// Samples written at tick *t* play over \[*t*, *t* + 10 ms).
pub trait Speaker: Device {
    /// Plays the next 10 ms. The first call starts the playback.
    fn write(&mut self, samples: &Tick);

    /// Says, before a tick is written, that the one after it comes so many samples before its time; below 0, after it. Ticks
    /// are moved by a sample or two at a time.
    ///
    /// The tick is made to last so much shorter: a second of sound always has as many samples, and what waits for a sound card stays
    /// as much as it was.
    fn move_next(&mut self, _earlier: i32) {}

    /// Writes out what is still held back and the headers of files, and says what went wrong with it.
    /// Waits for the disk, at most one second. Dropping a speaker does the same and stays silent about errors.
    ///
    /// # Errors
    ///
    /// The recording is not complete: [`DeviceFault::WriteFailed`] or [`DeviceFault::DiskFull`].
    fn finish(&mut self) -> Result<(), DeviceFault> {
        Ok(())
    }
}

/// The two ends of a call's sound, opened. Tick each every 10 ms; of ticks that are due together, [`Speaker::write`] first, then
/// [`Microphone::read`].
pub struct AudioDevices {
    /// Where the voice comes from.
    pub microphone: Box<dyn Microphone>,
    /// Where the peer's voice goes.
    pub speaker: Box<dyn Speaker>,
    successors: Successors,
}

/// The ways to the two places where a device gives way to another.
struct Successors {
    microphone: Sender<Box<dyn Microphone>>,
    speaker: Sender<Box<dyn Speaker>>,
    processing: ProcessingSwitch,
}

impl AudioDevices {
    /// Two devices, as `spec` names them, each of which can be exchanged.
    pub(crate) fn exchangeable(
        spec: &AudioSpec,
        microphone: Box<dyn Microphone>,
        speaker: Box<dyn Speaker>,
    ) -> Self {
        let (microphone, to_microphone) = Exchangeable::new(microphone);
        let (speaker, to_speaker) = Exchangeable::new(speaker);
        let (microphone, speaker, processing) =
            Processing::wrap(Box::new(microphone), Box::new(speaker));
        processing.set_on(spec.is_processed());
        Self {
            microphone,
            speaker,
            successors: Successors {
                microphone: to_microphone,
                speaker: to_speaker,
                processing,
            },
        }
    }

    /// Puts another device in the place of the one of its kind, while ticks go on. It takes over as soon as it runs; the
    /// other one is finished and closed elsewhere.
    pub fn exchange(&mut self, new: NewDevice) {
        let successors = &self.successors;
        successors.processing.set_on(new.spec.is_processed());
        // Both ends are ours.
        match new.device {
            EitherDevice::Microphone(microphone) => {
                let _ = successors.microphone.send(microphone);
            }
            EitherDevice::Speaker(speaker) => {
                let _ = successors.speaker.send(speaker);
            }
        }
    }
}

impl fmt::Debug for AudioDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioDevices").finish_non_exhaustive()
    }
}
