//! What a program remembers beside the profile's contents, sealed: nobody else reads it, and it may be lost.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use securecall_randomness::fill_random;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::atomic_file;
use crate::content::StoreKey;
use crate::store_error::StoreError;

/// More than anybody remembers.
const MAX_BYTES: u64 = 1 << 20;
const NONCE_LENGTH: usize = 24;

/// A sealed file beside the profile's contents. What is in it is opaque here.
pub struct SealedMemory {
    path: PathBuf,
    purpose: &'static [u8],
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for SealedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedMemory")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SealedMemory {
    /// The memory for one purpose. Its key is derived from one that does not change with the profile's passphrase.
    pub(crate) fn new(path: PathBuf, key: &StoreKey, purpose: &'static [u8]) -> Self {
        let mut derived = Zeroizing::new([0; 32]);
        let filled =
            Hkdf::<Sha256>::new(None, key.as_bytes().as_slice()).expand(purpose, &mut *derived);
        debug_assert!(filled.is_ok(), "32 bytes are within what HKDF gives");
        Self {
            path,
            purpose,
            cipher: XChaCha20Poly1305::new((&*derived).into()),
        }
    }

    /// Reads what was stored; `None` if nothing ever was.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is damaged: then it is as good as lost.
    pub fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Some(bytes) = read(&self.path).map_err(|error| self.storage(error))? else {
            return Ok(None);
        };
        let damaged = || StoreError::damaged("what is remembered beside it");
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LENGTH).ok_or_else(damaged)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| damaged())?;
        let payload = Payload {
            msg: sealed,
            aad: self.purpose,
        };
        let opened = self.cipher.decrypt(&nonce, payload);
        opened
            .map(|it| Some(Zeroizing::new(it)))
            .map_err(|_| damaged())
    }

    /// Replaces what is stored, all or nothing.
    ///
    /// # Errors
    ///
    /// The disk is full, the directory cannot be written, or the operating system gives no randomness.
    pub fn store(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let mut nonce = [0; NONCE_LENGTH];
        fill_random(&mut nonce)?;
        let payload = Payload {
            msg: bytes,
            aad: self.purpose,
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| StoreError::internal("it could not be sealed"))?;
        Ok(atomic_file::replace(
            &self.path,
            &[nonce.as_slice(), &sealed].concat(),
        )?)
    }

    fn storage(&self, error: io::Error) -> StoreError {
        crate::storage_error::StorageError::new(&self.path, error).into()
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let too_large = io::Error::new(io::ErrorKind::InvalidData, "the file is too large");
        return Err(too_large);
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KEY: [u8; 32] = *b"the key of the store of matrix..";

    fn memory(folder: &Path, key: &[u8; 32], purpose: &'static [u8]) -> SealedMemory {
        SealedMemory::new(folder.join("memory"), &StoreKey::new(key), purpose)
    }

    #[test]
    fn what_was_stored_is_read_again_and_nothing_is_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let memory = memory(folder.path(), &KEY, b"one");
        assert!(memory.load().unwrap().is_none());
        for what in [&b"first"[..], b"", b"then another"] {
            memory.store(what).unwrap();
            assert_eq!(memory.load().unwrap().unwrap().as_slice(), what);
        }
    }

    #[test]
    fn what_is_stored_is_not_in_the_file_and_opens_for_this_key_and_purpose_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mine = memory(folder.path(), &KEY, b"one");
        mine.store(b"a relay that is mine").unwrap();
        let file = fs::read(&mine.path).unwrap();
        assert!(!file.windows(5).any(|part| part == b"relay"));
        assert!(memory(folder.path(), &KEY, b"two").load().is_err());
        assert!(memory(folder.path(), &[7; 32], b"one").load().is_err());
        for changed in 0..file.len() {
            let mut wrong = file.clone();
            wrong[changed] ^= 1;
            fs::write(&mine.path, wrong).unwrap();
            assert!(mine.load().is_err(), "{changed}");
        }
        for short in 0..file.len() {
            fs::write(&mine.path, &file[..short]).unwrap();
            assert!(mine.load().is_err(), "{short}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let memory = memory(folder.path(), &KEY, b"one");
        let sealed = vec![0; usize::try_from(MAX_BYTES).unwrap()];
        memory.store(&sealed).unwrap();
        let error = memory.load().unwrap_err().to_string();
        assert!(error.contains("too large"), "{error}");
    }
}
