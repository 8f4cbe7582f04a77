//! Where a homeserver is, and whom to believe that it is the one.

use std::{fmt, fs, io, net::IpAddr, path::Path};

use matrix_sdk::reqwest::Certificate;
use url::{Host, Url};

/// Why a homeserver's address or certificate file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum HomeserverError {
    /// Not a URL at all.
    #[error(
        "{given:?} is not the URL of a homeserver ({reason}); it looks like https://matrix.example.org"
    )]
    NotAUrl {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Plain HTTP to another machine.
    #[error(
        "{given} is not encrypted; http:// is accepted for this machine (127.0.0.1, localhost) only, use https://"
    )]
    HttpNotAllowed {
        /// What was given.
        given: String,
    },
    /// The certificate file cannot be read.
    #[error("cannot read the certificate file {path}: {source}")]
    CertificateFile {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{path} holds no usable PEM certificate")]
    NoCertificate {
        /// The file.
        path: String,
    },
}

/// The address of a homeserver, and an additional certificate authority if one is needed to reach it.
#[derive(Clone)]
pub struct Homeserver {
    url: Url,
    certificates_pem: Option<String>,
}

impl Homeserver {
    /// The homeserver at `url`: `https://`, or `http://` on this machine.
    ///
    /// # Errors
    ///
    /// When it is no such URL.
    pub fn new(url: &str) -> Result<Self, HomeserverError> {
        let not_a_url = |reason: String| HomeserverError::NotAUrl {
            given: url.to_owned(),
            reason,
        };
        let parsed = Url::parse(url.trim()).map_err(|error| not_a_url(error.to_string()))?;
        if parsed.host().is_none() {
            return Err(not_a_url("it names no host".to_owned()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(not_a_url("it holds a user name".to_owned()));
        }
        match parsed.scheme() {
            "https" => {}
            "http" if is_loopback(&parsed) => {}
            "http" => {
                return Err(HomeserverError::HttpNotAllowed {
                    given: url.to_owned(),
                });
            }
            other => return Err(not_a_url(format!("the scheme is {other}"))),
        }
        Ok(Self {
            url: parsed,
            certificates_pem: None,
        })
    }

    /// Adds the certificate authorities in a PEM file to those of the system.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or holds no certificate.
    pub fn with_ca_file(self, path: &Path) -> Result<Self, HomeserverError> {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(pem) => self
                .with_ca_pem(pem)
                .ok_or(HomeserverError::NoCertificate { path: name }),
            Err(source) if source.kind() == io::ErrorKind::InvalidData => {
                Err(HomeserverError::NoCertificate { path: name })
            }
            Err(source) => Err(HomeserverError::CertificateFile { path: name, source }),
        }
    }

    /// The URL, as it was given.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The name that a derived password is bound to: the host of the URL.
    #[must_use]
    pub fn host(&self) -> &str {
        if is_loopback(&self.url) {
            "localhost"
        } else {
            self.url.host_str().unwrap_or_default()
        }
    }

    pub(crate) fn with_ca_pem(self, pem: String) -> Option<Self> {
        Certificate::from_pem_bundle(pem.as_bytes())
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .map(|_| Self {
                certificates_pem: Some(pem),
                ..self
            })
    }

    pub(crate) fn ca_pem(&self) -> Option<&str> {
        self.certificates_pem.as_deref()
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Debug for Homeserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            certificates_pem,
        } = self;
        f.debug_struct("Homeserver")
            .field("url", &url.as_str())
            .field("additional_ca", &certificates_pem.is_some())
            .finish()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for url in [
            "http://127.0.0.1:8008",
            "http://localhost",
            "http://[::1]:1",
            "https://example.org",
        ] {
            assert!(Homeserver::new(url).is_ok(), "{url}");
        }
        for url in [
            "http://example.org",
            "http://192.168.1.1",
            "http://127.0.0.1.example.org",
        ] {
            assert!(
                matches!(
                    Homeserver::new(url),
                    Err(HomeserverError::HttpNotAllowed { .. })
                ),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_no_homeserver_url_is_refused() {
        for url in [
            "",
            "example.org",
            "ftp://example.org",
            "https://",
            "https://me@example.org",
            "mailto:a@b",
        ] {
            assert!(
                matches!(Homeserver::new(url), Err(HomeserverError::NotAUrl { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn a_password_is_bound_to_the_host_as_given() {
        assert_eq!(
            Homeserver::new("https://matrix.example.org:8448/x")
                .unwrap()
                .host(),
            "matrix.example.org"
        );
        assert_eq!(
            Homeserver::new("http://127.0.0.1:8008").unwrap().host(),
            "localhost"
        );
        assert_eq!(
            Homeserver::new("http://[::1]:8008").unwrap().host(),
            "localhost"
        );
    }

    #[test]
    fn a_certificate_file_must_hold_a_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let homeserver = Homeserver::new("https://example.org").unwrap();
        let missing = homeserver.clone().with_ca_file(&path);
        assert!(matches!(
            missing,
            Err(HomeserverError::CertificateFile { .. })
        ));
        for junk in [&b""[..], b"hello", &[0xff, 0xfe, 0x00]] {
            fs::write(&path, junk).unwrap();
            let refused = homeserver.clone().with_ca_file(&path);
            assert!(matches!(
                refused,
                Err(HomeserverError::NoCertificate { .. })
            ));
        }
    }
}
