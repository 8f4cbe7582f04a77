//! Who asks, by OpenID: a token that a user gets from the homeserver for somebody else to check.
//!
//! Client-Server API, [OpenID](https://spec.matrix.org/v1.16/client-server-api/#openid).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use securecall_contact::MatrixId;
use securecall_ghostnet::UnixTime;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Homeserver, HomeserverError, ask};

/// The longest token that is asked about.
const MAX_TOKEN: usize = 1024;

/// How long an answer is believed: who buys a stock of tokens asks twenty times within seconds.
const BELIEVED: u64 = 60;

/// So many answers are remembered at most.
const MAX_REMEMBERED: usize = 10_000;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Made by the homeserver to be shown to others.
    OpenId,
    /// A client's own for its homeserver.
    Access,
}

/// Why it is not known who asks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// The token is none, or of a user elsewhere.
    #[error("the token is not of a user of this homeserver")]
    Unknown,
    /// The homeserver could not be asked.
    #[error(transparent)]
    Homeserver(HomeserverError),
}

/// Who has which token, for a moment. Tokens are kept as their hashes.
#[derive(Default)]
pub(crate) struct KnownTokens(Mutex<HashMap<[u8; 32], (MatrixId, UnixTime)>>);

impl Homeserver {
    /// Whose token it is.
    pub(crate) async fn user_of(
        &self,
        known: &KnownTokens,
        kind: TokenKind,
        token: &str,
        now: UnixTime,
    ) -> Result<MatrixId, UserError> {
        #[derive(Deserialize)]
        struct UserInfo {
            #[serde(alias = "user_id")]
            sub: String,
        }

        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(UserError::Unknown);
        }
        // The one is not to pass for the other.
        let kind_byte = [u8::from(kind == TokenKind::Access)];
        let hash = Sha256::new_with_prefix(kind_byte)
            .chain_update(token.as_bytes())
            .finalize()
            .into();
        if let Some(user) = known.recall(&hash, now) {
            return Ok(user);
        }
        let request = match kind {
            TokenKind::OpenId => {
                let mut url = self.url("/_matrix/federation/v1/openid/userinfo");
                url.query_pairs_mut().append_pair("access_token", token);
                self.http.get(url)
            }
            TokenKind::Access => {
                let url = self.url("/_matrix/client/v3/account/whoami");
                self.http.get(url).bearer_auth(token)
            }
        };
        let UserInfo { sub } = ask(request).await.map_err(|error| match error {
            HomeserverError::Refused { .. } => UserError::Unknown,
            other => UserError::Homeserver(other),
        })?;
        let user: MatrixId = sub.parse().map_err(|_| UserError::Unknown)?;
        if *user.server_name() != self.server_name {
            return Err(UserError::Unknown);
        }
        known.remember(hash, &user, now);
        Ok(user)
    }
}

impl KnownTokens {
    fn recall(&self, hash: &[u8; 32], now: UnixTime) -> Option<MatrixId> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, until) = known.get(hash)?;
        (now < *until).then(|| user.clone())
    }

    fn remember(&self, hash: [u8; 32], user: &MatrixId, now: UnixTime) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.retain(|_, (_, until)| now < *until);
        }
        // Full, it asks the homeserver each time.
        if known.len() < MAX_REMEMBERED {
            known.insert(hash, (user.clone(), now.plus(BELIEVED)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_for_a_minute_and_memory_is_bounded() {
        let (known, now) = (KnownTokens::default(), UnixTime::from_secs(1_000));
        let user: MatrixId = "@a:example.org".parse().unwrap();
        known.remember([0; 32], &user, now);
        assert_eq!(known.recall(&[0; 32], now.plus(59)), Some(user.clone()));
        assert_eq!(known.recall(&[0; 32], now.plus(60)), None);
        assert_eq!(known.recall(&[1; 32], now), None);
        for number in 0..2 * MAX_REMEMBERED as u64 {
            let mut hash = [9; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            known.remember(hash, &user, now.plus(10));
        }
        assert_eq!(known.0.lock().unwrap().len(), MAX_REMEMBERED);
        // What has expired makes room.
        known.remember([8; 32], &user, now.plus(100));
        assert_eq!(known.0.lock().unwrap().len(), 1);
    }
}
