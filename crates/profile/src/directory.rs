//! The profile's directory: its owner's alone.

use std::fs;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use crate::storage_error::StorageError;

/// A directory cannot be its owner's alone.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// It is somebody else's.
    #[error("{} belongs to another user, who can replace what is in it", _0.display())]
    OfAnotherUser(PathBuf),
    /// It is not ours to close.
    #[error("others can look into {}, and it holds more than a profile", _0.display())]
    HoldsMore(PathBuf),
    /// The operating system refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The directory where the operating system keeps such data, if it names one.
pub fn default_directory() -> Option<PathBuf> {
    ProjectDirs::from("tech", "stealthx", "securecall").map(|dirs| dirs.data_dir().to_owned())
}

/// Makes the directory, for its owner alone, where it is missing.
pub(crate) fn create(path: &Path) -> Result<(), StorageError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|error| StorageError::new(path, error))
}

/// Takes an existing directory away from everybody but its owner. Gives whether others could look into it.
///
/// # Errors
///
/// It belongs to another user, or holds more than a profile, so that it is not ours to close.
pub fn make_private(path: &Path) -> Result<bool, PrivacyError> {
    // Directories of other systems are private by where they lie.
    #[cfg(not(unix))]
    let was_open = {
        let _ = path;
        false
    };
    #[cfg(unix)]
    let was_open = rights::take_from_others(path)?;
    Ok(was_open)
}

/// Something of a profile that others than its owner can look into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenToOthers {
    /// The directory or file.
    pub path: PathBuf,
    /// Its rights, as the operating system has them: `0o755`, say.
    pub mode: u32,
    /// The rights that it should have.
    pub wanted: u32,
}

/// Looks for what others than the owner can look into, in the profile at `path`, and changes nothing. What a profile does not
/// have is not looked for; of a profile that is not there, there is nothing.
///
/// # Errors
///
/// It belongs to another user, or it is open and holds more than a profile: then its rights are not to be changed.
pub fn open_to_others(path: &Path) -> Result<Vec<OpenToOthers>, PrivacyError> {
    #[cfg(not(unix))]
    let found = {
        let _ = path;
        Vec::new()
    };
    #[cfg(unix)]
    let found = rights::look(path)?;
    Ok(found)
}

#[cfg(unix)]
mod rights {
    use std::ffi::OsStr;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::Path;

    use super::{OpenToOthers, PrivacyError};
    use crate::layout::{MATRIX_STORE, OURS, STORE};
    use crate::storage_error::StorageError;

    /// What others than the owner may do.
    const OTHERS: u32 = 0o077;

    pub(super) fn take_from_others(path: &Path) -> Result<bool, PrivacyError> {
        let Ok(metadata) = fs::metadata(path) else {
            // Whoever reads or makes it says why that does not work.
            return Ok(false);
        };
        check_owner(path, &metadata)?;
        if !metadata.is_dir() || metadata.mode() & OTHERS == 0 {
            return Ok(false);
        }
        if !holds_only_ours(path)? {
            return Err(PrivacyError::HoldsMore(path.to_owned()));
        }
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|error| StorageError::new(path, error))?;
        Ok(true)
    }

    pub(super) fn look(path: &Path) -> Result<Vec<OpenToOthers>, PrivacyError> {
        let Ok(metadata) = fs::metadata(path) else {
            return Ok(Vec::new());
        };
        check_owner(path, &metadata)?;
        // What is no directory is refused when it is opened. One of the system must not be closed: who is told to, does it.
        if !metadata.is_dir() {
            return Ok(Vec::new());
        }
        if metadata.mode() & OTHERS != 0 && !holds_only_ours(path)? {
            return Err(PrivacyError::HoldsMore(path.to_owned()));
        }
        // The others lie behind the directory's rights alone, and hold no secret in the clear.
        let ours = [MATRIX_STORE, STORE].map(|name| path.join(name));
        let all = std::iter::once(path.to_owned()).chain(ours);
        let open = all.filter_map(|path| {
            let metadata = fs::metadata(&path).ok()?;
            let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
            let mode = metadata.mode() & 0o7777;
            (mode & OTHERS != 0).then_some(OpenToOthers { path, mode, wanted })
        });
        Ok(open.collect())
    }

    #[expect(unsafe_code, reason = "geteuid has no safe form")]
    fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), PrivacyError> {
        // SAFETY: geteuid only reads, and never fails.
        let user = unsafe { libc::geteuid() };
        // Root may use what is somebody's: a volume in a container, say.
        if metadata.uid() != user && user != 0 {
            return Err(PrivacyError::OfAnotherUser(path.to_owned()));
        }
        Ok(())
    }

    fn holds_only_ours(path: &Path) -> Result<bool, StorageError> {
        let failed = |error: std::io::Error| StorageError::new(path, error);
        for entry in fs::read_dir(path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if !OURS.iter().any(|ours| name == OsStr::new(ours)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
