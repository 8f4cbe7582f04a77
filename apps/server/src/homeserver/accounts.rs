//! Making accounts, by the secret that Synapse and Dendrite share with their operator.
//!
//! Both have the interface at the same path:
//! <https://element-hq.github.io/synapse/latest/admin_api/register_api.html>.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use securecall_contact::MatrixId;
use securecall_contact::enrolment::AccountPassword;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::{Homeserver, HomeserverError, ask};

const PATH: &str = "/_synapse/admin/v1/register";

#[derive(Deserialize)]
struct Nonce {
    nonce: String,
}

#[derive(Serialize)]
struct Request<'a> {
    nonce: &'a str,
    username: &'a str,
    password: &'a str,
    admin: bool,
    mac: &'a str,
    /// Synapse makes no device then. Dendrite does not know it, and makes one.
    inhibit_login: bool,
}

#[derive(Deserialize)]
pub(super) struct Registered {
    pub(super) user_id: String,
    access_token: Option<String>,
}

impl Homeserver {
    /// Makes the account, or finds that it is there: the two look the same from here on.
    pub(crate) async fn make_account(
        &self,
        user: &MatrixId,
        password: &AccountPassword,
    ) -> Result<(), HomeserverError> {
        let registered = self
            .register(user.localpart(), password.expose(), false)
            .await?;
        let Some(registered) = registered else {
            return Ok(());
        };
        let token = registered.access_token.map(Zeroizing::new);
        if registered.user_id != user.as_str() {
            // Not the server that it was said to be.
            return Err(HomeserverError::Malformed);
        }
        if let Some(token) = token {
            self.log_out(&token).await;
        }
        Ok(())
    }

    /// Whether it hands out what making an account begins with. The secret is not tried.
    pub(crate) async fn makes_accounts(&self) -> Result<(), HomeserverError> {
        let Nonce { nonce: _ } = ask(self.http.get(self.url(PATH))).await?;
        Ok(())
    }

    /// `None` if the name is taken. An administrator is logged in with it.
    pub(super) async fn register(
        &self,
        localpart: &str,
        password: &str,
        admin: bool,
    ) -> Result<Option<Registered>, HomeserverError> {
        let url = self.url(PATH);
        let Nonce { nonce } = ask(self.http.get(url.clone())).await?;
        let mac = mac(
            &self.registration_secret,
            &nonce,
            localpart,
            password,
            admin,
        );
        let request = Request {
            nonce: &nonce,
            username: localpart,
            password,
            admin,
            mac: &mac,
            inhibit_login: !admin,
        };
        match ask(self.http.post(url).json(&request)).await {
            Ok(registered) => Ok(Some(registered)),
            Err(HomeserverError::Refused { errcode, .. }) if errcode == "M_USER_IN_USE" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A device that nobody has would stay for ever. Where it fails, that one does.
    pub(super) async fn log_out(&self, token: &str) {
        let request = self
            .http
            .post(self.url("/_matrix/client/v3/logout"))
            .bearer_auth(token)
            .json(&serde_json::json!({}));
        let done: Result<serde_json::Value, _> = ask(request).await;
        if let Err(error) = done {
            tracing::warn!(%error, "a device that came with an account was not removed");
        }
    }
}

impl Registered {
    pub(super) fn into_token(self) -> Option<Zeroizing<String>> {
        self.access_token.map(Zeroizing::new)
    }
}

/// HMAC-SHA1 over the four, with zeros between them.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(secret: &str, nonce: &str, username: &str, password: &str, admin: bool) -> String {
    let mut hmac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("any length will do");
    let admin = if admin { "admin" } else { "notadmin" };
    for (index, part) in [nonce, username, password, admin].into_iter().enumerate() {
        if index > 0 {
            hmac.update(b"\0");
        }
        hmac.update(part.as_bytes());
    }
    HEXLOWER.encode(&hmac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_the_one_of_the_script_in_synapses_manual() {
        // Made with generate_mac of the page above and Python's hmac.
        assert_eq!(
            mac("shared_secret", "nonce", "user", "password", false),
            "0298bfce322f8167179bd4b60d13ea03ac50ca68"
        );
        assert_eq!(
            mac("shared_secret", "nonce", "user", "password", true),
            "474ef9973504447e75afc1bee3b1dfeffd3a15b4"
        );
    }
}
