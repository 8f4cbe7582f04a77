//! The streams that the sources of a call have ordered.

use std::collections::BTreeMap;

use securecall_relay::{StreamEvent, StreamId, StreamTarget, Urgency};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::TlsTrust;
use crate::stream::{self, Message};

/// Messages to a stream that may wait for it: packets of a call wait for nobody, so these are requests.
const MAX_WAITING: usize = 64;
/// Pieces of news that may wait for the call. A server that sends more is read no further.
const MAX_NEWS: usize = 64;

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

/// The streams of one call. When this is dropped, they are closed.
#[derive(Debug)]
pub struct Streams {
    trust: Option<TlsTrust>,
    open: BTreeMap<StreamId, Open>,
    news: mpsc::Receiver<StreamNews>,
    /// Given to each stream.
    tell: mpsc::Sender<StreamNews>,
}

#[derive(Debug)]
struct Open {
    messages: mpsc::Sender<Message>,
    task: JoinHandle<()>,
}

impl Streams {
    /// No stream yet. Without anybody to trust, no stream with TLS can be opened.
    pub fn new(trust: Option<TlsTrust>) -> Self {
        let (tell, news) = mpsc::channel(MAX_NEWS);
        Self {
            trust,
            open: BTreeMap::new(),
            news,
            tell,
        }
    }

    /// Begins to open a stream; what becomes of it is news.
    pub fn open(&mut self, stream: StreamId, target: StreamTarget) {
        let (messages, from_us) = mpsc::channel(MAX_WAITING);
        let work = stream::run(
            stream,
            target,
            self.trust.clone(),
            from_us,
            self.tell.clone(),
        );
        let task = tokio::spawn(work);
        self.open.insert(stream, Open { messages, task });
    }

    /// Writes to a stream. What finds no room is lost.
    pub fn write(&mut self, stream: StreamId, bytes: Vec<u8>, urgency: Urgency) {
        if let Some(open) = self.open.get(&stream)
            && open
                .messages
                .try_send(Message::new(bytes, urgency))
                .is_err()
        {
            tracing::trace!("a stream to a relay is full");
        }
    }

    /// Closes a stream, after what was written to it.
    pub fn close(&mut self, stream: StreamId) {
        // Its task ends when nobody can write any more.
        self.open.remove(&stream);
    }

    /// Waits for news; for ever while there is no stream.
    pub async fn next(&mut self) -> StreamNews {
        match self.news.recv().await {
            Some(news) => news,
            // We hold a sender ourselves.
            None => std::future::pending().await,
        }
    }

    /// News that is there already.
    pub fn try_next(&mut self) -> Option<StreamNews> {
        self.news.try_recv().ok()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        // What is still to be written, that an address is given back, goes out within the task's own time; what
        // is still being opened is not waited for.
        for open in std::mem::take(&mut self.open).into_values() {
            if !open.messages.is_closed() && open.messages.capacity() == MAX_WAITING {
                open.task.abort();
            }
        }
    }
}
