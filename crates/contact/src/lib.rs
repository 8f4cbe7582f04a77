//! Addresses of people: SecureCall ID, Matrix ID, contact link and share text.
//!
//! A SecureCall user's address is a Matrix ID that *is* their public key: whoever has the address has the key, and no
//! directory or homeserver can put another in its place. This crate reads and writes the forms such an address takes.
//! [`Device`] is what an account at such an address has on line. [`enrolment`] is how an account at such an address comes
//! about. It opens no links, looks nothing up and keeps no contact list.
//!
//! ```text
//!   SecureCallId      56 characters of base32: key ‖ checksum ‖ version
//!        │
//!   MatrixId          @sc_<SecureCallId>:<ServerName>, or an ordinary account
//!        │
//!   ContactLink       securecall://contact/<SecureCallId>?server=…&mxid=…&name=…
//!        │            https://<domain>/add/#<SecureCallId>?…
//!   ShareText         the same contact as words to send to somebody
//! ```
//!
//! ```
//! use securecall_contact::{ContactLink, ServerName};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let link: ContactLink =
//!     "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab?server=example.org".parse()?;
//! let default_domain = ServerName::default_domain();
//! assert!(link.matrix_id(&default_domain).to_string().ends_with(":example.org"));
//! # Ok(())
//! # }
//! ```
//!
//! The forms are written down in `docs/protocol/contact.md`.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod address;
mod contact_link;
mod contact_link_error;
mod device;
mod device_id;
mod display_text;
pub mod enrolment;
mod id_in_pieces;
mod invisible;
mod link_query;
mod matrix_id;
mod message;
mod name_label;
mod olm_key;
mod room_id;
mod securecall_id;
mod server_name;
mod share_text;

pub use address::{Address, AddressError, MAX_ADDRESSES};
pub use contact_link::ContactLink;
pub use contact_link_error::ContactLinkError;
pub use device::Device;
pub use device_id::{DeviceId, DeviceIdError};
pub use display_text::{MAX_MARKS, display_line, display_text, is_harmful, is_mark};
pub use matrix_id::{MatrixId, MatrixIdError};
pub use message::{Doubt, FoundAddress, find_addresses};
pub use name_label::NameLabel;
pub use olm_key::OlmKey;
pub use room_id::{EventId, RoomId, RoomIdError};
pub use securecall_id::{Grouped, SecureCallId, SecureCallIdError};
pub use server_name::{ServerName, ServerNameError};
pub use share_text::ShareText;
