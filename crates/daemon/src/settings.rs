//! Files of settings, and what stands in those of every daemon.

use std::net::SocketAddr;
use std::path::Path;

use securecall_ghostnet::directory::DirectoryKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Failure, file};

/// The largest file of settings that is read.
const MAX_SIZE: u64 = 64 * 1024;

/// Reads a file of settings as it stands there; `check` makes of it what it means, or says what is wrong. Paths in it are relative to
/// the folder, which `check` is given as well.
///
/// `program` has a command `init` that writes such a file.
pub fn load<File: DeserializeOwned, Config>(
    path: &Path,
    program: &str,
    check: impl FnOnce(File, &Path) -> Result<Config, Failure>,
) -> Result<Config, Failure> {
    let wrong = |what: &str| Failure::usage(format!("{}: {what}", path.display()));
    let text = file::read_text(path, MAX_SIZE).map_err(|error| {
        wrong(&error.to_string()).help(format!(
            "name the file with `--config`, or write one with `{program} init`"
        ))
    })?;
    let file: File = toml::from_str(&text).map_err(|error| {
        wrong(error.to_string().trim()).help(format!(
            "`{program} init` writes a file with every setting explained"
        ))
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    check(file, folder).map_err(|failure| Failure {
        message: format!("{}: {}", path.display(), failure.message),
        ..failure
    })
}

/// `[figures]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Figures {
    listen: Option<SocketAddr>,
}

impl Figures {
    /// Where they are shown: to this machine alone.
    pub fn address(&self) -> Result<Option<SocketAddr>, Failure> {
        match self.listen {
            Some(address) if !address.ip().is_loopback() => Err(Failure::usage(
                "`figures.listen` is not an address of loopback",
            )
            .help("let Prometheus ask on this machine, or through a tunnel of its own")),
            listen => Ok(listen),
        }
    }
}

/// `directory.keys`: who may sign the relay directory.
pub fn directory_keys(texts: &[String]) -> Result<Vec<DirectoryKey>, Failure> {
    if texts.is_empty() {
        return Err(Failure::usage(
            "`directory.keys` names nobody who may sign it",
        ));
    }
    texts
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::usage(format!("`directory.keys`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(text: &str) -> Result<Option<SocketAddr>, Failure> {
        toml::from_str::<Figures>(text).unwrap().address()
    }

    #[test]
    fn a_file_is_understood_or_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        let read = || {
            load(&path, "x", |file: Figures, folder| {
                Ok((file.address()?, folder.to_owned()))
            })
        };
        let write_and_refuse = |text: Option<&str>, reason: &str| {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let failure = read().unwrap_err();
            assert!(failure.message.contains("x.toml: "), "{failure:?}");
            assert!(failure.message.contains(reason), "{failure:?}");
            failure.help.unwrap()
        };
        assert!(write_and_refuse(None, "No such file").contains("`x init`"));
        assert!(write_and_refuse(Some("a = 1"), "unknown field").contains("`x init`"));
        write_and_refuse(
            Some("listen = \"192.0.2.1:1\""),
            "not an address of loopback",
        );
        write_and_refuse(Some(&" ".repeat(70_000)), "too large");
        std::fs::write(&path, "").unwrap();
        assert_eq!(read().unwrap(), (None, folder.path().to_owned()));
    }

    #[test]
    fn figures_are_for_this_machine_alone() {
        assert_eq!(figures(""), Ok(None));
        let own = "[::1]:9464".parse().unwrap();
        assert_eq!(figures("listen = \"[::1]:9464\""), Ok(Some(own)));
        assert!(figures("listen = \"0.0.0.0:9464\"").is_err());
    }

    #[test]
    fn somebody_has_to_sign_a_directory() {
        assert!(directory_keys(&[]).is_err());
        assert!(directory_keys(&["AAAA".to_owned()]).is_err());
        // The public key of RFC 8032 section 7.1, TEST 1.
        let key = data_encoding::BASE64.encode(&[
            0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64,
            0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68,
            0xf7, 0x07, 0x51, 0x1a,
        ]);
        assert_eq!(directory_keys(&[key]).unwrap().len(), 1);
    }
}
