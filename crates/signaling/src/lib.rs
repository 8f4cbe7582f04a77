//! The signaling of calls: what they say to each other ([`Content`], shaped as [MSC2746]), the state machine of one call
//! ([`CallMachine`]), and that of a conference, which is made of calls ([`group::Mesh`]).
//!
//! Both are carrier-neutral. There is no cryptography here, no transport and no clock: contents come in from parties (devices of the
//! peer) that somebody else has authenticated, and contents to be sent to parties come out.
//!
//! What calls with other clients say in the timeline of a room is in [`wire::room`]. [`Liveness`] says until when such an event
//! counts, and [`Survivor`] which of two calls between the same people goes on. Group calls in rooms are in [`wire::group_room`], and
//! [`group_room`] says who is in one and who calls whom.
//!
//! ```text
//!            handle_content(now, party, content)                 poll_output()
//!  session ───────────────────────────────────▶ CallMachine ───────────────────▶ Send { party, content } | Event | …
//!            accept / reject / hang_up / handle_timeout
//! ```
//!
//! [MSC2746]: https://github.com/matrix-org/matrix-spec-proposals/pull/2746
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod call;
mod call_id;
mod conference_id;
mod content;
mod deadlines;
mod glare;
pub mod group;
pub mod group_room;
mod liveness;
mod party_id;
mod person;
mod random_id;
mod roster;
pub mod wire;
mod wire_call_id;

pub use call::{
    BUSY_GRACE, CONNECT_TIMEOUT, CallEnd, CallMachine, CallOutput, CallTimer, ContentRefused,
    MAX_PARTIES, Role,
};
pub use call_id::{CallId, CallIdError};
pub use conference_id::{ConferenceId, ConferenceIdError};
pub use content::{
    Acknowledgement, Bundle, BundleError, Candidate, Content, Description, DescriptionKind,
    HangupReason, Hex32, Invite, MAX_ACKNOWLEDGEMENTS, MAX_BUNDLE, MAX_CANDIDATE, MAX_CANDIDATES,
    MAX_CONTENTS, MAX_SDP, Version,
};
pub use deadlines::Deadlines;
pub use glare::{OwnInvite, ROOM_GLARE_PATIENCE, Survivor};
pub use liveness::{Liveness, RING_GRACE};
pub use party_id::{PartyId, PartyIdError};
pub use person::{Person, PersonError};
pub use roster::{ConferenceInvite, MAX_MEMBERS, Membership, MembershipState, Roster};
pub use wire_call_id::{WireCallId, WireCallIdError};
