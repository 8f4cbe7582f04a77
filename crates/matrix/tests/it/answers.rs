//! Which answers are taken: how long, in which form, and from where.

use securecall_interop::{Answer, HostileHomeserver};
use securecall_matrix::{
    Account, AccountStore, DevicesError, DiscoveryError, Homeserver, LoginError, LogoutError,
    Purpose, SendError, ServerError, StartError,
};

use crate::{
    people::key,
    victim::{Victim, log_in},
};

const VERSIONS: &str = "GET /_matrix/client/versions";
const LOGIN_TYPES: &str = "GET /_matrix/client/v3/login";
const LOGIN: &str = "POST /_matrix/client/v3/login";
const QUERY: &str = "/keys/query";
const SYNC: &str = "/_matrix/client/v3/sync";

/// The honest answer to a request, and spaces behind it until it has this length.
fn padded(place: &str, length: usize) -> Answer {
    let body = match place {
        VERSIONS => r#"{"versions":["v1.11"]}"#,
        LOGIN_TYPES => r#"{"flows":[{"type":"m.login.password"}]}"#,
        LOGIN => {
            r#"{"user_id":"@victim:homeserver.test","device_id":"HOSTILE","access_token":"t"}"#
        }
        QUERY => r#"{"device_keys":{}}"#,
        SYNC => r#"{"next_batch":"s1","device_one_time_keys_count":{"signed_curve25519":50}}"#,
        other => panic!("{other}"),
    };
    let spaces = " ".repeat(length - body.len());
    Answer::json("200 OK", &[], &format!("{body}{spaces}"))
}

/// What became of a login whose homeserver answers one request so.
async fn login_with(place: &str, answer: Answer) -> Result<Account, LoginError> {
    let server = HostileHomeserver::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = AccountStore::new(directory.path().join("account"), key());
    server.answer(place, answer);
    log_in(&server, &store).await
}

fn words(error: &ServerError) -> String {
    let ServerError::Misbehaves { reason } = error else {
        panic!("{error:?}");
    };
    reason.clone()
}

#[tokio::test]
async fn each_answer_has_a_bound_of_its_own_and_may_be_that_long() {
    const SMALL: usize = 64 * 1024;
    for place in [VERSIONS, LOGIN_TYPES, LOGIN] {
        let longest = login_with(place, padded(place, SMALL)).await;
        // The server has not seen the login that was answered in its place, and knows nobody.
        assert!(longest.is_ok() || place == LOGIN, "{place}: {longest:?}");
        let outcome = login_with(place, padded(place, SMALL + 1)).await;
        let Err(LoginError::Server(error)) = outcome else {
            panic!("{place}: {outcome:?}");
        };
        assert!(words(&error).contains("more than 65536 bytes"), "{error}");
    }

    const DEVICES: usize = 1024 * 1024;
    let victim = Victim::new().await;
    let user = victim.account.matrix_id();
    let (server, account) = (&victim.server, &victim.account);
    server.answer_times(QUERY, 1, padded(QUERY, DEVICES));
    account.devices_of(user).await.unwrap();
    server.answer_times(QUERY, 1, padded(QUERY, DEVICES + 1));
    let outcome = account.devices_of(user).await;
    let Err(DevicesError::Server(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(words(&error).contains("more than 1048576 bytes"), "{error}");

    const SYNC_ANSWER: usize = 64 * 1024 * 1024;
    server.answer_times(SYNC, 1, padded(SYNC, SYNC_ANSWER + 1));
    let outcome = account.start().await;
    let Err(StartError::Server(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(words(&error).contains("more than 67108864"), "{error}");
    server.answer_times(SYNC, 1, padded(SYNC, SYNC_ANSWER));
    account.start().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_compressed_is_said_to_be_so_wherever_it_comes() {
    let compressed = || Answer::gzip(r#"{"versions":["v1.11"],"next_batch":"s""#, 0, "}");
    for place in [VERSIONS, LOGIN_TYPES, LOGIN, QUERY, SYNC] {
        let outcome = login_with(place, compressed()).await;
        let Err(LoginError::Server(error)) = outcome else {
            panic!("{place}: {outcome:?}");
        };
        assert!(words(&error).contains("compressed"), "{place}: {error}");
    }
    // Saying that it is as it is says nothing.
    let head = ["Content-Encoding: identity"];
    let plain = Answer::json("200 OK", &head, r#"{"versions":["v1.11"]}"#);
    login_with(VERSIONS, plain).await.unwrap();
}

#[tokio::test]
async fn a_sync_is_answered_with_200_or_not_at_all() {
    let victim = Victim::new().await;
    for status in ["201 Created", "206 Partial Content"] {
        let answer = Answer::json(status, &[], r#"{"next_batch":"s7"}"#);
        victim.server.answer_times(SYNC, 1, answer);
        let outcome = victim.account.start().await;
        let Err(StartError::Server(error)) = outcome else {
            panic!("{status}: {outcome:?}");
        };
        assert!(words(&error).contains("not as Matrix has it"), "{error}");
    }
    // Nothing of it was believed.
    victim.account.start().await.unwrap();
    assert_eq!(victim.server.requests("since=s7"), 0);
}

/// A homeserver that sends us elsewhere would hand our password or our token on.
#[tokio::test]
async fn no_request_follows_a_redirect() {
    let elsewhere = HostileHomeserver::start().unwrap();
    let to = |path: &str| {
        let location = format!("Location: {}{path}", elsewhere.base_url());
        Answer::json("307 Temporary Redirect", &[&location], "{}")
    };
    for (place, path) in [
        (VERSIONS, "/_matrix/client/versions"),
        (LOGIN_TYPES, "/_matrix/client/v3/login"),
        (LOGIN, "/_matrix/client/v3/login"),
        (QUERY, "/_matrix/client/v3/keys/query"),
        (SYNC, "/_matrix/client/v3/sync"),
    ] {
        let outcome = login_with(place, to(path)).await;
        assert!(
            matches!(
                outcome,
                Err(LoginError::Server(ServerError::Redirected { .. }))
            ),
            "{place}: {outcome:?}"
        );
    }
    assert_eq!(elsewhere.requests(""), 0);
}

/// The answer to a log-out has no content that anybody would miss.
#[tokio::test]
async fn what_needs_no_content_is_not_done_by_a_login_page_of_the_network() {
    const LOGOUT: &str = "POST /_matrix/client/v3/logout";
    let page = "<!DOCTYPE html><title>Welcome</title>";
    let to = "Location: https://user:secret@portal.test:8443/login?mac=1";
    let Victim {
        server,
        account,
        store,
        directory: _directory,
    } = Victim::new().await;
    for (status, head, body, words) in [
        ("200 OK", "X-Portal: 1", page, "a web page"),
        ("302 Found", to, page, "on to https://portal.test:8443;"),
        (
            "307 Temporary Redirect",
            "X-Portal: 1",
            "{}",
            "another address",
        ),
    ] {
        server.answer(LOGOUT, Answer::json(status, &[head], body));
        let outcome = account.clone().logout().await;
        let Err(LogoutError::Server(error)) = outcome else {
            panic!("{status}: {outcome:?}");
        };
        assert!(error.to_string().contains(words), "{status}: {error}");
        assert!(store.exists());
    }
    server.behave();
    account.logout().await.unwrap();
    assert!(!store.exists());
}

/// One answer of many servers in trouble: the message may be there, so it is for the caller to send another.
#[tokio::test]
async fn a_fault_of_the_homeserver_is_told_at_once_and_a_pause_is_kept() {
    const CLAIM: &str = "/keys/claim";
    let victim = Victim::new().await;
    let fault = r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#;
    for (status, body) in [
        ("500 Internal Server Error", fault),
        ("502 Bad Gateway", "<html></html>"),
        ("503 Service Unavailable", "{}"),
    ] {
        let before = victim.server.requests(CLAIM);
        let answer = Answer::json(status, &["Retry-After: 1"], body);
        victim.server.answer_times(CLAIM, 1, answer);
        let outcome = victim.send_to_itself().await;
        let Err(SendError::Server(ServerError::Unreachable {
            reason,
            may_have_arrived: true,
        })) = outcome
        else {
            panic!("{status}: {outcome:?}");
        };
        assert!(reason.contains(status), "{reason}");
        assert_eq!(victim.server.requests(CLAIM) - before, 1, "{status}");
    }
    let before = victim.server.requests(CLAIM);
    let body = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Wait","retry_after_ms":1}"#;
    let wait = Answer::json("429 Too Many Requests", &[], body);
    victim.server.answer_times(CLAIM, 1, wait);
    let outcome = victim.send_to_itself().await;
    assert!(
        matches!(outcome, Err(SendError::NoOneTimeKey { .. })),
        "{outcome:?}"
    );
    assert_eq!(victim.server.requests(CLAIM) - before, 2);
}

/// By our own resolver: no name service of a test machine knows them.
#[tokio::test]
async fn names_of_this_machine_lead_to_it() {
    let server = HostileHomeserver::start().unwrap();
    server.answer("/.well-known/", Answer::json("404 Not Found", &[], "{}"));
    let port = server.base_url().rsplit(':').next().unwrap().to_owned();
    for name in ["localhost", "securecall.localhost", "a.b.LOCALHOST."] {
        let address = Homeserver::new(&format!("http://{name}:{port}")).unwrap();
        let found = address.discover(Purpose::NewAccount).await.unwrap();
        assert_eq!(found.url(), address.url());
    }
}

#[tokio::test]
async fn what_the_document_of_a_name_may_say_is_bounded() {
    const LONGEST: usize = 64 * 1024;
    let (name, server) = (
        HostileHomeserver::start().unwrap(),
        HostileHomeserver::start().unwrap(),
    );
    let address = Homeserver::new(&name.base_url()).unwrap();
    let document = format!(
        r#"{{"m.homeserver":{{"base_url":"{}"}}}}"#,
        server.base_url()
    );
    let answer = |length: usize| {
        let spaces = " ".repeat(length - document.len());
        Answer::json("200 OK", &[], &format!("{document}{spaces}"))
    };
    name.answer_times("/.well-known/", 1, answer(LONGEST));
    let found = address.discover(Purpose::NewAccount).await.unwrap();
    assert_eq!(found.found_by().unwrap().url(), address.url());

    name.answer(VERSIONS, Answer::json("404 Not Found", &[], "{}"));
    for (unclear, reason) in [
        (answer(LONGEST + 1), "longer than 65536 bytes"),
        (Answer::json("500 Oh", &[], &document), "500"),
        (Answer::json("201 Created", &[], &document), "201"),
    ] {
        name.answer_times("/.well-known/", 1, unclear);
        let outcome = address.discover(Purpose::NewAccount).await;
        let Err(DiscoveryError::Unclear { reason: told, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(told.contains(reason), "{told}");
    }
}

#[tokio::test]
async fn a_name_may_send_on_five_times() {
    const WELL_KNOWN: &str = "/.well-known/matrix/client";
    let name = HostileHomeserver::start().unwrap();
    let address = Homeserver::new(&name.base_url()).unwrap();
    let on = Answer::json("302 Found", &["Location: /.well-known/matrix/client"], "");
    name.answer(WELL_KNOWN, Answer::json("404 Not Found", &[], ""));
    name.answer_times(WELL_KNOWN, 5, on.clone());
    let found = address.discover(Purpose::NewAccount).await.unwrap();
    assert_eq!(found.url(), address.url());
    assert_eq!(name.requests(WELL_KNOWN), 6);

    name.answer(VERSIONS, Answer::json("404 Not Found", &[], "{}"));
    name.answer(WELL_KNOWN, on);
    let outcome = address.discover(Purpose::NewAccount).await;
    let Err(DiscoveryError::Unclear { reason, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(reason.contains("without end"), "{reason}");
    assert_eq!(name.requests(WELL_KNOWN), 12);
}

#[tokio::test]
async fn what_a_name_says_counts_for_a_new_account_and_may_be_wrong_for_an_old_one() {
    const WELL_KNOWN: &str = "/.well-known/matrix/client";
    let (name, none) = (
        HostileHomeserver::start().unwrap(),
        HostileHomeserver::start().unwrap(),
    );
    none.answer("", Answer::json("404 Not Found", &[], "{}"));
    let address = Homeserver::new(&name.base_url()).unwrap();
    let delegation = |to: &str| {
        let document = format!(r#"{{"m.homeserver":{{"base_url":"{to}"}}}}"#);
        Answer::json("200 OK", &[], &document)
    };
    for (to, is_unusable) in [
        (none.base_url().as_str(), false),
        ("ftp://example.test", true),
    ] {
        name.answer(WELL_KNOWN, delegation(to));
        match address.discover(Purpose::NewAccount).await {
            Err(DiscoveryError::Unusable { .. }) => assert!(is_unusable, "{to}"),
            Err(DiscoveryError::Delegate { .. }) => assert!(!is_unusable, "{to}"),
            other => panic!("{to}: {other:?}"),
        }
        let found = address.discover(Purpose::ExistingAccount).await.unwrap();
        assert_eq!(found.url(), address.url());
    }
    // Where it says nothing, it is what there is no homeserver at.
    let address = Homeserver::new(&none.base_url()).unwrap();
    let outcome = address.discover(Purpose::NewAccount).await;
    assert!(
        matches!(outcome, Err(DiscoveryError::Server(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_inbox_that_is_never_empty_is_drained_for_a_while() {
    let victim = Victim::new().await;
    let event = r#"{"type":"org.example.other","sender":"@x:y.test","content":{}}"#;
    let body = format!(r#"{{"next_batch":"s2","to_device":{{"events":[{event}]}}}}"#);
    victim
        .server
        .answer(SYNC, Answer::json("200 OK", &[], &body));
    let before = victim.server.requests(SYNC);
    victim.account.drain().await.unwrap();
    assert_eq!(victim.server.requests(SYNC) - before, 5);
    // One that is empty is asked for what has come once.
    victim.server.behave();
    let before = victim.server.requests(SYNC);
    victim.account.drain().await.unwrap();
    assert_eq!(victim.server.requests(SYNC) - before, 1);
}
