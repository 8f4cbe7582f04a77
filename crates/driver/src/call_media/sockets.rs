//! The UDP sockets of a call: one for each address of this machine.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use securecall_media::{Datagram, Reach};
use securecall_session::Route;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::config::Network;
use crate::host_addresses;

/// Larger than any packet of a call.
const MAX_DATAGRAM: usize = 2048;
/// A machine with more addresses uses the first ones.
const MAX_SOCKETS: usize = 16;

/// Errors read from one socket in one go.
const MAX_ERRORS: usize = 16;

/// A socket that is new.
pub(super) struct Bound {
    /// Its own address.
    pub(super) base: SocketAddr,
    /// The address the peer is told.
    pub(super) advertised: SocketAddr,
}

/// A datagram that came. Its bytes are in the buffer until the next one.
pub(super) struct Received {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    len: usize,
}

/// The sockets of one call.
pub(super) struct Sockets {
    network: Network,
    route: Route,
    sockets: Vec<(SocketAddr, UdpSocket)>,
    buffer: Box<[u8; MAX_DATAGRAM]>,
    /// Where the next look for a datagram begins, so that no socket starves another.
    next: usize,
}

impl Sockets {
    /// No socket yet.
    pub(super) fn new(network: Network) -> Self {
        Self {
            network,
            route: Route::Relay,
            sockets: Vec::new(),
            buffer: Box::new([0; MAX_DATAGRAM]),
            next: 0,
        }
    }

    /// Where the peer may be.
    pub(super) fn reach(&self) -> Reach {
        self.network.reach
    }

    /// Which candidates may be gathered.
    pub(super) fn set_route(&mut self, route: Route) {
        self.route = route;
    }

    /// Binds a socket for each address that has none yet. None at all where only a relay may be used.
    pub(super) fn bind_new(&mut self) -> Vec<Bound> {
        if self.route == Route::Relay {
            return Vec::new();
        }
        let taken: BTreeSet<IpAddr> = self.sockets.iter().map(|(base, _)| base.ip()).collect();
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

    fn bind(&mut self, address: IpAddr) -> Option<Bound> {
        match bind_socket(address) {
            Ok((base, socket)) => {
                self.sockets.push((base, socket));
                let advertised = self
                    .network
                    .candidate_map
                    .as_ref()
                    .map_or(base, |map| map(base));
                Some(Bound { base, advertised })
            }
            Err(error) => {
                tracing::debug!(%error, "an address of this machine cannot be used");
                None
            }
        }
    }

    /// Waits for a datagram; for ever while there is no socket.
    pub(super) async fn receive(&mut self) -> Received {
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
                let Some((destination, socket)) = sockets.get(index) else {
                    continue;
                };
                let mut into = ReadBuf::new(buffer.as_mut_slice());
                // An error (a port that nobody listens on, told by ICMP) is news about a peer's address, not about ours.
                for _ in 0..MAX_ERRORS {
                    match socket.poll_recv_from(context, &mut into) {
                        Poll::Pending => break,
                        Poll::Ready(Ok(source)) => {
                            *next = index + 1;
                            return Poll::Ready(Received {
                                source,
                                destination: *destination,
                                len: into.filled().len(),
                            });
                        }
                        Poll::Ready(Err(_)) => into.clear(),
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// A datagram that is there already.
    pub(super) fn try_receive(&mut self) -> Option<Received> {
        let Self {
            sockets, buffer, ..
        } = self;
        sockets.iter().find_map(|(destination, socket)| {
            let (len, source) = socket.try_recv_from(buffer.as_mut_slice()).ok()?;
            Some(Received {
                source,
                destination: *destination,
                len,
            })
        })
    }

    /// The bytes of the datagram received last.
    pub(super) fn bytes(&self, received: &Received) -> &[u8] {
        self.buffer.get(..received.len).unwrap_or_default()
    }

    /// Sends a datagram from the socket it names. What cannot be sent is lost, as on any network.
    pub(super) fn send(&self, datagram: &Datagram) {
        let Some((_, socket)) = self
            .sockets
            .iter()
            .find(|(base, _)| *base == datagram.source)
        else {
            return;
        };
        if let Err(error) = socket.try_send_to(&datagram.contents, datagram.destination) {
            tracing::trace!(%error, "a datagram was not sent");
        }
    }
}

fn bind_socket(address: IpAddr) -> io::Result<(SocketAddr, UdpSocket)> {
    let socket = std::net::UdpSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    let base = socket.local_addr()?;
    Ok((base, UdpSocket::from_std(socket)?))
}
