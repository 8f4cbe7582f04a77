//! The client's side of a bound flow: contexts.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::context::{self, bounded, split_peer};
use super::used_ids::UsedIds;
use super::{
    Capsule, CapsuleReader, ContextId, DatagramHeader, DatagramRefusal, FlowError, Registration,
    capsule,
};
use crate::reach::is_of_a_host;

/// The most peers with a context of their own at a time, those that the proxy has registered among them.
const MAX_CONTEXTS: usize = 8;
/// The most capsules that wait to be sent. A proxy that registers more without reading the answers is cut off.
const MAX_CAPSULES: usize = 64;
/// Whom nobody can reach (RFC 5737 and 3849), and who has the port of the discard service: registered only to be answered.
const NOBODY_V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
const NOBODY_V6: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    9,
);

/// One bound flow at a client.
///
/// While ICE looks for a path the uncompressed context is open. Once it has one, [`prefer`](Self::prefer) registers the peer,
/// and as soon as the proxy agrees the uncompressed context is closed: nobody else gets anything to us through the exit then.
/// [`open`](Self::open) opens another one when a path is looked for again.
///
/// ```
/// use securecall_relay::masque::BoundClient;
///
/// let mut client = BoundClient::new(&["198.51.100.7:40000".parse()?]);
/// client.open();
/// let capsules = client.poll_capsules().unwrap(); // To the request's stream.
/// assert_eq!(capsules, [0x11, 2, 2, 0]);
/// let peer = "203.0.113.9:7000".parse()?;
/// let datagram = client.datagram(peer, b"hello")?;
/// assert_eq!(datagram, b"\x02\x04\xcb\x00\x71\x09\x1b\x58hello");
/// assert_eq!(client.handle_datagram(&datagram)?, (peer, &b"hello"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BoundClient {
    has_ipv4: bool,
    has_ipv6: bool,
    reader: CapsuleReader,
    next_id: Option<ContextId>,
    uncompressed: Option<Uncompressed>,
    compressed: Vec<Compressed>,
    /// With whom the call is: when the proxy knows it, the uncompressed context is closed.
    preferred: Option<SocketAddr>,
    used_by_proxy: UsedIds,
    capsules: Vec<Capsule>,
    over: Option<FlowError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Uncompressed {
    id: ContextId,
    is_agreed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Compressed {
    id: ContextId,
    peer: SocketAddr,
    /// The proxy has said so, or has registered it itself.
    is_agreed: bool,
}

impl BoundClient {
    /// A flow that was just accepted, with the addresses that the proxy has bound. No context is open.
    pub fn new(bound: &[SocketAddr]) -> Self {
        Self {
            has_ipv4: bound.iter().any(SocketAddr::is_ipv4),
            has_ipv6: bound.iter().any(SocketAddr::is_ipv6),
            reader: CapsuleReader::default(),
            next_id: ContextId::UDP_PAYLOAD.next(),
            uncompressed: None,
            compressed: Vec::new(),
            preferred: None,
            used_by_proxy: UsedIds::default(),
            capsules: Vec::new(),
            over: None,
        }
    }

    /// A path is looked for: packets go to and come from any peer that the exit lets through.
    pub fn open(&mut self) {
        self.preferred = None;
        if self.uncompressed.is_none()
            && let Some(id) = self.assign(Registration::Uncompressed)
        {
            let is_agreed = false;
            self.uncompressed = Some(Uncompressed { id, is_agreed });
        }
    }

    /// The call is with this peer from now on. Once the proxy knows it, nobody else is let through who is not registered.
    pub fn prefer(&mut self, peer: SocketAddr) {
        self.preferred = Some(peer);
        self.compress(peer);
        self.close_when_agreed();
    }

    /// Has the proxy answer, whatever else it is doing: [`is_answered`](Self::is_answered) once it has.
    pub fn probe(&mut self) {
        if self.is_answered() {
            let nobody = if self.has_ipv4 { NOBODY_V4 } else { NOBODY_V6 };
            self.close_context_of(nobody);
            self.compress(nobody);
        }
    }

    /// Whether the proxy has answered all that it was asked.
    pub fn is_answered(&self) -> bool {
        let all_agreed = self.compressed.iter().all(|context| context.is_agreed);
        all_agreed && self.uncompressed.is_none_or(|context| context.is_agreed)
    }

    /// Whether there is any context by which packets could go and come.
    pub fn is_of_use(&self) -> bool {
        self.over.is_none() && (self.is_open() || !self.compressed.is_empty())
    }

    /// Whether packets of peers come that have no context of their own.
    pub fn is_open(&self) -> bool {
        self.uncompressed.is_some()
    }

    /// Bytes of the request's stream. Then ask [`poll_capsules`](Self::poll_capsules).
    ///
    /// # Errors
    /// What the proxy must not do: the flow is over.
    pub fn handle_capsules(&mut self, mut bytes: &[u8]) -> Result<(), FlowError> {
        if let Some(error) = self.over {
            return Err(error);
        }
        let result = self.take_capsules(&mut bytes);
        self.over = result.err();
        result
    }

    /// A datagram of the proxy: whom the packet in it is from, and the packet.
    ///
    /// # Errors
    /// Why it goes no further.
    pub fn handle_datagram<'a>(
        &self,
        datagram: &'a [u8],
    ) -> Result<(SocketAddr, &'a [u8]), DatagramRefusal> {
        if self.over.is_some() {
            return Err(DatagramRefusal::FlowOver);
        }
        let (id, rest) = context::split(datagram)?;
        if id == ContextId::UDP_PAYLOAD {
            return Err(DatagramRefusal::ContextZero);
        }
        // Agreed or not: the answer may come after the first packet.
        let (peer, payload) = if self.uncompressed.is_some_and(|open| open.id == id) {
            split_peer(rest)?
        } else {
            let mut contexts = self.compressed.iter();
            let context = contexts.find(|context| context.id == id);
            (context.ok_or(DatagramRefusal::UnknownContext)?.peer, rest)
        };
        if !self.can_be(peer) {
            return Err(DatagramRefusal::NotAdmitted);
        }
        Ok((peer, bounded(payload)?))
    }

    /// What stands before a packet for a peer. Its own context, once the proxy has agreed: before, packets that overtake
    /// the registration would be lost.
    ///
    /// # Errors
    /// Why nothing can be sent there.
    pub fn header(&self, peer: SocketAddr) -> Result<DatagramHeader, DatagramRefusal> {
        if self.over.is_some() {
            return Err(DatagramRefusal::FlowOver);
        }
        if !self.can_be(peer) {
            return Err(DatagramRefusal::NotAdmitted);
        }
        let own = self.context_of(peer);
        match (own, self.uncompressed) {
            (Some(own), None) => Ok(DatagramHeader::compressed(own.id)),
            (Some(own), Some(_)) if own.is_agreed => Ok(DatagramHeader::compressed(own.id)),
            (_, Some(open)) => Ok(DatagramHeader::uncompressed(open.id, peer)),
            (None, None) => Err(DatagramRefusal::NoContext),
        }
    }

    /// A packet for a peer, as a datagram.
    ///
    /// # Errors
    /// Why nothing can be sent there.
    pub fn datagram(&self, peer: SocketAddr, payload: &[u8]) -> Result<Vec<u8>, DatagramRefusal> {
        let header = self.header(peer)?;
        Ok([header.as_ref(), bounded(payload)?].concat())
    }

    /// What is to be written to the request's stream.
    pub fn poll_capsules(&mut self) -> Option<Vec<u8>> {
        if self.capsules.is_empty() {
            return None;
        }
        let mut bytes = Vec::new();
        for one in self.capsules.drain(..) {
            capsule::write(one, &mut bytes);
        }
        Some(bytes)
    }

    fn take_capsules(&mut self, bytes: &mut &[u8]) -> Result<(), FlowError> {
        while let Some(capsule) = self.reader.read(bytes)? {
            match capsule {
                Capsule::Assign(id, registration) => self.assigned(id, registration)?,
                Capsule::Ack(id) => self.agreed(id)?,
                Capsule::Close(ContextId::UDP_PAYLOAD) => return Err(FlowError::ClosedZero),
                Capsule::Close(id) => self.closed(id),
            }
        }
        Ok(())
    }

    /// The proxy registers a context of its own, to spare itself the addresses.
    fn assigned(&mut self, id: ContextId, registration: Registration) -> Result<(), FlowError> {
        if id.is_of_client() {
            return Err(FlowError::ForeignId);
        }
        if !self.used_by_proxy.take(id) {
            return Err(FlowError::RepeatedId);
        }
        let Registration::Compressed(peer) = registration else {
            return Err(FlowError::Uncompressed);
        };
        let before = self.context_of(peer);
        if before.is_some_and(|context| !context.id.is_of_client()) {
            return Err(FlowError::RepeatedPeer);
        }
        // Where both registered the same peer ours is the one that stays. And where the uncompressed context is closed
        // the proxy may register nobody: it may not know that yet, so that is no mistake.
        let has_room = self.compressed.len() < MAX_CONTEXTS;
        let is_accepted = before.is_none() && self.is_open() && has_room && self.can_be(peer);
        if is_accepted {
            let is_agreed = true;
            self.compressed.push(Compressed {
                id,
                peer,
                is_agreed,
            });
        }
        self.say(match is_accepted {
            true => Capsule::Ack(id),
            false => Capsule::Close(id),
        })
    }

    fn agreed(&mut self, id: ContextId) -> Result<(), FlowError> {
        let is_ours = id != ContextId::UDP_PAYLOAD && id.is_of_client();
        if !is_ours || self.next_id.is_some_and(|next| next <= id) {
            return Err(FlowError::UnaskedAck);
        }
        // It may have been closed in the meantime.
        if let Some(open) = self.uncompressed.as_mut().filter(|open| open.id == id) {
            open.is_agreed = true;
        }
        let mut contexts = self.compressed.iter_mut();
        if let Some(context) = contexts.find(|context| context.id == id) {
            context.is_agreed = true;
            if [NOBODY_V4, NOBODY_V6].contains(&context.peer) {
                let nobody = context.peer;
                self.close_context_of(nobody);
            }
        }
        self.close_when_agreed();
        Ok(())
    }

    fn closed(&mut self, id: ContextId) {
        self.uncompressed = self.uncompressed.filter(|open| open.id != id);
        let before = self.compressed.len();
        self.compressed.retain(|context| context.id != id);
        let is_lost = |peer| self.context_of(peer).is_none() && before > self.compressed.len();
        // The call goes on the other way. Once: whoever closes that as well has ended it.
        if !self.is_open() && self.preferred.is_some_and(is_lost) {
            self.open();
        }
    }

    /// Registers a peer, if it is not. Where there is room for no more, the first that is not preferred goes.
    fn compress(&mut self, peer: SocketAddr) {
        if self.context_of(peer).is_some() || !self.can_be(peer) {
            return;
        }
        if self.compressed.len() >= MAX_CONTEXTS {
            let mut contexts = self.compressed.iter();
            let first = contexts.find(|context| Some(context.peer) != self.preferred);
            if let Some(first) = first.copied() {
                self.close_context_of(first.peer);
            }
        }
        if let Some(id) = self.assign(Registration::Compressed(peer)) {
            let is_agreed = false;
            self.compressed.push(Compressed {
                id,
                peer,
                is_agreed,
            });
        }
    }

    fn close_context_of(&mut self, peer: SocketAddr) {
        for context in self
            .compressed
            .extract_if(.., |context| context.peer == peer)
        {
            self.capsules.push(Capsule::Close(context.id));
        }
    }

    fn close_when_agreed(&mut self) {
        let preferred = self.preferred.and_then(|peer| self.context_of(peer));
        if preferred.is_some_and(|context| context.is_agreed)
            && let Some(open) = self.uncompressed.take()
        {
            self.capsules.push(Capsule::Close(open.id));
        }
    }

    /// Takes the next ID, which is never used again, for something new.
    fn assign(&mut self, registration: Registration) -> Option<ContextId> {
        let id = self.next_id?;
        self.next_id = id.next();
        self.capsules.push(Capsule::Assign(id, registration));
        Some(id)
    }

    fn say(&mut self, answer: Capsule) -> Result<(), FlowError> {
        if self.capsules.len() >= MAX_CAPSULES {
            return Err(FlowError::TooManyAnswers);
        }
        self.capsules.push(answer);
        Ok(())
    }

    fn context_of(&self, peer: SocketAddr) -> Option<Compressed> {
        let mut contexts = self.compressed.iter();
        contexts.find(|context| context.peer == peer).copied()
    }

    /// Whether a peer can have this address: a host, of a family that is bound.
    fn can_be(&self, peer: SocketAddr) -> bool {
        let is_bound = if peer.is_ipv4() {
            self.has_ipv4
        } else {
            self.has_ipv6
        };
        is_bound && is_of_a_host(peer) && peer.ip().to_canonical() == peer.ip()
    }
}

#[cfg(test)]
mod tests;
