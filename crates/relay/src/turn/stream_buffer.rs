//! Messages and channel data in a stream (RFC 8656 section 3.1).

/// The longest message or channel data in a stream, in bytes. What a call sends has less than 1,600.
pub const MAX_FRAME_LEN: usize = 4096;
/// Type and length of a message, number and length of channel data.
const HEADER_LEN: usize = 4;

/// What comes in a stream is neither a message nor channel data: there is no way to find where the next
/// begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a STUN message nor channel data")]
pub struct StreamError;

/// What came of a stream and is not whole yet: never more than one frame.
#[derive(Debug, Default)]
pub struct StreamBuffer {
    bytes: Vec<u8>,
}

impl StreamBuffer {
    /// Takes bytes and gives each frame that is whole by now: a message, or channel data without its
    /// padding.
    ///
    /// # Errors
    /// [`StreamError`]: the stream is of no use any more.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        mut frame: impl FnMut(&[u8]),
    ) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let wanted = match Frame::read(&self.bytes)? {
                None => HEADER_LEN,
                Some(head) => head.with_padding,
            };
            let missing = wanted - self.bytes.len();
            let (part, rest) = bytes.split_at(missing.min(bytes.len()));
            self.bytes.extend_from_slice(part);
            bytes = rest;
            if let Some(head) = Frame::read(&self.bytes)?
                && self.bytes.len() == head.with_padding
            {
                frame(&self.bytes[..head.len]);
                self.bytes.clear();
            }
        }
        Ok(())
    }

    /// How many bytes wait for the rest of their frame.
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }
}

/// How long a frame is.
struct Frame {
    len: usize,
    /// Channel data fills up to a multiple of four bytes in a stream (RFC 8656 section 12.5).
    with_padding: usize,
}

impl Frame {
    /// `None` as long as its header is not whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, StreamError> {
        let Some([first, _, high, low]) = bytes.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let len = match first {
            0x00..=0x3f => crate::stun::HEADER_LEN + length,
            0x40..=0x4f => HEADER_LEN + length,
            _ => return Err(StreamError),
        };
        let with_padding = len.next_multiple_of(4);
        if with_padding > MAX_FRAME_LEN {
            return Err(StreamError);
        }
        Ok(Some(Self { len, with_padding }))
    }
}
