//! `call` and `listen` over a real homeserver, as scripts drive them.

use serde_json::Value;

use crate::command::text;
use crate::talker::{Talker, User, homeserver, last};

#[test]
fn two_people_talk_and_the_call_ends_when_its_time_is_over() {
    let (ada, bo) = User::acquainted();
    let recording = ada.machine.file("heard.wav", "");
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    assert_eq!(callee.wait_for("ready")["matrix_id"], bo.matrix_id);
    let audio = ["--mic", "tone:300", "--speaker", text(&recording)];
    let mut caller = ada.start(&[&["call", "PEER", "--duration", "2.5"], &audio[..]].concat());

    let dialing = caller.wait_for("dialing");
    assert!(dialing["startup_ms"].is_u64());
    assert_eq!(dialing["peer"]["name"], "peer");
    let incoming = callee.wait_for("incoming");
    assert_eq!(
        (&incoming["peer"]["id"], &incoming["answered"]),
        (&Value::from(ada.id.as_str()), &Value::from(true))
    );

    let here = caller.wait_for("connected");
    // The callee may hear something before the words have come, over Matrix, and is told of it behind them.
    let [there, first_audio] = [(); 2].map(|()| callee.wait_for_any(&["connected", "first_audio"]));
    assert_eq!(
        (&there["event"], &first_audio["event"]),
        (&Value::from("connected"), &Value::from("first_audio"))
    );
    assert_eq!(
        (&here["tier"], &here["route"]),
        (&Value::from("securecall"), &Value::from("direct"))
    );
    assert_eq!(here["safety_words"], there["safety_words"]);
    assert_eq!(here["safety_words"].as_array().unwrap().len(), 4);
    assert_eq!(here["peer"]["id"], bo.id);
    assert_eq!(there["peer"]["matrix_id"], ada.matrix_id);
    assert!(caller.wait_for("first_audio")["setup_ms"].is_u64());
    let stats = caller.wait_for("stats");
    assert!(
        (0.0..=1.0).contains(&stats["loss"].as_f64().unwrap()),
        "{stats}"
    );
    assert_eq!(stats["frames_refused"], 0);

    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("local_hangup"))
    );
    assert!(last(&rest, "ended")["duration_ms"].as_u64().unwrap() >= 2500);
    let (code, rest) = callee.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("remote_hangup"))
    );
    let mut heard = hound::WavReader::open(&recording).unwrap();
    assert!(heard.duration() > 48_000, "{} samples", heard.duration());
    assert!(
        heard
            .samples::<i16>()
            .any(|sample| sample.unwrap().abs() > 3000),
        "nothing was heard"
    );
}

#[test]
fn a_log_of_everything_holds_no_password_of_the_call() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let audio = ["--mic", "tone:300", "--speaker", "null"];
    let call = [&["--json", "call", "peer"], &audio[..]].concat();
    let mut command = ada.machine.command(&call);
    command.env("SECURECALL_LOG", "trace,is=trace,str0m=trace");
    let mut caller = Talker::start(command);
    for side in [&mut caller, &mut callee] {
        side.wait_for("first_audio");
    }
    caller.order("hangup");
    let log = caller.end_with_log();
    assert!(log.contains(" TRACE "), "{log}");
    for name in ["IceCreds", "pwd", "ufrag", "username: \"", "split_username"] {
        let line = log.lines().find(|line| line.contains(name));
        assert_eq!(line, None, "{name}");
    }
    assert_eq!(callee.end().0, 0);
}

#[test]
fn a_script_answers_mutes_and_hangs_up() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen"]);
    callee.wait_for("ready");
    callee.order("answer");
    assert_eq!(callee.wait_for("error")["kind"], "not_now");
    callee.order("dance");
    assert_eq!(callee.wait_for("error")["kind"], "usage");
    callee.order("microphone null");
    assert_eq!(callee.wait_for("error")["kind"], "not_now");
    let mut caller = ada.talk(&["call", &bo.id, "--muted"]);
    assert_eq!(callee.wait_for("incoming")["answered"], false);
    caller.wait_for("ringing");
    callee.order("answer");
    caller.wait_for("connected");
    callee.wait_for("connected");
    // From the beginning.
    assert_eq!(callee.wait_for("muted")["muted"], true);
    caller.order("unmute");
    assert_eq!(callee.wait_for("muted")["muted"], false);
    caller.order("mute");
    assert_eq!(caller.wait_for("muted")["by"], "self");
    let muted = callee.wait_for("muted");
    assert_eq!(
        (&muted["by"], &muted["muted"]),
        (&Value::from("peer"), &Value::from(true))
    );
    caller.order("unmute");
    assert_eq!(callee.wait_for("muted")["muted"], false);
    caller.order("microphone tone:880");
    assert_eq!(
        caller.wait_for("notice")["message"],
        "the microphone is now tone:880"
    );
    caller.order("speaker raw:/nowhere/at/all");
    assert_eq!(caller.wait_for("error")["kind"], "invalid_audio");
    callee.order("hangup");
    assert_eq!(callee.wait_for("ended")["reason"], "local_hangup");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("remote_hangup"))
    );
    // Listening goes on, and a listener may call.
    callee.order("call nobody");
    assert_eq!(callee.wait_for("error")["kind"], "unknown_contact");
    callee.order("quit");
    assert_eq!(callee.end().0, 0);
}

#[test]
fn a_declined_call_ends_with_the_peers_exit_code() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--once"]);
    callee.wait_for("ready");
    let caller = ada.talk(&["call", "peer"]);
    callee.wait_for("incoming");
    callee.order("reject");
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (4, &Value::from("declined"))
    );
    assert_eq!(last(&rest, "ended")["duration_ms"], 0);
    let (code, rest) = callee.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("local_reject"))
    );
}

#[test]
fn somebody_the_homeserver_does_not_know_is_unknown() {
    let ada = User::new();
    let stranger = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
    let link = format!(
        "securecall://contact/{stranger}?server={}",
        homeserver().server_name()
    );
    ada.machine
        .json(&["contact", "add", &link, "--name", "ghost"]);
    let (code, rest) = ada.talk(&["call", "ghost"]).end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (4, &Value::from("unknown"))
    );
}

#[test]
fn a_stranger_does_not_get_our_address_by_default() {
    let (ada, bo) = (User::new(), User::new());
    let (code, rest) = ada.talk(&["call", &bo.matrix_id]).end();
    assert_eq!(
        (code, &last(&rest, "error")["kind"]),
        (3, &Value::from("no_relay"))
    );
    // Nor do we take a stranger's call that way: it is refused without ringing.
    let mut callee = bo.talk(&["listen"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", &bo.matrix_id, "--route", "direct"]);
    let refused = callee.wait_for("refused");
    assert_eq!(
        (&refused["why"], &refused["peer"]["id"]),
        (&Value::from("no_relay"), &Value::from(ada.id.as_str()))
    );
    assert_eq!(refused["peer"]["name"], Value::Null);
    caller.order("hangup");
    assert_eq!(caller.wait_for("ended")["reason"], "cancelled");
}

#[test]
fn one_process_at_a_time_uses_the_account_and_the_rest_works_beside_it() {
    let ada = User::new();
    let mut first = ada.talk(&["listen"]);
    first.wait_for("ready");
    let logout = ["logout"];
    let call = [
        "call",
        "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab",
    ];
    for arguments in [&["listen"][..], &logout, &call] {
        let (code, error) = ada.machine.refused(arguments);
        assert_eq!((code, &error["kind"]), (6, &Value::from("profile_in_use")));
        let holder = format!("process {} (securecall listen)", first.process_id());
        assert!(
            error["message"].as_str().unwrap().ends_with(&holder),
            "{error}"
        );
    }
    ada.machine.json(&["id", "show"]);
    ada.machine.json(&["contact", "add", "@bo:example.org"]);
    first.order("quit");
    assert_eq!(first.end().0, 0);
    ada.machine.json(&["logout"]);
}

#[test]
fn a_contact_added_while_listening_may_call_at_once() {
    let (ada, bo) = (User::new(), User::new());
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    bo.machine
        .json(&["contact", "add", &ada.matrix_id, "--name", "Ada"]);
    ada.machine.json(&["contact", "add", &bo.matrix_id]);
    // The listener looks once a second; a caller that comes earlier is a stranger, and tries again.
    loop {
        let mut caller = ada.talk(&["call", &bo.matrix_id]);
        caller.wait_for("dialing");
        let event = callee.wait_for_any(&["refused", "connected"]);
        if event["event"] == "connected" {
            assert_eq!(event["peer"]["name"], "Ada");
            caller.wait_for("connected");
            caller.order("hangup");
            assert_eq!(caller.end().0, 0);
            break;
        }
        caller.order("hangup");
        caller.end();
    }
}

#[test]
fn microphones_that_cannot_be_used_are_named() {
    let ada = User::new();
    let file =
        |name: &str, content: &[u8]| ada.machine.file(name, content).to_str().unwrap().to_owned();
    let cases = [
        (file("empty.wav", b""), "is empty"),
        (
            file("text.wav", b"this is no sound at all, only words"),
            "is not a WAV file",
        ),
        (file("cut.wav", b"RIFF\x24\0\0\0WAVEfmt "), "WAV"),
        ("/nonexistent/voice.wav".to_owned(), "does not exist"),
        ("raw:/nonexistent/pipe".to_owned(), "does not exist"),
    ];
    for (microphone, said) in cases {
        let (code, error) =
            ada.machine
                .refused(&["listen", "--mic", &microphone, "--speaker", "null"]);
        assert_eq!(
            (code, &error["kind"]),
            (2, &Value::from("invalid_audio")),
            "{error}"
        );
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_while_it_rings_gives_the_call_up() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("ringing");
    caller.signal(libc::SIGINT);
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (130, &Value::from("cancelled"))
    );
    let (code, rest) = callee.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (4, &Value::from("caller_cancelled"))
    );
    assert_eq!(last(&rest, "missed")["peer"]["id"], ada.id);
}

#[cfg(unix)]
#[test]
fn an_interrupt_in_a_call_hangs_up_for_both() {
    let (ada, bo) = User::acquainted();
    let mut callee = bo.talk(&["listen", "--answer", "auto", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("first_audio");
    callee.wait_for("first_audio");
    caller.signal(libc::SIGTERM);
    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("local_hangup"))
    );
    let (code, rest) = callee.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("remote_hangup"))
    );
}

#[cfg(unix)]
#[test]
fn a_listener_that_is_interrupted_ends_with_the_signal() {
    let ada = User::new();
    let mut listener = ada.talk(&["listen"]);
    listener.wait_for("ready");
    listener.signal(libc::SIGHUP);
    assert_eq!(listener.end().0, 129);
}
