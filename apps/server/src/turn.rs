//! Credentials for a TURN server that name nobody.
//!
//! Homeservers make user names of the form `expiry:Matrix ID`, which over plain `turn:` the network reads, and the TURN server
//! always. Here it is `expiry:random`. The scheme is that of coturn's `use-auth-secret`:
//! <https://datatracker.ietf.org/doc/html/draft-uberti-behave-turn-rest-00>.

use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use securecall_daemon::Failure;
use securecall_ghostnet::UnixTime;
use serde::Serialize;
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::config::{TurnConfig, read_secret};

/// A TURN server that shares a secret.
pub(crate) struct Turn {
    uris: Vec<String>,
    secret: Zeroizing<String>,
    lifetime: Duration,
}

/// As the Client-Server API has them (`GET /voip/turnServer`).
#[derive(Serialize)]
pub(crate) struct TurnCredentials<'a> {
    username: String,
    password: String,
    uris: &'a [String],
    ttl: u64,
}

impl Turn {
    pub(crate) fn load(config: TurnConfig) -> Result<Self, Failure> {
        Ok(Self {
            secret: read_secret(&config.secret_file)?,
            uris: config.uris,
            lifetime: config.lifetime,
        })
    }

    /// New ones. `random` is used for nothing else.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub(crate) fn credentials(&self, now: UnixTime, random: [u8; 12]) -> TurnCredentials<'_> {
        let until = now.plus(self.lifetime.as_secs()).as_secs();
        let username = format!("{until}:{}", HEXLOWER.encode(&random));
        let mut hmac =
            Hmac::<Sha1>::new_from_slice(self.secret.as_bytes()).expect("any length will do");
        hmac.update(username.as_bytes());
        TurnCredentials {
            username,
            password: BASE64.encode(&hmac.finalize().into_bytes()),
            uris: &self.uris,
            ttl: self.lifetime.as_secs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_one_that_coturn_makes() {
        let turn = Turn {
            uris: Vec::new(),
            secret: Zeroizing::new("north".to_owned()),
            lifetime: Duration::from_secs(3_600),
        };
        let made = turn.credentials(UnixTime::from_secs(1_000), [0xab; 12]);
        assert_eq!(made.username, "4600:abababababababababababab");
        // echo -n 4600:abababababababababababab | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(made.password, "Vx/0g4CEAoeTFrbL2loo1IjaJ90=");
    }
}
