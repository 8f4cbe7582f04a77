//! What a stream tells its call.

use securecall_relay::{StreamEvent, StreamId};

/// What happened to a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct StreamNews {
    /// Which.
    pub stream: StreamId,
    pub(crate) event: News,
}

/// [`StreamEvent`], with bytes of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    Opened,
    Bytes(Vec<u8>),
    Closed,
    TlsFailed,
}

impl StreamNews {
    /// What happened, as a source is told.
    pub fn event(&self) -> StreamEvent<'_> {
        match &self.event {
            News::Opened => StreamEvent::Opened,
            News::Bytes(bytes) => StreamEvent::Bytes(bytes),
            News::Closed => StreamEvent::Closed,
            News::TlsFailed => StreamEvent::TlsFailed,
        }
    }
}
