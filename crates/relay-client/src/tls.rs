//! Who vouches for a server's name.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

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
pub struct TlsTrust(pub(crate) Arc<ClientConfig>);

impl TlsTrust {
    /// The authorities that this machine trusts.
    ///
    /// # Errors
    /// [`TlsError::Verifier`] where the operating system has no such list.
    pub fn of_this_machine() -> Result<Self, TlsError> {
        let config = builder()?.with_platform_verifier()?.with_no_client_auth();
        Ok(Self::without_memory(config))
    }

    /// These authorities and no other, each a certificate in DER.
    ///
    /// # Errors
    /// [`TlsError::Certificate`] if one is no certificate.
    pub fn only<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots
                .add(CertificateDer::from(certificate.to_vec()))
                .map_err(|_| TlsError::Certificate)?;
        }
        let config = builder()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::without_memory(config))
    }

    /// No session is resumed: it would tell a server, and with TLS 1.2 whoever listens on the way, that two calls are of the same
    /// device, whatever its address and its user name are by then. TLS 1.3 is as fast without.
    fn without_memory(mut config: ClientConfig) -> Self {
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?)
}
