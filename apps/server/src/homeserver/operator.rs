//! What takes an administrator: shutting an account out.
//!
//! The account for it is made when it is first needed, by the same secret that makes all others, and has a password that follows
//! from this server's own secret. It is logged in for one command, and logged out again.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use securecall_contact::MatrixId;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Homeserver, HomeserverError, ask};
use crate::config::HomeserverKind;

/// The administrator's name.
const OPERATOR: &str = "securecall_operator";

impl Homeserver {
    /// Ends all sessions of an account, and lets nobody log in to it. At a Synapse its devices and what waits for them are deleted.
    pub(crate) async fn lock_out(
        &self,
        user: &MatrixId,
        secret: &str,
    ) -> Result<(), HomeserverError> {
        let token = self.operator(secret).await?;
        let done = match self.kind {
            HomeserverKind::Synapse => self.lock_at_synapse(user, &token).await,
            HomeserverKind::Dendrite => self.lock_at_dendrite(user, secret, &token).await,
        };
        self.log_out(&token).await;
        done
    }

    /// <https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#deactivate-account>
    async fn lock_at_synapse(&self, user: &MatrixId, token: &str) -> Result<(), HomeserverError> {
        let path = format!("/_synapse/admin/v1/deactivate/{}", escaped(user));
        let request = self
            .http
            .post(self.url(&path))
            .bearer_auth(token)
            .json(&json!({ "erase": true }));
        let _: Value = ask(request).await?;
        Ok(())
    }

    /// Dendrite's administrators change passwords: to one that nobody has.
    async fn lock_at_dendrite(
        &self,
        user: &MatrixId,
        secret: &str,
        token: &str,
    ) -> Result<(), HomeserverError> {
        let path = format!("/_dendrite/admin/resetPassword/{}", escaped(user));
        let password = derived(secret, &format!("locked {user}"));
        let request = self
            .http
            .post(self.url(&path))
            .bearer_auth(token)
            .json(&json!({ "password": *password, "logout_devices": true }));
        let _: Value = ask(request).await?;
        Ok(())
    }

    /// The administrator's access token.
    async fn operator(&self, secret: &str) -> Result<Zeroizing<String>, HomeserverError> {
        #[derive(Deserialize)]
        struct LoggedIn {
            access_token: String,
        }

        let password = derived(secret, "operator");
        if let Some(made) = self.register(OPERATOR, &password, true).await?
            && let Some(token) = made.into_token()
        {
            return Ok(token);
        }
        let request = self
            .http
            .post(self.url("/_matrix/client/v3/login"))
            .json(&json!({
                "type": "m.login.password",
                "identifier": { "type": "m.id.user", "user": OPERATOR },
                "password": *password,
            }));
        let LoggedIn { access_token } = ask(request).await?;
        Ok(Zeroizing::new(access_token))
    }
}

fn escaped(user: &MatrixId) -> String {
    utf8_percent_encode(user.as_str(), NON_ALPHANUMERIC).to_string()
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn derived(secret: &str, what_for: &str) -> Zeroizing<String> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    hmac.update(b"securecall-server password\0");
    hmac.update(what_for.as_bytes());
    Zeroizing::new(HEXLOWER.encode(&hmac.finalize().into_bytes()))
}
