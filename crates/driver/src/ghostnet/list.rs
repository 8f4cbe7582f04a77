//! Where the signed list of relays comes from.

use std::path::{Path, PathBuf};

use securecall_ghostnet::directory::MAX_DIRECTORY;
use securecall_relay_client::{Https, HttpsError};
use tokio::io::AsyncReadExt as _;

use super::DirectoryPlace;

/// Why the list is not there.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It cannot be fetched.
    #[error(transparent)]
    Web(#[from] HttpsError),
    /// Nobody here vouches for servers of the web.
    #[error(
        "this machine has no list of authorities, by whom servers of the web prove who they are"
    )]
    NoTrust,
}

/// Reads or fetches the list, as it is.
pub(super) async fn fetch(
    place: &DirectoryPlace,
    https: Option<&Https>,
) -> Result<Vec<u8>, ListError> {
    match place {
        DirectoryPlace::File(path) => read(path).await.map_err(|error| ListError::File {
            path: path.clone(),
            error,
        }),
        DirectoryPlace::Web(url) => {
            let https = https.ok_or(ListError::NoTrust)?;
            Ok(https.get(url, MAX_DIRECTORY).await?)
        }
    }
}

/// A file, of no more than a list may have.
async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = tokio::fs::File::open(path).await?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_DIRECTORY).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
