//! The UDP sockets of one probe, all at one address of this machine.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use securecall_relay::Datagram;
use tokio::net::UdpSocket;

use crate::config::Network;
use crate::host_addresses;
use crate::udp::{MAX_DATAGRAM, poll_datagram};

/// The sockets of one probe.
pub(super) struct ProbeSockets {
    sockets: Vec<(SocketAddr, UdpSocket)>,
}

impl ProbeSockets {
    /// As many sockets, at the address of this machine from which a server is reached.
    ///
    /// # Errors
    /// What the operating system says, where there is no way to the server.
    pub(super) fn bind<const COUNT: usize>(
        network: &Network,
        server: SocketAddr,
    ) -> io::Result<(Self, [SocketAddr; COUNT])> {
        let address = address_towards(network, server)?;
        let mut addresses = [server; COUNT];
        let mut sockets = Vec::with_capacity(COUNT);
        for at in &mut addresses {
            let socket = std::net::UdpSocket::bind((address, 0))?;
            socket.set_nonblocking(true)?;
            *at = socket.local_addr()?;
            sockets.push((*at, UdpSocket::from_std(socket)?));
        }
        Ok((Self { sockets }, addresses))
    }

    /// Sends a datagram from the socket it names. What cannot be sent is lost, as on any network.
    pub(super) async fn send(&self, datagram: &Datagram) {
        let mut sockets = self.sockets.iter();
        if let Some((_, socket)) = sockets.find(|(base, _)| *base == datagram.source)
            && let Err(error) = socket
                .send_to(&datagram.contents, datagram.destination)
                .await
        {
            tracing::debug!(%error, "a datagram was not sent");
        }
    }

    /// Waits for a datagram.
    pub(super) async fn receive(&self) -> Datagram {
        poll_fn(|context| {
            for (base, socket) in &self.sockets {
                let mut buffer = [0; MAX_DATAGRAM];
                if let Poll::Ready((source, len)) = poll_datagram(socket, context, &mut buffer) {
                    return Poll::Ready(Datagram {
                        source,
                        destination: *base,
                        contents: buffer.get(..len).unwrap_or_default().to_vec(),
                    });
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The address of this machine from which a server is reached: one that the user names, or what the operating system
/// would take.
fn address_towards(network: &Network, server: SocketAddr) -> io::Result<IpAddr> {
    let of_family = |address: &&IpAddr| address.is_ipv4() == server.is_ipv4();
    if !network.bind.is_empty() {
        let named = network.bind.iter().find(of_family).copied();
        return named.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into());
    }
    host_addresses::source_towards(server)
}
