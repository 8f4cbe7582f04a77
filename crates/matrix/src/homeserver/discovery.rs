//! From the name of a server to its homeserver: `.well-known` delegation.
//!
//! `docs/decisions/2026-11-27-server-discovery.md` says who could fish for what, and why nobody gets it.

use reqwest::StatusCode;
use tracing::debug;
use url::{Host, Url};

use super::{
    Homeserver, HomeserverAddressError,
    address::{self, is_loopback},
    answer::Answer,
    well_known::{self, WellKnownError},
};
use crate::{connection::Connection, server_error::ServerError};

/// As many redirects as browsers' users would bear; the specification only says that loops are to be avoided.
const MAX_REDIRECTS: usize = 5;

/// What for a homeserver is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An account is to be made. It is made where the name says, or nowhere.
    NewAccount,
    /// There is an account. Where the name says nothing usable, it may be at the address itself.
    ExistingAccount,
}

/// Why no homeserver was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// What it names as its homeserver cannot be used (the specification's `FAIL_ERROR`).
    #[error("{name} names {base_url:?} as its homeserver, which cannot be used: {reason}")]
    Unusable {
        /// Who was asked.
        name: String,
        /// What it named, shortened.
        base_url: String,
        /// Why that is no address of a homeserver.
        reason: String,
    },
    /// What it names as its homeserver would not be encrypted.
    #[error("{name} names a homeserver without encryption ({base_url:?}), which is refused")]
    NotEncrypted {
        /// Who was asked.
        name: String,
        /// What it named, shortened.
        base_url: String,
    },
    /// What it names as its homeserver is none, or cannot be reached.
    #[error("{name} names {url} as its homeserver, but {fault}")]
    Delegate {
        /// Who was asked.
        name: String,
        /// The base URL that it named.
        url: String,
        /// What is wrong there.
        fault: ServerError,
    },
    /// It does not say where its homeserver is (the specification's `FAIL_PROMPT`), and is none itself.
    #[error("{name} does not say where its homeserver is ({reason}), and is none itself: {fault}")]
    Unclear {
        /// Who was asked.
        name: String,
        /// Why its answer is of no use.
        reason: String,
        /// Why it is no homeserver.
        fault: ServerError,
    },
    /// It says nothing of a homeserver elsewhere, and is none itself, or cannot be reached.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// What a name says about its homeserver.
enum Named {
    /// The `base_url` of its document, as it stands there.
    BaseUrl(String),
    /// Nothing: it is the homeserver itself.
    Nothing,
    /// Something of no use.
    Unclear(String),
}

impl Homeserver {
    /// Asks the address for its homeserver, as the specification's
    /// [server discovery](https://spec.matrix.org/v1.16/client-server-api/#server-discovery) says, and checks that there
    /// is one. Where the address names no other, it is the homeserver itself.
    ///
    /// No secret is sent, whoever answers.
    ///
    /// # Errors
    ///
    /// When no homeserver is found.
    pub async fn discover(&self, purpose: Purpose) -> Result<Self, DiscoveryError> {
        match self.ask_well_known().await? {
            Named::Nothing => {
                self.check().await?;
                Ok(self.clone())
            }
            // The specification asks the person here. They have answered already: this address.
            Named::Unclear(reason) => match self.check().await {
                Ok(()) => Ok(self.clone()),
                Err(fault) => Err(DiscoveryError::Unclear {
                    name: self.shown(),
                    reason,
                    fault,
                }),
            },
            Named::BaseUrl(base_url) => match self.delegate(&base_url).await {
                // Accounts made before the address named another homeserver are to be had, whatever it names now.
                Err(error) if purpose == Purpose::ExistingAccount && self.check().await.is_ok() => {
                    debug!(%error, "the address itself is taken");
                    Ok(self.clone())
                }
                found => found,
            },
        }
    }

    /// Where a name says that its homeserver is, if it says so: the host, in lower case.
    pub(crate) async fn host_named_by(&self, name: &str) -> Option<String> {
        let name = Self {
            url: Url::parse(&format!("https://{name}")).ok()?,
            found_by: None,
            certificates_pem: self.certificates_pem.clone(),
        };
        match name.ask_well_known().await {
            Ok(Named::BaseUrl(base_url)) => {
                let url = address::read_base_url(&base_url).ok()?;
                url.host_str().map(str::to_owned)
            }
            _ => None,
        }
    }

    /// Whether a homeserver answers at this address.
    async fn check(&self) -> Result<(), ServerError> {
        Connection::new(self)?.check().await
    }

    /// The homeserver at the base URL that this address names.
    async fn delegate(&self, base_url: &str) -> Result<Self, DiscoveryError> {
        let unusable = |reason: String| DiscoveryError::Unusable {
            name: self.shown(),
            base_url: address::shown(base_url),
            reason,
        };
        let url = address::read_base_url(base_url).map_err(|error| match error {
            HomeserverAddressError::NotEncrypted { given } => DiscoveryError::NotEncrypted {
                name: self.shown(),
                base_url: given,
            },
            HomeserverAddressError::NotAnAddress { reason, .. } => unusable(reason),
            other => unusable(other.to_string()),
        })?;
        if self.may_not_lead_to(&url) {
            return Err(unusable("it is an address of this machine".to_owned()));
        }
        let found = Self {
            found_by: (url != self.url).then(|| self.url.clone()),
            url,
            certificates_pem: self.certificates_pem.clone(),
        };
        found
            .check()
            .await
            .map_err(|fault| DiscoveryError::Delegate {
                name: self.shown(),
                url: found.shown(),
                fault,
            })?;
        Ok(found)
    }

    /// Asks for the `.well-known` document, wherever redirects lead. What it says is said by whoever has the
    /// certificate of this address: they chose where to redirect.
    async fn ask_well_known(&self) -> Result<Named, ServerError> {
        let mut at = self.clone();
        at.url.set_path(well_known::PATH);
        for _ in 0..=MAX_REDIRECTS {
            let asked = Connection::new(&at)?
                .get(at.url.clone(), well_known::MAX_LENGTH)
                .await;
            let answer = match asked {
                // As any other answer that says nothing of a homeserver: the address itself may be one.
                Err(ServerError::TooManyRequests { .. }) => {
                    return Ok(Named::Unclear("it asks to wait".to_owned()));
                }
                other => other?,
            };
            if !answer.status.is_redirection() {
                return Ok(read(&answer));
            }
            match answer.location.clone() {
                Some(to) if !is_encrypted_or_local(&to) => {
                    return Ok(Named::Unclear(
                        "it redirects to a page without encryption".to_owned(),
                    ));
                }
                Some(to) if !self.may_not_lead_to(&to) => at.url = to,
                _ => return Ok(Named::Unclear(answer.fault().to_string())),
            }
        }
        Ok(Named::Unclear("it redirects without end".to_owned()))
    }

    /// Somebody elsewhere does not make this machine talk to itself: what listens there may trust whoever can.
    fn may_not_lead_to(&self, url: &Url) -> bool {
        let unspecified = match url.host() {
            Some(Host::Ipv4(address)) => address.is_unspecified(),
            Some(Host::Ipv6(address)) => address.to_canonical().is_unspecified(),
            _ => false,
        };
        !self.is_loopback() && (unspecified || is_loopback(url))
    }
}

/// The specification's table of what to do with which answer.
fn read(answer: &Answer) -> Named {
    if answer.status == StatusCode::NOT_FOUND {
        return Named::Nothing;
    }
    if answer.status != StatusCode::OK {
        return Named::Unclear(format!("it answers {}", answer.status));
    }
    if answer.is_cut {
        return Named::Unclear(WellKnownError::TooLong.to_string());
    }
    match well_known::base_url(&answer.body) {
        Ok(base_url) => Named::BaseUrl(base_url),
        Err(error) => Named::Unclear(error.to_string()),
    }
}

fn is_encrypted_or_local(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homeserver(address: &str) -> Homeserver {
        Homeserver::new(address).unwrap()
    }

    #[test]
    fn nobody_elsewhere_leads_to_this_machine() {
        let elsewhere = homeserver("https://example.test");
        let here = homeserver("http://127.0.0.1:8008");
        for local in [
            "http://127.0.0.1:8008",
            "https://127.8.8.8",
            "https://localhost",
            "https://a.localhost.",
            "https://[::1]",
            "https://[::ffff:127.0.0.1]",
            "https://0.0.0.0",
            "https://[::]",
            "https://[::ffff:0.0.0.0]",
        ] {
            let local = local.parse().unwrap();
            assert!(elsewhere.may_not_lead_to(&local), "{local}");
            assert!(!here.may_not_lead_to(&local), "{local}");
        }
        for other in [
            "https://example.test",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
        ] {
            let other = other.parse().unwrap();
            assert!(!elsewhere.may_not_lead_to(&other), "{other}");
        }
    }

    #[test]
    fn a_redirect_may_leave_encryption_on_this_machine_only() {
        for (to, may) in [
            ("https://example.test", true),
            ("http://example.test", false),
            ("http://127.0.0.1:8008", true),
            ("http://localhost", true),
            ("ftp://127.0.0.1", false),
            ("file:///etc/hostname", false),
        ] {
            assert_eq!(is_encrypted_or_local(&to.parse().unwrap()), may, "{to}");
        }
    }

    #[tokio::test]
    async fn a_base_url_that_cannot_be_used_is_not_asked() {
        let name = homeserver("https://example.test");
        for base_url in [
            "matrix.example.test",
            "https://alice:hunter2@example.test",
            "https://localhost",
            "https://0.0.0.0",
        ] {
            let error = name.delegate(base_url).await.unwrap_err();
            assert!(
                matches!(error, DiscoveryError::Unusable { .. }),
                "{base_url}: {error:?}"
            );
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let error = name.delegate("http://example.test").await.unwrap_err();
        assert!(
            matches!(error, DiscoveryError::NotEncrypted { .. }),
            "{error:?}"
        );
    }
}
