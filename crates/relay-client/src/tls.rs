//! Who vouches for a server's name.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// Why TLS cannot be had at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The operating system's list of authorities cannot be used.
    #[error("the list of certificate authorities of this machine cannot be used: {0}")]
    Verifier(#[from] rustls::Error),
    /// A certificate that was given is none.
    #[error("the certificate is none")]
    Certificate,
}

/// Who vouches for a server's name.
#[derive(Clone, Debug)]
pub struct TlsTrust {
    /// For streams.
    pub(crate) streams: Arc<ClientConfig>,
    /// Who vouches, for whoever makes a configuration of their own.
    pub(crate) authorities: Arc<dyn ServerCertVerifier>,
}

impl TlsTrust {
    /// The authorities that this machine trusts.
    ///
    /// # Errors
    /// [`TlsError::Verifier`] where the operating system has no such list.
    pub fn of_this_machine() -> Result<Self, TlsError> {
        Self::of(Arc::new(Verifier::new(provider())?))
    }

    /// These authorities and no other, each a certificate in DER.
    ///
    /// # Errors
    /// [`TlsError::Certificate`] if one is no certificate, or there is none.
    pub fn only<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots
                .add(CertificateDer::from(certificate.to_vec()))
                .map_err(|_| TlsError::Certificate)?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|_| TlsError::Certificate)?;
        Self::of(verifier)
    }

    fn of(authorities: Arc<dyn ServerCertVerifier>) -> Result<Self, TlsError> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous() // It is the verifier that rustls would have made itself.
            .with_custom_certificate_verifier(Arc::clone(&authorities))
            .with_no_client_auth();
        // No session is resumed: it would tell a server, and with TLS 1.2 whoever listens on the way, that two calls are of the
        // same device, whatever its address and its user name are by then. TLS 1.3 is as fast without.
        config.resumption = Resumption::disabled();
        Ok(Self {
            streams: Arc::new(config),
            authorities,
        })
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
