//! What the media streams of a call are: their purpose, and what of them is muted (MSC3077, MSC3291).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What the media streams of the sender are, by their IDs. A stream that is not in it is to be ignored.
///
/// What is read has at most [`MAX_STREAMS`](super::MAX_STREAMS). Streams with a purpose that nobody knows are to be ignored too, and
/// are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamMetadata(BTreeMap<StreamId, Stream>);

/// What one stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// What it is for.
    pub purpose: StreamPurpose,
    /// The sender says that it is silent. It may be so for a moment only, so it is no reason to stop playing.
    pub audio_muted: bool,
    /// The sender says that its picture is black, or that it has none.
    pub video_muted: bool,
}

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPurpose {
    /// Microphone and camera.
    Usermedia,
    /// The screen.
    Screenshare,
}

/// The ID of a media stream, as in `a=msid` (RFC 8830): 1 to 256 printable characters of ASCII.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(Arc<str>);

/// Why a text is no ID of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ID of a stream is 1 to {} printable characters of ASCII",
    StreamId::MAX_LEN
)]
pub struct StreamIdError;

impl StreamMetadata {
    /// One stream with a voice and no picture, as our calls have it. Without the word that there is no picture some clients ring as
    /// for a video call.
    pub fn of_voice(id: StreamId, audio_muted: bool) -> Self {
        let stream = Stream {
            purpose: StreamPurpose::Usermedia,
            audio_muted,
            video_muted: true,
        };
        Self::from_iter([(id, stream)])
    }

    /// The streams, by ID.
    pub fn iter(&self) -> impl Iterator<Item = (&StreamId, &Stream)> {
        self.0.iter()
    }

    /// The stream with an ID.
    pub fn stream(&self, id: &StreamId) -> Option<&Stream> {
        self.0.get(id)
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no stream.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(StreamId, Stream)> for StreamMetadata {
    fn from_iter<I: IntoIterator<Item = (StreamId, Stream)>>(streams: I) -> Self {
        Self(streams.into_iter().collect())
    }
}

impl StreamPurpose {
    /// Reads a purpose; `None`: one that nobody knows yet.
    pub(in crate::wire) fn parse(text: &str) -> Option<Self> {
        match text {
            "m.usermedia" => Some(Self::Usermedia),
            "m.screenshare" => Some(Self::Screenshare),
            _ => None,
        }
    }

    /// The purpose as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usermedia => "m.usermedia",
            Self::Screenshare => "m.screenshare",
        }
    }
}

impl StreamId {
    /// The longest that is taken, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Reads an ID.
    ///
    /// # Errors
    /// [`StreamIdError`] if it is not 1 to 256 printable characters of ASCII.
    pub fn parse(text: &str) -> Result<Self, StreamIdError> {
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(StreamIdError)
        }
    }

    /// The ID as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.as_str())
    }
}
