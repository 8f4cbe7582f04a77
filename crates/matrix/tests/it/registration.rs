use securecall_interop::{Registration as Door, Synapse, SynapseOptions};
use securecall_matrix::{Account, AccountStore, RegisterError, Registration};

use crate::people::{Person, fresh_name, homeserver, key, synapse};

async fn register(
    synapse: &Synapse,
    localpart: &str,
    password: &str,
    token: Option<&str>,
) -> Result<Account, RegisterError> {
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path().join("account"), key());
    Account::register(
        &homeserver(synapse),
        &store,
        Registration {
            localpart,
            password,
            token,
        },
    )
    .await
}

fn with_door(registration: Door) -> Synapse {
    Synapse::start(SynapseOptions {
        registration,
        ..SynapseOptions::default()
    })
    .unwrap()
}

#[tokio::test]
async fn an_account_that_exists_already_is_logged_in_to() {
    let first = Person::new(synapse()).await;
    let localpart = first.account.matrix_id().localpart();
    let second = register(synapse(), localpart, "correct horse", None)
        .await
        .unwrap();
    assert_eq!(second.matrix_id(), first.account.matrix_id());
    assert_ne!(second.own_device(), first.account.own_device());
}

#[tokio::test]
async fn a_name_held_by_somebody_else_is_said_plainly() {
    let first = Person::new(synapse()).await;
    let localpart = first.account.matrix_id().localpart();
    let outcome = register(synapse(), localpart, "another password", None).await;
    let Err(RegisterError::NameTaken { name }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(name, localpart);
}

#[tokio::test]
async fn a_token_is_asked_for_checked_and_taken() {
    let server = with_door(Door::Token("admission".to_owned()));
    let name = fresh_name();
    let outcome = register(&server, &name, "p", None).await;
    assert!(
        matches!(outcome, Err(RegisterError::TokenRequired)),
        "{outcome:?}"
    );
    let outcome = register(&server, &name, "p", Some("guess")).await;
    assert!(
        matches!(outcome, Err(RegisterError::TokenRefused { .. })),
        "{outcome:?}"
    );
    register(&server, &name, "p", Some("admission"))
        .await
        .unwrap();
    // Once there, it needs no token any more.
    register(&server, &name, "p", None).await.unwrap();
}

#[tokio::test]
async fn a_closed_homeserver_says_so_but_lets_its_own_users_in() {
    let mut server = with_door(Door::Open);
    let name = fresh_name();
    register(&server, &name, "p", None).await.unwrap();
    server.set_registration(Door::Closed);
    server.restart().unwrap();

    let outcome = register(&server, &fresh_name(), "p", None).await;
    assert!(
        matches!(outcome, Err(RegisterError::Closed { .. })),
        "{outcome:?}"
    );
    register(&server, &name, "p", None).await.unwrap();
}
