//! Set-ups that fail on the way, or are cut off.

use rusqlite::Connection;
use securecall_interop::WebServer;
use securecall_matrix::{
    Account, AccountStore, Homeserver, Incoming, LoginError, RegisterError, Registration,
    RestoreError, ServerError, StartError,
};

use crate::people::{Person, fresh_name, homeserver, key, next_signal, signal, synapse};

/// A status line and a JSON body.
type Refusal = (&'static str, &'static str);

const BROKEN: Refusal = (
    "500 Internal Server Error",
    r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#,
);
const FORBIDDEN: Refusal = ("403 Forbidden", r#"{"errcode":"M_FORBIDDEN","error":"No"}"#);
const POSITION_UNKNOWN: Refusal = (
    "400 Bad Request",
    r#"{"errcode":"M_UNKNOWN_POS","error":"Unknown position"}"#,
);

/// From now on requests whose path contains this, and no others, are refused so.
fn shut(gate: &WebServer, path: &str, (status, body): Refusal) {
    gate.forget_answers();
    let status = format!("{status}\r\nContent-Type: application/json");
    gate.answer(path, &status, body);
}

fn registration(localpart: &str) -> Registration<'_> {
    Registration {
        localpart,
        password: "correct horse",
        token: None,
    }
}

#[tokio::test]
async fn a_set_up_that_fails_leaves_nothing_stored_and_no_device() {
    let watcher = Person::new(synapse()).await;
    let gate = WebServer::in_front_of(synapse().address()).unwrap();
    let through_gate = Homeserver::new(&gate.base_url()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path().join("account"), key());
    let name = fresh_name();

    shut(&gate, "/sync", BROKEN);
    let outcome = Account::register(&through_gate, &store, registration(&name)).await;
    assert!(
        matches!(
            outcome,
            Err(RegisterError::Server(ServerError::Unreachable { .. }))
        ),
        "{outcome:?}"
    );
    assert!(!store.exists());

    shut(&gate, "/keys/upload", FORBIDDEN);
    let outcome = Account::register(&through_gate, &store, registration(&name)).await;
    assert!(
        matches!(
            outcome,
            Err(RegisterError::Server(ServerError::Refused { .. }))
        ),
        "{outcome:?}"
    );
    assert!(!store.exists());

    gate.forget_answers();
    let account = Account::register(&through_gate, &store, registration(&name))
        .await
        .unwrap();
    let devices = watcher.account.devices_of(account.matrix_id()).await;
    assert_eq!(devices.unwrap().len(), 1);
    assert_eq!(devices_at_homeserver(account.matrix_id().as_str()), 1);
}

#[tokio::test]
async fn a_set_up_that_was_cut_off_is_made_again_or_logged_out() {
    for log_out in [false, true] {
        let Person {
            account,
            store,
            directory,
        } = Person::new(synapse()).await;
        let user = account.matrix_id().clone();
        drop(account);
        // The last thing that a set-up does has not happened.
        let file = directory.path().join("account/matrix-sdk-crypto.sqlite3");
        let undone = Connection::open(file)
            .unwrap()
            .execute("DELETE FROM kv WHERE key = 'securecall keys uploaded'", [])
            .unwrap();
        assert_eq!(undone, 1);

        if log_out {
            Account::restore(&store)
                .await
                .unwrap()
                .logout()
                .await
                .unwrap();
            assert!(!store.exists());
            assert_eq!(devices_at_homeserver(user.as_str()), 0);
        }
        let account = Account::register(
            &homeserver(synapse()),
            &store,
            registration(user.localpart()),
        )
        .await
        .unwrap();
        assert_eq!(account.matrix_id(), &user);
        assert_eq!(devices_at_homeserver(user.as_str()), 1);
        // Now it is whole.
        let again = Account::login(&homeserver(synapse()), &store, &user, "correct horse").await;
        assert!(
            matches!(again, Err(LoginError::AlreadyLoggedIn { .. })),
            "{again:?}"
        );
        assert!(!matches!(
            Account::restore(&store).await,
            Err(RestoreError::NotLoggedIn)
        ));
    }
}

#[tokio::test]
async fn a_homeserver_that_is_broken_counts_as_out_of_reach_and_is_used_again() {
    let sender = Person::new(synapse()).await;
    let gate = WebServer::in_front_of(synapse().address()).unwrap();
    let Person {
        account,
        store,
        directory: _directory,
    } = Person::behind(&gate.base_url()).await;
    let (user, device) = (account.matrix_id().clone(), account.own_device().clone());
    drop(account);

    let account = Account::restore(&store).await.unwrap();
    shut(&gate, "/sync", BROKEN);
    let outcome = account.start().await;
    assert!(
        matches!(
            outcome,
            Err(StartError::Server(ServerError::Unreachable { .. }))
        ),
        "{outcome:?}"
    );
    gate.forget_answers();
    let mut inbox = account.start().await.unwrap();
    sender
        .account
        .send(&user, &device.device_id, "{}")
        .await
        .unwrap();
    assert_eq!(next_signal(&mut inbox).await, signal(&sender, "{}"));
}

#[tokio::test]
async fn a_position_that_the_homeserver_does_not_know_is_given_up() {
    let sender = Person::new(synapse()).await;
    let gate = WebServer::in_front_of(synapse().address()).unwrap();
    let Person {
        account,
        store,
        directory: _directory,
    } = Person::behind(&gate.base_url()).await;
    drop(account);
    let account = Account::restore(&store).await.unwrap();
    shut(&gate, "since=", POSITION_UNKNOWN);
    // At the start, and in the sync that goes on: nothing can come but in answer to a request without a position.
    let mut inbox = account.start().await.unwrap();
    assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
    let device = &account.own_device().device_id;
    sender
        .account
        .send(account.matrix_id(), device, "{}")
        .await
        .unwrap();
    assert_eq!(next_signal(&mut inbox).await, signal(&sender, "{}"));
}

fn devices_at_homeserver(user: &str) -> u64 {
    let database = Connection::open(synapse().database_path()).unwrap();
    let sql = "SELECT count(*) FROM devices WHERE user_id = ?1 AND NOT hidden";
    database.query_row(sql, [user], |row| row.get(0)).unwrap()
}
