//! A homeserver that answers with anything at all, and who is asked of what.

use securecall_interop::Answer;
use serde_json::Value;

use super::{AUDIO, at_a_hostile_homeserver, behind_a_front, doctor, whoami};
use crate::command::Ended;

#[test]
fn nobody_is_asked_but_the_own_homeserver_and_of_nothing_but_the_own_account() {
    let (machine, front) = behind_a_front();
    let before = front.requests().len();
    let told = doctor(&machine);
    assert_eq!(told.code, 0, "{:#?}", told.checks);
    let account = told.check("account")["message"].as_str().unwrap();
    let (user, device) = account.split_once(", device ").unwrap();
    let requests = front.requests().split_off(before);
    assert!(!requests.is_empty());
    for request in &requests {
        let known = [
            "GET /_matrix/client/versions ",
            "GET /.well-known/securecall/server.json ",
            "GET /_matrix/client/v3/account/whoami ",
            "GET /_matrix/client/v3/sync?",
            "GET /_matrix/client/v3/voip/turnServer ",
            "POST /_matrix/client/v3/keys/query ",
            "POST /_matrix/client/v3/keys/claim ",
            "POST /_matrix/client/v3/keys/upload ",
            "PUT /_matrix/client/v3/sendToDevice/m.room.encrypted/",
        ];
        assert!(
            known.iter().any(|line| request.line.starts_with(line)),
            "{}",
            request.line
        );
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        for field in ["device_keys", "one_time_keys", "messages"] {
            let Some(users) = body[field].as_object() else {
                continue;
            };
            if request.line.contains("/keys/upload") {
                continue;
            }
            assert_eq!(users.keys().collect::<Vec<_>>(), [user], "{}", request.line);
            if let Some(devices) = users[user].as_object() {
                assert_eq!(
                    devices.keys().collect::<Vec<_>>(),
                    [device],
                    "{}",
                    request.line
                );
            }
        }
    }
    let sent = requests.iter().filter(|it| it.line.starts_with("PUT"));
    assert_eq!(sent.count(), 1);
}

#[test]
fn a_homeserver_that_answers_anything_at_all_breaks_nothing() {
    let (machine, server) = at_a_hostile_homeserver();
    let hostile = "\u{1b}[2J\u{202e}\\n✓ all is well";
    let error = format!(r#"{{"errcode":"M_{hostile}","error":"{hostile}"}}"#);
    let versions = r#"{"versions":["\u001b[2J",""]}"#;
    let everywhere = [
        Answer::endless("{\"a\":\"", "x"),
        Answer::json("403 Forbidden", &[], &error),
    ];
    let at_some = [
        Answer::endless_head(),
        Answer::gzip("{\"versions\":[\"v1.11\"],\"a\":\"", 64, "\"}"),
        Answer::json("200 OK", &[], "null"),
        Answer::json("200 OK", &["Date: \u{1b}[2J"], versions),
        Answer::json("429 Too Many Requests", &["Retry-After: 9999"], "{}"),
    ];
    for (place, is_some) in [
        ("/versions", true),
        ("/whoami", false),
        ("/keys/query", false),
        ("/keys/upload", false),
        ("/keys/claim", false),
        ("/sync", false),
        ("/sendToDevice", false),
        ("/turnServer", true),
    ] {
        let more = at_some.iter().filter(|_| is_some);
        for answer in everywhere.iter().chain(more) {
            server.behave();
            server.answer("/whoami", whoami());
            server.answer(place, answer.clone());
            check_lines(place, &machine.run(&[&["doctor"], &AUDIO[..]].concat()));
        }
    }
}

/// Whatever has happened, people are told of it as of everything.
#[track_caller]
fn check_lines(place: &str, ended: &Ended) {
    assert!([0, 5].contains(&ended.code), "{place}: {ended:?}");
    let harmful = ['\u{1b}', '\u{202e}'];
    assert!(!ended.stdout.contains(harmful), "{place}: {ended:?}");
    assert!(ended.stderr.is_empty(), "{place}: {ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let (last, before) = lines.split_last().unwrap();
    for line in before {
        let begins = ["✓ ", "✗ ", "– ", "    "];
        assert!(
            begins.iter().any(|it| line.starts_with(it)),
            "{place}: {ended:?}"
        );
    }
    assert!(
        last.contains("wrong") || last.contains("well"),
        "{place}: {ended:?}"
    );
    // What has nothing to do with it is well.
    assert!(ended.stdout.contains("✓ microphone"), "{place}: {ended:?}");
}
