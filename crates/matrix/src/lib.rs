//! The homeserver: account, sync and sealed to-device messages.
//!
//! This is the only crate that knows a Matrix library. It gives the rest of SecureCall three things: an [`Account`] on a
//! homeserver, the devices of any user there is, and a carrier for call signaling that leaves no trace: Olm-encrypted
//! to-device messages of our own type, [`SIGNAL_EVENT_TYPE`]. What is inside such a message is sealed once more before it
//! gets here, and opened only after it has left; this crate neither reads nor trusts it.
//!
//! ```text
//!   Homeserver ─┬─ Account::register ─┐                ┌─ devices_of   /keys/query, fresh each time
//!   .discover   └─ Account::login ────┤                ├─ send         Olm + /sendToDevice
//!                  Account::restore ──┴──► Account ────┼─ start ─► Inbox   /sync, until stopped
//!   AccountStore ────────┘                             ├─ direct_room, send_to_room, …   calls in rooms
//!   AccountStore ────────┘                             ├─ follow_group_room, …   group calls in rooms
//!                                                      ├─ drain        the inbox on the server is empty
//!   (SQLite, encrypted)                                ├─ round_trip   a message to ourselves
//!        └─────────────► Checkup  changes nothing      └─ logout
//! ```
//!
//! # What it decides
//!
//! * **Trust comes from the handshake.** Messages go to and come from any device, cross-signed or not; a homeserver that
//!   puts in a device of its own gets a message it cannot open. Each [`Incoming::Signal`] names the Olm key it came from,
//!   which the handshake binds.
//! * **Nothing is kept that need not be.** The store holds the session, the Olm state and the place where the first sync of
//!   a program is to begin. Presence and account data are filtered out at the server, and rooms unless they are asked
//!   for; presence is set to offline.
//! * **Order.** All signals of one sync response come out of the [`Inbox`] before its [`Incoming::SyncComplete`], which
//!   does not wait for the key upload that the response may have asked for.
//! * **Sending does not wait for anything but its own request.** Device and Olm session are looked up locally; only the
//!   first message ever to a device claims a one-time key. A failed send is the caller's to repeat: a repeat is a new Olm
//!   message.
//!
//! * **A dead connection is not a dead homeserver.** Whoever knows that the network has changed tells the account
//!   ([`Account::network_changed`]), and what was asked over old connections is asked over new ones. Of what nobody
//!   tells, keep-alives do, and requests that are not answered over a kept connection are made once more over a new one,
//!   sooner where there are doubts ([`Account::doubt_connections`]).
//!   What would be done twice is made once: logging in, registering, uploading keys.
//!
//! # What it does not do
//!
//! No calls, no retry of sends that have failed, no decision on who may ring. Of rooms it takes what calls need
//! ([`RoomNews`]), and only if it is asked to ([`Account::start_with_rooms`], [`Account::follow_group_room`]).
//!
//! # How an account's password comes about
//!
//! The password of an `@sc_…` account is derived from the identity for the *host of the base URL* ([`Homeserver::host`]; all
//! loopback names count as `localhost`), and is never sent to any other host: not for the name that a server claims to have,
//! and not for the name that led there. An [`Enrolment`] is on that host, too. So no server can ask for the password of another.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod account;
mod account_store;
mod answered_account;
mod backoff;
mod checkup;
mod client;
mod connection;
mod credentials;
mod devices;
mod enrolment;
mod homeserver;
mod http_date;
mod http_error;
mod http_transport;
mod inbox;
mod last_answer;
mod login;
mod login_error;
mod long_poll;
mod olm;
mod own_issuer;
mod own_profile;
mod patience;
mod pool;
mod registration;
mod resolver;
mod response;
mod rooms;
mod round_trip;
mod sender;
mod server_document;
mod server_error;
mod store_upkeep;
mod sync;
mod sync_answer;
mod sync_position;
mod sync_scanner;
mod syncer;
mod to_device;
mod turn_credentials;
mod user_id;

pub use account::{Account, LogoutError, RestoreError};
pub use account_store::{AccountStore, StoreError, StoreKey};
pub use checkup::{Checkup, PublishedKeys, Reached, TokenOwner};
pub use devices::DevicesError;
pub use enrolment::{Enrolment, EnrolmentError};
pub use homeserver::{
    DiscoveryError, Homeserver, HomeserverAddressError, HomeserverError, Purpose,
};
pub use inbox::{Inbox, Incoming};
pub use login_error::LoginError;
pub use own_profile::{
    MAX_DISPLAY_NAME, OwnProfile, ProfileEditor, ProfileError, check_display_name,
};
pub use registration::{RegisterError, Registration};
pub use rooms::{
    CallEvent, CallProtection, DirectRoom, EventProtection, GroupRoomEvent, GroupRoomEventType,
    GroupRoomKey, GroupRoomState, JoinRule, MAX_GROUP_ROOM_CALLS, MAX_GROUP_ROOM_USERS,
    MAX_ROOM_CONTENT, MAX_ROOM_MEMBERS, Membership, Origin, RoomError, RoomEvent, RoomEventContent,
    RoomFacts, RoomInvite, RoomMessage, RoomNews, RoomRefusal, StateFailure,
};
pub use round_trip::RoundTripError;
pub use sender::SendError;
pub use server_error::ServerError;
pub use sync::StartError;
pub use to_device::MAX_CONTENT;
pub use turn_credentials::{MAX_TURN_URIS, TurnCredentials};

/// The type of our Olm-encrypted to-device events.
pub const SIGNAL_EVENT_TYPE: &str = "tech.stealthx.securecall.signal";
