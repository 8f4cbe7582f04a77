//! UDP through HTTP/3: what a client and its relays say in a tunnel (MASQUE).
//!
//! The bytes of RFC 9297 (capsules, HTTP datagrams), RFC 9298 (CONNECT-UDP) and
//! draft-ietf-masque-connect-udp-listen (bound UDP), and the two machines of a bound flow: [`BoundClient`] and
//! its twin at the exit, [`BoundProxy`]. Neither has a socket or a QUIC connection: bytes of the request's stream
//! and HTTP datagrams come in and go out.
//!
//! ```text
//!   BoundClient                                              BoundProxy
//!      │ capsules: ASSIGN, CLOSE      ── request's stream ──►    │ contexts, permissions
//!      │                              ◄── ACK, CLOSE ──          │
//!      │ context ID ‖ [address] ‖ payload  ── datagram ──►       │ ── payload ──► peer
//! ```
//!
//! What is said, which limits there are and what is refused stands in `docs/protocol/ghostnet.md`.

mod admission;
mod bound_client;
mod bound_proxy;
pub mod capsule;
pub mod codes;
pub mod context;
mod context_id;
mod fields;
mod flow_error;
mod permissions;
mod request;
#[cfg(test)]
mod test_capsules;
mod used_ids;
pub mod varint;

pub use admission::{Admission, Network, NetworkError};
pub use bound_client::BoundClient;
pub use bound_proxy::{BoundProxy, Outbound};
pub use capsule::{Capsule, CapsuleError, CapsuleReader, Registration};
pub use context::{DatagramHeader, DatagramRefusal};
pub use context_id::ContextId;
pub use fields::{AddressListError, is_true, parse_public_addresses, write_public_addresses};
pub use flow_error::FlowError;
pub use request::{PathError, Target};
