//! Capsules: what the stream of a request carries (RFC 9297 section 3.2).

use std::net::SocketAddr;

use super::context::{EncodedPeer, MAX_PEER_LEN, split_peer};
use super::{ContextId, codes, varint};

/// The longest value of a capsule that is known here: a registration with an IPv6 address.
const MAX_VALUE_LEN: usize = varint::MAX_LEN + MAX_PEER_LEN;
/// The longest type and length.
const MAX_HEAD_LEN: usize = 2 * varint::MAX_LEN;

/// A capsule of a bound flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capsule {
    /// `COMPRESSION_ASSIGN`: a context means this from now on.
    Assign(ContextId, Registration),
    /// `COMPRESSION_ACK`: agreed.
    Ack(ContextId),
    /// `COMPRESSION_CLOSE`: refused, or over.
    Close(ContextId),
}

/// What a context means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Each packet says whom it is for, or from.
    Uncompressed,
    /// All packets are for, or from, this peer.
    Compressed(SocketAddr),
}

/// Appends a capsule.
pub fn write(capsule: Capsule, into: &mut Vec<u8>) {
    let (kind, id, registration) = match capsule {
        Capsule::Assign(id, registration) => (codes::COMPRESSION_ASSIGN, id, Some(registration)),
        Capsule::Ack(id) => (codes::COMPRESSION_ACK, id, None),
        Capsule::Close(id) => (codes::COMPRESSION_CLOSE, id, None),
    };
    let encoded;
    let meaning: &[u8] = match registration {
        None => &[],
        Some(Registration::Uncompressed) => &[0],
        Some(Registration::Compressed(peer)) => {
            encoded = EncodedPeer::new(peer);
            encoded.as_ref()
        }
    };
    let id = varint::encode(id.value());
    into.extend_from_slice(varint::encode(kind).as_ref());
    let len = id.as_ref().len() + meaning.len();
    into.extend_from_slice(varint::encode(len as u64).as_ref());
    into.extend_from_slice(id.as_ref());
    into.extend_from_slice(meaning);
}

/// What comes is not a capsule. The stream is of no use any more (RFC 9297 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapsuleError {
    /// A known capsule that says it is longer than it can be.
    #[error("a capsule of type {kind:#x} with {len} bytes")]
    TooLong {
        /// Its type.
        kind: u64,
        /// What it says.
        len: u64,
    },
    /// A known capsule whose value is not what it should be.
    #[error("a malformed capsule of type {0:#x}")]
    Malformed(u64),
}

/// Reads capsules from bytes that are cut anywhere. Of unknown ones nothing is kept, however long they are: they
/// are skipped, as they must be. Datagrams in capsules are among them: both ends have those of QUIC. Of known
/// ones there are never more than some 40 bytes here. What has refused once stays so.
#[derive(Debug)]
pub struct CapsuleReader {
    state: State,
    kept: [u8; MAX_HEAD_LEN + MAX_VALUE_LEN],
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Type and length come.
    Head,
    /// The value of a known capsule comes, which begins there and ends there.
    Value {
        kind: u64,
        start: usize,
        end: usize,
    },
    /// So much of an unknown one is still to come.
    Skipping(u64),
    Refused(CapsuleError),
}

impl Default for CapsuleReader {
    fn default() -> Self {
        Self {
            state: State::Head,
            kept: [0; MAX_HEAD_LEN + MAX_VALUE_LEN],
            len: 0,
        }
    }
}

impl CapsuleReader {
    /// The next capsule. Takes the bytes that belong to it, or all where it is not whole yet: to be called until
    /// it gives none.
    ///
    /// # Errors
    /// [`CapsuleError`], from then on always the same.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Capsule>, CapsuleError> {
        loop {
            match self.state {
                State::Refused(error) => return Err(error),
                State::Skipping(left) => {
                    let part =
                        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    *bytes = &bytes[part..];
                    let left = left - part as u64;
                    if left > 0 {
                        self.state = State::Skipping(left);
                        return Ok(None);
                    }
                    self.begin();
                }
                State::Head => match self.head() {
                    Some(Ok(next)) => self.state = next,
                    Some(Err(error)) => self.state = State::Refused(error),
                    None => match bytes.split_first() {
                        None => return Ok(None),
                        Some((byte, rest)) => {
                            self.kept[self.len] = *byte;
                            self.len += 1;
                            *bytes = rest;
                        }
                    },
                },
                State::Value { kind, start, end } => {
                    let part = (end - self.len).min(bytes.len());
                    let (taken, rest) = bytes.split_at(part);
                    self.kept[self.len..self.len + part].copy_from_slice(taken);
                    self.len += part;
                    *bytes = rest;
                    if self.len < end {
                        return Ok(None);
                    }
                    let Some(capsule) = parse(kind, &self.kept[start..end]) else {
                        self.state = State::Refused(CapsuleError::Malformed(kind));
                        continue;
                    };
                    self.begin();
                    return Ok(Some(capsule));
                }
            }
        }
    }

    /// Whether the stream may end here: not within a capsule.
    pub fn is_between_capsules(&self) -> bool {
        matches!(self.state, State::Head) && self.len == 0
    }

    fn begin(&mut self) {
        self.state = State::Head;
        self.len = 0;
    }

    /// What follows type and length, once they are whole.
    fn head(&self) -> Option<Result<State, CapsuleError>> {
        let (kind, rest) = varint::read(&self.kept[..self.len])?;
        let (len, _) = varint::read(rest)?;
        let is_known = matches!(
            kind,
            codes::COMPRESSION_ASSIGN | codes::COMPRESSION_ACK | codes::COMPRESSION_CLOSE
        );
        if !is_known {
            return Some(Ok(State::Skipping(len)));
        }
        if len > MAX_VALUE_LEN as u64 {
            return Some(Err(CapsuleError::TooLong { kind, len }));
        }
        let start = self.len;
        let end = start + len as usize;
        Some(Ok(State::Value { kind, start, end }))
    }
}

/// A known capsule. Nothing may follow what it has to say (RFC 9297 section 3.3).
fn parse(kind: u64, value: &[u8]) -> Option<Capsule> {
    let (id, rest) = varint::read(value)?;
    let id = ContextId::new(id)?;
    match (kind, rest) {
        (codes::COMPRESSION_ASSIGN, [0]) => Some(Capsule::Assign(id, Registration::Uncompressed)),
        (codes::COMPRESSION_ASSIGN, peer) => match split_peer(peer) {
            Ok((peer, [])) => Some(Capsule::Assign(id, Registration::Compressed(peer))),
            _ => None,
        },
        (codes::COMPRESSION_ACK, []) => Some(Capsule::Ack(id)),
        (codes::COMPRESSION_CLOSE, []) => Some(Capsule::Close(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
