//! The store: a small file that says how its key is found and holds the contents sealed with it.

use std::fs;
use std::io;
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::content::Content;
use super::key_source::{self, KeySource, MasterKey};
use super::{atomic_file, storage_failed};
use crate::error::{ErrorKind, Failure};

/// The version of stores this program writes.
const VERSION: u32 = 1;

const CONTENT_KEY: &[u8] = b"securecall profile v1 content";
const CHECK: &[u8] = b"securecall profile v1 check";

const NONCE_LENGTH: usize = 24;

/// A store as it is on disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedFile {
    /// Always [`VERSION`] once read.
    securecall_profile: u32,
    /// Where the key comes from.
    pub(super) source: KeySource,
    /// Derived from the key, so that a wrong passphrase and a damaged store can be told apart.
    check: String,
    /// Nonce and sealed contents, base64.
    sealed: String,
}

/// What every version of a store has in common.
#[derive(Deserialize)]
struct VersionOnly {
    securecall_profile: u32,
}

impl SealedFile {
    /// Reads the store at `path`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// It is damaged, of a newer version, or cannot be read.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(storage_failed(path, &error)),
        };
        let version: VersionOnly =
            serde_json::from_slice(&bytes).map_err(|_| Self::damaged("its outer form"))?;
        match version.securecall_profile {
            VERSION => serde_json::from_slice(&bytes).map(Some).map_err(|_| Self::damaged("its outer form")),
            newer if newer > VERSION => Err(Failure::new(
                ErrorKind::NewerStore,
                format!("the profile was written by a newer securecall (store version {newer}, this program knows {VERSION})"),
            )
            .help("update securecall; nothing was changed")),
            _ => Err(Self::damaged("its version")),
        }
    }

    /// Whether `key` is the one this store was sealed with.
    pub(super) fn fits(&self, key: &MasterKey) -> bool {
        self.check == BASE64.encode(&*key.derive(CHECK))
    }

    /// Opens the contents.
    ///
    /// # Errors
    ///
    /// The store is damaged.
    pub(super) fn open(&self, key: &MasterKey) -> Result<Content, Failure> {
        let sealed = BASE64
            .decode(self.sealed.as_bytes())
            .map_err(|_| Self::damaged("its contents"))?;
        let (nonce, sealed) = sealed
            .split_at_checked(NONCE_LENGTH)
            .ok_or_else(|| Self::damaged("its contents"))?;
        let nonce = XNonce::try_from(nonce).map_err(|_| Self::damaged("its contents"))?;
        let aad = self.source.associated_data()?;
        let opened = cipher(key)
            .decrypt(
                &nonce,
                Payload {
                    msg: sealed,
                    aad: &aad,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| Self::damaged("its contents"))?;
        serde_json::from_slice(&opened).map_err(|_| Self::damaged("its contents"))
    }

    /// Seals contents.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub(super) fn seal(
        source: &KeySource,
        key: &MasterKey,
        content: &Content,
    ) -> Result<Self, Failure> {
        let plain = serde_json::to_vec(content)
            .map(Zeroizing::new)
            .map_err(Failure::bug)?;
        let mut nonce = [0; NONCE_LENGTH];
        key_source::fill_random(&mut nonce)?;
        let aad = source.associated_data()?;
        let sealed = cipher(key)
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &plain,
                    aad: &aad,
                },
            )
            .map_err(|_| Failure::bug("the profile could not be sealed"))?;
        Ok(Self {
            securecall_profile: VERSION,
            source: source.clone(),
            check: BASE64.encode(&*key.derive(CHECK)),
            sealed: BASE64.encode(&[nonce.as_slice(), &sealed].concat()),
        })
    }

    /// Writes the store in place of the one at `path`.
    ///
    /// # Errors
    ///
    /// The operating system refused; then the old one is still there.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(Failure::bug)?;
        atomic_file::replace(path, format!("{text}\n").as_bytes())
    }

    /// The store is damaged in one of its parts.
    pub(super) fn damaged(part: &str) -> Failure {
        Failure::new(ErrorKind::DamagedStore, format!("the profile's store (profile.json) is damaged: {part} cannot be read"))
            .help("restore the file from a backup; without one, `securecall id restore` in a new profile (--profile DIR) brings your identity back")
    }
}

impl KeySource {
    /// What is sealed along: a store whose key source was changed does not open.
    fn associated_data(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(&(VERSION, self)).map_err(Failure::bug)
    }
}

fn cipher(key: &MasterKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.derive(CONTENT_KEY)).into())
}
