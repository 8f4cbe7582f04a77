//! The store: a small file that says how its key is found and holds the contents sealed with it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64;
use securecall_randomness::fill_random;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::atomic_file;
use crate::content::{Content, FirstContent, StoreKey};
use crate::key_source::KeySource;
use crate::master_key::MasterKey;
use crate::storage_error::StorageError;
use crate::store_error::StoreError;

/// The version of stores this program writes. It reads version 1 as well, whose contents lack the key of matrix-sdk's store: that was
/// derived from the profile's own, which could never change; version 2, which knows of nobody who is blocked; and version 3, which knows
/// with whom calls of tier `matrix` were agreed to only if they are contacts. A program that knows no more than that must not write the
/// store, for it would let people ring again who are blocked, and forget what was agreed to.
const VERSION: u32 = 4;
const FIRST_VERSION: u32 = 1;

const CONTENT_KEY: &[u8] = b"securecall profile v1 content";
const CHECK: &[u8] = b"securecall profile v1 check";
const MATRIX_STORE_KEY: &[u8] = b"securecall profile v1 matrix store";

/// More than a store with thousands of contacts takes.
const MAX_LENGTH: u64 = 16 << 20;

const NONCE_LENGTH: usize = 24;

/// A store as it is on disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedFile {
    /// From [`FIRST_VERSION`] to [`VERSION`] once read.
    securecall_profile: u32,
    /// Where the key comes from.
    pub(crate) source: KeySource,
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
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let failed = |error: io::Error| StorageError::new(path, error);
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_LENGTH + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > MAX_LENGTH {
            return Err(StoreError::damaged("its size"));
        }
        let version: VersionOnly =
            serde_json::from_slice(&bytes).map_err(|_| StoreError::damaged("its outer form"))?;
        match version.securecall_profile {
            FIRST_VERSION..=VERSION => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|_| StoreError::damaged("its outer form")),
            newer if newer > VERSION => Err(StoreError::Newer {
                version: newer,
                known: VERSION,
            }),
            _ => Err(StoreError::damaged("its version")),
        }
    }

    /// Whether `key` is the one this store was sealed with.
    pub(crate) fn fits(&self, key: &MasterKey) -> bool {
        self.check == check_of(key)
    }

    /// Whether it was written by an earlier version of this program.
    pub(crate) const fn is_old(&self) -> bool {
        self.securecall_profile < VERSION
    }

    /// Opens the contents.
    ///
    /// # Errors
    ///
    /// The store is damaged.
    pub(crate) fn open(&self, key: &MasterKey) -> Result<Content, StoreError> {
        let sealed = BASE64
            .decode(self.sealed.as_bytes())
            .map_err(|_| StoreError::damaged("its contents"))?;
        let (nonce, sealed) = sealed
            .split_at_checked(NONCE_LENGTH)
            .ok_or_else(|| StoreError::damaged("its contents"))?;
        let nonce = XNonce::try_from(nonce).map_err(|_| StoreError::damaged("its contents"))?;
        let aad = associated_data(self.securecall_profile, &self.source)?;
        let opened = cipher(key)
            .decrypt(
                &nonce,
                Payload {
                    msg: sealed,
                    aad: &aad,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| StoreError::damaged("its contents"))?;
        let damaged = |_| StoreError::damaged("its contents");
        if self.securecall_profile == FIRST_VERSION {
            let matrix_store_key = StoreKey::new(&key.derive(MATRIX_STORE_KEY));
            let content: FirstContent = serde_json::from_slice(&opened).map_err(damaged)?;
            return Ok(content.with(matrix_store_key));
        }
        serde_json::from_slice(&opened).map_err(damaged)
    }

    /// Seals contents.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub(crate) fn seal(
        source: &KeySource,
        key: &MasterKey,
        content: &Content,
    ) -> Result<Self, StoreError> {
        let plain = written_once(content)?;
        let mut nonce = [0; NONCE_LENGTH];
        fill_random(&mut nonce)?;
        let aad = associated_data(VERSION, source)?;
        let sealed = cipher(key)
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &plain,
                    aad: &aad,
                },
            )
            .map_err(|_| StoreError::internal("the profile could not be sealed"))?;
        Ok(Self {
            securecall_profile: VERSION,
            source: source.clone(),
            check: check_of(key),
            sealed: BASE64.encode(&[nonce.as_slice(), &sealed].concat()),
        })
    }

    /// Writes the store in place of the one at `path`.
    ///
    /// # Errors
    ///
    /// The operating system refused; then the old one is still there.
    pub(crate) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_string_pretty(self).map_err(StoreError::internal)?;
        Ok(atomic_file::replace(path, format!("{text}\n").as_bytes())?)
    }
}

/// What is sealed along: a store whose version or key source was changed does not open.
fn associated_data(version: u32, source: &KeySource) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&(version, source)).map_err(StoreError::internal)
}

fn check_of(key: &MasterKey) -> String {
    BASE64.encode(&*key.derive(CHECK))
}

fn cipher(key: &MasterKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.derive(CONTENT_KEY)).into())
}

/// The contents as JSON. A buffer that grows would leave parts of them behind in memory, so the length is counted first.
fn written_once(content: &Content) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, content).map_err(StoreError::internal)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *plain, content).map_err(StoreError::internal)?;
    debug_assert_eq!(plain.len(), length.0, "it is the same both times");
    Ok(plain)
}

/// Counts what is written, and keeps nothing.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use hkdf::Hkdf;
    use securecall_crypto::IdentitySeed;
    use securecall_freed_memory::copies_left_by;
    use sha2::Sha256;

    use super::*;
    use crate::content::Identity;
    use crate::policy::Requirement;
    use crate::sample_contacts::contact;
    use crate::who::Person;

    const SEED: [u8; 32] = *b"the seed of an identity, in here";
    const STORE_KEY: [u8; 32] = *b"the key of the store of matrix..";
    const MASTER_KEY: [u8; 32] = *b"the key that opens the profile..";

    fn source() -> KeySource {
        KeySource::Keyring {
            entry: "profile-0".to_owned(),
        }
    }

    fn content() -> Content {
        let contact =
            |number: usize| contact(&format!("contact {number}"), None, "@alice:example.org");
        Content {
            identity: Some(Identity::new(IdentitySeed::from_bytes(SEED))),
            contacts: (0..50).map(contact).collect(),
            ..Content::new(StoreKey::new(&STORE_KEY))
        }
    }

    /// The first 16 characters stand for the first 12 bytes.
    fn as_base64(secret: &[u8; 32]) -> [u8; 32] {
        let text = BASE64.encode(secret);
        text.as_bytes()[..32].try_into().unwrap()
    }

    #[test]
    fn sealing_and_opening_leave_no_secret_behind() {
        let secrets = [
            SEED,
            STORE_KEY,
            MASTER_KEY,
            as_base64(&SEED),
            as_base64(&STORE_KEY),
        ];
        let left = copies_left_by(&secrets, || {
            let key = MasterKey::from_bytes(&MASTER_KEY);
            let file = SealedFile::seal(&source(), &key, &content()).unwrap();
            let opened = file.open(&key).unwrap();
            assert_eq!(opened.matrix_store_key.as_bytes(), &STORE_KEY);
            assert_eq!(opened.contacts.len(), 50);
        });
        assert_eq!(left, 0);
    }

    /// A store of an earlier version, with these contents.
    fn sealed_as(version: u32, key: &MasterKey, plain: &str) -> SealedFile {
        let nonce = [3; NONCE_LENGTH];
        let aad = associated_data(version, &source()).unwrap();
        let message = Payload {
            msg: plain.as_bytes(),
            aad: &aad,
        };
        let sealed = cipher(key).encrypt(&XNonce::from(nonce), message).unwrap();
        SealedFile {
            securecall_profile: version,
            source: source(),
            check: check_of(key),
            sealed: BASE64.encode(&[nonce.as_slice(), &sealed].concat()),
        }
    }

    #[test]
    fn a_store_of_version_2_is_read_and_nobody_in_it_is_blocked() {
        let key = MasterKey::from_bytes(&MASTER_KEY);
        let (store_key, seed) = (BASE64.encode(&STORE_KEY), BASE64.encode(&SEED));
        let plain = format!(
            r#"{{"matrix_store_key":"{store_key}","identity":"{seed}","account":null,"contacts":[{{"name":"Ada","id":null,"matrix_id":"@ada:example.org","verified":false}}]}}"#
        );
        let second = sealed_as(2, &key, &plain);
        assert!(second.is_old());
        let mut content = second.open(&key).unwrap();
        assert_eq!(content.matrix_store_key.as_bytes(), &STORE_KEY);
        assert_eq!(content.contacts, [contact("Ada", None, "@ada:example.org")]);
        assert_eq!(content.blocked, []);

        // Written anew, it keeps what is decided from now on.
        content.contacts[0].require = Some(Requirement::SecureCall);
        let ada = Person::from(&content.contacts[0]);
        content.block(&ada).unwrap();
        let again = SealedFile::seal(&source(), &key, &content).unwrap();
        assert!(!again.is_old());
        let opened = again.open(&key).unwrap();
        assert_eq!(opened.contacts, content.contacts);
        assert!(opened.has_blocked(&opened.contacts[0]));
    }

    #[test]
    fn a_store_of_version_1_keeps_the_key_that_its_matrix_store_was_made_with() {
        let key = MasterKey::from_bytes(&MASTER_KEY);
        let seed = BASE64.encode(&SEED);
        let plain = format!(r#"{{"identity":"{seed}","account":null,"contacts":[]}}"#);
        let first = sealed_as(FIRST_VERSION, &key, &plain);
        let content = first.open(&key).unwrap();
        let mut derived = [0; 32];
        Hkdf::<Sha256>::new(None, &MASTER_KEY)
            .expand(b"securecall profile v1 matrix store", &mut derived)
            .unwrap();
        assert_eq!(content.matrix_store_key.as_bytes(), &derived);

        // Under another key it is still the same.
        let other = MasterKey::from_bytes(&[4; 32]);
        let again = SealedFile::seal(&source(), &other, &content).unwrap();
        let opened = again.open(&other).unwrap();
        assert_eq!(opened.matrix_store_key.as_bytes(), &derived);
        assert_eq!(
            HEXLOWER.encode(opened.identity.unwrap().seed().as_bytes()),
            HEXLOWER.encode(&SEED)
        );
    }
}
