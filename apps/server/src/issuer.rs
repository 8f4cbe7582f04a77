//! The issuer of relay tokens: its keys, read once.

use securecall_daemon::{Failure, file};
use securecall_ghostnet::token::{
    IssueError, IssuerDirectory, IssuerDirectoryKey, IssuerKey, TokenRequest, TokenResponse,
};
use securecall_ghostnet::{IssuerName, UnixTime, Validity};

use crate::config::IssuerConfig;

/// More than a key of 2048 bits takes.
const MAX_PEM: u64 = 16 * 1024;

/// Where tokens are asked for.
pub(crate) const REQUEST_PATH: &str = "/token-request";

/// Sells tokens of the keys that are valid.
pub(crate) struct Issuer {
    pub(crate) name: IssuerName,
    keys: Vec<(IssuerKey, Validity)>,
}

impl Issuer {
    pub(crate) fn load(config: &IssuerConfig) -> Result<Self, Failure> {
        let mut keys = Vec::new();
        for key in &config.keys {
            let failed = |error: &dyn std::fmt::Display| {
                Failure::usage(format!("{}: {error}", key.file.display()))
                    .help("`securecall-server issuer-key FILE` makes one")
            };
            let pem = file::read_text(&key.file, MAX_PEM).map_err(|error| failed(&error))?;
            let read = IssuerKey::from_pem(&pem).map_err(|error| failed(&error))?;
            keys.push((read, key.validity));
        }
        Ok(Self {
            name: config.name.clone(),
            keys,
        })
    }

    /// What RFC 9578 section 4 has an issuer say of itself: keys whose time is not over.
    pub(crate) fn directory(&self, now: UnixTime) -> Vec<u8> {
        let keys = self
            .keys
            .iter()
            .filter(|(_, validity)| now < validity.not_after());
        let directory = IssuerDirectory {
            request_uri: REQUEST_PATH.to_owned(),
            keys: keys
                .map(|(key, validity)| IssuerDirectoryKey {
                    key: key.public().clone(),
                    not_before: Some(validity.not_before()),
                })
                .collect(),
        };
        directory.to_json()
    }

    /// Whether there is a key to sign with.
    pub(crate) fn is_selling(&self, now: UnixTime) -> bool {
        self.keys.iter().any(|(_, validity)| validity.contains(now))
    }

    /// Signs with the key that the request is for.
    pub(crate) fn issue(
        &self,
        request: &TokenRequest,
        now: UnixTime,
    ) -> Result<TokenResponse, IssueError> {
        let mut refusal = IssueError::OtherKey;
        let keys = self.keys.iter();
        for (key, _) in keys.filter(|(_, validity)| validity.contains(now)) {
            match key.issue(request) {
                Err(IssueError::OtherKey) => {}
                Err(other) => refusal = other,
                issued => return issued,
            }
        }
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use securecall_ghostnet::token::{Challenge, Purchase};
    use securecall_randomness::SystemRandomness;

    use super::*;

    #[test]
    fn a_key_signs_while_it_is_valid_and_is_named_until_it_is_over() {
        let key = IssuerKey::generate(&mut SystemRandomness).unwrap();
        let challenge = Challenge::of_issuer(IssuerName::parse("example.org").unwrap());
        let purchase = Purchase::new(key.public(), &challenge, &mut SystemRandomness);
        let (_, request) = purchase.unwrap();
        let [before, begin, end] = [99, 100, 200].map(UnixTime::from_secs);
        let issuer = Issuer {
            name: IssuerName::parse("example.org").unwrap(),
            keys: vec![(key, Validity::new(begin, end).unwrap())],
        };
        for (now, signs, is_named) in [
            (before, false, true),
            (begin, true, true),
            (end, false, false),
        ] {
            assert_eq!(issuer.issue(&request, now).is_ok(), signs, "{now:?}");
            assert_eq!(issuer.is_selling(now), signs, "{now:?}");
            let directory = IssuerDirectory::from_json(&issuer.directory(now)).unwrap();
            assert_eq!(!directory.keys.is_empty(), is_named, "{now:?}");
        }
    }
}
