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
        let open_id = open_id.filter(|_| directory.request_uri.starts_with('/'));
        let request_url = request_url(&base, directory.request_uri)?;
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

/// Where an issuer takes requests, as it says: at the same server, or at another one by TLS. It must not have us talk without TLS, which
/// would be to something on this machine.
fn request_url(base: &str, said: String) -> Result<String, ShopError> {
    if said.starts_with('/') {
        return Ok(format!("{base}{said}"));
    }
    let is_there = said
        .strip_prefix(base)
        .is_some_and(|rest| rest.starts_with('/'));
    if is_there || said.starts_with("https://") {
        Ok(said)
    } else {
        Err(ShopError::Malformed)
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use securecall_ghostnet::token::{IssuerDirectoryKey, IssuerKey};
    use securecall_ghostnet::{UnixTime, Validity};
    use securecall_relay_client::TlsTrust;

    use super::*;

    /// An issuer on this machine, which says this of itself, once.
    fn issuer(said: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            let length = said.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
            )
            .unwrap();
            stream.write_all(&said).unwrap();
        });
        address
    }

    /// Looks for the shop of an issuer that says this of itself, where the list names a key. Gives whether it is told who asks.
    async fn find(
        request_uri: &str,
        key: &IssuerKey,
        named: &IssuerKey,
    ) -> Result<bool, ShopError> {
        // There must be some authority, and none is asked.
        let authority = rcgen::generate_simple_self_signed([]).unwrap().cert;
        let trust = TlsTrust::only([&authority.der()[..]]).unwrap();
        let https = Https::new(&trust).unwrap();
        let directory = IssuerDirectory {
            request_uri: request_uri.to_owned(),
            keys: vec![IssuerDirectoryKey {
                key: key.public().clone(),
                not_before: None,
            }],
        };
        let name = issuer(directory.to_json()).to_string();
        let accepted = AcceptedKey {
            issuer: IssuerName::parse(&name).unwrap(),
            key: named.public().clone(),
            validity: Validity::new(UnixTime::from_secs(0), UnixTime::from_secs(1)).unwrap(),
        };
        let shop = TokenShop::find(&https, &accepted, Some("who asks"), true).await?;
        Ok(shop.open_id.is_some())
    }

    #[tokio::test]
    async fn who_asks_is_told_to_the_host_that_was_named_and_to_none_that_it_names() {
        let key = IssuerKey::generate(&mut SystemRandomness).unwrap();
        for (request_uri, is_told) in [("/token", true), ("https://other.example/token", false)] {
            assert_eq!(find(request_uri, &key, &key).await.unwrap(), is_told);
        }
    }

    #[tokio::test]
    async fn an_issuer_that_has_another_key_than_all_others_see_is_asked_for_nothing() {
        let [key, named] = [(); 2].map(|()| IssuerKey::generate(&mut SystemRandomness).unwrap());
        let found = find("/token", &key, &named).await;
        assert!(matches!(found, Err(ShopError::AnotherKey)), "{found:?}");
    }

    #[test]
    fn without_tls_only_an_issuer_on_this_machine_is_asked_in_a_trial() {
        for (name, is_trial, expected) in [
            ("127.0.0.1:8787", true, "http://127.0.0.1:8787"),
            ("127.0.0.1:8787", false, "https://127.0.0.1:8787"),
            ("issuer.example", true, "https://issuer.example"),
        ] {
            let issuer = IssuerName::parse(name).unwrap();
            assert_eq!(base_of(&issuer, is_trial), expected);
        }
    }

    #[test]
    fn an_issuer_leads_nobody_to_what_listens_on_this_machine() {
        let url = |base: &str, said: &str| request_url(base, said.to_owned()).ok();
        let base = "https://issuer.example";
        for (said, expected) in [
            ("/token", Some("https://issuer.example/token")),
            (
                "https://issuer.example/token",
                Some("https://issuer.example/token"),
            ),
            (
                "https://other.example/token",
                Some("https://other.example/token"),
            ),
            ("http://127.0.0.1:631/", None),
            ("http://[::1]/", None),
            ("HTTP://127.0.0.1/", None),
            ("file:///etc/passwd", None),
            ("token", None),
        ] {
            assert_eq!(url(base, said).as_deref(), expected, "{said}");
        }
        // In a trial it is here itself, and nowhere else without TLS.
        let here = "http://127.0.0.1:8787";
        assert!(url(here, "http://127.0.0.1:8787/token").is_some());
        assert!(url(here, "http://127.0.0.1:87870/token").is_none());
        assert!(url(here, "http://127.0.0.1:631/").is_none());
    }
}
