//! Files: read within a bound, made once, replaced all or nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Take, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::Failure;

/// Readable by whoever runs what it is for.
pub const FOR_ALL: u32 = 0o644;

/// Holds a secret.
pub const FOR_OWNER: u32 = 0o600;

/// Reads a file of at most so many bytes. The bound holds for what is read, not for what the system said of it before.
pub fn read(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let (mut file, size) = open(path, most)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    file.read_to_end(&mut bytes)?;
    within(most, bytes.len())?;
    Ok(bytes)
}

/// Reads a text of at most so many bytes.
pub fn read_text(path: &Path, most: u64) -> io::Result<Zeroizing<String>> {
    let (mut file, size) = open(path, most)?;
    let mut text = Zeroizing::new(String::with_capacity(size));
    file.read_to_string(&mut text)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => io::Error::new(error.kind(), "it is not text in UTF-8"),
            _ => error,
        })?;
    within(most, text.len())?;
    Ok(text)
}

/// With room for all of it and for the look at whether there is more: it may be a secret, and a buffer that grows leaves copies.
fn open(path: &Path, most: u64) -> io::Result<(Take<File>, usize)> {
    const LOOK: usize = 64;

    let file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len().min(most)).unwrap_or(0);
    Ok((file.take(most.saturating_add(1)), size + LOOK))
}

fn within(most: u64, length: usize) -> io::Result<()> {
    if length as u64 > most {
        return Err(io::Error::other("it is too large"));
    }
    Ok(())
}

/// Writes a file that is not there yet, for its owner alone. `false` if it is there.
pub fn write_new(path: &Path, contents: &[u8]) -> Result<bool, Failure> {
    match create(path, contents, FOR_OWNER) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            let failure =
                Failure::machine(format!("{} cannot be written: {error}", path.display()));
            Err(match error.kind() {
                io::ErrorKind::NotFound => failure.help("make its folder first, or name another"),
                _ => failure,
            })
        }
    }
}

/// Makes a file that is not there yet: whole, or, where the disk is full, not at all. Half a key would count as one the next time.
fn create(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    fill(&mut file, path, contents)
}

fn fill(file: &mut File, path: &Path, contents: &[u8]) -> io::Result<()> {
    let filled = file.write_all(contents).and_then(|()| file.sync_all());
    filled.inspect_err(|_| {
        // What matters is why it could not be written.
        let _ = fs::remove_file(path);
    })
}

/// Writes a file at once: whoever reads it sees the old one or the new one.
pub fn replace(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    // Left by a run that was cut off.
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create(partial, contents, mode)?;
    fs::rename(partial, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn no_more_is_read_than_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(read(&path, 3).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap().as_slice(), b"abc");
        assert_eq!(read_text(&path, 3).unwrap().as_str(), "abc");
        assert_eq!(read(&path, 1 << 40).unwrap().as_slice(), b"abc");
        assert!(read(&path, 2).is_err());
        assert!(read_text(&path, 2).is_err());
        fs::write(&path, b"\xff").unwrap();
        let error = read_text(&path, 3).unwrap_err();
        assert_eq!(error.to_string(), "it is not text in UTF-8");
        // A file without a size.
        assert!(read(Path::new("/dev/zero"), 1_000).is_err());
    }

    #[test]
    fn a_secret_is_read_into_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for size in [0, 1, 31, 32, 64, 1_000, 100_000] {
            fs::write(&path, " ".repeat(size)).unwrap();
            let room = open(&path, 1 << 20).unwrap().1;
            assert_eq!(read(&path, 1 << 20).unwrap().capacity(), room, "{size}");
            assert_eq!(
                read_text(&path, 1 << 20).unwrap().capacity(),
                room,
                "{size}"
            );
        }
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(write_new(&path, b"one").unwrap());
        assert_eq!(mode(&path), FOR_OWNER);
        assert!(!write_new(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let failure = write_new(&folder.path().join("no/key"), b"").unwrap_err();
        assert!(failure.help.unwrap().contains("folder"));
    }

    #[test]
    fn half_a_file_is_not_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "").unwrap();
        // Takes nothing, as a full disk.
        let mut file = File::open(&path).unwrap();
        assert!(fill(&mut file, &path, b"secret").is_err());
        assert!(!path.exists());
    }

    #[test]
    fn what_a_run_left_half_done_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(folder.path().join("x.partial"), "half").unwrap();
        replace(&path, b"whole", FOR_OWNER).unwrap();
        replace(&path, b"new", FOR_OWNER).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), FOR_OWNER);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
