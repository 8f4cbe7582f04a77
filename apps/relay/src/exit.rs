//! The second relay of a tunnel: lends addresses to a client, for packets to and from whom the client has named.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use securecall_relay::masque::{Admission, BoundProxy, DatagramHeader, DatagramRefusal, Outbound};

use crate::config::ExitConfig;
use crate::flow::carry;
use crate::own_addresses::OwnAddresses;
use crate::packet_socket::PacketSocket;

/// What a client has at an exit.
pub(crate) struct ExitFlow {
    sockets: Vec<LentSocket>,
    proxy: Mutex<BoundProxy>,
}

struct LentSocket {
    public: SocketAddr,
    socket: PacketSocket,
}

impl ExitFlow {
    /// Binds a socket of each family.
    pub(crate) fn bind(
        config: &ExitConfig,
        admission: &Arc<Admission>,
        own: &OwnAddresses,
    ) -> io::Result<Self> {
        let mut sockets = Vec::with_capacity(config.addresses.len());
        for address in &config.addresses {
            let socket = PacketSocket::bound_to(address.bind, config.ports)?;
            let public = SocketAddr::new(address.public, socket.port()?);
            sockets.push(LentSocket { public, socket });
        }
        let addresses: Vec<_> = sockets.iter().map(|lent| lent.public).collect();
        for address in &addresses {
            own.lend(*address);
        }
        Ok(Self {
            sockets,
            proxy: Mutex::new(BoundProxy::new(&addresses, admission.clone())),
        })
    }

    /// The addresses as others see them.
    pub(crate) fn public_addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|lent| lent.public).collect()
    }

    pub(crate) fn release(&self, own: &OwnAddresses) {
        for lent in &self.sockets {
            own.take_back(lent.public);
        }
    }

    pub(crate) fn outbound<'a>(
        &self,
        now: Instant,
        datagram: &'a [u8],
    ) -> Result<Outbound<'a>, DatagramRefusal> {
        self.proxy().handle_datagram(now, datagram)
    }

    pub(crate) fn send(&self, peer: SocketAddr, payload: &[u8]) -> bool {
        let family = |lent: &&LentSocket| lent.public.is_ipv4() == peer.is_ipv4();
        let lent = self.sockets.iter().find(family);
        lent.is_some_and(|lent| lent.socket.send(peer, payload))
    }

    pub(crate) fn inbound(
        &self,
        now: Instant,
        from: SocketAddr,
    ) -> Result<DatagramHeader, DatagramRefusal> {
        self.proxy().handle_packet(now, from)
    }

    pub(crate) async fn receive(
        &self,
        mut deliver: impl FnMut(SocketAddr, &[u8]),
        delivered: impl Fn(),
    ) {
        match self.sockets.as_slice() {
            [] => {}
            [one] => carry(&one.socket, deliver, delivered).await,
            [one, other, ..] => loop {
                let ready = tokio::select! {
                    ready = one.socket.readable() => ready.map(|()| one),
                    ready = other.socket.readable() => ready.map(|()| other),
                };
                let received = ready.and_then(|lent| lent.socket.receive(&mut deliver));
                if received.is_err() {
                    return;
                }
                delivered();
            },
        }
    }

    pub(crate) fn handle_capsules(&self, now: Instant, bytes: &[u8]) -> bool {
        self.proxy().handle_capsules(now, bytes).is_ok()
    }

    pub(crate) fn poll_capsules(&self) -> Option<Bytes> {
        self.proxy().poll_capsules().map(Bytes::from)
    }

    /// Held for a packet at a time. Nobody else wants it but the other direction of the same flow.
    fn proxy(&self) -> MutexGuard<'_, BoundProxy> {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
