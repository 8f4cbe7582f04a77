//! Where a homeserver is, and whom to believe that it is the one.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use reqwest::Certificate;
use url::Url;

mod address;
mod answer;
mod discovery;
mod well_known;

pub use address::HomeserverAddressError;
pub(crate) use address::is_loopback_name;
pub(crate) use answer::Answer;
pub use discovery::{DiscoveryError, Purpose};
pub(crate) use well_known::is_web_page;

/// The largest file of certificates that is read. All authorities of a system are a quarter of it.
const MAX_CERTIFICATES: u64 = 1024 * 1024;

/// Why a homeserver's address or certificate file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum HomeserverError {
    /// The address names no homeserver.
    #[error(transparent)]
    Address(#[from] HomeserverAddressError),
    /// The certificate file cannot be read.
    #[error("cannot read the certificate file {path}: {source}")]
    CertificateFile {
        /// The certificate file, as it was given.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{path} holds no usable PEM certificate")]
    NoCertificate {
        /// The certificate file, as it was given.
        path: String,
    },
}

/// The address of a homeserver, and an additional certificate authority if one is needed to reach it.
#[derive(Clone)]
pub struct Homeserver {
    url: Url,
    /// The address that named this one as its homeserver, where another did.
    found_by: Option<Url>,
    certificates_pem: Option<String>,
}

impl Homeserver {
    /// The homeserver at `address`, as people write it: `example.org`, `https://matrix.example.org:8448`, with or without
    /// what else stands in a browser's address line; `http://` on this machine only. [`discover`](Self::discover) finds
    /// the one that a name stands for.
    ///
    /// # Errors
    ///
    /// When it names no homeserver.
    pub fn new(address: &str) -> Result<Self, HomeserverError> {
        Ok(Self {
            url: address::read(address)?,
            found_by: None,
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
        match read_bounded(path) {
            Ok(pem) => self
                .with_ca_pem(pem)
                .ok_or(HomeserverError::NoCertificate { path: name }),
            Err(source) if source.kind() == io::ErrorKind::InvalidData => {
                Err(HomeserverError::NoCertificate { path: name })
            }
            Err(source) => Err(HomeserverError::CertificateFile { path: name, source }),
        }
    }

    /// The base URL: what every request goes to.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The address that was given, where [`discover`](Self::discover) found the homeserver elsewhere: as a homeserver of
    /// its own.
    #[must_use]
    pub fn found_by(&self) -> Option<Self> {
        self.found_by.as_ref().map(|url| Self {
            url: url.clone(),
            found_by: None,
            certificates_pem: self.certificates_pem.clone(),
        })
    }

    /// The name that a derived password is bound to: the host of the base URL, which is the only one that the password is
    /// ever sent to. Never a name that somebody else says it has.
    #[must_use]
    pub fn host(&self) -> &str {
        if self.is_loopback() {
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

    /// As if the name at this address had led here.
    #[cfg(test)]
    pub(crate) fn with_found_by(self, address: &str) -> Self {
        Self {
            found_by: Some(address.parse().unwrap()),
            ..self
        }
    }

    pub(crate) fn ca_pem(&self) -> Option<&str> {
        self.certificates_pem.as_deref()
    }

    pub(crate) fn is_loopback(&self) -> bool {
        address::is_loopback(&self.url)
    }

    /// The address as people are told it.
    pub(crate) fn shown(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Debug for Homeserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            found_by,
            certificates_pem,
        } = self;
        f.debug_struct("Homeserver")
            .field("url", &url.as_str())
            .field("found_by", &found_by.as_ref().map(Url::as_str))
            .field("additional_ca", &certificates_pem.is_some())
            .finish()
    }
}

/// The text of a file of certificates.
fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_CERTIFICATES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_CERTIFICATES {
        return Err(io::Error::other("it is too large"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
        for loopback in ["http://[::1]:8008", "https://a.localhost", "localhost."] {
            assert_eq!(Homeserver::new(loopback).unwrap().host(), "localhost");
        }
        assert_eq!(
            Homeserver::new("Example.ORG.").unwrap().host(),
            "example.org"
        );
        // Not to the name that led there.
        let found = Homeserver::new("https://matrix.example.org").unwrap();
        let found = found.with_found_by("https://example.org");
        assert_eq!(found.host(), "matrix.example.org");
        assert_eq!(found.found_by().unwrap().host(), "example.org");
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
        // A file without an end.
        let endless = homeserver.with_ca_file(Path::new("/dev/zero"));
        assert!(matches!(
            endless,
            Err(HomeserverError::CertificateFile { .. })
        ));
    }
}
