//! No relay: what the loader itself takes.

use std::net::{Ipv4Addr, SocketAddr};

use crate::load::{self, Peer, Socket};

/// All clients, at one socket.
pub(crate) struct Direct {
    socket: Socket,
    peer: SocketAddr,
}

impl Direct {
    pub(crate) fn new(peer: &Peer) -> Self {
        Self {
            socket: Socket::bind((Ipv4Addr::LOCALHOST, 0).into()),
            peer: peer.address(),
        }
    }
}

impl load::Clients for Direct {
    fn send(&mut self, _flow: usize, packet: &[u8]) {
        self.socket.send(self.peer, packet);
    }

    fn receive(&mut self, each: &mut dyn FnMut(&[u8])) {
        self.socket.receive(|_, packet| each(packet));
    }

    fn overhead(&self) -> usize {
        0
    }

    fn port(&self) -> Option<u16> {
        Some(self.socket.address().port())
    }
}
