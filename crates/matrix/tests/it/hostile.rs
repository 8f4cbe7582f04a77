//! A homeserver that answers with anything at all. Memory is looked at with the real program, in its own tests.

use std::{
    io::{ErrorKind, Write as _},
    time::Duration,
};

use securecall_interop::{Answer, HostileHomeserver};
use securecall_matrix::{
    AccountStore, DevicesError, DiscoveryError, Homeserver, Incoming, LoginError, Purpose,
    SIGNAL_EVENT_TYPE, SendError, ServerError, StartError,
};

use crate::{
    people::key,
    victim::{Victim, log_in},
};

const TOO_MANY: &str = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests"}"#;

/// Bodies that nobody can hold, in every form.
fn without_end() -> Vec<Answer> {
    vec![
        Answer::endless("{\"a\":\"", "x"),
        Answer::endless("{\"a\":[", "[],"),
        Answer::endless("", " "),
        Answer::gzip("{\"versions\":[\"v1.11\"],\"a\":\"", 64, "\"}"),
        // Small, but nobody said that we would unpack anything.
        Answer::gzip("{\"versions\":[\"v1.11\"],\"a\":\"", 0, "\"}"),
    ]
}

fn is_named(error: &ServerError) -> bool {
    matches!(error, ServerError::Misbehaves { .. }) && error.to_string().contains("the homeserver")
}

#[tokio::test]
async fn no_answer_is_held_that_has_no_end() {
    for (place, answer) in [
        "GET /_matrix/client/versions",
        "GET /_matrix/client/v3/login",
        "POST /_matrix/client/v3/login",
        "/sync",
        "/keys/query",
    ]
    .into_iter()
    .flat_map(|place| without_end().into_iter().map(move |answer| (place, answer)))
    {
        let server = HostileHomeserver::start().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = AccountStore::new(directory.path().join("account"), key());
        server.answer(place, answer);
        let outcome = log_in(&server, &store).await;
        let Err(LoginError::Server(error)) = outcome else {
            panic!("{place}: {outcome:?}");
        };
        assert!(is_named(&error), "{place}: {error:?}");
        assert!(!store.exists());
    }
}

#[tokio::test]
async fn a_head_without_end_is_not_read_to_its_end() {
    let victim = Victim::new().await;
    victim.server.answer("/sync", Answer::endless_head());
    let outcome = victim.account.start().await;
    assert!(
        matches!(
            outcome,
            Err(StartError::Server(ServerError::Unreachable { .. }))
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn requests_of_a_call_are_bounded_as_well() {
    for answer in without_end() {
        let victim = Victim::new().await;
        victim.server.answer("/keys/query", answer.clone());
        let user = victim.account.matrix_id();
        let Err(DevicesError::Server(error)) = victim.account.devices_of(user).await else {
            panic!("it had devices");
        };
        assert!(is_named(&error), "{error:?}");
        victim.server.behave();
        victim.server.answer("/keys/claim", answer);
        let Err(SendError::Server(error)) = victim.send_to_itself().await else {
            panic!("it was sent");
        };
        assert!(is_named(&error), "{error:?}");
    }
}

/// Thousands of events, and one that is larger than everything else together: what is for us comes through.
#[tokio::test]
async fn a_sync_of_any_size_brings_what_is_for_us() {
    let victim = Victim::new().await;
    let plain = format!(
        r#"{{"type":"{SIGNAL_EVENT_TYPE}","sender":"@other:homeserver.test","content":{{}}}}"#
    );
    let body = move |client: &mut dyn std::io::Write| {
        client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        let mut client = std::io::BufWriter::new(client);
        client.write_all(b"{\"rooms\":{\"join\":[")?;
        for _ in 0..100_000 {
            client.write_all(b"{\"a\":[{}]},")?;
        }
        client.write_all(b"0]},\"to_device\":{\"events\":[")?;
        for _ in 0..20_000 {
            client.write_all(
                b"{\"type\":\"m.room.encrypted\",\"sender\":\"@x:y.test\",\"content\":{}},",
            )?;
        }
        client.write_all(
            b"{\"type\":\"m.room.encrypted\",\"sender\":\"@x:y.test\",\"content\":{\"a\":\"",
        )?;
        for _ in 0..20_000 {
            client.write_all(&[b'x'; 1_000])?;
        }
        write!(client, "\"}}}},{plain}]}},\"next_batch\":\"s2\"}}")?;
        client.flush()?;
        // Said to end with the connection.
        Err(ErrorKind::ConnectionAborted.into())
    };
    victim
        .server
        .answer_times("/sync", 1, Answer::written(body));
    let mut inbox = victim.account.start().await.unwrap();
    let sender = "@other:homeserver.test".parse().unwrap();
    assert_eq!(
        inbox.next().await,
        Some(Incoming::PlainTextRefused { sender })
    );
    assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
}

#[tokio::test]
async fn a_homeserver_that_asks_to_wait_is_waited_for() {
    let victim = Victim::new().await;
    let user = victim.account.matrix_id();
    let with_header = Answer::json("429 Too Many Requests", &["Retry-After: 1"], TOO_MANY);
    let body = TOO_MANY.replace('}', r#","retry_after_ms":300}"#);
    let with_field = Answer::json("429 Too Many Requests", &[], &body);
    let of_a_proxy = Answer::json("429 Too Many Requests", &["Retry-After: 1"], "{}");
    for answer in [with_header, with_field, of_a_proxy] {
        let before = victim.server.requests("/keys/query");
        victim.server.answer_times("/keys/query", 1, answer);
        victim.account.devices_of(user).await.unwrap();
        assert_eq!(victim.server.requests("/keys/query") - before, 2);
    }
    let long = Answer::json("429 Too Many Requests", &["Retry-After: 3600"], TOO_MANY);
    victim.server.answer("/keys/query", long);
    let outcome = victim.account.devices_of(user).await;
    let Err(DevicesError::Server(ServerError::TooManyRequests { retry_after })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(3600)));
}

/// Before there is an account as well: one that is behind a limiter of requests is found all the same.
#[tokio::test]
async fn a_homeserver_that_asks_to_wait_is_waited_for_while_it_is_looked_for() {
    const VERSIONS: &str = "GET /_matrix/client/versions";
    const WELL_KNOWN: &str = "GET /.well-known/matrix/client";
    let (name, server) = (
        HostileHomeserver::start().unwrap(),
        HostileHomeserver::start().unwrap(),
    );
    let body = TOO_MANY.replace('}', r#","retry_after_ms":1}"#);
    let soon = Answer::json("429 Too Many Requests", &[], &body);
    let delegation = format!(
        r#"{{"m.homeserver":{{"base_url":"{}"}}}}"#,
        server.base_url()
    );
    name.answer(WELL_KNOWN, Answer::json("200 OK", &[], &delegation));
    name.answer_times(WELL_KNOWN, 1, soon.clone());
    server.answer_times(VERSIONS, 2, soon);
    let address = Homeserver::new(&name.base_url()).unwrap();
    let found = address.discover(Purpose::NewAccount).await.unwrap();
    assert_eq!(
        found.url(),
        Homeserver::new(&server.base_url()).unwrap().url()
    );
    assert_eq!(name.requests(WELL_KNOWN), 2);
    assert_eq!(server.requests(VERSIONS), 3);

    // As long as for other requests, and no longer: then it is said how long it would be.
    let long = Answer::json("429 Too Many Requests", &["Retry-After: 3600"], TOO_MANY);
    name.answer(WELL_KNOWN, long.clone());
    name.answer(VERSIONS, long);
    let outcome = address.discover(Purpose::NewAccount).await;
    let Err(DiscoveryError::Unclear { fault, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    let retry_after = Some(Duration::from_secs(3600));
    assert_eq!(fault, ServerError::TooManyRequests { retry_after });
    assert_eq!(name.requests(WELL_KNOWN), 3);
    assert_eq!(name.requests(VERSIONS), 1);
}

#[tokio::test]
async fn a_one_time_key_is_asked_for_again_with_every_send() {
    let victim = Victim::new().await;
    for times in 1..=3 {
        let outcome = victim.send_to_itself().await;
        assert!(
            matches!(outcome, Err(SendError::NoOneTimeKey { .. })),
            "{outcome:?}"
        );
        assert_eq!(victim.server.requests("/keys/claim"), times);
    }
}

/// Calls arrive although no poll lives as long as it was meant to: nothing is said, and less is asked for.
#[tokio::test]
async fn a_proxy_that_ends_polls_early_is_no_reason_to_be_offline() {
    let victim = Victim::new().await;
    let cut = Answer::written(|_| Err(ErrorKind::ConnectionAborted.into()));
    // Not for ever, so that this ends in any case.
    victim.server.answer_times("timeout=30000", 3, cut);
    let before = victim.server.requests("timeout=0");
    let mut inbox = victim.account.start().await.unwrap();
    // The start, the look whether the homeserver is there, and two polls that are answered.
    for _ in 0..4 {
        let incoming = inbox.next().await;
        assert_eq!(incoming, Some(Incoming::SyncComplete));
    }
    // What was cut is not asked for again, and a look is enough.
    assert_eq!(victim.server.requests("timeout=30000"), 1);
    assert_eq!(victim.server.requests("timeout=0") - before, 2);
    // What is really away is said to be.
    victim.server.answer(
        "/sync",
        Answer::json("502 Bad Gateway", &[], "<html></html>"),
    );
    loop {
        match inbox.next().await {
            Some(Incoming::SyncComplete) => {}
            other => {
                let is_named = matches!(
                    &other,
                    Some(Incoming::Offline(ServerError::Unreachable { reason, .. })) if reason.contains("502")
                );
                assert!(is_named, "{other:?}");
                break;
            }
        }
    }
    victim.server.behave();
    while inbox.next().await != Some(Incoming::Online) {}
}

#[tokio::test]
async fn what_a_homeserver_says_of_its_error_is_cut_to_what_can_be_read() {
    let victim = Victim::new().await;
    let long = "X".repeat(10_000);
    let body = format!(r#"{{"errcode":"ORG_{long}","error":"{long}"}}"#);
    victim
        .server
        .answer("/keys/query", Answer::json("400 Bad Request", &[], &body));
    let outcome = victim.account.devices_of(victim.account.matrix_id()).await;
    let Err(DevicesError::Server(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(error, ServerError::Refused { .. }), "{error:?}");
    assert!(error.to_string().len() < 500);
    drop(victim.store);
}

#[tokio::test]
async fn a_homeserver_that_holds_no_poll_open_does_not_keep_us_busy() {
    let victim = Victim::new().await;
    let nothing = Answer::json("200 OK", &[], r#"{"next_batch":"s2"}"#);
    victim.server.answer("/sync", nothing);
    let before = victim.server.requests("/sync");
    #[expect(clippy::disallowed_methods, reason = "a real server has real time")]
    let began = std::time::Instant::now();
    let mut inbox = victim.account.start().await.unwrap();
    for _ in 0..80 {
        assert_eq!(inbox.next().await, Some(Incoming::SyncComplete));
    }
    // However slow this machine is: what is more than a burst has taken its time.
    let asked = victim.server.requests("/sync") - before;
    let quarters = began.elapsed().as_millis() / 250;
    assert!(asked as u128 <= 66 + quarters, "{asked} in {quarters}");
}
