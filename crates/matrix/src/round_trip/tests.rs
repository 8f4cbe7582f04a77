//! Against a real Synapse.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use securecall_interop::{Synapse, SynapseOptions};
use tempfile::TempDir;

use super::*;
use crate::{AccountStore, Checkup, Homeserver, PublishedKeys, Registration, StoreKey, TokenOwner};

/// What a busy machine may need.
const PATIENCE: Duration = Duration::from_secs(60);

fn synapse() -> &'static Synapse {
    static SYNAPSE: OnceLock<Synapse> = OnceLock::new();
    SYNAPSE.get_or_init(|| Synapse::start(SynapseOptions::default()).unwrap())
}

struct Person {
    account: Account,
    store: AccountStore,
    _directory: TempDir,
}

async fn person() -> Person {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path().join("account"), StoreKey::new([7; 32]));
    let homeserver = Homeserver::new(&synapse().base_url()).unwrap();
    let registration = Registration {
        localpart: &format!("person{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        password: "correct horse",
        token: None,
    };
    let account = Account::register(&homeserver, &store, registration).await;
    Person {
        account: account.unwrap(),
        store,
        _directory: directory,
    }
}

/// How many messages wait at the homeserver.
async fn waiting(account: &Account) -> usize {
    let answer = account.peek(SHORT_POLL, Fresh::new()).await;
    answer.unwrap().received
}

#[tokio::test]
async fn a_message_to_ourselves_comes_back_and_leaves_nothing() {
    let ada = person().await;
    let checkup = Checkup::open(&ada.store).await.unwrap();
    let keys = checkup.one_time_keys().await.unwrap();
    assert!(keys > 0);
    for _ in 0..3 {
        let took = ada.account.round_trip(PATIENCE).await.unwrap();
        assert!(took < PATIENCE);
        assert_eq!(waiting(&ada.account).await, 0);
        assert_eq!(checkup.one_time_keys().await.unwrap(), keys);
    }
    // A program that takes the account into use is told nothing of it.
    let account = Account::restore(&ada.store).await.unwrap();
    let mut inbox = account.start().await.unwrap();
    assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
}

#[tokio::test]
async fn what_others_have_sent_stays_where_it_is() {
    let (ada, bo) = (person().await, person().await);
    let device = &ada.account.own_device().device_id;
    let to = ada.account.matrix_id();
    for number in 0..3 {
        let content = format!(r#"{{"number":{number}}}"#);
        bo.account.send(to, device, &content).await.unwrap();
    }
    for _ in 0..2 {
        ada.account.round_trip(PATIENCE).await.unwrap();
    }
    ada.account.replenish_one_time_keys().await.unwrap();
    let mut inbox = ada.account.start().await.unwrap();
    for number in 0..3 {
        let Some(Incoming::Signal { content, .. }) = inbox.next().await else {
            panic!("{number} is missing");
        };
        assert_eq!(content, format!(r#"{{"number":{number}}}"#));
    }
}

#[tokio::test]
async fn behind_a_full_page_of_others_messages_nothing_is_said_to_be_lost() {
    let (ada, bo) = (person().await, person().await);
    let device = &ada.account.own_device().device_id;
    for _ in 0..PAGE {
        let sent = bo.account.send(ada.account.matrix_id(), device, "{}").await;
        sent.unwrap();
    }
    let outcome = ada.account.round_trip(PATIENCE).await;
    assert!(
        matches!(outcome, Err(RoundTripError::InboxFull)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn one_time_keys_that_are_used_up_are_made_anew() {
    let ada = person().await;
    let checkup = Checkup::open(&ada.store).await.unwrap();
    let user = user_id(ada.account.matrix_id()).unwrap();
    let device: OwnedDeviceId = ada.account.own_device().device_id.as_str().into();
    while checkup.one_time_keys().await.unwrap() > 0 {
        let key = (device.clone(), OneTimeKeyAlgorithm::SignedCurve25519);
        let devices = [key].into_iter().collect();
        let request = claim_keys::v3::Request::new([(user.clone(), devices)].into());
        ada.account.client().send(request).await.unwrap();
    }
    ada.account.replenish_one_time_keys().await.unwrap();
    assert!(checkup.one_time_keys().await.unwrap() > 0);
    ada.account.round_trip(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn an_account_is_looked_at_while_another_process_uses_it() {
    let ada = person().await;
    let mut inbox = ada.account.start().await.unwrap();
    let checkup = Checkup::open(&ada.store).await.unwrap();
    assert_eq!(checkup.matrix_id(), ada.account.matrix_id());
    assert_eq!(checkup.own_device(), ada.account.own_device());
    let reached = checkup.reach().await.unwrap();
    assert!(reached.date.is_some() && !reached.versions.is_empty());
    assert_eq!(checkup.token_owner().await.unwrap(), TokenOwner::Us);
    assert_eq!(checkup.published_keys().await.unwrap(), PublishedKeys::Ours);
    assert_eq!(checkup.turn_credentials().await.unwrap(), None);
    // Nothing of that was in its way.
    let bo = person().await;
    let device = &ada.account.own_device().device_id;
    let sent = bo.account.send(ada.account.matrix_id(), device, "{}").await;
    sent.unwrap();
    loop {
        match inbox.next().await.unwrap() {
            Incoming::Signal { content, .. } => break assert_eq!(content, "{}"),
            Incoming::SyncComplete => {}
            other => panic!("{other:?}"),
        }
    }
}
