//! Buys tokens while no call is on.

use securecall_ghostnet::IssuerName;
use securecall_ghostnet::token::{
    AcceptedKey, Challenge, ISSUER_DIRECTORY_PATH, IssuerDirectory, Purchase,
    TOKEN_REQUEST_MEDIA_TYPE, TOKEN_RESPONSE_LENGTH, Token, TokenResponse,
};
use securecall_randomness::SystemRandomness;
use securecall_relay_client::{Https, HttpsError};

/// The most that an issuer says of itself.
const MAX_ISSUER_DIRECTORY: usize = 64 * 1024;

/// Why no token could be bought.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShopError {
    /// The issuer does not answer as one does.
    #[error("the issuer of tokens: {0}")]
    Asked(#[from] HttpsError),
    /// What it says is no issuer's.
    #[error("the issuer of tokens answers otherwise than RFC 9578 says")]
    Malformed,
    /// Its key is not one of the directory: it could be one for us alone.
    #[error("the issuer does not sign with the key that the relay directory names")]
    AnotherKey,
}

/// An issuer that may be asked for tokens of one key.
pub(super) struct TokenShop<'a> {
    https: &'a Https,
    request_url: String,
    key: &'a AcceptedKey,
    /// What shows the issuer of one's own server who asks.
    open_id: Option<&'a str>,
}

impl<'a> TokenShop<'a> {
    /// Asks the issuer where it takes requests. It must have the key that all others see in the directory.
    pub(super) async fn find(
        https: &'a Https,
        key: &'a AcceptedKey,
        open_id: Option<&'a str>,
        is_trial: bool,
    ) -> Result<Self, ShopError> {
        let base = base_of(&key.issuer, is_trial);
        let url = format!("{base}{ISSUER_DIRECTORY_PATH}");
        let said = https.get(&url, MAX_ISSUER_DIRECTORY).await?;
        let directory = IssuerDirectory::from_json(&said).map_err(|_| ShopError::Malformed)?;
        if !directory.keys.iter().any(|known| known.key == key.key) {
            return Err(ShopError::AnotherKey);
        }
        // Who asks is told to the host that was named, and to none that it names.
        let (request_url, open_id) = match directory.request_uri {
            path if path.starts_with('/') => (format!("{base}{path}"), open_id),
            url => (url, None),
        };
        Ok(Self {
            https,
            request_url,
            key,
            open_id,
        })
    }

    /// Buys one token.
    pub(super) async fn buy(&self) -> Result<Token, ShopError> {
        let challenge = Challenge::of_issuer(self.key.issuer.clone());
        let (purchase, request) = Purchase::new(&self.key.key, &challenge, &mut SystemRandomness)
            .map_err(|_| ShopError::AnotherKey)?;
        let answer = self
            .https
            .post(
                &self.request_url,
                TOKEN_REQUEST_MEDIA_TYPE,
                self.open_id,
                request.to_bytes(),
                TOKEN_RESPONSE_LENGTH,
            )
            .await?;
        let response = TokenResponse::from_bytes(&answer).map_err(|_| ShopError::Malformed)?;
        purchase.finish(&response).map_err(|_| ShopError::Malformed)
    }
}

/// Where an issuer is asked. For trials it may be on this machine, without TLS.
fn base_of(issuer: &IssuerName, is_trial: bool) -> String {
    let name = issuer.as_str();
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    let is_here = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.is_loopback());
    let scheme = if is_trial && is_here { "http" } else { "https" };
    format!("{scheme}://{name}")
}
