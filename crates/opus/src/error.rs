use thiserror::Error;

/// What libopus says in place of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", self.description())]
pub enum OpusError {
    /// An argument that libopus does not take.
    BadArgument,
    /// The samples or the packet need more room than there is.
    BufferTooSmall,
    /// The packet is not Opus.
    InvalidPacket,
    /// libopus was built without it.
    Unimplemented,
    /// No memory.
    OutOfMemory,
    /// Anything else: a fault of libopus or of this crate.
    Internal,
}

impl OpusError {
    /// What [`Display`](std::fmt::Display) gives.
    pub fn description(self) -> &'static str {
        match self {
            Self::BadArgument => "bad argument",
            Self::BufferTooSmall => "buffer too small",
            Self::InvalidPacket => "corrupted packet",
            Self::Unimplemented => "not implemented",
            Self::OutOfMemory => "no memory",
            Self::Internal => "internal error",
        }
    }

    fn from_code(code: i32) -> Self {
        match code {
            opusic_sys::OPUS_BAD_ARG => Self::BadArgument,
            opusic_sys::OPUS_BUFFER_TOO_SMALL => Self::BufferTooSmall,
            opusic_sys::OPUS_INVALID_PACKET => Self::InvalidPacket,
            opusic_sys::OPUS_UNIMPLEMENTED => Self::Unimplemented,
            opusic_sys::OPUS_ALLOC_FAIL => Self::OutOfMemory,
            _ => Self::Internal,
        }
    }
}

/// The non-negative results of libopus: a number of samples, bytes or frames.
pub(crate) fn count(result: i32) -> Result<usize, OpusError> {
    usize::try_from(result).map_err(|_| OpusError::from_code(result))
}

/// Results that say nothing but whether it worked.
pub(crate) fn done(result: i32) -> Result<(), OpusError> {
    count(result).map(drop)
}
