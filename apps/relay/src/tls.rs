//! Certificate and key: made, read, checked, and shown as a pin.

use std::path::Path;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64_MIME};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use securecall_daemon::{Failure, file};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The one protocol spoken (RFC 9114 section 3.1).
const ALPN: &[u8] = b"h3";

/// The largest file of certificates or of a key.
const MAX_SIZE: u64 = 256 * 1024;

/// What a relay shows of itself.
#[derive(Debug)]
pub(crate) struct Identity {
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads both files, and refuses a key that is another certificate's.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, Failure> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&read(certificate)?)
                .collect::<Result<_, _>>()
                .map_err(|_| Failure::usage(format!("{}: not PEM", certificate.display())))?;
        if chain.is_empty() {
            return Err(Failure::usage(format!(
                "{}: there is no certificate in it",
                certificate.display()
            )));
        }
        let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| {
            Failure::usage(format!(
                "{}: there is no private key in PEM in it",
                key.display()
            ))
        })?;
        let signing = aws_lc_rs::sign::any_supported_type(&secret).map_err(|_| {
            Failure::usage(format!(
                "{}: not a kind of key that is known",
                key.display()
            ))
        })?;
        let certified = CertifiedKey::new(chain, signing);
        certified.keys_match().map_err(|_| {
            Failure::usage(format!(
                "{} is not the key of {}",
                key.display(),
                certificate.display()
            ))
            .help("a certificate that was renewed needs the key it was made for")
        })?;
        Ok(Self {
            key: Arc::new(certified),
        })
    }

    /// SHA-256 of the public key in base64, as directories have it (RFC 7469 section 2.4).
    pub(crate) fn pin(&self) -> Option<String> {
        let public_key = self.key.key.public_key()?;
        Some(BASE64.encode(&Sha256::digest(public_key)))
    }

    /// Whether the certificate is for this name; what else clients look at, only they know.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        let Some(certificate) = self.key.cert.first() else {
            return false;
        };
        let Ok(name) = rustls::pki_types::ServerName::try_from(name) else {
            return false;
        };
        let parsed = rustls::server::ParsedCertificate::try_from(certificate);
        parsed.is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
    }

    /// TLS 1.3 only, post-quantum first, and nothing by which a client could be known again: no tickets, no early data.
    pub(crate) fn server_config(&self) -> Result<rustls::ServerConfig, rustls::Error> {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![
            aws_lc_rs::kx_group::X25519MLKEM768,
            aws_lc_rs::kx_group::X25519,
        ];
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(self.key.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("{}: {error}", path.display())).help(
            "`securecall-relay init` makes a certificate and its key; others are named in `[tls]`",
        )
    };
    file::read(path, MAX_SIZE).map_err(failed)
}

/// A certificate of one's own: clients know it by its pin.
pub(crate) struct SelfSigned {
    pub(crate) certificate: String,
    pub(crate) key: Zeroizing<String>,
}

impl SelfSigned {
    /// An ECDSA P-256 key, which every TLS stack verifies, and a certificate without an end: the pin is what is checked.
    pub(crate) fn generate(name: &str) -> Result<Self, rcgen::Error> {
        let key = rcgen::KeyPair::generate()?;
        let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()])?;
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        let certificate = parameters.self_signed(&key)?;
        Ok(Self {
            certificate: pem("CERTIFICATE", certificate.der()),
            key: Zeroizing::new(pem("PRIVATE KEY", key.serialized_der())),
        })
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64_MIME.encode(bytes).lines() {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
