//! The UDP sockets of a call: one for each address of this machine.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use securecall_media::Reach;
use securecall_relay::Datagram;

use crate::config::Network;
use crate::host_addresses;
use crate::udp::{MAX_DATAGRAM, UdpReader, poll_datagram};

/// A machine with more addresses uses the first ones.
const MAX_SOCKETS: usize = 16;

/// A datagram that came. Its bytes are in the buffer until the next one.
pub(crate) struct Received {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    len: usize,
}

/// One UDP socket, twice: tokio says when it can be read, and writes go past tokio. For tokio holds a socket for full until its
/// reactor has seen it once, which drops what is sent in the moment of binding: the first connectivity check of a call.
struct Socket {
    base: SocketAddr,
    reader: UdpReader,
    writer: std::net::UdpSocket,
}

/// The sockets of one call.
pub(crate) struct Sockets {
    network: Network,
    sockets: Vec<Socket>,
    buffer: Box<[u8; MAX_DATAGRAM]>,
    /// Where the next look for a datagram begins, so that no socket starves another.
    next: usize,
}

impl Sockets {
    /// No socket yet.
    pub(crate) fn new(network: Network) -> Self {
        Self {
            network,
            sockets: Vec::new(),
            buffer: Box::new([0; MAX_DATAGRAM]),
            next: 0,
        }
    }

    /// Where the peer may be.
    pub(crate) fn reach(&self) -> Reach {
        self.network.reach
    }

    /// Binds a socket for each address that has none yet. Gives the addresses of the new ones.
    pub(crate) fn bind_new(&mut self) -> Vec<SocketAddr> {
        let taken: BTreeSet<IpAddr> = self.sockets.iter().map(|socket| socket.base.ip()).collect();
        let mut addresses = if self.network.bind.is_empty() {
            host_addresses::all(self.network.reach)
        } else {
            self.network.bind.clone()
        };
        addresses.retain(|address| !taken.contains(address));
        addresses.truncate(MAX_SOCKETS.saturating_sub(self.sockets.len()));
        addresses
            .into_iter()
            .filter_map(|address| self.bind(address))
            .collect()
    }

    /// Binds another socket at the address of one that is there. Gives its address; `None` where none can be had.
    pub(crate) fn bind_beside(&mut self, socket: SocketAddr) -> Option<SocketAddr> {
        (self.sockets.len() < MAX_SOCKETS)
            .then(|| self.bind(socket.ip()))
            .flatten()
    }

    /// Closes a socket.
    pub(crate) fn close(&mut self, socket: SocketAddr) {
        self.sockets.retain(|open| open.base != socket);
    }

    /// Closes the sockets at other addresses than these: there they can neither send nor receive. Gives their addresses. Where
    /// the addresses are fixed, all stay.
    pub(crate) fn close_all_but(&mut self, addresses: &[IpAddr]) -> Vec<SocketAddr> {
        if !self.network.bind.is_empty() {
            return Vec::new();
        }
        let is_gone = |socket: &mut Socket| !addresses.contains(&socket.base.ip());
        let gone = self.sockets.extract_if(.., is_gone);
        gone.map(|socket| socket.base).collect()
    }

    /// The machine has one more address.
    #[cfg(test)]
    pub(crate) fn may_bind(&mut self, address: IpAddr) {
        self.network.bind.push(address);
    }

    /// The addresses of all sockets.
    #[cfg(test)]
    pub(crate) fn bases(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|socket| socket.base).collect()
    }

    fn bind(&mut self, address: IpAddr) -> Option<SocketAddr> {
        match Socket::bind(address) {
            Ok(socket) => {
                let base = socket.base;
                self.sockets.push(socket);
                Some(base)
            }
            Err(error) => {
                tracing::debug!(%error, "an address of this machine cannot be used");
                None
            }
        }
    }

    /// Waits for a datagram; for ever while there is no socket.
    pub(crate) async fn receive(&mut self) -> Received {
        let Self {
            sockets,
            buffer,
            next,
            ..
        } = self;
        poll_fn(|context| {
            let count = sockets.len();
            for turn in 0..count {
                let index = (*next + turn) % count;
                let Some(Socket { base, reader, .. }) = sockets.get(index) else {
                    continue;
                };
                if let Poll::Ready((source, len)) =
                    poll_datagram(reader, context, buffer.as_mut_slice())
                {
                    *next = index + 1;
                    return Poll::Ready(Received {
                        source,
                        destination: *base,
                        len,
                    });
                }
            }
            Poll::Pending
        })
        .await
    }

    /// A datagram that is there already.
    pub(crate) fn try_receive(&mut self) -> Option<Received> {
        let Self {
            sockets, buffer, ..
        } = self;
        sockets.iter().find_map(|Socket { base, reader, .. }| {
            let (len, source) = reader.try_recv_from(buffer.as_mut_slice()).ok()?;
            Some(Received {
                source,
                destination: *base,
                len,
            })
        })
    }

    /// The bytes of the datagram received last.
    pub(crate) fn bytes(&self, received: &Received) -> &[u8] {
        self.buffer.get(..received.len).unwrap_or_default()
    }

    /// Sends a datagram from the socket it names. What cannot be sent is lost, as on any network.
    pub(crate) fn send(&self, datagram: &Datagram) {
        let Some(socket) = self
            .sockets
            .iter()
            .find(|socket| socket.base == datagram.source)
        else {
            return;
        };
        if let Err(error) = socket
            .writer
            .send_to(&datagram.contents, datagram.destination)
        {
            tracing::trace!(%error, "a datagram was not sent");
        }
    }
}

impl Socket {
    fn bind(address: IpAddr) -> io::Result<Self> {
        let writer = std::net::UdpSocket::bind((address, 0))?;
        writer.set_nonblocking(true)?;
        Ok(Self {
            base: writer.local_addr()?,
            reader: UdpReader::new(writer.try_clone()?)?,
            writer,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn sockets_beside_others_have_a_bound_and_can_be_closed() {
        let mut sockets = Sockets::new(Network {
            bind: vec![Ipv4Addr::LOCALHOST.into()],
            ..Network::default()
        });
        let first = sockets.bind_new()[0];
        let beside: Vec<SocketAddr> = (1..MAX_SOCKETS)
            .map(|_| sockets.bind_beside(first).unwrap())
            .collect();
        assert!(beside.iter().all(|socket| socket.ip() == first.ip()));
        assert_eq!(sockets.bind_beside(first), None);
        sockets.close(beside[0]);
        assert!(!sockets.bases().contains(&beside[0]));
        assert!(sockets.bind_beside(first).is_some());
        // They are no address that is new.
        assert_eq!(sockets.bind_new(), []);
    }

    #[tokio::test]
    async fn a_datagram_leaves_a_socket_in_the_moment_of_its_binding() {
        let peer = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut sockets = Sockets::new(Network {
            bind: vec![Ipv4Addr::LOCALHOST.into()],
            ..Network::default()
        });
        let bound = sockets.bind_new();
        // No await between the two: tokio's reactor has not seen the socket.
        sockets.send(&Datagram {
            source: bound[0],
            destination: peer.local_addr().unwrap(),
            contents: b"first check".to_vec(),
        });
        let mut buffer = [0; 32];
        let (len, source) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], source), (&b"first check"[..], bound[0]));
    }
}
