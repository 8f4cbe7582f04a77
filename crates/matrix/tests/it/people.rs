//! People with accounts, for the other tests.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use securecall_interop::{Synapse, SynapseOptions};
use securecall_matrix::{
    Account, AccountStore, Homeserver, Inbox, Incoming, Registration, StoreKey,
};
use tempfile::TempDir;

/// The homeserver that all tests share which do not break it.
pub(crate) fn synapse() -> &'static Synapse {
    static SYNAPSE: OnceLock<Synapse> = OnceLock::new();
    SYNAPSE.get_or_init(|| Synapse::start(SynapseOptions::default()).unwrap())
}

pub(crate) fn homeserver(synapse: &Synapse) -> Homeserver {
    Homeserver::new(&synapse.base_url()).unwrap()
}

/// A localpart that nobody has yet.
pub(crate) fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("person{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn key() -> StoreKey {
    StoreKey::new([7; 32])
}

/// One device with an account, and where it keeps it.
pub(crate) struct Person {
    pub(crate) account: Account,
    pub(crate) store: AccountStore,
    pub(crate) directory: TempDir,
}

impl Person {
    pub(crate) async fn new(synapse: &Synapse) -> Self {
        Self::device_of(synapse, &fresh_name()).await
    }

    /// The first device of a new user, or another one of a user who exists.
    pub(crate) async fn device_of(synapse: &Synapse, localpart: &str) -> Self {
        Self::at(&homeserver(synapse), localpart).await
    }

    /// A new user whose homeserver has something in front of it.
    pub(crate) async fn behind(base_url: &str) -> Self {
        Self::at(&Homeserver::new(base_url).unwrap(), &fresh_name()).await
    }

    pub(crate) async fn at(homeserver: &Homeserver, localpart: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = AccountStore::new(directory.path().join("account"), key());
        let registration = Registration {
            localpart,
            password: "correct horse",
            token: None,
        };
        let account = Account::register(homeserver, &store, registration)
            .await
            .unwrap();
        Self {
            account,
            store,
            directory,
        }
    }

    pub(crate) async fn send_to(&self, other: &Self, content: &str) {
        let device = &other.account.own_device().device_id;
        self.account
            .send(other.account.matrix_id(), device, content)
            .await
            .unwrap();
    }
}

/// The next signal, whatever sync boundaries come before it.
pub(crate) async fn next_signal(inbox: &mut Inbox) -> Incoming {
    loop {
        match inbox.next().await.unwrap() {
            Incoming::SyncComplete => {}
            other => return other,
        }
    }
}

pub(crate) fn signal(sender: &Person, content: &str) -> Incoming {
    Incoming::Signal {
        sender: sender.account.matrix_id().clone(),
        sender_olm_key: sender.account.own_device().olm_key,
        content: content.to_owned(),
    }
}
