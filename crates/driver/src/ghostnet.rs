//! GhostNet: what is known of its relays, and which two of them a call takes.

mod call_paths;
mod keeper;
mod known;
mod list;
mod remembered;
mod survey;
#[cfg(test)]
mod tests;
mod token_shop;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use securecall_ghostnet::UnixTime;
use securecall_ghostnet::choice::NoRelay;
use securecall_ghostnet::directory::DirectoryKey;
use securecall_ghostnet::token::{AcceptedKey, SharedSecret};
use tokio::sync::Notify;
use zeroize::Zeroizing;

pub(crate) use self::call_paths::{CallPaths, Carriers};
pub(crate) use self::keeper::Keeper;
use self::known::Known;
pub use self::list::ListError;
pub use self::survey::{ListedIssuer, ListedRelay, RelayFault, Survey, survey};

/// Where the signed list of relays is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryPlace {
    /// At an address of the web, which begins with `https://`.
    Web(String),
    /// In a file.
    File(PathBuf),
}

/// Where what must outlive the process is kept: which entry this user has, and tokens. Whoever reads it knows where to wait for
/// this user, so it is sealed.
pub trait GhostNetMemory: Send + Sync + fmt::Debug {
    /// What was stored last; `None` if nothing was, or it is lost.
    fn load(&self) -> Option<Zeroizing<Vec<u8>>>;

    /// Replaces what is stored. Gives whether that is on the disk.
    fn store(&self, bytes: &[u8]) -> bool;
}

/// How relays of GhostNet are found and paid.
#[derive(Clone, Debug)]
pub struct GhostNetSources {
    /// Where they are listed.
    pub directory: DirectoryPlace,
    /// Who signs the list.
    pub key: DirectoryKey,
    /// What relays that take no tokens ask for.
    pub secret: Option<Arc<SharedSecret>>,
    /// Where what must outlive the process is kept.
    pub memory: Arc<dyn GhostNetMemory>,
}

/// What a client knows of GhostNet, for all its calls.
#[derive(Clone)]
pub struct GhostNet(Arc<Shared>);

struct Shared {
    known: Mutex<Known>,
    memory: Arc<dyn GhostNetMemory>,
    /// Calls under way that may have spent tokens.
    carried: AtomicUsize,
    /// One of them is over.
    spent: Notify,
}

impl fmt::Debug for GhostNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GhostNet(..)")
    }
}

impl GhostNet {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panics while holding it has changed one thing, which is in order.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call can go through two relays now.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) fn is_ready(&self) -> Result<(), NoRelay> {
        self.known().is_ready(call_paths::now())
    }

    /// Whether there is a call under way through relays.
    fn is_carrying(&self) -> bool {
        self.0.carried.load(Ordering::Relaxed) > 0
    }

    /// How many tokens of which keys are to be bought. None during a call, whatever the reason to look: whoever sells them would learn
    /// of it. When it is over, that is a reason of its own.
    fn tokens_wanted(&self, now: UnixTime) -> Vec<(AcceptedKey, usize)> {
        if self.is_carrying() {
            return Vec::new();
        }
        let known = self.known();
        let Some(directory) = &known.directory else {
            return Vec::new();
        };
        directory
            .issuers()
            .into_iter()
            .filter_map(|issuer| directory.key_to_buy(issuer, now))
            .map(|key| {
                let until = key.validity.not_after();
                (key.clone(), known.stock.wanted(key.key.id(), until, now))
            })
            .filter(|(_, wanted)| *wanted > 0)
            .collect()
    }

    /// The paths of one call.
    pub(crate) fn paths(&self) -> CallPaths {
        CallPaths::new(self.clone())
    }

    /// Writes down what must outlive the process. Gives whether that is on the disk.
    fn remember(&self, known: &Known) -> bool {
        self.0.memory.store(&known.remembered().to_bytes())
    }
}
