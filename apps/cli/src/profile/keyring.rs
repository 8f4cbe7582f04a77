//! The operating system's keyring: Keychain, Credential Manager, or the Secret Service.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ::keyring::{Entry, Error};
use zeroize::Zeroizing;

use crate::error::{ErrorKind, Failure};

const SERVICE: &str = "securecall";

/// How long the keyring may take to say that it is there. (Once it is, its own dialogue may take as long as it likes.)
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether there is a keyring to use. Quick, and silent where there is none.
pub(super) fn is_available() -> bool {
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
pub(super) fn read(entry: &str) -> Result<Zeroizing<[u8; 32]>, Failure> {
    if !is_available() {
        return Err(failed(
            "there is no keyring here, and this profile's key is in one",
        ));
    }
    let secret = Entry::new(SERVICE, entry)
        .and_then(|entry| entry.get_secret())
        .map(Zeroizing::new);
    let secret = secret.map_err(|error| match error {
        Error::NoEntry => failed("the keyring does not have this profile's key any more"),
        other => failed(&format!(
            "the keyring did not give this profile's key: {other}"
        )),
    })?;
    <[u8; 32]>::try_from(secret.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| wrong_key())
}

/// Keeps the key of a new profile.
///
/// # Errors
///
/// The keyring refused.
pub(super) fn write(entry: &str, key: &[u8; 32]) -> Result<(), Failure> {
    Entry::new(SERVICE, entry)
        .and_then(|entry| entry.set_secret(key))
        .map_err(|error| {
            failed(&format!(
                "the keyring did not take the key; nothing was written: {error}"
            ))
        })
}

/// What the keyring holds is not the key.
pub(super) fn wrong_key() -> Failure {
    failed("what the keyring holds is not this profile's key")
}

fn failed(message: &str) -> Failure {
    Failure::new(ErrorKind::KeyringFailed, message)
        .help("log in to your desktop session and unlock the keyring; or bring your identity back in a new profile with `securecall id restore`")
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
