//! What a path leads to. Asked before it is opened, for opening the wrong thing can block.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::fault::OpenError;

/// What lies behind a path or a standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// An ordinary file: it has an end and is always ready.
    File,
    /// A named or unnamed pipe.
    Pipe,
    /// A terminal, `/dev/null`, an OSS sound device …
    CharacterDevice,
    Socket,
    Directory,
    BlockDevice,
}

impl FileKind {
    /// Looks at what is there.
    pub(crate) fn of(path: &Path) -> Result<Self, OpenError> {
        let metadata = fs::metadata(path).map_err(|error| open_failed(path, error))?;
        Ok(Self::from_metadata(&metadata))
    }

    pub(crate) fn from_metadata(metadata: &Metadata) -> Self {
        let kind = metadata.file_type();
        if kind.is_fifo() {
            Self::Pipe
        } else if kind.is_char_device() {
            Self::CharacterDevice
        } else if kind.is_socket() {
            Self::Socket
        } else if kind.is_dir() {
            Self::Directory
        } else if kind.is_block_device() {
            Self::BlockDevice
        } else {
            Self::File
        }
    }

    pub(crate) fn must_be_file(self, path: &Path, expected: &'static str) -> Result<(), OpenError> {
        match self {
            Self::File => Ok(()),
            other => Err(other.refusal(path, expected)),
        }
    }

    pub(crate) fn refusal(self, path: &Path, expected: &'static str) -> OpenError {
        OpenError::WrongKind {
            path: path.to_owned(),
            found: self.name(),
            expected,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Pipe => "a pipe",
            Self::CharacterDevice => "a device",
            Self::Socket => "a socket",
            Self::Directory => "a directory",
            Self::BlockDevice => "a disk",
        }
    }
}

/// The error of an attempt to open `path`.
pub(crate) fn open_failed(path: &Path, error: io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => OpenError::NotFound { path },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::DiskFull { path },
        _ => OpenError::Io {
            path,
            source: error,
        },
    }
}

/// Whether two paths lead to the same file or pipe. Devices such as `/dev/null` may serve twice.
pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) else {
        return false;
    };
    let single = |metadata: &Metadata| {
        matches!(
            FileKind::from_metadata(metadata),
            FileKind::File | FileKind::Pipe
        )
    };
    single(&one) && (one.dev(), one.ino()) == (other.dev(), other.ino())
}
