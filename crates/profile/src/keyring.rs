//! The operating system's keyring: Keychain, Credential Manager, or the Secret Service.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ::keyring::{Entry, Error};
use zeroize::Zeroizing;

/// The keyring does not give or take a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// There is none.
    #[error("there is no keyring here, and this profile's key is in one")]
    Missing,
    /// It holds nothing under the profile's name.
    #[error("the keyring does not have this profile's key any more")]
    NoEntry,
    /// It holds something else under the profile's name.
    #[error("what the keyring holds is not this profile's key")]
    WrongKey,
    /// It did not give the key.
    #[error("the keyring did not give this profile's key: {0}")]
    NotGiven(Error),
    /// It did not take the key of a new profile.
    #[error("the keyring did not take the key; nothing was written: {0}")]
    NotTaken(Error),
}

const SERVICE: &str = "securecall";

/// How long the keyring may take to say that it is there. (Once it is, its own dialogue may take as long as it likes.)
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether there is a keyring to use. Quick, and silent where there is none.
pub(crate) fn is_available() -> bool {
    if !has_session_bus() {
        return false;
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(Entry::store_status().is_ok());
    });
    receiver.recv_timeout(CONNECT_TIMEOUT).unwrap_or(false)
}

/// Reads the key of a profile.
///
/// # Errors
///
/// There is no keyring, or it does not have the key.
pub(crate) fn read(entry: &str) -> Result<Zeroizing<[u8; 32]>, KeyringError> {
    if !is_available() {
        return Err(KeyringError::Missing);
    }
    let secret = Entry::new(SERVICE, entry)
        .and_then(|entry| entry.get_secret())
        .map(Zeroizing::new);
    let secret = secret.map_err(|error| match error {
        Error::NoEntry => KeyringError::NoEntry,
        other => KeyringError::NotGiven(other),
    })?;
    <[u8; 32]>::try_from(secret.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| KeyringError::WrongKey)
}

/// Keeps the key of a new profile.
///
/// # Errors
///
/// The keyring refused.
pub(crate) fn write(entry: &str, key: &[u8; 32]) -> Result<(), KeyringError> {
    Entry::new(SERVICE, entry)
        .and_then(|entry| entry.set_secret(key))
        .map_err(KeyringError::NotTaken)
}

/// Without a session bus there is no Secret Service, and asking for one would be slow and loud.
#[cfg(all(unix, not(target_os = "macos")))]
fn has_session_bus() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("DBUS_SESSION_BUS_ADDRESS").is_some()
        || set("XDG_RUNTIME_DIR")
            .is_some_and(|directory| std::path::Path::new(&directory).join("bus").exists())
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
const fn has_session_bus() -> bool {
    true
}
