//! The contexts of a bound flow, as the exit has them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::wire;

/// Which context stands for which peer; for none, each datagram names its peer.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    by_id: BTreeMap<u64, Option<SocketAddr>>,
    unread: Vec<u8>,
}

impl Contexts {
    /// Takes what the client has written; gives the answers.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.unread.extend_from_slice(bytes);
        let mut answers = Vec::new();
        while let Some((kind, value)) = wire::take_capsule(&mut self.unread) {
            let Some((id, rest)) = wire::read_varint(&value) else {
                continue;
            };
            if kind == wire::ASSIGN
                && let Some((peer, _)) = wire::read_address(rest)
            {
                self.by_id.insert(id, peer);
                answers.extend(wire::ack(id));
            } else if kind == wire::CLOSE {
                self.by_id.remove(&id);
            }
        }
        answers
    }

    /// For whom a datagram is, and what is in it.
    pub(super) fn read<'a>(&self, datagram: &'a [u8]) -> Option<(SocketAddr, &'a [u8])> {
        let (id, rest) = wire::read_varint(datagram)?;
        match self.by_id.get(&id)? {
            Some(peer) => Some((*peer, rest)),
            None => {
                let (peer, payload) = wire::read_address(rest)?;
                Some((peer?, payload))
            }
        }
    }

    /// What stands in front of a packet of this sender; `None` if the client would not know whose it is.
    pub(super) fn header(&self, from: SocketAddr) -> Option<Vec<u8>> {
        let mut all = self.by_id.iter();
        let own = all.find(|(_, peer)| **peer == Some(from));
        if let Some((id, _)) = own {
            return Some(wire::varint(*id));
        }
        let mut all = self.by_id.iter();
        let (id, _) = all.find(|(_, peer)| peer.is_none())?;
        Some([wire::varint(*id), wire::address(from)].concat())
    }

    /// Closes all of them.
    pub(super) fn close_all(&mut self) -> Vec<u8> {
        let all = std::mem::take(&mut self.by_id);
        let close = |id: &u64| wire::capsule(wire::CLOSE, &wire::varint(*id));
        all.keys().flat_map(close).collect()
    }
}
