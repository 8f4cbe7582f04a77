//! TLS towards a relay: how it proves that it is the one that was meant.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, NamedGroup, PeerIncompatible,
    SignatureScheme,
};
use securecall_relay::HopProof;
use sha2::{Digest as _, Sha256};

use crate::TlsTrust;
use crate::tls::provider;

/// HTTP/3.
const ALPN: &[u8] = b"h3";

/// TLS for one handshake, which says afterwards whether the relay was the wrong one.
pub(super) struct RelayTls {
    pub(super) config: Arc<QuicClientConfig>,
    wrong: Arc<AtomicBool>,
}

impl RelayTls {
    /// `None` if the proof is by authorities and there are none.
    pub(super) fn new(proof: HopProof, trust: Option<&TlsTrust>) -> Option<Self> {
        let provider = relay_provider();
        let wrong = Arc::new(AtomicBool::new(false));
        let verifier = RelayVerifier {
            check: match proof {
                HopProof::Spki(pin) => Check::Spki(pin),
                HopProof::Authorities => Check::Authorities(Arc::clone(&trust?.authorities)),
            },
            algorithms: provider.signature_verification_algorithms,
            wrong: Arc::clone(&wrong),
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A ticket would tell the relay that two calls are of the same device. So there is no 0-RTT, either.
        config.resumption = Resumption::disabled();
        let config = Arc::new(QuicClientConfig::try_from(config).ok()?);
        Some(Self { config, wrong })
    }

    /// Whether the relay could not prove that it is the one.
    pub(super) fn was_refused(&self) -> bool {
        self.wrong.load(Ordering::Relaxed)
    }
}

/// What TLS to a relay is made of.
fn relay_provider() -> CryptoProvider {
    let mut provider = CryptoProvider::clone(&provider());
    // First, so that a key of it is in the first flight: what is recorded today stays closed to a quantum computer.
    provider
        .kx_groups
        .sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
    provider
}

#[derive(Debug)]
struct RelayVerifier {
    check: Check,
    algorithms: WebPkiSupportedAlgorithms,
    wrong: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Check {
    Spki([u8; 32]),
    Authorities(Arc<dyn ServerCertVerifier>),
}

impl RelayVerifier {
    fn noted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.wrong.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl ServerCertVerifier for RelayVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.noted(match &self.check {
            // The key alone counts: neither the name in it nor its dates are anything the directory does not know better.
            Check::Spki(pin) => has_key(end_entity, pin),
            Check::Authorities(verifier) => verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
        })
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Whoever shows the right certificate must have its key as well.
        self.noted(verify_tls13_signature(message, cert, dss, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// RFC 7469 section 2.4: SHA-256 of the SubjectPublicKeyInfo, with its tag and length.
fn has_key(certificate: &CertificateDer<'_>, pin: &[u8; 32]) -> Result<ServerCertVerified, Error> {
    let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    if Sha256::digest(&key)[..] == pin[..] {
        return Ok(ServerCertVerified::assertion());
    }
    Err(CertificateError::ApplicationVerificationFailure.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_that_is_offered_is_post_quantum() {
        let groups = relay_provider().kx_groups;
        let names: Vec<NamedGroup> = groups.iter().map(|group| group.name()).collect();
        assert_eq!(names[0], NamedGroup::X25519MLKEM768);
        assert!(names.contains(&NamedGroup::X25519), "others go on without");
    }

    #[test]
    fn without_authorities_a_name_cannot_be_proved_but_a_key_can() {
        assert!(RelayTls::new(HopProof::Authorities, None).is_none());
        assert!(RelayTls::new(HopProof::Spki([0; 32]), None).is_some());
    }
}
