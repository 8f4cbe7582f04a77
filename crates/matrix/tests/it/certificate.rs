use std::fs;

use securecall_interop::TlsFront;
use securecall_matrix::{
    Account, AccountStore, Homeserver, RegisterError, Registration, ServerError,
};

use crate::people::{fresh_name, key, synapse};

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_unless_its_authority_is_named() {
    let front = TlsFront::start(synapse().address()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path().join("account"), key());
    let name = fresh_name();
    let registration = Registration {
        localpart: &name,
        password: "p",
        token: None,
    };

    let homeserver = Homeserver::new(&front.base_url()).unwrap();
    let outcome = Account::register(&homeserver, &store, registration).await;
    let Err(RegisterError::Server(ServerError::CertificateRefused { .. })) = outcome else {
        panic!("{outcome:?}");
    };

    let ca_file = directory.path().join("ca.pem");
    fs::write(&ca_file, front.certificate_pem()).unwrap();
    let homeserver = homeserver.with_ca_file(&ca_file).unwrap();
    let account = Account::register(&homeserver, &store, registration)
        .await
        .unwrap();
    drop(account);

    // The authority is kept with the account.
    let account = Account::restore(&store).await.unwrap();
    account.start().await.unwrap();
}

/// Whoever listens on the way sees the number or the ticket of a session of TLS 1.2, and by that who comes back from another network.
#[tokio::test]
async fn no_session_of_tls_1_2_is_gone_on_with_from_another_network() {
    let front = TlsFront::tls12(synapse().address()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    fs::write(&ca_file, front.certificate_pem()).unwrap();
    let homeserver = Homeserver::new(&front.base_url()).unwrap();
    let homeserver = homeserver.with_ca_file(&ca_file).unwrap();
    let store = AccountStore::new(directory.path().join("account"), key());
    let name = fresh_name();
    let registration = Registration {
        localpart: &name,
        password: "p",
        token: None,
    };
    let account = Account::register(&homeserver, &store, registration)
        .await
        .unwrap();
    let before = front.connections();
    for _ in 0..3 {
        account.distrust_connections();
        account.devices_of(account.matrix_id()).await.unwrap();
    }
    assert!(front.connections() >= before + 3);
    assert_eq!(front.resumed(), 0, "of {}", front.connections());
}
