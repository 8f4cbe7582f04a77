//! Contacts that go through other programs on their way: the landing page in a browser, a chat by matrix-js-sdk.
//!
//! `cargo xtask test` fetches and builds what these tests need.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::command::{end, end_with_input, text};
use crate::talker::{User, homeserver};

/// A file of this project.
fn of_project(path: &str) -> PathBuf {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    assert!(
        found.exists(),
        "{} is missing: `cargo xtask test` makes it",
        found.display()
    );
    found
}

fn share(user: &User, options: &[&str]) -> Value {
    let arguments = [&["contact", "share", "--name", "Ada"], options].concat();
    user.machine.json(&arguments).remove(0)
}

/// Calls a contact that was just added, until both are connected.
fn call(caller: &User, callee: &User, name: &str) {
    callee.add(caller, "caller");
    let mut listener = callee.talk(&["listen", "--answer", "contacts", "--once"]);
    listener.wait_for("ready");
    let mut calling = caller.talk(&["call", name]);
    assert_eq!(calling.wait_for("connected")["peer"]["id"], callee.id);
    listener.wait_for("connected");
    calling.order("hangup");
    assert_eq!((calling.end().0, listener.end().0), (0, 0));
}

#[test]
fn who_is_added_from_a_picture_can_be_called() {
    let (ada, bo) = (User::new(), User::new());
    let picture = bo.machine.file("ada.png", "");
    share(&ada, &["--png", text(&picture)]);
    bo.machine.json(&["contact", "add", text(&picture)]);
    call(&bo, &ada, "Ada");
}

#[test]
fn the_code_on_the_landing_page_is_read_from_a_picture_of_the_page() {
    of_project("apps/web/add/dist/index.html");
    let (ada, bo) = (User::new(), User::new());
    let link = share(&ada, &[]);
    for (name, options) in [
        ("light.png", &["--width", "390"][..]),
        ("dark.png", &["--dark", "--width", "1280"]),
    ] {
        let picture = bo.machine.file(name, "");
        let mut browser = Command::new("node");
        browser
            .arg(of_project("apps/web/add/test/screenshot.mjs"))
            .args([
                "--link",
                link["https"].as_str().unwrap(),
                "--out",
                text(&picture),
            ])
            .args(options);
        let ended = end(&mut browser);
        assert_eq!(ended.code, 0, "{ended:?}");
        let added = bo
            .machine
            .json(&["contact", "add", text(&picture)])
            .remove(0);
        assert_eq!(
            (&added["link"], &added["name"]),
            (&link["deep_link"], &Value::from("Ada"))
        );
    }
    call(&bo, &ada, "Ada");
}

#[test]
fn a_link_that_was_sent_in_a_chat_is_found_in_the_message() {
    let ada = User::new();
    let link = share(&ada, &[]);
    let (https, share_text) = (
        link["https"].as_str().unwrap(),
        link["text"].as_str().unwrap(),
    );
    let plain = json!({"msgtype": "m.text", "body": format!("Hi, as promised:\n\n{share_text}\n\nSee you!")});
    let formatted = json!({
        "msgtype": "m.text",
        "format": "org.matrix.custom.html",
        "body": format!("Hi, this is [my contact]({https}), *Ada*"),
        "formatted_body": format!("<p>Hi, this is <a href=\"{}\">my contact</a>, <em>Ada</em></p>", https.replace('&', "&amp;")),
    });
    let mut chat = Command::new("node");
    chat.arg(of_project("testing/interop/matrix-js-sdk/chat.mjs"))
        .arg(homeserver().base_url());
    of_project("testing/interop/matrix-js-sdk/node_modules");
    let ended = end_with_input(&mut chat, &format!("{plain}\n{formatted}\n"));
    assert_eq!(ended.code, 0, "{ended:?}");
    let received: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(received.len(), 2, "{received:?}");

    for (content, field) in [
        (&received[0], "body"),
        (&received[1], "body"),
        (&received[1], "formatted_body"),
    ] {
        let (bo, _) = crate::command::Machine::with_identity();
        let pasted = content[field].as_str().unwrap();
        let added = bo.run_with_input(&["--json", "contact", "add"], pasted);
        assert_eq!(added.code, 0, "{added:?}");
        assert_eq!(added.events()[0]["link"], link["deep_link"], "{pasted}");
    }
}
