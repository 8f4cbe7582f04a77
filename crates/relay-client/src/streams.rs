//! The streams that the sources of a call have ordered.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use securecall_relay::{StreamId, StreamTarget, Urgency};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::TlsTrust;
use crate::outbox::Outbox;
use crate::stream;
use crate::stream_news::{News, StreamNews};

/// Pieces of news that may wait for the call. A server that sends more is read no further.
const MAX_NEWS: usize = 64;

/// The streams of one call. When this is dropped, they are closed.
#[derive(Debug)]
pub struct Streams {
    /// What streams run in: whoever orders them may have ticks to keep.
    runtime: Handle,
    trust: Option<TlsTrust>,
    open: BTreeMap<StreamId, Open>,
    news: mpsc::Receiver<StreamNews>,
    /// Given to each stream.
    tell: mpsc::Sender<StreamNews>,
}

#[derive(Debug)]
struct Open {
    outbox: Arc<Outbox>,
    /// Where it leads to.
    to: SocketAddr,
    /// The address of this machine that it leaves from, once that is known.
    local: Arc<OnceLock<IpAddr>>,
    task: AbortHandle,
}

impl Streams {
    /// No stream yet. Without anybody to trust, no stream with TLS can be opened. Streams live in the runtime in which this is made,
    /// whoever opens them.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(trust: Option<TlsTrust>) -> Self {
        let (tell, news) = mpsc::channel(MAX_NEWS);
        Self {
            runtime: Handle::current(),
            trust,
            open: BTreeMap::new(),
            news,
            tell,
        }
    }

    /// Begins to open a stream; what becomes of it is news.
    pub fn open(&mut self, stream: StreamId, target: StreamTarget) {
        let outbox = Arc::new(Outbox::default());
        let (to, local) = (target.address, Arc::new(OnceLock::new()));
        let work = stream::run(
            stream,
            target,
            self.trust.clone(),
            Arc::clone(&local),
            Arc::clone(&outbox),
            self.tell.clone(),
        );
        // It ends when the stream is closed by either side, or cannot be opened in time.
        let task = self.runtime.spawn(work).abort_handle();
        let open = Open {
            outbox,
            to,
            local,
            task,
        };
        self.open.insert(stream, open);
    }

    /// Writes to a stream. What finds no room is lost.
    pub fn write(&mut self, stream: StreamId, bytes: Vec<u8>, urgency: Urgency) {
        if let Some(Open { outbox, .. }) = self.open.get(&stream) {
            outbox.push(bytes, urgency);
        }
    }

    /// Closes a stream, after what was written to it.
    pub fn close(&mut self, stream: StreamId) {
        if let Some(Open { outbox, .. }) = self.open.remove(&stream) {
            outbox.close();
        }
    }

    /// This machine has these addresses no longer. Gives the news of the streams that left from there: they are closed. Nobody
    /// else would say so for minutes. Those that are still being opened are closed as well, for nobody knows where they leave
    /// from.
    pub fn addresses_gone(&mut self, gone: &[IpAddr]) -> Vec<StreamNews> {
        self.end_dead(|open| open.local.get().is_none_or(|local| gone.contains(local)))
    }

    /// Packets leave another way than before, where `source_towards` says from which address those to somewhere do. Gives the news
    /// of the streams that have left from another one: they are closed, for their packets go now where nobody takes them from there.
    pub fn routes_changed(
        &mut self,
        source_towards: impl Fn(SocketAddr) -> Option<IpAddr>,
    ) -> Vec<StreamNews> {
        self.end_dead(|open| {
            let now = open.local.get().zip(source_towards(open.to));
            now.is_some_and(|(local, source)| *local != source)
        })
    }

    fn end_dead(&mut self, is_dead: impl Fn(&Open) -> bool) -> Vec<StreamNews> {
        let dead = self.open.extract_if(.., |_, open| is_dead(open));
        let news = dead.map(|(stream, open)| {
            // Its last words would wait for acknowledgements that never come.
            open.task.abort();
            StreamNews {
                stream,
                event: News::Closed,
            }
        });
        news.collect()
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
        // What was said already, that an address is given back, still goes out. Nobody hears of it any more.
        for Open { outbox, .. } in self.open.values() {
            outbox.close();
        }
    }
}
