//! The exit's side of a bound flow: contexts and permissions.

use std::net::SocketAddr;
use std::sync::Arc;

use web_time::Instant;

use super::context::{self, bounded, split_peer};
use super::permissions::Permissions;
use super::used_ids::UsedIds;
use super::{
    Admission, Capsule, CapsuleReader, ContextId, DatagramHeader, DatagramRefusal, FlowError,
    Registration, capsule,
};

/// The most peers with a context of their own at a time: a call has one, and another when its path changes.
const MAX_CONTEXTS: usize = 16;
/// The most answers that wait to be sent. Whoever asks for more without reading them is cut off.
const MAX_ANSWERS: usize = 32;

/// A packet of the client, for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound<'a> {
    /// Where to: an address that the exit may send to, of a family that is bound.
    pub peer: SocketAddr,
    /// What.
    pub payload: &'a [u8],
}

/// One bound flow at an exit.
///
/// Packets leave only to hosts that [`Admission`] has, of a family that is bound. Packets come in only from hosts to which
/// the client has sent, or for which it has registered a context, within the last five minutes: from a peer with a
/// context of its own, or from any port while the uncompressed context is open. For each packet there is at
/// most one, never a longer one.
///
/// The proxy itself registers no context. It has no timers.
#[derive(Debug)]
pub struct BoundProxy {
    admission: Arc<Admission>,
    has_ipv4: bool,
    has_ipv6: bool,
    reader: CapsuleReader,
    uncompressed: Option<ContextId>,
    compressed: Vec<(ContextId, SocketAddr)>,
    used: UsedIds,
    permissions: Permissions,
    answers: Vec<Capsule>,
    over: Option<FlowError>,
}

impl BoundProxy {
    /// A flow that was just accepted, with the addresses that are bound for it.
    pub fn new(bound: &[SocketAddr], admission: Arc<Admission>) -> Self {
        Self {
            admission,
            has_ipv4: bound.iter().any(SocketAddr::is_ipv4),
            has_ipv6: bound.iter().any(SocketAddr::is_ipv6),
            reader: CapsuleReader::default(),
            uncompressed: None,
            compressed: Vec::new(),
            used: UsedIds::default(),
            permissions: Permissions::default(),
            answers: Vec::new(),
            over: None,
        }
    }

    /// Bytes of the request's stream. Then ask [`poll_capsules`](Self::poll_capsules).
    ///
    /// # Errors
    /// What the client must not do: the stream is to be aborted, and the flow is over.
    pub fn handle_capsules(&mut self, now: Instant, mut bytes: &[u8]) -> Result<(), FlowError> {
        if let Some(error) = self.over {
            return Err(error);
        }
        let result = self.take_capsules(now, &mut bytes);
        self.over = result.err();
        result
    }

    /// A datagram of the client: whom the packet in it is for.
    ///
    /// # Errors
    /// Why it goes no further. Where that [ends the flow](DatagramRefusal::ends_flow), the stream is to be aborted.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        datagram: &'a [u8],
    ) -> Result<Outbound<'a>, DatagramRefusal> {
        if self.over.is_some() {
            return Err(DatagramRefusal::FlowOver);
        }
        let (id, rest) = context::split(datagram)?;
        if id == ContextId::UDP_PAYLOAD {
            return Err(DatagramRefusal::ContextZero);
        }
        let (peer, payload) = if self.uncompressed == Some(id) {
            split_peer(rest)?
        } else {
            let mut contexts = self.compressed.iter();
            let context = contexts.find(|(open, _)| *open == id);
            let (_, peer) = context.ok_or(DatagramRefusal::UnknownContext)?;
            (*peer, rest)
        };
        let payload = bounded(payload)?;
        if !self.admits(peer) {
            return Err(DatagramRefusal::NotAdmitted);
        }
        if !self.permissions.refresh(now, peer.ip()) {
            return Err(DatagramRefusal::TooManyHosts);
        }
        Ok(Outbound { peer, payload })
    }

    /// A packet from outside came to an address that is bound: what stands before it in the datagram to the client.
    ///
    /// # Errors
    /// Why it goes no further.
    pub fn handle_packet(
        &self,
        now: Instant,
        from: SocketAddr,
    ) -> Result<DatagramHeader, DatagramRefusal> {
        if self.over.is_some() {
            return Err(DatagramRefusal::FlowOver);
        }
        // A socket of both families shows IPv4 addresses within IPv6 ones, and scopes.
        let peer = SocketAddr::new(from.ip().to_canonical(), from.port());
        if !self.permissions.permits(now, peer.ip()) {
            return Err(DatagramRefusal::NotPermitted);
        }
        if let Some(id) = self.context_of(peer) {
            return Ok(DatagramHeader::compressed(id));
        }
        let id = self.uncompressed.ok_or(DatagramRefusal::NoContext)?;
        Ok(DatagramHeader::uncompressed(id, peer))
    }

    /// What is to be written to the request's stream. To be asked for only when it can be written: what waits is
    /// bounded here.
    pub fn poll_capsules(&mut self) -> Option<Vec<u8>> {
        if self.answers.is_empty() {
            return None;
        }
        let mut bytes = Vec::new();
        for answer in self.answers.drain(..) {
            capsule::write(answer, &mut bytes);
        }
        Some(bytes)
    }

    /// Whether the stream may end here: not within a capsule.
    pub fn is_between_capsules(&self) -> bool {
        self.reader.is_between_capsules()
    }

    fn take_capsules(&mut self, now: Instant, bytes: &mut &[u8]) -> Result<(), FlowError> {
        while let Some(capsule) = self.reader.read(bytes)? {
            match capsule {
                Capsule::Assign(id, registration) => self.assigned(now, id, registration)?,
                // Nothing is registered from here.
                Capsule::Ack(_) => return Err(FlowError::UnaskedAck),
                Capsule::Close(ContextId::UDP_PAYLOAD) => return Err(FlowError::ClosedZero),
                Capsule::Close(id) => self.closed(id),
            }
        }
        Ok(())
    }

    fn assigned(
        &mut self,
        now: Instant,
        id: ContextId,
        registration: Registration,
    ) -> Result<(), FlowError> {
        if id == ContextId::UDP_PAYLOAD || !id.is_of_client() {
            return Err(FlowError::ForeignId);
        }
        if !self.used.take(id) {
            return Err(FlowError::RepeatedId);
        }
        let is_accepted = match registration {
            Registration::Uncompressed if self.uncompressed.is_some() => {
                return Err(FlowError::Uncompressed);
            }
            Registration::Uncompressed => {
                self.uncompressed = Some(id);
                true
            }
            Registration::Compressed(peer) if self.context_of(peer).is_some() => {
                return Err(FlowError::RepeatedPeer);
            }
            Registration::Compressed(peer) => self.register(now, id, peer),
        };
        self.answer(match is_accepted {
            true => Capsule::Ack(id),
            false => Capsule::Close(id),
        })
    }

    /// Whether there is room for a context of a peer, and packets may go there.
    fn register(&mut self, now: Instant, id: ContextId, peer: SocketAddr) -> bool {
        let has_room = self.compressed.len() < MAX_CONTEXTS;
        if !has_room || !self.admits(peer) || !self.permissions.refresh(now, peer.ip()) {
            return false;
        }
        self.compressed.push((id, peer));
        true
    }

    /// Of one that was refused, or is not open any more, there is nothing to be closed.
    fn closed(&mut self, id: ContextId) {
        self.uncompressed.take_if(|open| *open == id);
        self.compressed.retain(|(open, _)| *open != id);
    }

    fn answer(&mut self, capsule: Capsule) -> Result<(), FlowError> {
        if self.answers.len() >= MAX_ANSWERS {
            return Err(FlowError::TooManyAnswers);
        }
        self.answers.push(capsule);
        Ok(())
    }

    fn admits(&self, peer: SocketAddr) -> bool {
        let is_bound = if peer.is_ipv4() {
            self.has_ipv4
        } else {
            self.has_ipv6
        };
        is_bound && self.admission.admits(peer)
    }

    fn context_of(&self, peer: SocketAddr) -> Option<ContextId> {
        let mut contexts = self.compressed.iter();
        let context = contexts.find(|(_, registered)| *registered == peer);
        context.map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests;
