//! STUN, TURN and MASQUE as SecureCall uses them, and where candidates come from.
//!
//! Everything here is sans-IO: sockets that were bound, datagrams, bytes of streams, time and randomness
//! come in; what to send and what was found comes out. The crate knows no call: a [`CandidateSource`]
//! finds addresses at which this device can be reached, and carries packets to and from them.
//!
//! * [`HostSource`]: the sockets of this machine.
//! * [`ReflexiveSource`]: how a STUN server sees them (RFC 8489).
//! * [`TurnSource`]: addresses at TURN servers, over UDP, TCP and TLS (RFC 8656).
//!
//! [`masque`] has what is said in tunnels through relays, at both ends.
//!
//! ```text
//!   Gathering of the driver
//!        │ gather, datagrams, stream events, time        ▲ Transmit, Open, Write, Candidate, Packet
//!        ▼                                               │
//!   CandidateSource ──► Allocation (one server, one transport) ──► Transactions
//!                                                            └──► stun::Message
//! ```
//!
//! Whatever a server says is from outside: it is read into types with bounds, and what it refuses is
//! told apart ([`TurnFailure`]), so that a person can be told what to do about it.

mod binding_requests;
mod candidate;
mod candidate_source;
mod host;
mod mapped_address;
pub mod masque;
pub mod probe;
mod reach;
mod reflexive;
pub mod stun;
mod transaction_ids;
mod tunnel;
pub mod turn;

pub use candidate::{Candidate, CandidateKind};
pub use candidate_source::{
    CandidateSource, Claim, Datagram, Inbound, SourceOutput, StreamEvent, StreamId, StreamTarget,
    Urgency,
};
pub use host::{CandidateMap, HostSource};
pub use reach::is_public;
pub use reflexive::ReflexiveSource;
pub use transaction_ids::TransactionIds;
pub use tunnel::{
    Hop, HopProof, HopRole, TunnelEvent, TunnelFailure, TunnelFailureKind, TunnelId, TunnelOrder,
    TunnelPath,
};
pub use turn::{Credentials, ServerLink, TurnFailure, TurnServer, TurnSource};
