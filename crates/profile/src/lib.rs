//! What every front end of SecureCall needs of a user: the profile on disk, the people they know, and where contacts come from.
//!
//! * [`Profile`] is one directory with everything that belongs to one user of a machine: identity, account and contacts,
//!   sealed under a passphrase or a key in the operating system's keyring; it says which process may use it.
//! * [`contact_book`] decides what an address means for the contact list, and what may happen to that. [`who`] finds out
//!   who is meant.
//! * [`sources`] finds contacts in texts, files and pictures, [`text_encoding`] and [`phrase_text`] read what people have
//!   kept, [`Proof`] is what a contact is verified by.
//!
//! Nothing here talks to a person: passphrases come in by the trait [`Passphrases`], and questions go out as values
//! ([`contact_book::Finding`]), for whatever the front end is. Errors say what is wrong; what to do about it depends on the front
//! end, too, and is not said here.
//!
//! ```
//! use securecall_profile::{OpenError, Passphrases, Profile};
//! use zeroize::Zeroizing;
//!
//! /// An app that has asked its user already.
//! struct Typed(Zeroizing<String>);
//!
//! impl Passphrases for Typed {
//!     type Error = OpenError;
//!
//!     fn given(&self) -> Result<Option<Zeroizing<String>>, OpenError> {
//!         Ok(Some(self.0.clone()))
//!     }
//!
//!     fn ask(&self) -> Result<Option<Zeroizing<String>>, OpenError> {
//!         Ok(None)
//!     }
//!
//!     fn ask_for_new(&self) -> Result<Option<Zeroizing<String>>, OpenError> {
//!         Ok(None)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let passphrase = Typed(Zeroizing::new("correct horse".to_owned()));
//! let missing = Profile::open(directory.path(), &passphrase);
//! assert!(matches!(missing, Err(OpenError::NoIdentity(_))));
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod contact_book;
pub mod phrase_text;
pub mod sources;
pub mod text_encoding;
pub mod who;

mod atomic_file;
mod content;
mod directory;
mod key_source;
mod keyring;
mod layout;
mod lock;
mod master_key;
mod open_error;
mod passphrases;
mod policy;
mod profile;
mod proof;
#[cfg(test)]
mod sample_contacts;
mod sealed_file;
mod sealed_memory;
mod settings_file;
mod storage_error;
mod store_error;
mod unlock;

pub use content::{AccountData, Contact, Content, Identity};
pub use directory::{OpenToOthers, PrivacyError, default_directory, make_private, open_to_others};
pub use keyring::KeyringError;
pub use layout::SETTINGS_FILE;
pub use lock::{SessionLock, SessionLockError};
pub use open_error::{NoAccount, NoIdentity, OpenError};
pub use passphrases::Passphrases;
pub use policy::{BlockedPerson, OwnAddress, Requirement};
pub use profile::{ChangeError, Profile};
pub use proof::{PastedError, Proof, ProofError};
pub use sealed_memory::SealedMemory;
pub use securecall_randomness::NoRandomness;
pub use settings_file::{change_settings, read_settings};
pub use storage_error::StorageError;
pub use store_error::StoreError;

/// The tests look for secrets in what is given back.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: securecall_freed_memory::Watched = securecall_freed_memory::Watched;
