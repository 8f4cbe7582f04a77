//! The notification on the desktop: a real call, a real bus, and a desktop that presses buttons.

use serde_json::Value;

use crate::command::Machine;
use crate::session_bus::{Asked, Desktop, SessionBus, press_as};
use crate::talker::{Talker, User, last};

const BUTTONS: &[&str] = &["actions", "body", "body-markup"];

/// Runs `listen` of a user whose desktop is on this bus.
fn listen(user: &User, bus: &SessionBus, arguments: &[&str]) -> Talker {
    let audio = ["--mic", "tone:440", "--speaker", "null"];
    let mut command = user
        .machine
        .command(&[&["--json", "listen", "--once"][..], arguments, &audio].concat());
    command.env("DBUS_SESSION_BUS_ADDRESS", &bus.address);
    let mut listener = Talker::start(command);
    listener.wait_for("ready");
    listener
}

#[test]
fn a_call_is_answered_on_the_desktop() {
    let (ada, bo) = User::acquainted();
    let bus = SessionBus::start();
    let desktop = Desktop::on(&bus, BUTTONS);
    let mut listener = listen(&bo, &bus, &[]);
    let mut caller = ada.talk(&["call", "peer"]);

    let shown = desktop.shown();
    assert_eq!(
        (shown.summary.as_str(), shown.body.as_str()),
        ("Incoming call", "peer")
    );
    assert_eq!(shown.actions, ["answer", "Answer", "decline", "Decline"]);
    // No history keeps who called.
    assert_eq!(shown.hints["transient"], true.into());
    // Of another notification, and no button of ours: nothing happens.
    desktop.press(shown.number + 1, "decline");
    desktop.press(shown.number, "snooze");
    desktop.press(shown.number, "answer");

    listener.wait_for("connected");
    caller.wait_for("connected");
    assert!(matches!(desktop.next(), Asked::Close(number) if number == shown.number));
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    let (code, rest) = listener.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("remote_hangup"))
    );
    assert!(desktop.rest().is_empty());
}

#[test]
fn a_call_is_declined_on_the_desktop_and_only_by_the_desktop() {
    let (ada, bo) = User::acquainted();
    let bus = SessionBus::start();
    let desktop = Desktop::on(&bus, BUTTONS);
    let listener = listen(&bo, &bus, &[]);
    let caller = ada.talk(&["call", "peer"]);
    let shown = desktop.shown();

    // Another program on the bus, which is not the notification service, presses first.
    press_as(&bus.connect(), shown.number, "answer");
    desktop.press(shown.number, "decline");

    let (code, rest) = caller.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (4, &Value::from("declined"))
    );
    let (code, rest) = listener.end();
    assert_eq!(
        (code, &last(&rest, "ended")["reason"]),
        (0, &Value::from("local_reject"))
    );
}

#[test]
fn a_notification_goes_away_when_the_ringing_ends() {
    let (ada, bo) = User::acquainted();
    let bus = SessionBus::start();
    let desktop = Desktop::on(&bus, BUTTONS);

    let listener = listen(&bo, &bus, &[]);
    let mut caller = ada.talk(&["call", "peer"]);
    let shown = desktop.shown();
    // Who is gone before it hears that it rings tells nobody, and the other side rings until the call's time is over.
    caller.wait_for("ringing");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert!(matches!(desktop.next(), Asked::Close(number) if number == shown.number));
    let (code, rest) = listener.end();
    assert_eq!(
        (code, &last(&rest, "missed")["why"]),
        (4, &Value::from("caller_cancelled"))
    );

    // Answered by an order, not on the desktop.
    let mut listener = listen(&bo, &bus, &[]);
    let mut caller = ada.talk(&["call", "peer"]);
    let shown = desktop.shown();
    listener.order("answer");
    assert!(matches!(desktop.next(), Asked::Close(number) if number == shown.number));
    listener.wait_for("connected");
    // A button that was pressed too late does nothing.
    desktop.press(shown.number, "decline");
    caller.wait_for("connected");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(listener.end().0, 0);
}

#[test]
fn a_notification_that_is_swept_away_does_not_end_the_call() {
    let (ada, bo) = User::acquainted();
    let bus = SessionBus::start();
    // A desktop without buttons, which takes text as it is.
    let desktop = Desktop::on(&bus, &["body"]);
    bo.machine
        .json(&["contact", "rename", "peer", "Bank & <b>Co</b>"]);
    let mut listener = listen(&bo, &bus, &[]);
    let mut caller = ada.talk(&["call", "peer"]);
    let shown = desktop.shown();
    assert_eq!(shown.body, "Bank & <b>Co</b>");
    assert!(shown.actions.is_empty());
    desktop.dismiss(shown.number);

    listener.order("answer");
    listener.wait_for("connected");
    caller.wait_for("connected");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(listener.end().0, 0);
    // Whether it was swept away or answered first is for the bus to say; nothing is shown again.
    let rest = desktop.rest();
    assert!(
        rest.iter().all(|asked| matches!(asked, Asked::Close(_))),
        "{rest:?}"
    );
}

#[test]
fn names_are_text_and_strangers_are_an_id() {
    let (ada, bo) = User::acquainted();
    let bus = SessionBus::start();
    let desktop = Desktop::on(&bus, BUTTONS);
    bo.machine
        .json(&["contact", "rename", "peer", "Bank & <b>Co</b>"]);
    let listener = listen(&bo, &bus, &[]);
    let caller = ada.talk(&["call", "peer"]);
    let shown = desktop.shown();
    assert_eq!(shown.body, "Bank &amp; &lt;b&gt;Co&lt;/b&gt;");
    desktop.press(shown.number, "decline");
    caller.end();
    listener.end();

    bo.machine.json(&["contact", "remove", "Bank & <b>Co</b>"]);
    let _ = desktop.rest();
    let listener = listen(&bo, &bus, &["--route", "direct"]);
    let caller = ada.talk(&["call", "peer"]);
    let shown = desktop.shown();
    assert_eq!(shown.body, format!("A stranger: {}", ada.id));
    desktop.press(shown.number, "decline");
    assert_eq!(caller.end().0, 4);
    listener.end();
}

#[test]
fn a_group_that_rings_says_who_asks_and_how_many_and_is_answered_on_the_desktop() {
    let (ada, bo) = User::acquainted();
    let cy = User::new();
    ada.add(&cy, "cy");
    let bus = SessionBus::start();
    let desktop = Desktop::on(&bus, BUTTONS);
    bo.machine
        .json(&["contact", "rename", "peer", "Bank & <b>Co</b>"]);
    let mut listener = listen(&bo, &bus, &[]);
    // Who does not listen is asked as well.
    let mut caller = ada.talk(&["call", "peer", "cy"]);
    let shown = desktop.shown();
    assert_eq!(
        shown.body,
        "Group call of 3 people: Bank &amp; &lt;b&gt;Co&lt;/b&gt;"
    );
    desktop.press(shown.number, "answer");
    listener.wait_for("member_joined");
    assert!(matches!(desktop.next(), Asked::Close(number) if number == shown.number));
    caller.wait_for("member_joined");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(listener.end().0, 0);
    assert!(desktop.rest().is_empty());
}

#[test]
fn nothing_is_shown_where_it_is_not_wanted_or_nobody_needs_to_answer() {
    let (ada, bo) = User::acquainted();
    let bus = SessionBus::start();
    let desktop = Desktop::on(&bus, BUTTONS);

    // What is answered by itself.
    let mut listener = listen(&bo, &bus, &["--answer", "contacts"]);
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("connected");
    listener.wait_for("connected");
    caller.order("hangup");
    assert_eq!(caller.end().0, 0);
    assert_eq!(listener.end().0, 0);

    std::fs::write(
        bo.machine.profile().join("config.toml"),
        "notifications = 'off'\n",
    )
    .unwrap();
    let mut listener = listen(&bo, &bus, &[]);
    let caller = ada.talk(&["call", "peer"]);
    listener.wait_for("incoming");
    listener.order("reject");
    assert_eq!(caller.end().0, 4);
    // The end of the program waits for what it shows.
    listener.end();
    assert!(desktop.rest().is_empty());
}

#[test]
fn a_ring_tone_that_cannot_be_played_is_refused_before_the_program_goes_on_line() {
    let (_, bo) = User::acquainted();
    let machine: &Machine = &bo.machine;
    let picture = machine.file("tone.wav", b"fLaC\0\0\0\x22 and more");
    let arguments = [
        "listen",
        "--ring",
        picture.to_str().unwrap(),
        "--mic",
        "null",
        "--speaker",
        "null",
    ];
    let (code, error) = machine.refused(&arguments);
    assert_eq!((code, &error["kind"]), (2, &Value::from("invalid_audio")));
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .ends_with("is a FLAC file, not a WAV file"),
        "{error}"
    );
}
