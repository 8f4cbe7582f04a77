//! Which tokens were spent, on the disk, so that none is spent again after another start.
//!
//! It is written when the relay stops, and at times that do not depend on what happens. So the file says how many tokens were spent up
//! to then, and nothing else: not when, not which after which, and nothing of flows. A relay that dies forgets what was spent since.

use std::io;
use std::path::Path;
use std::time::Duration;

use securecall_daemon::file::{self, FOR_OWNER};
use securecall_daemon::{Failure, FailureKind};
use securecall_ghostnet::token::SpentTokens;

/// How often it is written.
pub(crate) const INTERVAL: Duration = Duration::from_secs(600);

/// More than the most tokens of many keys.
const MAX_SIZE: u64 = 1 << 30;

/// What was spent before this start; nothing if there is no file. A file that cannot be read is not taken for none.
pub(crate) fn load(path: &Path, per_key: usize) -> Result<SpentTokens, Failure> {
    let failed = |reason: &dyn std::fmt::Display| {
        Failure::new(
            FailureKind::Security,
            format!("{}: {reason}", path.display()),
        )
        .help("it remembers which tokens were spent: without it each of them can be spent here once more. If that is well, move it away")
    };
    match file::read(path, MAX_SIZE) {
        Ok(bytes) => SpentTokens::from_bytes(&bytes, per_key).map_err(|error| failed(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(SpentTokens::new(per_key)),
        Err(error) => Err(failed(&error)),
    }
}

/// Replaces the file, all or nothing.
pub(crate) fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    file::replace(path, bytes, FOR_OWNER)
}
