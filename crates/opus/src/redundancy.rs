use std::ptr::NonNull;

use opusic_sys as ffi;

use crate::{
    OpusError, SAMPLE_RATE_C,
    error::{count, done},
    length,
};

/// What a packet's redundancy covers, in samples before the packet's own first one: from `oldest` to `newest`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it begins; 0 if there is none.
    pub oldest: usize,
    /// Where it ends. What is nearer to the packet was silence.
    pub newest: usize,
}

/// The deep redundancy (DRED) of one packet, with the network that reads it.
///
/// [`Redundancy::parse`] is cheap; [`Redundancy::process`] runs the network, and [`Decoder::decode_redundancy`] can be called
/// after it, as often as there are frames to be restored.
///
/// [`Decoder::decode_redundancy`]: crate::Decoder::decode_redundancy
#[derive(Debug)]
pub struct Redundancy {
    network: NonNull<ffi::OpusDREDDecoder>,
    features: NonNull<ffi::OpusDRED>,
    state: State,
}

/// How much of `features` libopus has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing that may be read.
    Empty,
    Parsed,
    Processed,
}

// SAFETY: as for `Encoder`.
unsafe impl Send for Redundancy {}

impl Redundancy {
    /// The longest time that a packet's redundancy covers: 26 latents of 40 ms.
    const MAX_SAMPLES: i32 = SAMPLE_RATE_C * 104 / 100;

    /// No packet's.
    ///
    /// # Errors
    ///
    /// [`OpusError::OutOfMemory`], or [`OpusError::Unimplemented`] where libopus is built without DRED.
    pub fn new() -> Result<Self, OpusError> {
        let mut code = ffi::OPUS_OK;
        // SAFETY: `code` outlives the call; libopus writes an integer to it.
        let network = unsafe { ffi::opus_dred_decoder_create(&raw mut code) };
        done(code)?;
        let network = NonNull::new(network).ok_or(OpusError::OutOfMemory)?;
        // SAFETY: as above.
        let features = unsafe { ffi::opus_dred_alloc(&raw mut code) };
        let Some(features) = NonNull::new(features) else {
            // SAFETY: libopus made it a few lines above, and nobody else has it.
            unsafe { ffi::opus_dred_decoder_destroy(network.as_ptr()) };
            done(code)?;
            return Err(OpusError::OutOfMemory);
        };
        Ok(Self {
            network,
            features,
            state: State::Empty,
        })
    }

    /// Takes the redundancy of `packet` in place of what was held, and says what it covers.
    ///
    /// # Errors
    ///
    /// [`OpusError::InvalidPacket`]; nothing is held then.
    pub fn parse(&mut self, packet: &[u8]) -> Result<Span, OpusError> {
        self.state = State::Empty;
        if packet.is_empty() {
            return Err(OpusError::InvalidPacket);
        }
        let mut newest: i32 = 0;
        // SAFETY: both states are alive and ours alone; libopus reads no more of the packet than it is told, which is what the
        // slice holds, and writes one integer to `newest`, which outlives the call.
        let oldest = count(unsafe {
            ffi::opus_dred_parse(
                self.network.as_ptr(),
                self.features.as_ptr(),
                packet.as_ptr(),
                length(packet),
                Self::MAX_SAMPLES,
                SAMPLE_RATE_C,
                &raw mut newest,
                1,
            )
        })?;
        if oldest == 0 {
            // None, or none that covers anything: of the features, nothing need have been written.
            return Ok(Span::default());
        }
        self.state = State::Parsed;
        let newest = count(newest)?.min(oldest);
        Ok(Span { oldest, newest })
    }

    /// Makes what was parsed ready to be decoded; that takes most of the time, but only once for a packet.
    ///
    /// # Errors
    ///
    /// [`OpusError::BadArgument`] if nothing is held.
    pub fn process(&mut self) -> Result<(), OpusError> {
        match self.state {
            State::Empty => Err(OpusError::BadArgument),
            State::Processed => Ok(()),
            State::Parsed => {
                let features = self.features.as_ptr();
                // SAFETY: both states are alive and ours alone; source and destination may be the same, as libopus documents.
                // `Parsed` says that the latents that it reads have been written.
                done(unsafe { ffi::opus_dred_process(self.network.as_ptr(), features, features) })?;
                self.state = State::Processed;
                Ok(())
            }
        }
    }

    /// The features, once they may be decoded.
    pub(crate) fn processed(&self) -> Option<*const ffi::OpusDRED> {
        (self.state == State::Processed).then_some(self.features.as_ptr().cast_const())
    }
}

impl Drop for Redundancy {
    fn drop(&mut self) {
        // SAFETY: libopus made both, and nobody uses them after this.
        unsafe {
            ffi::opus_dred_decoder_destroy(self.network.as_ptr());
            ffi::opus_dred_free(self.features.as_ptr());
        }
    }
}
