//! What `init` has written, so that the next time it knows its own from what was edited.

use std::collections::BTreeMap;
use std::{fs, io};

use data_encoding::HEXLOWER;
use securecall_daemon::Failure;
use securecall_daemon::file::FOR_ALL;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::answers::Answers;
use super::folder::Folder;

/// Its file.
const NAME: &str = "init.json";

/// Answers, and the hash of each file as it was written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) answers: Option<Answers>,
    pub(super) files: BTreeMap<String, String>,
}

impl Record {
    pub(super) fn read(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.path(NAME);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Failure::usage(format!("{}: {error}", path.display())).help(
                    "remove it: files that are there count as edited then, and new ones are put beside them",
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::machine(format!("{}: {error}", path.display()))),
        }
    }

    pub(super) fn write(&self, folder: &Folder) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(Failure::machine)?;
        folder.replace(NAME, &text, FOR_ALL)
    }

    pub(super) fn note(&mut self, path: &str, contents: &[u8]) {
        self.files.insert(path.to_owned(), hash(contents));
    }

    /// Whether this is what was written last.
    pub(super) fn wrote(&self, path: &str, contents: &[u8]) -> bool {
        self.files.get(path) == Some(&hash(contents))
    }
}

fn hash(contents: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(contents))
}
