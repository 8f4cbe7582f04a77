//! What a call asks of a microphone and of a speaker, and the two together.

use std::fmt;

use crate::fault::DeviceFault;

/// Samples a second, everywhere in this crate.
pub const SAMPLE_RATE: u32 = 48_000;

/// Samples of one 10 ms tick.
pub const TICK_SAMPLES: usize = 480;

/// 10 ms of one channel at 48 kHz, each sample from −1 to 1.
pub type Tick = [f32; TICK_SAMPLES];

/// A source of voice. No method ever blocks.
///
/// Samples handed out at tick *t* are those of \[*t* − 10 ms, *t*).
pub trait Microphone: Send {
    /// Hands out the next 10 ms; silence where nothing is there. The first call starts the capture:
    /// a sound card is opened and a file begins to play only then.
    fn read(&mut self, out: &mut Tick);

    /// Drops what has come in so far. Called each tick from the start of the program until the call is connected,
    /// so that whoever writes into a pipe is never held up and the peer hears no stale audio.
    fn discard(&mut self) {}

    /// Whether what is read now was captured. A sound card takes a while to start after the first [`read`](Self::read), and
    /// is silent until then.
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

    /// How long a sample has waited between the mouth and [`read`](Self::read), in milliseconds: half of the echo canceller's
    /// delay hint.
    fn delay_ms(&self) -> u32 {
        0
    }
}

/// A sink of voice. No method ever blocks, but for [`finish`](Self::finish).
///
/// Samples written at tick *t* play over \[*t*, *t* + 10 ms).
pub trait Speaker: Send {
    /// Plays the next 10 ms. The first call starts the playback.
    fn write(&mut self, samples: &Tick);

    /// Whether what is written now is played. A sound card takes a while to start after the first
    /// [`write`](Self::write), and what comes before is lost.
    fn is_running(&mut self) -> bool {
        true
    }

    /// Writes out what is still held back and the headers of files, and says what went wrong with it.
    /// Waits for the disk, at most one second. Dropping a speaker does the same and stays silent about errors.
    ///
    /// # Errors
    ///
    /// The recording is not complete: [`DeviceFault::WriteFailed`] or [`DeviceFault::DiskFull`].
    fn finish(&mut self) -> Result<(), DeviceFault> {
        Ok(())
    }

    /// What has gone wrong since it was last asked.
    fn take_fault(&mut self) -> Option<DeviceFault> {
        None
    }

    /// What the user should know once.
    fn notice(&self) -> Option<&str> {
        None
    }

    /// How long a sample waits between [`write`](Self::write) and the ear, in milliseconds: the other half of the
    /// echo canceller's delay hint.
    fn delay_ms(&self) -> u32 {
        0
    }
}

/// The two ends of a call's sound, opened. Tick both every 10 ms: [`Speaker::write`], then [`Microphone::read`].
pub struct AudioDevices {
    /// Where the voice comes from.
    pub microphone: Box<dyn Microphone>,
    /// Where the peer's voice goes.
    pub speaker: Box<dyn Speaker>,
}

impl fmt::Debug for AudioDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioDevices").finish_non_exhaustive()
    }
}
