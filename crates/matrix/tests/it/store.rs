use std::fs;

use rusqlite::Connection;
use securecall_matrix::{
    Account, AccountStore, Incoming, RestoreError, SendError, ServerError, StoreError, StoreKey,
};

use crate::people::{Person, key, next_signal, synapse};

#[tokio::test]
async fn nothing_in_the_store_is_in_clear() {
    let (sender, receiver) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut inbox = receiver.account.start().await.unwrap();
    receiver
        .account
        .devices_of(sender.account.matrix_id())
        .await
        .unwrap();
    sender.send_to(&receiver, r#"{"number":1}"#).await;
    next_signal(&mut inbox).await;

    let database = Connection::open(synapse().database_path()).unwrap();
    let user = receiver.account.matrix_id().as_str();
    let token: String = database
        .query_row(
            "SELECT token FROM access_tokens WHERE user_id = ?1",
            [user],
            |row| row.get(0),
        )
        .unwrap();
    let secrets = [
        token.as_str(),
        receiver.account.matrix_id().localpart(),
        sender.account.matrix_id().localpart(),
        receiver.account.own_device().device_id.as_str(),
        sender.account.own_device().device_id.as_str(),
        synapse().server_name(),
        "127.0.0.1",
        "correct horse",
    ];
    let mut files = 0;
    for file in fs::read_dir(receiver.directory.path().join("account")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        files += 1;
        for secret in secrets {
            assert!(
                !bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes()),
                "{secret}"
            );
        }
    }
    assert!(files > 0);
}

#[tokio::test]
async fn a_wrong_key_is_not_a_damaged_store() {
    let person = Person::new(synapse()).await;
    let Person {
        account,
        store: _,
        directory,
    } = person;
    drop(account);
    let wrong = AccountStore::new(directory.path().join("account"), StoreKey::new([8; 32]));
    let outcome = Account::restore(&wrong).await;
    assert!(
        matches!(outcome, Err(RestoreError::Store(StoreError::WrongKey))),
        "{outcome:?}"
    );
    let right = AccountStore::new(directory.path().join("account"), key());
    Account::restore(&right).await.unwrap();
}

#[tokio::test]
async fn a_damaged_store_is_named_as_such() {
    let Person {
        account,
        store,
        directory,
    } = Person::new(synapse()).await;
    drop(account);
    for file in fs::read_dir(directory.path().join("account")).unwrap() {
        fs::write(
            file.unwrap().path(),
            b"this was a database once, it is none any more",
        )
        .unwrap();
    }
    let outcome = Account::restore(&store).await;
    assert!(
        matches!(
            outcome,
            Err(RestoreError::Store(StoreError::Damaged { .. }))
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_session_of_another_device_does_not_fit() {
    let (one, other) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let database = |person: &Person| {
        person
            .directory
            .path()
            .join("account/matrix-sdk-crypto.sqlite3")
    };
    let (one_file, other_file) = (database(&one), database(&other));
    drop((one.account, other.account));
    // Same key and cipher, another's session: what a mixed-up backup looks like.
    let from = Connection::open(one_file).unwrap();
    let into = Connection::open(other_file).unwrap();
    let rows: Vec<(String, Vec<u8>)> = from
        .prepare("SELECT key, value FROM kv WHERE key IN ('cipher', 'securecall session')")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(rows.len(), 2);
    for (key, value) in rows {
        into.execute("UPDATE kv SET value = ?2 WHERE key = ?1", (key, value))
            .unwrap();
    }
    drop((from, into));
    let outcome = Account::restore(&other.store).await;
    assert!(
        matches!(outcome, Err(RestoreError::Store(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_empty_place_holds_no_account() {
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path().join("account"), key());
    assert!(matches!(
        Account::restore(&store).await,
        Err(RestoreError::NotLoggedIn)
    ));
}

#[tokio::test]
async fn a_store_that_fails_while_it_is_in_use_is_told_from_a_homeserver_that_fails() {
    let (sender, receiver) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let spoil = |person: &Person, table: &str| {
        let path = person
            .directory
            .path()
            .join("account/matrix-sdk-crypto.sqlite3");
        let database = Connection::open(path).unwrap();
        database
            .execute_batch(&format!("DROP TABLE {table}"))
            .unwrap();
    };
    let mut inbox = receiver.account.start().await.unwrap();
    let devices = sender.account.devices_of(receiver.account.matrix_id());
    assert_eq!(devices.await.unwrap().len(), 1);

    // Whoever receives has nowhere to keep the sync's position: the sync fails, and it is said whose fault that is.
    spoil(&receiver, "kv");
    sender.send_to(&receiver, r#"{"number":1}"#).await;
    let told = loop {
        match next_signal(&mut inbox).await {
            Incoming::Signal { .. } => {}
            other => break other,
        }
    };
    assert!(
        matches!(told, Incoming::Offline(ServerError::Store { .. })),
        "{told:?}"
    );

    spoil(&sender, "session");
    let device = &receiver.account.own_device().device_id;
    let user = receiver.account.matrix_id();
    let sent = sender.account.send(user, device, r#"{"number":2}"#).await;
    assert!(
        matches!(sent, Err(SendError::Server(ServerError::Store { .. }))),
        "{sent:?}"
    );
}
