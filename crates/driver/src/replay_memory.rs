//! The memory of taken invites, on disk: an invite that rang once never rings again, not even after a restart.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// More than a full memory needs.
const MAX_BYTES: u64 = 1 << 20;

/// The file that holds the endpoint's replay memory. What is in it is opaque here.
#[derive(Clone, Debug)]
pub struct ReplayMemory {
    path: PathBuf,
}

/// The memory cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct ReplayMemoryError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl ReplayMemory {
    /// Names the file; nothing is touched yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads what was stored; `None` if nothing ever was.
    ///
    /// # Errors
    ///
    /// The file is there but cannot be read, or is larger than any memory of ours.
    pub fn load(&self) -> Result<Option<Vec<u8>>, ReplayMemoryError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| self.error("read", source))?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| self.error("read", source))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(self.error(
                "read",
                io::Error::new(io::ErrorKind::InvalidData, "the file is too large"),
            ));
        }
        Ok(Some(bytes))
    }

    /// Replaces what is stored, all or nothing, and waits until the disk has it.
    ///
    /// A crash of this program undoes nothing of it. That the new file keeps its name through a power cut is
    /// [`settle`](Self::settle)'s work; so nobody who waits here waits for the disk twice.
    ///
    /// # Errors
    ///
    /// The disk is full, or the directory cannot be written.
    pub fn store(&self, bytes: &[u8]) -> Result<(), ReplayMemoryError> {
        let fresh = self.path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = create_private(&fresh)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&fresh, &self.path)
        };
        write().map_err(|source| self.error("write", source))
    }

    /// Makes the name of what was stored last, too. Nothing has to wait for it: until then a power cut brings back what was
    /// stored before.
    ///
    /// # Errors
    ///
    /// The directory is gone, or the disk fails.
    pub fn settle(&self) -> Result<(), ReplayMemoryError> {
        let parent = self.path.parent();
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
        let settled = File::open(parent.unwrap_or(Path::new("."))).and_then(|it| it.sync_all());
        settled.map_err(|source| self.error("write", source))
    }

    fn error(&self, action: &'static str, source: io::Error) -> ReplayMemoryError {
        ReplayMemoryError {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

/// Who called when is nobody else's affair. A file that an earlier attempt has left is replaced, with its rights.
fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_is_read_again_and_nothing_is_an_empty_memory() {
        let folder = tempfile::tempdir().unwrap();
        let memory = ReplayMemory::at(folder.path().join("replay"));
        assert_eq!(memory.load().unwrap(), None);
        memory.store(b"one").unwrap();
        memory.store(b"another").unwrap();
        memory.settle().unwrap();
        assert_eq!(memory.load().unwrap().as_deref(), Some(&b"another"[..]));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it_whatever_was_there_before() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay");
        for left_over in [&path, &path.with_extension("new")] {
            fs::write(left_over, b"old").unwrap();
            fs::set_permissions(left_over, fs::Permissions::from_mode(0o644)).unwrap();
        }
        ReplayMemory::at(&path).store(b"new").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let memory = ReplayMemory::at(folder.path().join("missing").join("replay"));
        assert!(
            memory
                .store(b"x")
                .unwrap_err()
                .to_string()
                .contains("replay")
        );
    }

    #[test]
    fn a_memory_that_cannot_be_opened_is_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"no folder").unwrap();
        assert!(ReplayMemory::at(file.join("replay")).load().is_err());
    }

    #[test]
    fn a_huge_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(ReplayMemory::at(path).load().is_err());
    }
}
