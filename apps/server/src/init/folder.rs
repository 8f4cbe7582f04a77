//! The folder that everything is written to.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use securecall_daemon::{Failure, file};

use super::files::PlaceFile;
use super::record::Record;

/// The settings of this server; all else lies beside them.
const SETTINGS: &str = "server.toml";

/// A folder, by a name that stands in files of many programs.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was not there.
    Written,
    /// It was as `init` had left it, and there is something new.
    Renewed,
    /// It is as it should be.
    Same,
    /// Somebody edited it, and nothing is new since it was written.
    Kept,
    /// Somebody edited it; what is new lies beside it.
    Edited,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Renewed => "renewed",
            Self::Same => "same",
            Self::Kept => "kept",
            Self::Edited => "edited",
        }
    }

    pub(super) fn remark(self) -> &'static str {
        match self {
            Self::Kept => " (was edited)",
            Self::Edited => " (left alone; see the .new beside it)",
            Self::Written | Self::Renewed | Self::Same => "",
        }
    }
}

impl Folder {
    /// The one in which the settings are.
    pub(super) fn of_settings(settings: &Path) -> Result<Self, Failure> {
        let settings = std::path::absolute(settings).map_err(Failure::machine)?;
        if settings.file_name() != Some(OsStr::new(SETTINGS)) || settings.is_dir() {
            return Err(Failure::usage(format!(
                "{}: the settings are to be a file called {SETTINGS}",
                settings.display()
            ))
            .help(format!("--config FOLDER/{SETTINGS}")));
        }
        let folder = settings.parent().unwrap_or(Path::new("/"));
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        if !folder.to_str().is_some_and(|text| text.chars().all(plain)) {
            return Err(Failure::usage(format!(
                "{}: not every program understands this path in its settings",
                folder.display()
            ))
            .help("take letters, digits, and . _ - in names of folders"));
        }
        Ok(Self(folder.to_owned()))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            return self.0.clone();
        }
        self.0.join(name)
    }

    pub(super) fn text(&self) -> String {
        self.0.display().to_string()
    }

    pub(super) fn make(&self) -> Result<(), Failure> {
        make(&self.0)
    }

    /// Writes a file unless somebody edited it.
    pub(super) fn put(&self, file: &PlaceFile, record: &mut Record) -> Result<Outcome, Failure> {
        let path = self.path(file.path);
        let contents = file.contents.as_bytes();
        if let Some(parent) = path.parent() {
            make(parent)?;
        }
        let there = match fs::read(&path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.replace(file.path, contents, file.mode)?;
                record.note(file.path, contents);
                return Ok(Outcome::Written);
            }
            Err(error) => return Err(failed(&path, &error)),
        };
        if there == contents {
            record.note(file.path, contents);
            return Ok(Outcome::Same);
        }
        if record.wrote(file.path, &there) {
            self.replace(file.path, contents, file.mode)?;
            record.note(file.path, contents);
            return Ok(Outcome::Renewed);
        }
        if record.wrote(file.path, contents) {
            return Ok(Outcome::Kept);
        }
        self.replace(&format!("{}.new", file.path), contents, file.mode)?;
        record.note(file.path, contents);
        Ok(Outcome::Edited)
    }

    /// Writes a file at once: whoever reads it sees the old one or the new one.
    pub(super) fn replace(&self, name: &str, contents: &[u8], mode: u32) -> Result<(), Failure> {
        let path = self.path(name);
        file::replace(&path, contents, mode).map_err(|error| failed(&path, &error))
    }
}

fn make(folder: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(|error| failed(folder, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::machine(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use securecall_daemon::file::FOR_OWNER;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::of_settings(&directory.path().join("server.toml")).unwrap();
        (directory, folder)
    }

    fn file(contents: &str) -> PlaceFile {
        PlaceFile {
            path: "coturn/turnserver.conf",
            mode: FOR_OWNER,
            contents: contents.to_owned(),
        }
    }

    #[test]
    fn what_is_as_it_was_written_is_renewed() {
        let (_directory, folder) = folder();
        let mut record = Record::default();
        assert_eq!(
            folder.put(&file("one"), &mut record).unwrap(),
            Outcome::Written
        );
        assert_eq!(
            folder.put(&file("one"), &mut record).unwrap(),
            Outcome::Same
        );
        assert_eq!(
            folder.put(&file("two"), &mut record).unwrap(),
            Outcome::Renewed
        );
        let path = folder.path("coturn/turnserver.conf");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn what_was_edited_is_never_written_over() {
        let (_directory, folder) = folder();
        let mut record = Record::default();
        folder.put(&file("one"), &mut record).unwrap();
        let path = folder.path("coturn/turnserver.conf");
        fs::write(&path, "mine").unwrap();
        // Nothing is new: nothing to compare.
        assert_eq!(
            folder.put(&file("one"), &mut record).unwrap(),
            Outcome::Kept
        );
        let beside = folder.path("coturn/turnserver.conf.new");
        assert!(!beside.exists());
        assert_eq!(
            folder.put(&file("two"), &mut record).unwrap(),
            Outcome::Edited
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(fs::read_to_string(&beside).unwrap(), "two");
        assert_eq!(
            fs::metadata(&beside).unwrap().permissions().mode() & 0o777,
            0o600
        );
        // Once said is enough.
        assert_eq!(
            folder.put(&file("two"), &mut record).unwrap(),
            Outcome::Kept
        );
    }

    #[test]
    fn what_nobody_remembers_writing_counts_as_edited() {
        let (_directory, folder) = folder();
        folder.put(&file("one"), &mut Record::default()).unwrap();
        let mut forgotten = Record::default();
        assert_eq!(
            folder.put(&file("two"), &mut forgotten).unwrap(),
            Outcome::Edited
        );
        assert_eq!(
            fs::read_to_string(folder.path("coturn/turnserver.conf")).unwrap(),
            "one"
        );
    }

    #[test]
    fn a_path_that_some_program_would_misread_is_refused() {
        for path in [
            "/etc/a b/server.toml",
            "/etc/a\"b/server.toml",
            "/etc/a$b/server.toml",
            "/etc/é/server.toml",
            "/etc/a%b/server.toml",
        ] {
            assert!(Folder::of_settings(Path::new(path)).is_err(), "{path}");
        }
        assert!(Folder::of_settings(Path::new("/etc/securecall-server/server.toml")).is_ok());
    }

    #[test]
    fn settings_that_would_not_be_found_again_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        // Its parent is somebody's folder.
        assert!(Folder::of_settings(directory.path()).is_err());
        let other = directory.path().join("other.toml");
        assert!(Folder::of_settings(&other).is_err());
        let folder = directory.path().join("server.toml");
        fs::create_dir(&folder).unwrap();
        assert!(Folder::of_settings(&folder).is_err());
    }
}
