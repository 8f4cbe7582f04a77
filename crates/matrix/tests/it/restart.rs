use securecall_interop::{Synapse, SynapseOptions};
use securecall_matrix::{Incoming, SendError, ServerError};

use crate::people::{Person, next_signal, signal};

#[tokio::test]
async fn a_homeserver_that_dies_and_comes_back_is_noticed_and_used_again() {
    let mut server = Synapse::start(SynapseOptions::default()).unwrap();
    let (sender, receiver) = (Person::new(&server).await, Person::new(&server).await);
    let mut inbox = receiver.account.start().await.unwrap();
    sender.send_to(&receiver, r#"{"before":true}"#).await;
    assert_eq!(
        next_signal(&mut inbox).await,
        signal(&sender, r#"{"before":true}"#)
    );

    server.kill().unwrap();
    let Incoming::Offline(error) = next_signal(&mut inbox).await else {
        panic!("not offline")
    };
    assert!(
        matches!(error, ServerError::Unreachable { .. }),
        "{error:?}"
    );
    let device = &receiver.account.own_device().device_id;
    let outcome = sender
        .account
        .send(receiver.account.matrix_id(), device, "{}")
        .await;
    assert!(
        matches!(
            outcome,
            Err(SendError::Server(ServerError::Unreachable { .. }))
        ),
        "{outcome:?}"
    );

    server.restart().unwrap();
    assert_eq!(next_signal(&mut inbox).await, Incoming::Online);
    sender.send_to(&receiver, r#"{"after":true}"#).await;
    assert_eq!(
        next_signal(&mut inbox).await,
        signal(&sender, r#"{"after":true}"#)
    );
}
