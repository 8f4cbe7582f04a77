//! Settings of GhostNet: where its relays are listed, who signs that, and what they are paid with.

use std::path::PathBuf;
use std::sync::Arc;

use securecall_driver::{DirectoryPlace, GhostNetMemory, GhostNetSources};
use securecall_ghostnet::directory::DirectoryKey;
use securecall_ghostnet::token::SharedSecret;
use securecall_profile::SealedMemory;
use zeroize::Zeroizing;

use crate::server_settings::Hidden;

/// What the settings say of GhostNet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GhostNetSettings {
    /// `ghostnet_directory`
    pub(crate) directory: Option<DirectoryPlace>,
    /// `ghostnet_key`
    pub(crate) key: Option<DirectoryKey>,
    /// `ghostnet_secret`
    pub(crate) secret: Option<Hidden>,
}

impl GhostNetSettings {
    /// How relays are found; `None` where none are named. `Err` says which settings do not go together.
    pub(crate) fn sources(&self, memory: SealedMemory) -> Result<Option<GhostNetSources>, String> {
        self.complete()?;
        let (Some(directory), Some(key)) = (&self.directory, self.key) else {
            return Ok(None);
        };
        let secret = self.secret.as_ref().map(|secret| shared(secret.as_str()));
        Ok(Some(GhostNetSources {
            directory: directory.clone(),
            key,
            secret: secret.transpose()?.map(Arc::new),
            memory: Arc::new(InProfile(memory)),
        }))
    }

    /// What is missing where a call is to be had. Each setting can be set by itself. `Err` names the keys and says what to do.
    fn complete(&self) -> Result<(), String> {
        let missing = |key: &str, beside: &str| {
            Err(format!(
                "'{beside}' is set, and '{key}' is not: set it, too, or leave '{beside}' out"
            ))
        };
        match (&self.directory, self.key, &self.secret) {
            (Some(_), None, _) => missing("ghostnet_key", "ghostnet_directory"),
            (None, Some(_), _) => missing("ghostnet_directory", "ghostnet_key"),
            (None, None, Some(_)) => missing("ghostnet_directory", "ghostnet_secret"),
            _ => Ok(()),
        }
    }
}

/// `ghostnet_directory`: an address of the web, or a file.
pub(crate) fn directory(text: &str) -> Result<DirectoryPlace, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.starts_with("https://") || is_here(text) {
        return Ok(DirectoryPlace::Web(text.to_owned()));
    }
    if text.contains("://") {
        return Err(format!(
            "'{}' does not begin with https://, and is no file",
            text.escape_debug()
        ));
    }
    Ok(DirectoryPlace::File(PathBuf::from(text)))
}

/// For trials a server of this machine may be asked without TLS.
fn is_here(text: &str) -> bool {
    text.starts_with("http://127.0.0.1:") || text.starts_with("http://[::1]:")
}

/// `ghostnet_key`
pub(crate) fn key(text: &str) -> Result<DirectoryKey, String> {
    text.parse()
        .map_err(|error: securecall_ghostnet::directory::DirectoryKeyError| error.to_string())
}

/// `ghostnet_secret`
pub(crate) fn secret(text: &str) -> Result<Hidden, String> {
    shared(text).map(|_| Hidden::new(text))
}

fn shared(text: &str) -> Result<SharedSecret, String> {
    SharedSecret::new(text).map_err(|error| error.to_string())
}

/// What GhostNet remembers, in the profile.
#[derive(Debug)]
struct InProfile(SealedMemory);

impl GhostNetMemory for InProfile {
    fn load(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.0
            .load()
            .inspect_err(|error| tracing::warn!(%error, "what GhostNet has remembered is lost"))
            .ok()
            .flatten()
    }

    fn store(&self, bytes: &[u8]) -> bool {
        self.0
            .store(bytes)
            .inspect_err(|error| tracing::warn!(%error, "GhostNet cannot remember"))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn settings(directory: bool, key: bool, secret: bool) -> GhostNetSettings {
        GhostNetSettings {
            directory: directory.then(|| DirectoryPlace::File("relays.json".into())),
            key: key.then(|| KEY.parse().unwrap()),
            secret: secret.then(|| Hidden::new("a secret that is long enough")),
        }
    }

    #[test]
    fn a_list_and_the_key_that_signs_it_go_together() {
        for (directory, key, secret, missing) in [
            (false, false, false, None),
            (true, true, false, None),
            (true, true, true, None),
            (true, false, false, Some("'ghostnet_key' is not")),
            (true, false, true, Some("'ghostnet_key' is not")),
            (false, true, false, Some("'ghostnet_directory' is not")),
            (false, true, true, Some("'ghostnet_directory' is not")),
            (false, false, true, Some("'ghostnet_directory' is not")),
        ] {
            let said = settings(directory, key, secret).complete().err();
            assert_eq!(said.is_some(), missing.is_some());
            if let (Some(said), Some(missing)) = (said, missing) {
                assert!(said.contains(missing), "{said}");
            }
        }
    }

    #[test]
    fn a_list_is_a_file_or_is_fetched_by_tls() {
        let web = |text: &str| DirectoryPlace::Web(text.to_owned());
        let https = "https://relays.example.org/relays.json";
        assert_eq!(directory(https), Ok(web(https)));
        let here = "http://127.0.0.1:8080/relays.json";
        assert_eq!(directory(here), Ok(web(here)));
        assert_eq!(
            directory("relays.json"),
            Ok(DirectoryPlace::File("relays.json".into()))
        );
        for wrong in [
            "",
            "http://relays.example.org/",
            "ftp://example.org/r",
            "http://127.0.0.1.example.org/",
        ] {
            assert!(directory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_key_and_no_secret_is_refused() {
        assert!(key(KEY).is_ok());
        assert!(key(&KEY[1..]).is_err());
        assert!(secret("").is_err());
    }
}
