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
    Account, AccountStore, Homeserver, ServerError, StoreError, account::DEVICE_NAME,
    answered_account::Asked, client::Client, connection::Connection, credentials::Credentials,
    server_error::bounded,
};

/// Why a log-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such user, or not their password; a homeserver does not tell which.
    #[error("the homeserver does not accept this user name and password")]
    WrongPassword,
    /// The account was closed for good.
    #[error("this account has been deactivated")]
    Deactivated,
    /// The homeserver wants something that this program cannot do, such as a browser.
    #[error("the homeserver offers no login with a password; it offers {}", listed(.offered, ", "))]
    Unsupported {
        /// The login types it offers.
        offered: Vec<String>,
    },
    /// It logged us in as somebody else.
    #[error("the homeserver answered for {got} instead of {expected}")]
    OtherUser {
        /// Who was to be logged in.
        expected: String,
        /// Who was.
        got: String,
    },
    /// The name that was asked for led to a homeserver of another name.
    #[error("{asked} leads to {homeserver}, which says that it is the homeserver of {answered}")]
    OtherServer {
        /// What was asked for.
        asked: String,
        /// Where it led.
        homeserver: String,
        /// The name that is found there.
        answered: String,
    },
    /// The homeserver has a name that is another's.
    #[error(
        "{homeserver} says that the account is {id}, but that name's homeserver is at {elsewhere}"
    )]
    ClaimedServer {
        /// The homeserver that was asked for.
        homeserver: String,
        /// The account that it says it has.
        id: String,
        /// Where the server name says that its homeserver is.
        elsewhere: String,
    },
    /// There is an account in the store already.
    #[error("{user} is logged in already; log out first")]
    AlreadyLoggedIn {
        /// Who it is.
        user: String,
    },
    /// The homeserver could not be asked, or did not answer as it should.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The account could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

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
    match client.send(request).await {
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

/// What a server lists, for people: never nothing, and not without end.
pub(crate) fn listed(what: &[String], between: &str) -> String {
    const MOST: usize = 5;
    if what.is_empty() {
        return "nothing".to_owned();
    }
    let mut text = what[..what.len().min(MOST)].join(between);
    if what.len() > MOST {
        text.push_str(&format!("{between}{} more", what.len() - MOST));
    }
    text
}

pub(crate) fn is_unrecognized(kind: Option<&ErrorKind>) -> bool {
    matches!(kind, Some(ErrorKind::Unrecognized | ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_lists_is_never_nothing_and_has_an_end() {
        let list = |count: usize| vec!["x".to_owned(); count];
        for (count, text) in [
            (0, "nothing"),
            (1, "x"),
            (2, "x, x"),
            (5, "x, x, x, x, x"),
            (7, "x, x, x, x, x, 2 more"),
        ] {
            assert_eq!(listed(&list(count), ", "), text);
        }
        let error = LoginError::Unsupported {
            offered: Vec::new(),
        };
        assert!(error.to_string().ends_with("it offers nothing"), "{error}");
    }
}
