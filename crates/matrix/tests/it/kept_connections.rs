//! Connections that are kept open and die, on a homeserver that counts what it is asked.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use securecall_interop::{Answer, HostileHomeserver};
use securecall_matrix::{
    Account, DevicesError, Inbox, Incoming, LoginError, SIGNAL_EVENT_TYPE, ServerError,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use crate::{
    people::key,
    victim::{Victim, log_in},
};

/// Where these tests' connections come from.
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const LONG_POLL: &str = "timeout=30000";
const QUERY: &str = "/keys/query";

/// Longer than any request is waited for.
const FOR_EVER: Duration = Duration::from_secs(300);

/// Longer than anything takes that is done at once, and shorter than the answer to any request is waited for.
const SOON: Duration = Duration::from_secs(10);

fn nobody_answers() -> Answer {
    Answer::cut_after(FOR_EVER)
}

/// An answer, and what tells of each request for it.
fn watched(answer: Answer) -> (Answer, UnboundedReceiver<()>) {
    let (tell, told) = unbounded_channel();
    let answer = Answer::written(move |client| {
        // Whoever is not interested any more has ended.
        let _ = tell.send(());
        answer.write(client)
    });
    (answer, told)
}

/// A sync that brings something.
fn sync_with_a_message() -> Answer {
    let event = format!(
        r#"{{"type":"{SIGNAL_EVENT_TYPE}","sender":"@other:homeserver.test","content":{{}}}}"#
    );
    let body = format!(r#"{{"next_batch":"s2","to_device":{{"events":[{event}]}}}}"#);
    Answer::json("200 OK", &[], &body)
}

/// The same device without a connection so far.
async fn without_connections(victim: &Victim) -> Account {
    Account::restore(&victim.store).await.unwrap()
}

/// Its sync, of which so many long polls get this answer; what tells of those after the first, which has come.
async fn polling(victim: &Victim, times: usize, answer: Answer) -> (Inbox, UnboundedReceiver<()>) {
    let (poll, mut polled) = watched(answer);
    victim.server.answer_times(LONG_POLL, times, poll);
    let mut inbox = victim.account.start().await.unwrap();
    assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
    polled.recv().await.unwrap();
    (inbox, polled)
}

/// How often it was asked during this.
async fn asked<T>(server: &HostileHomeserver, doing: impl Future<Output = T>) -> (usize, T) {
    let before = server.requests(QUERY);
    let outcome = doing.await;
    (server.requests(QUERY) - before, outcome)
}

#[tokio::test]
async fn a_sync_that_hangs_is_renewed_when_its_address_is_gone_or_it_cannot_be_trusted() {
    let changes: [fn(&Account); 2] = [
        |account| account.network_changed(&[OWN]),
        Account::distrust_connections,
    ];
    for change in changes {
        let victim = Victim::new().await;
        let (mut inbox, _) = polling(&victim, 1, nobody_answers()).await;
        let looks = victim.server.requests("timeout=0");

        change(&victim.account);
        let renewed = timeout(SOON, inbox.next()).await.unwrap();
        assert_eq!(renewed, Some(Incoming::SyncComplete));
        // It was no failure, after which one looks whether the homeserver is there.
        assert_eq!(victim.server.requests("timeout=0"), looks);
    }
}

/// A NAT has forgotten the connections, and nobody says so.
#[tokio::test]
async fn what_hangs_is_found_out_soon_where_there_are_doubts() {
    let victim = Victim::new().await;
    let (mut inbox, _) = polling(&victim, 1, nobody_answers()).await;
    let looks = victim.server.requests("timeout=0");

    // Nobody answers the question after that either, over the first connection.
    victim.server.answer_times("timeout=0", 1, nobody_answers());
    // Without doubts this would be waited for.
    let late = Answer::json("200 OK", &[], r#"{"device_keys":{}}"#).after(Duration::from_secs(3));
    victim.server.answer_times(QUERY, 1, late);
    victim.account.doubt_connections();
    let querying = victim.account.devices_of(victim.account.matrix_id());
    let (times, devices) = asked(&victim.server, querying).await;
    assert_eq!((times, devices.unwrap().len()), (2, 1));
    let renewed = timeout(SOON, inbox.next()).await.unwrap();
    assert_eq!(renewed, Some(Incoming::SyncComplete));
    assert_eq!(victim.server.requests("timeout=0"), looks + 2);
}

#[tokio::test]
async fn a_connection_that_is_alive_is_kept_whatever_doubts_there_are() {
    let victim = Victim::new().await;
    let (mut inbox, mut polled) = polling(&victim, 2, nobody_answers()).await;
    // What is asked meanwhile is answered late, and not asked once more: it was asked before there were doubts.
    let nothing = Answer::json("200 OK", &[], r#"{"device_keys":{}}"#);
    let (query, mut queried) = watched(nothing.after(Duration::from_secs(2)));
    victim.server.answer(QUERY, query);
    let doubting = async {
        queried.recv().await.unwrap();
        victim.account.doubt_connections();
    };
    let querying = async {
        let asking = victim.account.devices_of(victim.account.matrix_id());
        tokio::join!(asking, doubting).0
    };
    let (times, devices) = asked(&victim.server, querying).await;
    assert!(devices.is_ok(), "{devices:?}");
    assert_eq!(times, 1);
    // The sync goes on as before.
    assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
    timeout(SOON, polled.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_change_that_makes_no_difference_cancels_nothing() {
    let victim = Victim::new().await;
    // Longer than an answer of another kind is waited for before there are doubts.
    let late = sync_with_a_message().after(Duration::from_secs(6));
    let (mut inbox, _) = polling(&victim, 1, late).await;
    for _ in 0..10 {
        victim.account.network_changed(&[]);
        victim
            .account
            .network_changed(&[IpAddr::from([192, 0, 2, 1])]);
    }
    // What the first poll brings; the next one would be answered sooner, with nothing.
    assert!(matches!(
        inbox.next().await,
        Some(Incoming::PlainTextRefused { .. })
    ));
}

#[tokio::test]
async fn a_request_in_flight_is_made_again_when_the_network_changes() {
    let victim = Victim::new().await;
    let account = without_connections(&victim).await;
    let (query, mut queried) = watched(nobody_answers());
    victim.server.answer_times(QUERY, 1, query);
    let changing = async {
        queried.recv().await.unwrap();
        account.network_changed(&[OWN]);
    };
    let querying = async {
        let (devices, ()) = tokio::join!(account.devices_of(account.matrix_id()), changing);
        devices
    };
    let (times, devices) = asked(&victim.server, querying).await;
    assert_eq!((times, devices.unwrap().len()), (2, 1));
}

#[tokio::test]
async fn a_second_attempt_follows_the_network_too() {
    let victim = Victim::new().await;
    let (query, mut queried) = watched(nobody_answers());
    victim.server.answer_times(QUERY, 2, query);
    let changing = async {
        for _ in 0..2 {
            queried.recv().await.unwrap();
        }
        victim.account.network_changed(&[OWN]);
    };
    let querying = async {
        let asking = victim.account.devices_of(victim.account.matrix_id());
        let (devices, ()) = tokio::join!(asking, changing);
        devices
    };
    let (times, devices) = asked(&victim.server, querying).await;
    assert_eq!((times, devices.unwrap().len()), (3, 1));
}

/// One-time keys that somebody has claimed meanwhile must not be there once more.
#[tokio::test]
async fn an_upload_of_keys_is_not_made_again_by_itself() {
    let victim = Victim::new().await;
    let empty = r#"{"next_batch":"s1","device_one_time_keys_count":{"signed_curve25519":0}}"#;
    let before = victim.server.requests("/keys/upload");
    let (upload, mut uploaded) = watched(nobody_answers());
    let (poll, mut polled) = watched(nobody_answers());
    victim.server.answer_times(LONG_POLL, 1, poll);
    victim
        .server
        .answer_times(LONG_POLL, 1, Answer::json("200 OK", &[], empty));
    let _inbox = victim.account.start().await.unwrap();
    victim.server.answer_times("/keys/upload", 1, upload);
    uploaded.recv().await.unwrap();
    victim.account.network_changed(&[OWN]);
    timeout(SOON, polled.recv()).await.unwrap().unwrap();
    assert_eq!(victim.server.requests("/keys/upload") - before, 1);
}

#[tokio::test]
async fn a_kept_connection_that_is_silent_is_given_up_for_a_new_one_with_all_that_wait() {
    let victim = Victim::new().await;
    victim.server.answer_times(LONG_POLL, 1, nobody_answers());
    let mut inbox = victim.account.start().await.unwrap();
    assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
    victim.server.answer_times(QUERY, 1, nobody_answers());
    let querying = victim.account.devices_of(victim.account.matrix_id());
    let (times, devices) = asked(&victim.server, querying).await;
    assert_eq!((times, devices.unwrap().len()), (2, 1));
    // The sync hung as well.
    let renewed = timeout(SOON, inbox.next()).await.unwrap();
    assert_eq!(renewed, Some(Incoming::SyncComplete));
}

#[tokio::test]
async fn a_slow_homeserver_is_waited_for_and_asked_once_more_at_most() {
    let victim = Victim::new().await;
    let _polling = polling(&victim, 1, nobody_answers()).await;
    let nothing = Answer::json("200 OK", &[], r#"{"device_keys":{}}"#);
    victim
        .server
        .answer(QUERY, nothing.after(Duration::from_secs(10)));
    let querying = victim.account.devices_of(victim.account.matrix_id());
    let (times, devices) = asked(&victim.server, querying).await;
    assert!(devices.is_ok(), "{devices:?}");
    assert_eq!(times, 2);
    // The connections are good: nothing else was made again.
    assert_eq!(victim.server.requests(LONG_POLL), 1);

    // Where there is no connection yet, there is nothing to doubt.
    let account = without_connections(&victim).await;
    let (times, devices) = asked(&victim.server, account.devices_of(account.matrix_id())).await;
    assert!(devices.is_ok(), "{devices:?}");
    assert_eq!(times, 1);
}

#[tokio::test]
async fn a_homeserver_that_never_answers_or_hangs_up_is_asked_twice_and_no_more() {
    for (answer, is_named) in [
        (
            nobody_answers(),
            (|error| matches!(error, ServerError::TimedOut)) as fn(&ServerError) -> bool,
        ),
        (Answer::cut_after(Duration::ZERO), |error| {
            matches!(error, ServerError::Unreachable { .. })
        }),
    ] {
        let victim = Victim::new().await;
        victim.server.answer(QUERY, answer);
        let querying = victim.account.devices_of(victim.account.matrix_id());
        let (times, outcome) = asked(&victim.server, querying).await;
        let Err(DevicesError::Server(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(is_named(&error), "{error:?}");
        assert_eq!(times, 2);
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_no_failure() {
    let victim = Victim::new().await;
    victim
        .server
        .answer_times(QUERY, 1, Answer::cut_after(Duration::ZERO));
    let querying = victim.account.devices_of(victim.account.matrix_id());
    let (times, devices) = asked(&victim.server, querying).await;
    assert_eq!((times, devices.unwrap().len()), (2, 1));
}

#[tokio::test]
async fn what_would_be_done_twice_is_asked_once() {
    for place in [
        "POST /_matrix/client/v3/login",
        "POST /_matrix/client/v3/keys/upload",
    ] {
        let server = HostileHomeserver::start().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = securecall_matrix::AccountStore::new(directory.path().join("account"), key());
        server.answer(place, Answer::cut_after(Duration::ZERO));
        let outcome = log_in(&server, &store).await;
        assert!(matches!(outcome, Err(LoginError::Server(_))), "{outcome:?}");
        assert_eq!(server.requests(place), 1, "{place}");
    }
}
