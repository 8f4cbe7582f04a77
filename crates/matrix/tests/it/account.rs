use std::net::TcpListener;

use securecall_matrix::{
    Account, AccountStore, Homeserver, Incoming, LoginError, RegisterError, Registration,
    RestoreError, ServerError, StartError,
};

use crate::people::{Person, fresh_name, homeserver, key, next_signal, signal, synapse};

#[tokio::test]
async fn an_account_is_itself_again_after_a_restart_of_the_program() {
    let (sender, receiver) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let (who, device) = (
        receiver.account.matrix_id().clone(),
        receiver.account.own_device().clone(),
    );
    // An Olm session exists before, and another message comes while nobody is there.
    let mut inbox = receiver.account.start().await.unwrap();
    sender.send_to(&receiver, r#"{"number":1}"#).await;
    next_signal(&mut inbox).await;
    receiver.account.drain().await.unwrap();
    let Person {
        account,
        store,
        directory: _directory,
    } = receiver;
    drop((account, inbox));
    sender
        .account
        .send(&who, &device.device_id, r#"{"number":2}"#)
        .await
        .unwrap();

    let account = Account::restore(&store).await.unwrap();
    assert_eq!(account.matrix_id(), &who);
    assert_eq!(account.own_device(), &device);
    let mut inbox = account.start().await.unwrap();
    assert_eq!(inbox.next().await, Some(signal(&sender, r#"{"number":2}"#)));
}

#[tokio::test]
async fn a_second_device_gets_in_with_the_password() {
    let first = Person::new(synapse()).await;
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path(), key());
    let user = first.account.matrix_id();
    let second = Account::login(&homeserver(synapse()), &store, user, "correct horse")
        .await
        .unwrap();
    assert_eq!(second.matrix_id(), user);
    assert_ne!(second.own_device(), first.account.own_device());
    assert_eq!(first.account.devices_of(user).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_refused_and_nothing_is_stored() {
    let known = Person::new(synapse()).await;
    let nobody = format!("@{}:{}", fresh_name(), synapse().server_name())
        .parse()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path().join("account"), key());
    for (user, password) in [
        (known.account.matrix_id(), "wrong"),
        (&nobody, "correct horse"),
    ] {
        let outcome = Account::login(&homeserver(synapse()), &store, user, password).await;
        assert!(
            matches!(outcome, Err(LoginError::WrongPassword)),
            "{outcome:?}"
        );
        assert!(!store.exists());
    }
}

#[tokio::test]
async fn a_store_with_an_account_takes_no_other() {
    let person = Person::new(synapse()).await;
    let registration = Registration {
        localpart: &fresh_name(),
        password: "x",
        token: None,
    };
    let outcome = Account::register(&homeserver(synapse()), &person.store, registration).await;
    let Err(RegisterError::Login(LoginError::AlreadyLoggedIn { user })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(user, person.account.matrix_id().as_str());
}

#[tokio::test]
async fn after_a_logout_the_device_is_gone_everywhere() {
    let (watcher, leaver) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let who = leaver.account.matrix_id().clone();
    let _inbox = leaver.account.start().await.unwrap();
    let Person {
        account,
        store,
        directory: _directory,
    } = leaver;
    account.logout().await.unwrap();
    assert_eq!(watcher.account.devices_of(&who).await.unwrap(), []);
    assert!(!store.exists());
    assert!(matches!(
        Account::restore(&store).await,
        Err(RestoreError::NotLoggedIn)
    ));
}

#[tokio::test]
async fn a_session_that_the_server_has_ended_is_reported() {
    let person = Person::new(synapse()).await;
    let other = Account::restore(&person.store).await.unwrap();
    let mut inbox = person.account.start().await.unwrap();
    other.logout().await.unwrap();
    loop {
        match inbox.next().await.unwrap() {
            Incoming::SyncComplete => {}
            incoming => {
                assert_eq!(incoming, Incoming::SessionEnded);
                break;
            }
        }
    }
    let devices = person.account.devices_of(person.account.matrix_id()).await;
    let Err(error) = devices else {
        panic!("{devices:?}")
    };
    assert!(error.to_string().contains("log in again"), "{error}");
}

#[tokio::test]
async fn a_sync_is_started_once() {
    let person = Person::new(synapse()).await;
    let _inbox = person.account.start().await.unwrap();
    assert!(matches!(
        person.account.start().await,
        Err(StartError::AlreadyStarted)
    ));
}

#[tokio::test]
async fn nobody_there_and_somebody_else_there_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path().join("account"), key());
    let user = "@a:homeserver.test".parse().unwrap();

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = Homeserver::new(&format!("http://{free}")).unwrap();
    let outcome = Account::login(&nobody, &store, &user, "x").await;
    let Err(LoginError::Server(ServerError::Unreachable {
        reason,
        may_have_arrived: false,
    })) = outcome
    else {
        panic!("{outcome:?}");
    };
    assert!(reason.to_lowercase().contains("refused"), "{reason}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Homeserver::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let page = "<html>It works!</html>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}",
                page.len()
            );
        }
    });
    let outcome = Account::login(&web, &store, &user, "x").await;
    assert!(
        matches!(outcome, Err(LoginError::Server(ServerError::WebPage))),
        "{outcome:?}"
    );
    assert!(!store.exists());
}
