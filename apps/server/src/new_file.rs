//! Files that are made once, for their owner alone.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::failure::Failure;

/// Writes a file that is not there yet, for its owner alone. `false` if it is there.
pub(crate) fn write_new(path: &Path, contents: &[u8]) -> Result<bool, Failure> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let failed = |error: io::Error| Failure::machine(format!("{}: {error}", path.display()));
    match opened {
        Ok(mut file) => {
            file.write_all(contents)
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
