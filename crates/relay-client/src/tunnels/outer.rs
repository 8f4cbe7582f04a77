//! The connection to an entry, which several tunnels may share.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem};

use quinn::{Endpoint, TokioRuntime};
use securecall_relay::{Hop, HopRole, TunnelFailureKind};
use tokio::sync::{OnceCell, watch};

use super::liveness;
use super::relay_connection::RelayConnection;
use super::transport::endpoint_config;
use super::udp_socket::{UdpSocket, source_towards};
use crate::TlsTrust;

/// An entry that was heard so lately carries packets.
const IS_HEARD: Duration = Duration::from_millis(750);

/// What leads to an entry. It is kept by the tunnels that need it.
pub(super) struct Outer {
    entry: SocketAddr,
    endpoint: Endpoint,
    state: Arc<State>,
    connected: OnceCell<Result<Connected, TunnelFailureKind>>,
}

/// What its watcher shares with it.
#[derive(Default)]
struct State {
    /// The address of this machine that packets leave from; `None` while there is no way to the entry.
    local: Mutex<Option<IpAddr>>,
    /// For how many milliseconds nothing was heard of the entry.
    quiet: AtomicU64,
}

impl State {
    fn local(&self) -> MutexGuard<'_, Option<IpAddr>> {
        // No code panics while it holds this.
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is up, or was.
pub(super) struct Connected {
    pub(super) relay: RelayConnection,
    died: watch::Receiver<Option<TunnelFailureKind>>,
}

impl Outer {
    /// Has a socket, and no connection yet.
    pub(super) fn new(entry: SocketAddr) -> io::Result<Self> {
        let (socket, local) = UdpSocket::towards(entry)?;
        let endpoint = Endpoint::new_with_abstract_socket(
            endpoint_config(),
            None,
            socket,
            Arc::new(TokioRuntime),
        )?;
        let state = State {
            local: Mutex::new(local),
            quiet: AtomicU64::new(0),
        };
        Ok(Self {
            entry,
            endpoint,
            state: Arc::new(state),
            connected: OnceCell::new(),
        })
    }

    /// The connection, which is made by whoever asks first.
    pub(super) async fn connected(
        &self,
        entry: &Hop,
        trust: Option<&TlsTrust>,
    ) -> Result<&Connected, TunnelFailureKind> {
        let connect = || async {
            let relay = RelayConnection::open(&self.endpoint, entry, HopRole::Entry, trust).await?;
            let (tell, died) = watch::channel(None);
            let (quic, state) = (relay.quic.clone(), Arc::clone(&self.state));
            // It ends with the connection.
            tokio::spawn(async move {
                let has_way = || state.local().is_some();
                let tell_quiet = |quiet: Duration| {
                    let millis = quiet.as_millis().try_into().unwrap_or(u64::MAX);
                    state.quiet.store(millis, Ordering::Relaxed);
                };
                let kind = liveness::entry(&quic, has_way, tell_quiet).await;
                tell.send_replace(Some(kind));
            });
            Ok(Connected { relay, died })
        };
        self.connected
            .get_or_init(connect)
            .await
            .as_ref()
            .map_err(|kind| *kind)
    }

    /// Whether another tunnel may go through it: it is up, or will be.
    pub(super) fn is_usable(&self) -> bool {
        match self.connected.get() {
            None => true,
            Some(Ok(connected)) => connected.died.borrow().is_none(),
            Some(Err(_)) => false,
        }
    }

    /// Whether packets come through it, as far as is known.
    pub(super) fn carries(&self) -> bool {
        let quiet = Duration::from_millis(self.state.quiet.load(Ordering::Relaxed));
        self.state.local().is_some() && quiet < IS_HEARD
    }

    /// This machine has these addresses no longer. If packets have left from one of them, they leave from another.
    pub(super) fn addresses_gone(&self, gone: &[IpAddr]) {
        let local = *self.state.local();
        if local.is_none_or(|local| gone.contains(&local)) {
            self.move_to(source_towards(self.entry));
        }
    }

    /// Packets may leave another way than before.
    pub(super) fn routes_changed(&self, source_towards: impl Fn(SocketAddr) -> Option<IpAddr>) {
        let source = source_towards(self.entry);
        if source != *self.state.local() {
            self.move_to(source);
        }
    }

    /// The entry keeps the connection: it knows it by its ID, not by our address (RFC 9000 section 9).
    fn move_to(&self, source: Option<IpAddr>) {
        let before = mem::replace(&mut *self.state.local(), source);
        if source.is_none() {
            tracing::debug!("no way to an entry relay for now");
            return;
        }
        let moved = UdpSocket::towards(self.entry).and_then(|(socket, local)| {
            *self.state.local() = local;
            self.endpoint.rebind_abstract(socket)
        });
        match moved {
            Ok(()) => tracing::debug!(
                had_way = before.is_some(),
                "an entry relay is reached another way"
            ),
            Err(error) => tracing::debug!(%error, "no socket for another way to an entry relay"),
        }
    }
}

impl Connected {
    /// Waits until the entry is dead.
    pub(super) async fn died(&self) -> TunnelFailureKind {
        let mut died = self.died.clone();
        match died.wait_for(Option::is_some).await {
            Ok(kind) => kind.unwrap_or(TunnelFailureKind::Ended),
            // The watcher is gone with the runtime.
            Err(_) => TunnelFailureKind::Ended,
        }
    }
}
