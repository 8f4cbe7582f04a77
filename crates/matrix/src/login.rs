//! Logging in with a password.

use ruma::{
    api::{
        client::{
            session::{get_login_types, login},
            uiaa::{MatrixUserIdentifier, UserIdentifier},
        },
        error::ErrorKind,
    },
    assign,
};
use securecall_contact::MatrixId;

use crate::{
    Account, AccountStore, Homeserver, LoginError, ServerError, account::DEVICE_NAME,
    answered_account::Asked, client::Client, connection::Connection, credentials::Credentials,
    http_transport::Terms, server_error::bounded,
};

impl Account {
    /// Logs in to an existing account as a new device, and stores it.
    ///
    /// # Errors
    ///
    /// When the homeserver refuses, or the account cannot be stored; then nothing is stored.
    pub async fn login(
        homeserver: &Homeserver,
        store: &AccountStore,
        user: &MatrixId,
        password: &str,
    ) -> Result<Self, LoginError> {
        Self::log_in(homeserver, store, Asked::Account(user), password).await
    }

    /// The same for the account with this `localpart`, where its server name is not known.
    ///
    /// # Errors
    ///
    /// As for [`login`](Self::login).
    pub async fn login_by_localpart(
        homeserver: &Homeserver,
        store: &AccountStore,
        localpart: &str,
        password: &str,
    ) -> Result<Self, LoginError> {
        Self::log_in(homeserver, store, Asked::Localpart(localpart), password).await
    }

    async fn log_in(
        homeserver: &Homeserver,
        store: &AccountStore,
        asked: Asked<'_>,
        password: &str,
    ) -> Result<Self, LoginError> {
        check_vacant(store).await?;
        let connection = Connection::new(homeserver)?;
        let client = connection.anonymous().await?;
        let credentials = log_in(&client, asked.user(), password).await?;
        Self::take(&connection, store, credentials, asked).await
    }
}

/// Logs in as `user`, a whole Matrix ID or a localpart.
pub(crate) async fn log_in(
    client: &Client,
    user: &str,
    password: &str,
) -> Result<Credentials, LoginError> {
    // Before the password: a homeserver that takes none is not told it.
    let types = client.send(get_login_types::v3::Request::new()).await;
    let offered = match types {
        Ok(types) => types.flows,
        Err(error) if is_unrecognized(error.client_api_error_kind()) => Vec::new(),
        Err(error) => return Err(ServerError::from_http(&error).into()),
    };
    if !offered
        .iter()
        .any(|flow| matches!(flow, get_login_types::v3::LoginType::Password(_)))
    {
        let offered = offered
            .iter()
            .map(|flow| bounded(flow.login_type()))
            .collect();
        return Err(LoginError::Unsupported { offered });
    }

    let identifier = UserIdentifier::Matrix(MatrixUserIdentifier::new(user.to_owned()));
    let info =
        login::v3::LoginInfo::Password(login::v3::Password::new(identifier, password.to_owned()));
    let request = assign!(login::v3::Request::new(info), {
        initial_device_display_name: Some(DEVICE_NAME.to_owned()),
    });
    // Each login makes a device.
    match client.send_on(Terms::ONCE, request).await {
        Ok(response) => Ok(response.into()),
        Err(error) => Err(match error.client_api_error_kind() {
            Some(ErrorKind::Forbidden) => LoginError::WrongPassword,
            Some(ErrorKind::UserDeactivated) => LoginError::Deactivated,
            _ => ServerError::from_http(&error).into(),
        }),
    }
}

/// A store that already holds an account is not overwritten; what an attempt that was cut off has left is removed.
pub(crate) async fn check_vacant(store: &AccountStore) -> Result<(), LoginError> {
    if !store.exists() {
        return Ok(());
    }
    let opened = store.open().await?;
    let stored = store.read_session(&opened).await?;
    let is_set_up = Account::is_set_up(store, &opened).await?;
    drop(opened);
    match stored {
        Some(stored) if is_set_up => Err(LoginError::AlreadyLoggedIn {
            user: stored.session.user_id.to_string(),
        }),
        Some(unfinished) => Ok(Account::remove_unfinished(store, unfinished).await?),
        // An attempt was cut off before it had an account: its Olm keys are of no use to anybody.
        None => Ok(store.remove()?),
    }
}

pub(crate) fn is_unrecognized(kind: Option<&ErrorKind>) -> bool {
    matches!(kind, Some(ErrorKind::Unrecognized | ErrorKind::NotFound))
}
