//! The profile's directory: its owner's alone.

use std::fs;
use std::path::Path;

use super::storage_failed;
use crate::error::Failure;

/// Makes the directory, for its owner alone, where it is missing.
pub(super) fn create(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|error| storage_failed(path, &error))
}

#[cfg(unix)]
pub(super) use unix::make_private;

/// Directories of other systems are private by where they lie.
#[cfg(not(unix))]
pub(super) fn make_private(_: &Path) -> Result<Option<String>, Failure> {
    Ok(None)
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::Path;

    use crate::error::{ErrorKind, Failure};
    use crate::profile::{MATRIX_STORE, REPLAY_MEMORY, STORE, WRITE_LOCK, storage_failed};

    /// Everything that lies in a profile; what ends in `new` was being written when a process ended.
    const OURS: &[&str] = &[
        STORE,
        "profile.new",
        MATRIX_STORE,
        REPLAY_MEMORY,
        "replay-memory.new",
        "config.toml",
        "session.lock",
        WRITE_LOCK,
    ];

    /// What others than the owner may do.
    const OTHERS: u32 = 0o077;

    /// Takes an existing directory away from everybody but its owner. Gives what to say of it, if that was needed.
    ///
    /// # Errors
    ///
    /// It belongs to another user, or holds more than a profile, so that it is not ours to close.
    pub(crate) fn make_private(path: &Path) -> Result<Option<String>, Failure> {
        let Ok(metadata) = fs::metadata(path) else {
            // Whoever reads or makes it says why that does not work.
            return Ok(None);
        };
        // SAFETY: geteuid only reads, and never fails.
        let user = unsafe { libc::geteuid() };
        // Root may use what is somebody's: a volume in a container, say.
        if metadata.uid() != user && user != 0 {
            return Err(Failure::new(
                ErrorKind::StorageFailed,
                format!(
                    "{} belongs to another user, who can replace what is in it",
                    path.display()
                ),
            )
            .help("name a directory of your own with --profile DIR"));
        }
        if !metadata.is_dir() || metadata.mode() & OTHERS == 0 {
            return Ok(None);
        }
        if !holds_only_ours(path)? {
            return Err(Failure::new(
                ErrorKind::StorageFailed,
                format!("others can look into {}, and it holds more than a profile", path.display()),
            )
            .help("close it with `chmod 700`, or name a directory for the profile alone with --profile DIR"));
        }
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|error| storage_failed(path, &error))?;
        Ok(Some(format!(
            "others could look into the profile directory {}: closed, it is yours alone now",
            path.display()
        )))
    }

    fn holds_only_ours(path: &Path) -> Result<bool, Failure> {
        let failed = |error: std::io::Error| storage_failed(path, &error);
        for entry in fs::read_dir(path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if !OURS.iter().any(|ours| name == OsStr::new(ours)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
