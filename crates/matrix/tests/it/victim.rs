//! Somebody whose homeserver is not to be trusted.

use securecall_interop::HostileHomeserver;
use securecall_matrix::{Account, AccountStore, Homeserver, LoginError, SendError};
use tempfile::TempDir;

use crate::people::key;

/// An account on such a homeserver, which was honest until it was there.
pub(crate) struct Victim {
    pub(crate) server: HostileHomeserver,
    pub(crate) account: Account,
    pub(crate) store: AccountStore,
    pub(crate) directory: TempDir,
}

impl Victim {
    pub(crate) async fn new() -> Self {
        let server = HostileHomeserver::start().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = AccountStore::new(directory.path().join("account"), key());
        let account = log_in(&server, &store).await.unwrap();
        Self {
            server,
            account,
            store,
            directory,
        }
    }

    /// Fails, for its homeserver has no one-time key of it.
    pub(crate) async fn send_to_itself(&self) -> Result<(), SendError> {
        let device = &self.account.own_device().device_id;
        self.account
            .send(self.account.matrix_id(), device, "{}")
            .await
    }
}

pub(crate) async fn log_in(
    server: &HostileHomeserver,
    store: &AccountStore,
) -> Result<Account, LoginError> {
    let homeserver = Homeserver::new(&server.base_url()).unwrap();
    let user = "@victim:homeserver.test".parse().unwrap();
    Account::login(&homeserver, store, &user, "password").await
}
