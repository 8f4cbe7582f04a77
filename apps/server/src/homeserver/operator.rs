//! What takes an administrator: shutting an account out.
//!
//! Each is for the time of one command. It is made by the secret that makes all others, under a name and with a password that nobody
//! has chosen and nobody keeps, and at the end it is deactivated. Who makes them sees to it that none is left: `operators`.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use securecall_contact::MatrixId;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Homeserver, HomeserverError, ask};
use crate::config::HomeserverKind;
use crate::randomness;

/// What their names begin with.
const PREFIX: &str = "securecall_operator_";

/// An administrator who is logged in.
pub(crate) struct Operator<'a> {
    homeserver: &'a Homeserver,
    user: MatrixId,
    password: Zeroizing<String>,
    token: Zeroizing<String>,
}

/// A name that there is no other of: 80 random bits.
pub(crate) fn new_name() -> String {
    let random: [u8; 10] = randomness::bytes();
    format!("{PREFIX}{}", BASE32_NOPAD.encode(&random).to_lowercase())
}

impl Homeserver {
    /// Makes an administrator of this name.
    pub(crate) async fn appoint(&self, name: &str) -> Result<Operator<'_>, HomeserverError> {
        let password = new_password();
        let registered = self.register(name, &password, true).await?;
        let registered = registered.ok_or(HomeserverError::Malformed)?;
        let user = self.user(name)?;
        let is_of_here = registered
            .user_id
            .parse()
            .is_ok_and(|made: MatrixId| *made.server_name() == self.server_name);
        let token = registered.into_token();
        match token {
            Some(token) if is_of_here => Ok(Operator {
                homeserver: self,
                user,
                password,
                token,
            }),
            _ => Err(HomeserverError::Malformed),
        }
    }

    fn user(&self, localpart: &str) -> Result<MatrixId, HomeserverError> {
        let user = format!("@{localpart}:{}", self.server_name);
        user.parse().map_err(|_| HomeserverError::Malformed)
    }
}

impl Operator<'_> {
    /// Ends all sessions of an account, and lets nobody log in to it. At a Synapse its devices and what waits for them are deleted.
    pub(crate) async fn lock_out(&self, user: &MatrixId) -> Result<(), HomeserverError> {
        match self.homeserver.kind {
            HomeserverKind::Synapse => self.deactivate_at_synapse(user).await,
            // To a password that nobody has.
            HomeserverKind::Dendrite => {
                self.change_password_at_dendrite(user, &new_password())
                    .await
            }
        }
    }

    /// Ends another administrator, whose password nobody has any more.
    pub(crate) async fn end(&self, name: &str) -> Result<(), HomeserverError> {
        let user = self.homeserver.user(name)?;
        match self.homeserver.kind {
            HomeserverKind::Synapse => self.deactivate_at_synapse(&user).await,
            HomeserverKind::Dendrite => {
                let password = new_password();
                self.change_password_at_dendrite(&user, &password).await?;
                let token = match self.homeserver.log_in(&user, &password).await {
                    Ok(token) => token,
                    // There is none, or it is deactivated already.
                    Err(HomeserverError::Refused { status, .. })
                        if status == StatusCode::FORBIDDEN =>
                    {
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
                self.homeserver
                    .deactivate_own(&user, &password, &token)
                    .await
            }
        }
    }

    /// Ends itself.
    pub(crate) async fn retire(self) -> Result<(), HomeserverError> {
        match self.homeserver.kind {
            HomeserverKind::Synapse => self.deactivate_at_synapse(&self.user).await,
            HomeserverKind::Dendrite => {
                self.homeserver
                    .deactivate_own(&self.user, &self.password, &self.token)
                    .await
            }
        }
    }

    /// <https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#deactivate-account>
    async fn deactivate_at_synapse(&self, user: &MatrixId) -> Result<(), HomeserverError> {
        let path = format!("/_synapse/admin/v1/deactivate/{}", escaped(user));
        self.order(&path, &json!({ "erase": true })).await
    }

    /// Dendrite's administrators cannot deactivate others; they change passwords.
    async fn change_password_at_dendrite(
        &self,
        user: &MatrixId,
        password: &str,
    ) -> Result<(), HomeserverError> {
        let path = format!("/_dendrite/admin/resetPassword/{}", escaped(user));
        self.order(
            &path,
            &json!({ "password": password, "logout_devices": true }),
        )
        .await
    }

    /// An account that is not there is shut out.
    async fn order(&self, path: &str, body: &Value) -> Result<(), HomeserverError> {
        let request = self
            .homeserver
            .http
            .post(self.homeserver.url(path))
            .bearer_auth(&*self.token)
            .json(body);
        match ask::<Value>(request).await {
            Ok(_) => Ok(()),
            Err(HomeserverError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Homeserver {
    async fn log_in(
        &self,
        user: &MatrixId,
        password: &str,
    ) -> Result<Zeroizing<String>, HomeserverError> {
        #[derive(Deserialize)]
        struct LoggedIn {
            access_token: String,
        }

        let request = self
            .http
            .post(self.url("/_matrix/client/v3/login"))
            .json(&by_password(user, password));
        let LoggedIn { access_token } = ask(request).await?;
        Ok(Zeroizing::new(access_token))
    }

    /// As each user may: <https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3accountdeactivate>
    async fn deactivate_own(
        &self,
        user: &MatrixId,
        password: &str,
        token: &str,
    ) -> Result<(), HomeserverError> {
        let request = self
            .http
            .post(self.url("/_matrix/client/v3/account/deactivate"))
            .bearer_auth(token)
            .json(&json!({ "auth": by_password(user, password), "erase": true }));
        let _: Value = ask(request).await?;
        Ok(())
    }
}

fn by_password(user: &MatrixId, password: &str) -> Value {
    json!({
        "type": "m.login.password",
        "identifier": { "type": "m.id.user", "user": user.as_str() },
        "password": password,
    })
}

fn escaped(user: &MatrixId) -> String {
    utf8_percent_encode(user.as_str(), NON_ALPHANUMERIC).to_string()
}

fn new_password() -> Zeroizing<String> {
    let random: Zeroizing<[u8; 32]> = Zeroizing::new(randomness::bytes());
    Zeroizing::new(HEXLOWER.encode(&*random))
}
