use std::ptr::{self, NonNull};

use opusic_sys as ffi;

use crate::{
    MONO, OpusError, Redundancy, SAMPLE_RATE_C,
    error::{count, done},
    length,
};

/// A decoder with its state.
#[derive(Debug)]
pub struct Decoder(NonNull<ffi::OpusDecoder>);

// SAFETY: as for `Encoder`.
unsafe impl Send for Decoder {}

impl Decoder {
    /// A decoder of complexity 0.
    ///
    /// # Errors
    ///
    /// [`OpusError::OutOfMemory`].
    pub fn new() -> Result<Self, OpusError> {
        let mut code = ffi::OPUS_OK;
        // SAFETY: `code` outlives the call; libopus writes an integer to it.
        let state = unsafe { ffi::opus_decoder_create(SAMPLE_RATE_C, MONO, &raw mut code) };
        done(code)?;
        NonNull::new(state).map(Self).ok_or(OpusError::OutOfMemory)
    }

    /// Decodes a packet, and returns how many samples of `samples` it fills.
    ///
    /// # Errors
    ///
    /// [`OpusError::InvalidPacket`], or [`OpusError::BufferTooSmall`] for a packet longer than `samples`.
    pub fn decode(&mut self, packet: &[u8], samples: &mut [f32]) -> Result<usize, OpusError> {
        self.run(Some(packet), samples, false)
    }

    /// Decodes the copy of the frame before that `later` carries (LBRR); where it carries none, conceals.
    ///
    /// # Errors
    ///
    /// [`OpusError::InvalidPacket`], or [`OpusError::BadArgument`] for `samples` of no multiple of 2.5 ms.
    pub fn decode_fec(&mut self, later: &[u8], samples: &mut [f32]) -> Result<usize, OpusError> {
        self.run(Some(later), samples, true)
    }

    /// Makes up `samples`, a multiple of 2.5 ms, in place of a packet that is not there.
    ///
    /// # Errors
    ///
    /// [`OpusError::BadArgument`] for another length.
    pub fn conceal(&mut self, samples: &mut [f32]) -> Result<usize, OpusError> {
        self.run(None, samples, false)
    }

    /// Makes `samples`, a multiple of 2.5 ms, out of the `redundancy` of a later packet: those that begin `samples_back` before
    /// the first sample of that packet's own. What is between must be made after it, in order, and then the packet be decoded.
    ///
    /// # Errors
    ///
    /// [`OpusError::BadArgument`] for another length, for more than two seconds back, or for a redundancy that holds nothing or
    /// is not processed.
    pub fn decode_redundancy(
        &mut self,
        redundancy: &Redundancy,
        samples_back: usize,
        samples: &mut [f32],
    ) -> Result<usize, OpusError> {
        let offset = i32::try_from(samples_back)
            .ok()
            .filter(|offset| *offset <= 2 * SAMPLE_RATE_C)
            .ok_or(OpusError::BadArgument)?;
        let processed = redundancy.processed().ok_or(OpusError::BadArgument)?;
        // SAFETY: both states are alive, and the second is read only. libopus writes no more samples than it is told, which is
        // what the slice holds; it copies features by an index that it checks against what `redundancy` holds.
        count(unsafe {
            ffi::opus_decoder_dred_decode_float(
                self.0.as_ptr(),
                processed,
                offset,
                samples.as_mut_ptr(),
                length(samples),
            )
        })
    }

    /// How hard the decoder works, 0 to 10. From 5 on it conceals by a neural network; it also takes the noise of coding out of
    /// what SILK decodes, at 6 by the network LACE, from 7 on by NoLACE.
    ///
    /// # Errors
    ///
    /// [`OpusError::BadArgument`].
    pub fn set_complexity(&mut self, complexity: u8) -> Result<(), OpusError> {
        // SAFETY: the state is alive, and this request takes one integer.
        done(unsafe {
            ffi::opus_decoder_ctl(
                self.0.as_ptr(),
                ffi::OPUS_SET_COMPLEXITY_REQUEST,
                i32::from(complexity),
            )
        })
    }

    /// Forgets everything that was decoded; the complexity stays.
    ///
    /// # Errors
    ///
    /// [`OpusError`], which no caller has seen.
    pub fn reset(&mut self) -> Result<(), OpusError> {
        // SAFETY: the state is alive, and this request takes no argument.
        done(unsafe { ffi::opus_decoder_ctl(self.0.as_ptr(), ffi::OPUS_RESET_STATE) })
    }

    fn run(
        &mut self,
        packet: Option<&[u8]>,
        samples: &mut [f32],
        fec: bool,
    ) -> Result<usize, OpusError> {
        let (bytes, number) = match packet {
            // libopus would conceal.
            Some([]) => return Err(OpusError::InvalidPacket),
            Some(packet) => (packet.as_ptr(), length(packet)),
            None => (ptr::null(), 0),
        };
        // SAFETY: the state is alive. libopus reads no more bytes and writes no more samples (of one channel) than it is told,
        // which is what the slices hold; a null pointer asks for concealment.
        count(unsafe {
            ffi::opus_decode_float(
                self.0.as_ptr(),
                bytes,
                number,
                samples.as_mut_ptr(),
                length(samples),
                fec.into(),
            )
        })
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: libopus made the state, and nobody uses it after this.
        unsafe { ffi::opus_decoder_destroy(self.0.as_ptr()) }
    }
}
