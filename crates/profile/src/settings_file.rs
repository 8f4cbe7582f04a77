//! `config.toml`: its user's, and changed on their word alone.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::atomic_file;
use crate::directory;
use crate::layout::{SETTINGS_FILE, WRITE_LOCK};
use crate::lock;
use crate::profile::ChangeError;
use crate::storage_error::StorageError;

/// The largest file of settings that is read.
const MAX_SETTINGS: u64 = 1024 * 1024;

/// The text of a file of settings.
///
/// # Errors
///
/// It cannot be read, is no text, or is larger than any that was written by hand.
pub fn read_settings(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_SETTINGS + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SETTINGS {
        return Err(io::Error::other("it is too large for a file of settings"));
    }
    Ok(text)
}

/// Changes the settings in the profile at `directory`, which need not be there yet, on top of what another process may have
/// written meanwhile. `change` is given the text as it is, an empty one where there is none, and gives it as it shall be.
///
/// # Errors
///
/// The change's own, and reading or writing failed: then nothing is changed.
pub fn change_settings<E: From<ChangeError>>(
    directory: &Path,
    change: impl FnOnce(&str) -> Result<String, E>,
) -> Result<(), E> {
    directory::create(directory).map_err(ChangeError::from)?;
    let lock = lock::wait_for(&directory.join(WRITE_LOCK)).map_err(ChangeError::from)?;
    let _lock = lock.ok_or(ChangeError::Busy)?;
    let path = directory.join(SETTINGS_FILE);
    // Who keeps it elsewhere has a link here, which stays one.
    let path = fs::canonicalize(&path).unwrap_or(path);
    let text = match read_settings(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|error| ChangeError::from(StorageError::new(&path, error)))?,
    };
    let changed = change(&text)?;
    if changed != text {
        atomic_file::replace(&path, changed.as_bytes()).map_err(ChangeError::from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(directory: &Path, line: &str) {
        change_settings(directory, |text| {
            Ok::<_, ChangeError>(format!("{text}{line}"))
        })
        .unwrap();
    }

    #[test]
    fn settings_without_an_end_are_not_read() {
        assert!(read_settings(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn a_change_is_made_on_top_of_what_is_there_and_is_all_that_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("profile");
        append(&directory, "a\n");
        append(&directory, "b\n");
        let path = directory.join(SETTINGS_FILE);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
        let refused = change_settings(&directory, |_| Err(ChangeError::AnotherKey));
        assert!(matches!(refused, Err(ChangeError::AnotherKey)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
        let mut names: Vec<_> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, [SETTINGS_FILE, WRITE_LOCK]);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_settings() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), "a\n");
        // Whatever is in the way of writing: a full disk, say.
        fs::create_dir(directory.path().join("config.new")).unwrap();
        let failed = change_settings(directory.path(), |_| Ok::<_, ChangeError>("b".to_owned()));
        assert!(matches!(failed, Err(ChangeError::Store(_))));
        let text = fs::read_to_string(directory.path().join(SETTINGS_FILE)).unwrap();
        assert_eq!(text, "a\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_settings_elsewhere_stays_one() {
        let elsewhere = tempfile::tempdir().unwrap();
        let there = elsewhere.path().join("settings.toml");
        fs::write(&there, "a\n").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().join(SETTINGS_FILE);
        std::os::unix::fs::symlink(&there, &here).unwrap();
        append(directory.path(), "b\n");
        assert!(fs::symlink_metadata(&here).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&there).unwrap(), "a\nb\n");
    }
}
