//! A homeserver that answers with anything at all, and the real program's memory meanwhile.

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use securecall_interop::{Answer, HostileHomeserver, peak_kib};

use crate::command::{Machine, expect};
use crate::talker::Talker;

/// What the program may take at most while it is fed by a homeserver.
const MAX_MEMORY_KB: u64 = 100 * 1024;

/// Looks at the memory of a process until it is dropped: what it took at most, in KiB. A body that is held as a whole grows
/// for seconds, so a look every few milliseconds sees it.
struct Watch {
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Watch {
    #[expect(
        clippy::disallowed_methods,
        reason = "watches a process that it has no other word from"
    )]
    fn over(process: u32) -> Self {
        let most = Arc::new(AtomicU64::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        let watch = Self {
            most: Arc::clone(&most),
            is_over: Arc::clone(&is_over),
        };
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                most.fetch_max(peak_kib(process).unwrap_or(0), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(3));
            }
        });
        watch
    }

    fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Bodies that nobody can hold.
fn without_end() -> [Answer; 3] {
    [
        Answer::endless("{\"a\":\"", "x"),
        Answer::endless("{\"a\":[", "[],"),
        Answer::gzip("{\"versions\":[\"v1.11\"],\"a\":\"", 512, "\"}"),
    ]
}

/// A sync of 40 MB: thousands of events that are for us as far as can be seen, and a single one of 20 MB.
fn large_sync() -> Answer {
    Answer::written(|client| {
        client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        let mut client = std::io::BufWriter::new(client);
        let filler = "x".repeat(1_000);
        client.write_all(b"{\"to_device\":{\"events\":[")?;
        let event = format!(
            r#"{{"type":"m.room.encrypted","sender":"@x:y.test","content":{{"algorithm":"m.olm.v1.curve25519-aes-sha2","sender_key":"a","ciphertext":{{"a":{{"type":0,"body":"{filler}"}}}}}}}}"#
        );
        for _ in 0..20_000 {
            write!(client, "{event},")?;
        }
        client.write_all(b"{\"type\":\"m.room.encrypted\",\"content\":\"")?;
        for _ in 0..20_000 {
            client.write_all(filler.as_bytes())?;
        }
        client.write_all(b"\"}]},\"next_batch\":\"s2\"}")?;
        client.flush()?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    })
}

fn login(server: &HostileHomeserver, machine: &Machine) -> Command {
    let url = server.base_url();
    let arguments = [
        "--json",
        "login",
        "--homeserver",
        &url,
        "--user",
        "@victim:homeserver.test",
    ];
    let mut command = machine.command(&arguments);
    command.env("SECURECALL_PASSWORD", "password");
    command
}

#[test]
fn a_login_at_a_homeserver_without_end_takes_no_memory_and_names_it() {
    for place in [
        "/versions",
        "GET /_matrix/client/v3/login",
        "POST /_matrix/client/v3/login",
        "/sync",
        "/keys/query",
    ] {
        for answer in without_end() {
            let server = HostileHomeserver::start().unwrap();
            server.answer(place, answer);
            let (machine, _) = Machine::with_identity();
            let mut running = Talker::start(login(&server, &machine));
            let watch = Watch::over(running.process_id());
            let error = running.wait_for("error");
            let (code, _) = running.end();
            // A sync has 64 MB and two minutes: a slow machine comes to the end of the time first.
            let is_late = place == "/sync" && error["kind"] == "homeserver_unreachable";
            let kind = match is_late {
                true => "homeserver_unreachable",
                false => "homeserver_fault",
            };
            let error = expect((code, error), 5, kind);
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("the homeserver"), "{error}");
            assert!(
                watch.most() > 0 && watch.most() < MAX_MEMORY_KB,
                "{place}: {} kB",
                watch.most()
            );
        }
    }
}

#[test]
fn a_listener_goes_on_whatever_a_sync_brings() {
    let server = HostileHomeserver::start().unwrap();
    let (machine, _) = Machine::with_identity();
    let ended = crate::command::end(&mut login(&server, &machine));
    assert_eq!(ended.code, 0, "{ended:?}");

    server.answer_times("/sync", 2, large_sync());
    let mut listener =
        Talker::start(machine.command(&["--json", "listen", "--mic", "null", "--speaker", "null"]));
    let watch = Watch::over(listener.process_id());
    listener.wait_for("ready");
    for answer in without_end() {
        server.answer("/sync", answer);
        listener.wait_for("offline");
        server.behave();
        listener.wait_for("online");
    }
    server.answer_times("/sync", 2, large_sync());
    while server.requests("since=s2") == 0 {
        thread::yield_now();
    }
    assert!(
        watch.most() > 0 && watch.most() < MAX_MEMORY_KB,
        "{} kB",
        watch.most()
    );
    listener.signal(libc::SIGINT);
    assert_eq!(listener.end().0, 130);
}

#[test]
fn a_listener_waits_for_a_homeserver_that_is_not_there_yet_and_a_call_does_not() {
    let server = HostileHomeserver::start().unwrap();
    let (machine, _) = Machine::with_identity();
    let (_, other) = Machine::with_identity();
    let ended = crate::command::end(&mut login(&server, &machine));
    assert_eq!(ended.code, 0, "{ended:?}");
    server.answer(
        "/sync",
        Answer::json("502 Bad Gateway", &[], "<html></html>"),
    );
    expect(
        machine.refused(&[
            "call",
            &other,
            "--mic",
            "null",
            "--speaker",
            "null",
            "--route",
            "direct",
        ]),
        5,
        "homeserver_unreachable",
    );
    let mut listener =
        Talker::start(machine.command(&["--json", "listen", "--mic", "null", "--speaker", "null"]));
    listener.wait_for("offline");
    server.behave();
    listener.wait_for("online");
    listener.wait_for("ready");
    listener.signal(libc::SIGINT);
    assert_eq!(listener.end().0, 130);
}
