//! The tunnels that the sources of a call have ordered.
//!
//! ```text
//!   this device ── outer QUIC, HTTP/3 ──► entry ── UDP ──► exit ── UDP ──► peer
//!        └──────── inner QUIC, HTTP/3, in CONNECT-UDP ──────┘
//! ```
//!
//! The entry sees who we are and to which exit we go. The exit sees the entry's address and the peer's. Both connections end here: the
//! inner one is encrypted from this device to the exit, whatever the entry does.

mod constant_window;
mod datagram_queue;
mod flow_sender;
mod flow_socket;
mod flows;
mod inbox;
mod liveness;
mod news;
mod outer;
mod probe;
mod relay_connection;
mod relay_tls;
mod requests;
mod transport;
mod tunnel;
mod udp_socket;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock, Weak};

use securecall_relay::{
    Hop, HopProof, HopRole, TunnelFailure, TunnelFailureKind, TunnelId, TunnelOrder, TunnelPath,
};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use self::flow_sender::FlowSender;
use self::inbox::Inbox;
use self::news::News;
pub use self::news::TunnelNews;
use self::outer::Outer;
pub use self::probe::{RelayProbeFailure, RelayShown, probe_relay};
use self::tunnel::Tunnel;
use crate::TlsTrust;

/// The most orders of capsules that wait for a tunnel. They are few, and an exit that does not read them is none.
const MAX_CAPSULES: usize = 64;

/// The tunnels of one call. When this is dropped, they are closed.
#[derive(Debug)]
pub struct Tunnels {
    /// What tunnels run in: whoever orders them may have ticks to keep.
    runtime: Handle,
    trust: Option<TlsTrust>,
    private: bool,
    open: BTreeMap<TunnelId, Open>,
    /// What leads to entries, for as long as a tunnel needs it.
    outers: Vec<(EntryKey, Weak<Outer>)>,
    inbox: Arc<Inbox>,
}

#[derive(Debug)]
struct Open {
    capsules: mpsc::Sender<Vec<u8>>,
    sender: Arc<OnceLock<FlowSender>>,
    /// When it is dropped, the tunnel is closed.
    _closing: oneshot::Sender<Infallible>,
}

/// What must be the same for two tunnels that share a connection to an entry.
#[derive(Debug, PartialEq, Eq)]
struct EntryKey {
    address: SocketAddr,
    name: String,
    proof: HopProof,
}

impl EntryKey {
    fn of(entry: &Hop) -> Self {
        Self {
            address: entry.address,
            name: entry.name.clone(),
            proof: entry.proof,
        }
    }
}

impl Tunnels {
    /// No tunnel yet. Without anybody to trust, relays can prove themselves by their keys only. Tunnels live in the runtime in which
    /// this is made, whoever opens them.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(trust: Option<TlsTrust>) -> Self {
        Self {
            runtime: Handle::current(),
            trust,
            private: false,
            open: BTreeMap::new(),
            outers: Vec::new(),
            inbox: Arc::default(),
        }
    }

    /// Exits may have bound addresses that are not of the Internet: they are in a laboratory.
    #[must_use]
    pub fn in_laboratory(mut self) -> Self {
        self.private = true;
        self
    }

    /// Does what a source has ordered. It never waits: what becomes of it is news.
    pub fn handle_order(&mut self, order: TunnelOrder) {
        match order {
            TunnelOrder::Open { tunnel, path } => self.open(tunnel, *path),
            TunnelOrder::Datagram { tunnel, contents } => {
                let open = self.open.get(&tunnel);
                if let Some(sender) = open.and_then(|open| open.sender.get()) {
                    sender.send(&[], &contents);
                }
            }
            TunnelOrder::Capsules { tunnel, bytes } => self.write(tunnel, bytes),
            TunnelOrder::Close(tunnel) => {
                self.open.remove(&tunnel);
                self.inbox.forget(tunnel);
            }
        }
    }

    fn open(&mut self, id: TunnelId, path: TunnelPath) {
        let runtime = self.runtime.clone();
        let _entered = runtime.enter();
        let outer = match self.outer_to(&path.entry) {
            Ok(outer) => outer,
            Err(error) => {
                tracing::debug!(%error, "no socket for a tunnel");
                return self.fail(id, HopRole::Entry, TunnelFailureKind::Silent);
            }
        };
        let (capsules, read_capsules) = mpsc::channel(MAX_CAPSULES);
        let (keep_open, closing) = oneshot::channel();
        let sender = Arc::new(OnceLock::new());
        let tunnel = Tunnel {
            id,
            path,
            trust: self.trust.clone(),
            private: self.private,
            outer,
            sender: Arc::clone(&sender),
            inbox: Arc::clone(&self.inbox),
        };
        // It ends when the tunnel fails, or is dropped here.
        tokio::spawn(tunnel.run(read_capsules, closing));
        let open = Open {
            capsules,
            sender,
            _closing: keep_open,
        };
        self.open.insert(id, open);
    }

    /// The connection to an entry that there is, or a new one.
    fn outer_to(&mut self, entry: &Hop) -> std::io::Result<Arc<Outer>> {
        let is_usable =
            |outer: &Weak<Outer>| outer.upgrade().is_some_and(|outer| outer.is_usable());
        self.outers.retain(|(_, outer)| is_usable(outer));
        let key = EntryKey::of(entry);
        let shared = self.outers.iter().find(|(other, _)| *other == key);
        if let Some(outer) = shared.and_then(|(_, outer)| outer.upgrade()) {
            return Ok(outer);
        }
        let outer = Arc::new(Outer::new(entry.address)?);
        self.outers.push((key, Arc::downgrade(&outer)));
        Ok(outer)
    }

    fn write(&mut self, tunnel: TunnelId, bytes: Vec<u8>) {
        let Some(open) = self.open.get(&tunnel) else {
            return;
        };
        // A stream that has a gap is of no use.
        if let Err(mpsc::error::TrySendError::Full(_)) = open.capsules.try_send(bytes) {
            self.open.remove(&tunnel);
            self.fail(tunnel, HopRole::Exit, TunnelFailureKind::Protocol);
        }
    }

    fn fail(&self, tunnel: TunnelId, hop: HopRole, kind: TunnelFailureKind) {
        let event = News::Closed(TunnelFailure { hop, kind });
        self.inbox.push(TunnelNews { tunnel, event });
    }

    /// This machine has these addresses no longer. Tunnels that have left from there leave from elsewhere and live on.
    pub fn addresses_gone(&mut self, gone: &[IpAddr]) {
        let _entered = self.runtime.enter();
        for outer in self.outers() {
            outer.addresses_gone(gone);
        }
    }

    /// Packets leave another way than before, where `source_towards` says from which address those to somewhere do; `None` while there
    /// is no way there. Tunnels leave that way from now on and live on. While there is none, no relay counts as silent.
    pub fn routes_changed(&mut self, source_towards: impl Fn(SocketAddr) -> Option<IpAddr>) {
        let _entered = self.runtime.enter();
        for outer in self.outers() {
            outer.routes_changed(&source_towards);
        }
    }

    fn outers(&self) -> impl Iterator<Item = Arc<Outer>> {
        self.outers.iter().filter_map(|(_, outer)| outer.upgrade())
    }

    /// Waits for news; for ever while there is no tunnel.
    pub async fn next(&mut self) -> TunnelNews {
        let news = self.inbox.next().await;
        self.note(&news);
        news
    }

    /// News that is there already.
    pub fn try_next(&mut self) -> Option<TunnelNews> {
        let news = self.inbox.pop()?;
        self.note(&news);
        Some(news)
    }

    /// Nothing is kept of a tunnel that has failed.
    fn note(&mut self, news: &TunnelNews) {
        if let News::Closed(_) = news.event {
            self.open.remove(&news.tunnel);
        }
    }
}
