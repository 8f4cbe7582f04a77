//! What answers where a homeserver should be, and what a homeserver answers instead of what was asked.

use std::net::TcpListener;

use securecall_interop::{TlsFront, WebServer};
use serde_json::{Value, json};

use crate::command::{Machine, expect};
use crate::talker::homeserver;
use crate::web_names::{VERSIONS, fish, has_seen, open_session};

#[track_caller]
fn told(machine: &Machine, address: &str, kind: &str) -> String {
    let error = expect(
        machine.refused(&["register", "--homeserver", address]),
        5,
        kind,
    );
    error["message"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_no_homeserver_is_named_for_what_it_is() {
    let (machine, _) = Machine::with_identity();
    let page = "<!DOCTYPE html><title>Welcome</title>";
    for (status, body, kind, words) in [
        (
            "200 OK",
            page,
            "homeserver_fault",
            "with a web page, not as a Matrix homeserver; are you behind a login page",
        ),
        ("404 Not Found", page, "homeserver_fault", "with a web page"),
        (
            "302 Found\r\nLocation: https://u:p@portal.test/?mac=1",
            page,
            "homeserver_fault",
            "sends us on to https://portal.test;",
        ),
        (
            "511 Network Authentication Required",
            page,
            "homeserver_unreachable",
            "log in first",
        ),
        (
            "502 Bad Gateway",
            page,
            "homeserver_unreachable",
            "502 Bad Gateway",
        ),
        (
            "200 OK",
            "It works!",
            "homeserver_fault",
            "not as Matrix has it",
        ),
        (
            "200 OK",
            r#"{"versions":"all"}"#,
            "homeserver_fault",
            "not as Matrix has it",
        ),
        ("404 Not Found", "", "homeserver_fault", "404 Not Found"),
    ] {
        let server = WebServer::start().unwrap();
        server.answer("GET /", status, body);
        server.answer("GET /.well-known/matrix/client", "404 Not Found", "");
        let message = told(&machine, &server.base_url(), kind);
        assert!(message.contains(words), "{status}: {message}");
        assert!(
            !message.contains("deserialization") && !message.contains("u:p"),
            "{message}"
        );
    }
    // What catches every path of this machine's network does not answer 404 to the first question either.
    let portal = WebServer::start().unwrap();
    portal.answer("GET /", "200 OK", page);
    let message = told(&machine, &portal.base_url(), "homeserver_fault");
    assert!(message.contains("with a web page"), "{message}");

    let other = WebServer::start().unwrap();
    other.answer_raw("", "SSH-2.0-OpenSSH_9.9\r\n");
    let message = told(&machine, &other.base_url(), "homeserver_fault");
    assert!(message.contains("does not speak HTTP"), "{message}");
    let plain = format!("https://{}", other.address());
    let message = told(&machine, &plain, "homeserver_fault");
    assert!(message.contains("does not speak TLS"), "{message}");
    let front = TlsFront::start(other.address()).unwrap();
    let message = told(
        &machine,
        &format!("http://{}", front.address()),
        "homeserver_fault",
    );
    assert!(message.contains("https://?"), "{message}");
}

#[test]
fn a_web_page_in_place_of_a_later_answer_is_named_too() {
    let (machine, _) = Machine::with_identity();
    let page = "<!DOCTYPE html><title>Welcome</title>";
    for (status, words) in [
        ("200 OK", "a web page"),
        ("403 Forbidden", "a web page"),
        (
            "302 Found\r\nLocation: https://portal.test",
            "a login page of the network",
        ),
        ("511 Network Authentication Required", "log in first"),
    ] {
        let server = WebServer::start().unwrap();
        server.answer("GET /_matrix/client/versions", "200 OK", VERSIONS);
        server.answer("POST /_matrix/client/v3/register", status, page);
        let arguments = ["register", "--homeserver", &server.base_url()];
        let (code, error) = machine.refused(&arguments);
        let message = error["message"].as_str().unwrap();
        assert!(code == 5 && message.contains(words), "{status}: {message}");
    }
}

#[test]
fn an_account_that_was_not_asked_for_is_refused_and_its_session_ended() {
    let (machine, id) = Machine::with_identity();
    let own = format!("@sc_{id}:example.test");
    let other = "@sc_dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab:example.test";
    let session = |user: &str, device: Value, token: &str| json!({"user_id": user, "device_id": device, "access_token": token});
    let long = "D".repeat(256);
    for (session, kind, words, ended) in [
        (
            session(other, json!("D"), "t"),
            "login_refused",
            "instead of",
            true,
        ),
        (
            session("@alice:example.test", json!("D"), "t"),
            "login_refused",
            "instead of",
            true,
        ),
        (
            session(&own, json!(""), "t"),
            "homeserver_fault",
            "device ID",
            true,
        ),
        (
            session(&own, json!("D\u{1b}]0;x\u{7}"), "t"),
            "homeserver_fault",
            "device ID",
            true,
        ),
        (
            session(&own, json!(long), "t"),
            "homeserver_fault",
            "device ID",
            true,
        ),
        (
            session(&own, json!("D"), ""),
            "homeserver_fault",
            "access token",
            false,
        ),
        (
            session(&own, json!("D"), "t\r\nX: y"),
            "homeserver_fault",
            "access token",
            false,
        ),
        (
            session(&own, json!("D"), "täg"),
            "homeserver_fault",
            "access token",
            false,
        ),
        (
            session("@sc_short:example.test", json!("D"), "t"),
            "homeserver_fault",
            "Matrix ID",
            true,
        ),
        (
            session(&format!("@sc_{id}:exa mple"), json!("D"), "t"),
            "homeserver_fault",
            "",
            false,
        ),
    ] {
        let server = WebServer::start().unwrap();
        open_session(&server, &session);
        let message = told(&machine, &server.base_url(), kind);
        assert!(message.contains(words), "{session}: {message}");
        assert!(!message.contains('\u{1b}'), "{message:?}");
        if ended {
            assert!(
                has_seen(&server, "POST /_matrix/client/v3/logout"),
                "{session}"
            );
        }
        expect(machine.refused(&["logout"]), 2, "no_account");
    }

    // The same by `login`, where the whole Matrix ID was asked for.
    for user in [
        other,
        "@alice:example.test",
        &format!("@sc_{id}:other.test"),
    ] {
        let server = WebServer::start().unwrap();
        fish(&server);
        open_session(&server, &session(user, json!("D"), "t"));
        let session = session(user, json!("D"), "t").to_string();
        server.answer("POST /_matrix/client/v3/login", "200 OK", &session);
        let arguments = ["login", "--homeserver", &server.base_url(), "--user", &own];
        expect(machine.refused(&arguments), 5, "login_refused");
        assert!(
            has_seen(&server, "POST /_matrix/client/v3/logout"),
            "{user}"
        );
        expect(machine.refused(&["logout"]), 2, "no_account");
    }
}

#[test]
fn registration_that_leads_nowhere_is_said_plainly() {
    let (machine, _) = Machine::with_identity();
    for (flows, kind, words) in [
        (json!([]), "unsupported_login", "names no way"),
        (
            json!([{"stages": []}]),
            "homeserver_fault",
            "again and again",
        ),
        (json!([{}]), "homeserver_fault", "again and again"),
        (
            json!([{"stages": ["m.login.dummy"]}]),
            "homeserver_fault",
            "again and again",
        ),
        (
            json!([{"stages": vec!["m.login.dummy"; 50]}]),
            "unsupported_login",
            "needs m.login.dummy and",
        ),
        (
            json!([{"stages": ["m.login.recaptcha"]}]),
            "unsupported_login",
            "needs m.login.recaptcha,",
        ),
    ] {
        let server = WebServer::start().unwrap();
        server.answer("GET /_matrix/client/versions", "200 OK", VERSIONS);
        let challenge = json!({"session": "s", "flows": flows}).to_string();
        server.answer(
            "POST /_matrix/client/v3/register",
            "401 Unauthorized",
            &challenge,
        );
        let message = told(&machine, &server.base_url(), kind);
        assert!(message.contains(words), "{challenge}: {message}");
        assert!(!message.contains("needs ,"), "{message}");
        assert!(server.requests().len() < 12, "{:?}", server.requests());
    }
}

#[test]
fn names_of_this_machine_lead_to_it_without_a_name_service() {
    let port = homeserver().address().port();
    for host in ["securecall.localhost", "a.b.LOCALHOST", "localhost"] {
        let (machine, id) = Machine::with_identity();
        for given in [format!("http://{host}:{port}"), format!("{host}:{port}")] {
            let account = machine
                .json(&["register", "--homeserver", &given])
                .remove(0);
            let server = homeserver().server_name();
            assert_eq!(
                account["matrix_id"],
                format!("@sc_{id}:{server}"),
                "{given}"
            );
            machine.json(&["logout"]);
        }
    }
}

#[test]
fn a_password_in_the_address_is_refused_and_never_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (machine, id) = Machine::with_identity();
    let user = format!("@sc_{id}:example.test");
    for given in [
        format!("http://alice:hunter2@{address}"),
        format!("https://alice:hunter2@{address}"),
        format!("alice:hunter2@{address}"),
        format!("http://hunter2@{address}"),
        "https://alice:hunter2@exa mple.test".to_owned(),
    ] {
        for arguments in [
            &["-vv", "register", "--homeserver", &given][..],
            &["-vv", "login", "--user", &user, "--homeserver", &given],
        ] {
            let ended = machine.run(&[&["--json"], arguments].concat());
            assert!(!ended.stdout.contains("hunter2"), "{ended:?}");
            assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
            expect(ended.error(), 2, "invalid_server");
        }
    }
    assert!(listener.accept().is_err(), "somebody was asked");
    let error = machine.refused(&["register", "--homeserver", &user]);
    let error = expect(error, 2, "invalid_server");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("this is a Matrix ID")
    );
}
