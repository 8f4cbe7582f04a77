//! The certificate that a server of TLS shows, taken whatever it is.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

/// What a server has shown to the clients of [`verifier`](Self::verifier). For relays: TLS 1.3 and nothing older.
#[derive(Clone, Debug, Default)]
pub struct ShownCertificate(Arc<Mutex<Option<CertificateDer<'static>>>>);

impl ShownCertificate {
    /// Takes any certificate and notes it. That the server has its key is looked at.
    #[must_use]
    pub fn verifier(&self) -> Arc<dyn ServerCertVerifier> {
        Arc::new(Verifier {
            algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
            shown: self.clone(),
        })
    }

    /// The latest, in DER; `None` before any handshake.
    #[must_use]
    pub fn der(&self) -> Option<Vec<u8>> {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_ref().map(|certificate| certificate.to_vec())
    }
}

#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    shown: ShownCertificate,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(certificate.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC has TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
