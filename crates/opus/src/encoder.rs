use std::ptr::NonNull;

use opusic_sys as ffi;

use crate::{
    MONO, OpusError, SAMPLE_RATE_C,
    error::{count, done},
    length,
};

/// What an encoder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// Speech: intelligibility first.
    Voip,
    /// Any sound: likeness to the original first.
    Audio,
}

/// What an encoder takes its input for when it chooses between its modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It finds out by itself.
    Auto,
    /// Speech.
    Voice,
}

/// How much of the spectrum an encoder keeps at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrow,
    /// 6 kHz.
    Medium,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    Superwide,
    /// 20 kHz.
    Full,
}

/// An encoder with its state.
#[derive(Debug)]
pub struct Encoder(NonNull<ffi::OpusEncoder>);

// SAFETY: libopus keeps all of a codec's state behind the pointer and has no ties to threads; one thread at a time may use it,
// which `&mut self` everywhere ensures.
unsafe impl Send for Encoder {}

impl Encoder {
    /// An encoder with the defaults of libopus.
    ///
    /// # Errors
    ///
    /// [`OpusError::OutOfMemory`].
    pub fn new(application: Application) -> Result<Self, OpusError> {
        let application = match application {
            Application::Voip => ffi::OPUS_APPLICATION_VOIP,
            Application::Audio => ffi::OPUS_APPLICATION_AUDIO,
        };
        let mut code = ffi::OPUS_OK;
        // SAFETY: `code` outlives the call; libopus writes an integer to it.
        let state =
            unsafe { ffi::opus_encoder_create(SAMPLE_RATE_C, MONO, application, &raw mut code) };
        done(code)?;
        NonNull::new(state).map(Self).ok_or(OpusError::OutOfMemory)
    }

    /// Encodes `samples` (2.5, 5, 10, 20, 40 or 60 ms) into `packet` and returns how many bytes of it are used: all of them at a
    /// constant bit rate that is as high.
    ///
    /// # Errors
    ///
    /// [`OpusError`] for another number of samples, or for no room.
    pub fn encode(&mut self, samples: &[f32], packet: &mut [u8]) -> Result<usize, OpusError> {
        // SAFETY: the state is alive. With one channel libopus reads as many samples as it is told, and writes no more bytes than
        // it is told; both numbers are those of the slices.
        count(unsafe {
            ffi::opus_encode_float(
                self.0.as_ptr(),
                samples.as_ptr(),
                length(samples),
                packet.as_mut_ptr(),
                length(packet),
            )
        })
    }

    /// Forgets everything that was encoded. Settings stay, but for [`Self::set_redundancy_duration`]'s.
    ///
    /// # Errors
    ///
    /// [`OpusError`], which no caller has seen.
    pub fn reset(&mut self) -> Result<(), OpusError> {
        // SAFETY: the state is alive, and this request takes no argument.
        done(unsafe { ffi::opus_encoder_ctl(self.0.as_ptr(), ffi::OPUS_RESET_STATE) })
    }

    /// The bit rate, padding and redundancy included.
    ///
    /// # Errors
    ///
    /// [`OpusError::BadArgument`].
    pub fn set_bit_rate(&mut self, bits_per_second: u32) -> Result<(), OpusError> {
        let rate = i32::try_from(bits_per_second).map_err(|_| OpusError::BadArgument)?;
        self.set(ffi::OPUS_SET_BITRATE_REQUEST, rate)
    }

    /// Whether packets may differ in size.
    ///
    /// # Errors
    ///
    /// [`OpusError`], which no caller has seen.
    pub fn set_variable_bit_rate(&mut self, on: bool) -> Result<(), OpusError> {
        self.set(ffi::OPUS_SET_VBR_REQUEST, on.into())
    }

    /// Whether packets may be left out in silence (DTX).
    ///
    /// # Errors
    ///
    /// [`OpusError`], which no caller has seen.
    pub fn set_dtx(&mut self, on: bool) -> Result<(), OpusError> {
        self.set(ffi::OPUS_SET_DTX_REQUEST, on.into())
    }

    /// How hard the encoder works, 0 to 10.
    ///
    /// # Errors
    ///
    /// [`OpusError::BadArgument`].
    pub fn set_complexity(&mut self, complexity: u8) -> Result<(), OpusError> {
        self.set(ffi::OPUS_SET_COMPLEXITY_REQUEST, complexity.into())
    }

    /// Whether packets carry a coarse copy of the frame before (LBRR, RFC 6716 section 2.1.7).
    ///
    /// # Errors
    ///
    /// [`OpusError`], which no caller has seen.
    pub fn set_inband_fec(&mut self, on: bool) -> Result<(), OpusError> {
        self.set(ffi::OPUS_SET_INBAND_FEC_REQUEST, on.into())
    }

    /// The share of packets that is expected to get lost, 0 to 100 percent: it decides how much goes to redundancy.
    ///
    /// # Errors
    ///
    /// [`OpusError::BadArgument`].
    pub fn set_expected_loss(&mut self, percent: u8) -> Result<(), OpusError> {
        self.set(ffi::OPUS_SET_PACKET_LOSS_PERC_REQUEST, percent.into())
    }

    /// Over how long a time, in units of 10 ms up to 104, packets carry deep redundancy (DRED) at most; 0 for none.
    ///
    /// # Errors
    ///
    /// [`OpusError::BadArgument`].
    pub fn set_redundancy_duration(&mut self, tens_of_ms: u8) -> Result<(), OpusError> {
        self.set(ffi::OPUS_SET_DRED_DURATION_REQUEST, tens_of_ms.into())
    }

    /// What the input is.
    ///
    /// # Errors
    ///
    /// [`OpusError`], which no caller has seen.
    pub fn set_signal(&mut self, signal: Signal) -> Result<(), OpusError> {
        let signal = match signal {
            Signal::Auto => ffi::OPUS_AUTO,
            Signal::Voice => ffi::OPUS_SIGNAL_VOICE,
        };
        self.set(ffi::OPUS_SET_SIGNAL_REQUEST, signal)
    }

    /// The most of the spectrum that is kept.
    ///
    /// # Errors
    ///
    /// [`OpusError`], which no caller has seen.
    pub fn set_max_bandwidth(&mut self, bandwidth: Bandwidth) -> Result<(), OpusError> {
        let bandwidth = match bandwidth {
            Bandwidth::Narrow => ffi::OPUS_BANDWIDTH_NARROWBAND,
            Bandwidth::Medium => ffi::OPUS_BANDWIDTH_MEDIUMBAND,
            Bandwidth::Wide => ffi::OPUS_BANDWIDTH_WIDEBAND,
            Bandwidth::Superwide => ffi::OPUS_BANDWIDTH_SUPERWIDEBAND,
            Bandwidth::Full => ffi::OPUS_BANDWIDTH_FULLBAND,
        };
        self.set(ffi::OPUS_SET_MAX_BANDWIDTH_REQUEST, bandwidth)
    }

    /// Samples by which decoded audio lags behind the input.
    ///
    /// # Errors
    ///
    /// [`OpusError`], which no caller has seen.
    pub fn lookahead(&mut self) -> Result<usize, OpusError> {
        let mut samples: i32 = 0;
        // SAFETY: the state is alive; this request takes a pointer to an integer, which outlives the call.
        done(unsafe {
            ffi::opus_encoder_ctl(
                self.0.as_ptr(),
                ffi::OPUS_GET_LOOKAHEAD_REQUEST,
                &raw mut samples,
            )
        })?;
        count(samples)
    }

    /// `request` must be one that takes an integer.
    fn set(&mut self, request: i32, value: i32) -> Result<(), OpusError> {
        // SAFETY: the state is alive, and all requests passed here take one integer.
        done(unsafe { ffi::opus_encoder_ctl(self.0.as_ptr(), request, value) })
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: libopus made the state, and nobody uses it after this.
        unsafe { ffi::opus_encoder_destroy(self.0.as_ptr()) }
    }
}
