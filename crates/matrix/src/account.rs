//! One device of one account on one homeserver.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use matrix_sdk_crypto::store::{CryptoStore, CryptoStoreError};
use matrix_sdk_sqlite::SqliteCryptoStore;
use ruma::{OwnedUserId, UserId, api::client::session::logout};
use securecall_contact::{Device, MatrixId};
use tokio::{
    sync::{Mutex, OnceCell},
    time::timeout,
};
use tracing::warn;

use crate::{
    AccountStore, Homeserver, HomeserverError, LoginError, ServerError, StoreError,
    account_store::StoredSession,
    answered_account::{self, Asked},
    client::Client,
    connection::Connection,
    credentials::Credentials,
    inbox::Incoming,
    olm::Olm,
    rooms::SendQueue,
    store_upkeep::StoreUpkeep,
    sync_position::SyncPosition,
    syncer::{SyncTask, Syncer},
    user_id::matrix_id,
};

/// Shown in the account's list of devices. It says nothing about what the device is for.
pub(crate) const DEVICE_NAME: &str = "Device";

/// A server that cannot be told within this time will find out by itself.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for a device that never was in use: somebody waits to be told why.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(5);

/// Set in the store once the homeserver has been seen to hand out our device keys. A store without it is unfinished: a
/// login that was cut off.
const KEYS_UPLOADED: &str = "securecall keys uploaded";

/// Why a stored account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no store, or a login was cut off before it had an account.
    #[error("no account is logged in")]
    NotLoggedIn,
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The homeserver in it makes no sense.
    #[error(transparent)]
    Homeserver(#[from] HomeserverError),
    /// The connection to it cannot be set up.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Why a log-out is not complete.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The homeserver could not be told; the account is still stored.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The stored account could not be removed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One device of one account, logged in. Cheap to clone; all clones are the same device.
#[derive(Clone)]
pub struct Account {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    database: SqliteCryptoStore,
    store: AccountStore,
    homeserver: Homeserver,
    matrix_id: MatrixId,
    user_id: OwnedUserId,
    own_device: Device,
    olm: Arc<Olm>,
    syncer: Syncer,
    send_queue: SendQueue,
    /// Held while the list of rooms of two is changed.
    direct: Mutex<()>,
    sync: Mutex<Option<SyncTask>>,
    /// Whether the homeserver holds events back when it is asked to.
    delayed_events: OnceCell<bool>,
}

impl Account {
    /// Takes up the account in `store` again. Talks to nobody yet.
    ///
    /// # Errors
    ///
    /// When there is none, or the store cannot be used.
    pub async fn restore(store: &AccountStore) -> Result<Self, RestoreError> {
        let (database, stored) = store.open_session().await?;
        let connection = Connection::new(&stored.homeserver()?)?;
        let credentials = stored.session;
        Self::open(&connection, store, database, credentials).await
    }

    /// The account that is logged in, as the homeserver names it.
    #[must_use]
    pub fn matrix_id(&self) -> &MatrixId {
        &self.inner.matrix_id
    }

    /// What others know this device by.
    #[must_use]
    pub fn own_device(&self) -> &Device {
        &self.inner.own_device
    }

    /// To be told when no call is under way any more: until then the Olm sessions of those who have been written to are
    /// kept, whatever else has to go.
    pub fn calls_are_over(&self) {
        self.inner.olm.unpin();
    }

    /// To be told when this machine's addresses or routes have changed, with the addresses that it has no longer; at any
    /// time, however often. Connections to the homeserver that may be dead by this are given up at once. What was asked
    /// over them is asked again over new ones, the running sync too; a pause between attempts is over.
    ///
    /// Of several calls in a row only those have an effect that make a difference to the connections there are.
    pub fn network_changed(&self, gone: &[IpAddr]) {
        self.client().network_changed(gone);
    }

    /// To be told when no connection can be trusted, whatever the machine's addresses are: it has slept, say. Like
    /// [`network_changed`](Self::network_changed), but all connections are given up.
    pub fn distrust_connections(&self) {
        self.client().distrust_connections();
    }

    /// To be told when connections may be dead without a word: somebody else behind the same NAT is silent, say. The running
    /// sync is asked again, to be answered at once. For some seconds, what is not answered over a kept connection within a
    /// quarter of a second is asked once more over a new one; if only that answers, all kept ones are given up, with what was
    /// asked over them. Connections that are alive stay.
    pub fn doubt_connections(&self) {
        self.client().doubt_connections();
    }

    /// Where the account is.
    #[must_use]
    pub fn homeserver(&self) -> &Homeserver {
        &self.inner.homeserver
    }

    /// Removes this device from the homeserver and the account from the store.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be told: then the account stays, so that it can be tried again.
    pub async fn logout(self) -> Result<(), LogoutError> {
        drop(self.stop_syncing().await);
        match timeout(
            LOGOUT_TIMEOUT,
            self.client().send(logout::v3::Request::new()),
        )
        .await
        {
            Err(_) => return Err(ServerError::TimedOut.into()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => match ServerError::from_http(&error) {
                // That is what we wanted.
                ServerError::SessionEnded { .. } => {}
                other => return Err(other.into()),
            },
        }
        let store = self.inner.store.clone();
        drop(self);
        Ok(store.remove()?)
    }

    /// Takes the session that a homeserver has opened, if it is of the account that was asked for.
    pub(crate) async fn take(
        connection: &Connection,
        store: &AccountStore,
        credentials: Credentials,
        asked: Asked<'_>,
    ) -> Result<Self, LoginError> {
        let checked = answered_account::check(connection.homeserver(), &credentials, asked).await;
        if let Err(error) = checked {
            abandon(connection, credentials).await;
            return Err(error);
        }
        Self::establish(connection, store, credentials).await
    }

    /// Takes a fresh session into use: stores it and uploads the device's keys. If that fails, the device is logged out
    /// again and nothing stays in the store.
    async fn establish(
        connection: &Connection,
        store: &AccountStore,
        credentials: Credentials,
    ) -> Result<Self, LoginError> {
        let outcome = Self::set_up(connection, store, credentials.clone()).await;
        if outcome.is_err() {
            abandon(connection, credentials).await;
            if let Err(error) = store.remove() {
                warn!(%error, "what a failed login has stored is still there");
            }
        }
        outcome
    }

    /// Removes an account that was stored but whose set-up was cut off. Its device is of no use to anybody.
    pub(crate) async fn remove_unfinished(
        store: &AccountStore,
        stored: StoredSession,
    ) -> Result<(), StoreError> {
        let StoredSession {
            homeserver_url,
            ca_pem,
            session: credentials,
            ..
        } = stored;
        let homeserver = Homeserver::new(&homeserver_url).ok();
        let homeserver = homeserver.and_then(|homeserver| match ca_pem {
            Some(pem) => homeserver.with_ca_pem(pem),
            None => Some(homeserver),
        });
        match homeserver.map(|homeserver| Connection::new(&homeserver)) {
            Some(Ok(connection)) => abandon(&connection, credentials).await,
            _ => warn!("the homeserver of an unfinished login cannot be told"),
        }
        store.remove()
    }

    /// Whether the account in a store has been set up to the end.
    pub(crate) async fn is_set_up(
        store: &AccountStore,
        database: &SqliteCryptoStore,
    ) -> Result<bool, StoreError> {
        let seen = database.get_custom_value(KEYS_UPLOADED).await;
        Ok(seen.map_err(|error| store.fault(&error))?.is_some())
    }

    async fn set_up(
        connection: &Connection,
        store: &AccountStore,
        credentials: Credentials,
    ) -> Result<Self, LoginError> {
        let database = store.open().await?;
        let homeserver = connection.homeserver();
        let stored = StoredSession::new(
            homeserver.url().to_string(),
            homeserver.ca_pem().map(str::to_owned),
            credentials.clone(),
        );
        // First of all: an attempt that is cut off from here on is found by the next one, which logs its device out.
        store.write_session(&database, &stored).await?;
        let account = match Self::open(connection, store, database, credentials).await {
            Ok(account) => account,
            Err(RestoreError::Store(error)) => return Err(error.into()),
            Err(RestoreError::Server(error)) => return Err(error.into()),
            Err(error) => {
                return Err(ServerError::NotMatrix {
                    reason: error.to_string(),
                }
                .into());
            }
        };
        account.upload_keys().await?;
        account.note_set_up().await?;
        Ok(account)
    }

    /// Makes sure that others can find this device's keys. Asks only until it has once been seen to be so.
    /// Gives what came in meanwhile.
    pub(crate) async fn upload_keys(&self) -> Result<Vec<Incoming>, ServerError> {
        let seen = Self::is_set_up(&self.inner.store, &self.inner.database).await;
        if seen.map_err(|error| ServerError::store(&error))? {
            return Ok(Vec::new());
        }
        // What is missing is uploaded before the sync; it does not say whether that worked.
        let incoming = self.inner.syncer.first_sync().await?;
        let user_id = self.inner.user_id.clone();
        let response = self.client().device_keys([user_id.clone()]).await?;
        let own_id: &ruma::DeviceId = self.inner.own_device.device_id.as_str().into();
        if !response
            .device_keys
            .get(&user_id)
            .is_some_and(|devices| devices.contains_key(own_id))
        {
            return Err(ServerError::Refused {
                code: "/keys/upload".to_owned(),
                message: "it did not take this device's keys".to_owned(),
            });
        }
        Ok(incoming)
    }

    /// The keys are there: the account is whole.
    pub(crate) async fn note_set_up(&self) -> Result<(), StoreError> {
        let noted = self
            .inner
            .database
            .set_custom_value(KEYS_UPLOADED, vec![1])
            .await;
        noted.map_err(|error| self.inner.store.fault(&error))
    }

    /// Ends the sync, if one runs.
    pub(crate) async fn stop_syncing(&self) -> Option<SyncTask> {
        let mut task = self.inner.sync.lock().await.take()?;
        task.stop().await;
        Some(task)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn sync_task(&self) -> &Mutex<Option<SyncTask>> {
        &self.inner.sync
    }

    pub(crate) fn olm(&self) -> &Olm {
        &self.inner.olm
    }

    pub(crate) fn syncer(&self) -> &Syncer {
        &self.inner.syncer
    }

    pub(crate) fn direct_lock(&self) -> &Mutex<()> {
        &self.inner.direct
    }

    pub(crate) fn delayed_events(&self) -> &OnceCell<bool> {
        &self.inner.delayed_events
    }

    pub(crate) fn send_queue(&self) -> &SendQueue {
        &self.inner.send_queue
    }

    pub(crate) fn user_id(&self) -> &UserId {
        &self.inner.user_id
    }

    async fn open(
        connection: &Connection,
        store: &AccountStore,
        database: SqliteCryptoStore,
        credentials: Credentials,
    ) -> Result<Self, RestoreError> {
        let matrix_id = matrix_id(&credentials.user_id).ok_or_else(|| {
            let reason = format!("{} is not a usable Matrix ID", credentials.user_id);
            ServerError::NotMatrix { reason }
        })?;
        let device_id = credentials.device_id.as_str().parse().map_err(|error| {
            let reason = format!("the device's ID is not usable: {error}");
            ServerError::NotMatrix { reason }
        })?;
        let position = SyncPosition::load(database.clone(), store.clone()).await?;
        let client = connection.client().with_token(&credentials.access_token);
        let upkeep = StoreUpkeep::new(store.clone(), credentials.user_id.as_str());
        let olm = Olm::open(
            database.clone(),
            upkeep,
            credentials.user_id.clone(),
            credentials.device_id.clone(),
        );
        let olm = Arc::new(olm.await.map_err(|error| open_error(store, &error))?);
        let own_device = Device {
            device_id,
            olm_key: olm.identity_key().await,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                syncer: Syncer::new(
                    client.clone(),
                    olm.clone(),
                    position,
                    credentials.user_id.clone(),
                ),
                send_queue: SendQueue::default(),
                direct: Mutex::new(()),
                client,
                database,
                store: store.clone(),
                homeserver: connection.homeserver().clone(),
                matrix_id,
                user_id: credentials.user_id.clone(),
                own_device,
                olm,
                sync: Mutex::new(None),
                delayed_events: OnceCell::new(),
            }),
        })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            client: _,
            database: _,
            store: _,
            homeserver,
            matrix_id: _,
            user_id: _,
            own_device: _,
            olm: _,
            syncer: _,
            send_queue: _,
            direct: _,
            sync: _,
            delayed_events: _,
        } = &*self.inner;
        f.debug_struct("Account")
            .field("homeserver", homeserver)
            .finish_non_exhaustive()
    }
}

fn open_error(store: &AccountStore, error: &CryptoStoreError) -> StoreError {
    match error {
        CryptoStoreError::MismatchedAccount { .. } => StoreError::OtherAccount,
        other => store.fault(other),
    }
}

/// Logs a device out that will not be used. A homeserver that cannot be told keeps it until its owner removes it.
async fn abandon(connection: &Connection, credentials: Credentials) {
    let logging_out = async {
        let token = &credentials.access_token;
        let client = connection.client().with_token(token);
        let answer = client.send(logout::v3::Request::new()).await;
        answer.map_err(|error| ServerError::from_http(&error))
    };
    match timeout(ABANDON_TIMEOUT, logging_out).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => warn!(%error, "the device of a failed login is still at the homeserver"),
        Err(_) => warn!("the device of a failed login may still be at the homeserver"),
    }
}
