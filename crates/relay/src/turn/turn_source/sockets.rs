//! The sockets of a call, and those from which servers are asked in their place.
//!
//! A server that has granted an address to a socket grants none there to another user name until that one has ended (RFC 8656
//! section 7.2: 437). It lasts for minutes longer than the name, which cannot give it back any more. So for the next name servers
//! are asked from another socket at the same IP address.

use std::net::SocketAddr;

/// The sockets of a call.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    all: Vec<Socket>,
}

#[derive(Debug)]
struct Socket {
    of_call: SocketAddr,
    /// The socket in its place, if there is one.
    stand_in: Option<SocketAddr>,
    use_of: Use,
}

/// What one of them is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Servers may be asked.
    Good,
    /// A server may hold an address for a user name before.
    Spoilt,
    /// Another one is being bound.
    Awaited,
}

impl Sockets {
    /// The call has these, too.
    pub(super) fn add(&mut self, sockets: &[SocketAddr]) {
        self.all.extend(sockets.iter().map(|of_call| Socket {
            of_call: *of_call,
            stand_in: None,
            use_of: Use::Good,
        }));
    }

    /// These are closed, and what stands in for them, which is at the same address.
    pub(super) fn remove(&mut self, closed: &[SocketAddr]) {
        self.all.retain(|socket| !closed.contains(&socket.of_call));
    }

    /// Whether this is one of ours.
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        let mut all = self.all.iter();
        all.any(|socket| socket.of_call == address || socket.stand_in == Some(address))
    }

    /// Those of the call.
    pub(super) fn of_call(&self) -> Vec<SocketAddr> {
        self.all.iter().map(|socket| socket.of_call).collect()
    }

    /// From where servers are asked in the place of a socket of the call.
    pub(super) fn in_place_of(&self, of_call: SocketAddr) -> SocketAddr {
        let mut all = self.all.iter();
        let socket = all.find(|socket| socket.of_call == of_call);
        socket.and_then(|socket| socket.stand_in).unwrap_or(of_call)
    }

    /// Servers are not to be asked from this one again.
    pub(super) fn spoil(&mut self, asked_from: SocketAddr) {
        let mut all = self.all.iter_mut();
        let is_it = |socket: &&mut Socket| socket.stand_in.unwrap_or(socket.of_call) == asked_from;
        if let Some(socket) = all.find(is_it) {
            socket.use_of = Use::Spoilt;
        }
    }

    /// Beside which others are to be bound now.
    pub(super) fn take_spoilt(&mut self) -> Vec<SocketAddr> {
        let spoilt = self.all.iter_mut();
        let spoilt = spoilt.filter(|socket| socket.use_of == Use::Spoilt);
        let awaited = spoilt.map(|socket| {
            socket.use_of = Use::Awaited;
            socket.of_call
        });
        awaited.collect()
    }

    /// Whether a socket is being bound: nobody is asked in the meantime.
    pub(super) fn are_awaited(&self) -> bool {
        let mut all = self.all.iter();
        all.any(|socket| socket.use_of == Use::Awaited)
    }

    /// The new one is there; without it, the one before is used on. Gives the socket that is of no use any more.
    pub(super) fn bound(
        &mut self,
        of_call: SocketAddr,
        bound: Option<SocketAddr>,
    ) -> Option<SocketAddr> {
        let mut all = self.all.iter_mut();
        let is_it =
            |socket: &&mut Socket| (socket.of_call, socket.use_of) == (of_call, Use::Awaited);
        let Some(socket) = all.find(is_it) else {
            return bound;
        };
        socket.use_of = Use::Good;
        socket.stand_in.replace(bound?)
    }
}
