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
