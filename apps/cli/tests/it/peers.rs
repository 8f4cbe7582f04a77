//! The command and matrix-js-sdk, the library inside Element Web, call each other over a real Synapse: each must hear the tone that
//! the other makes.
//!
//! All tests share one homeserver and one browser; each has users of its own.

mod course;
mod ends;
mod federated;
mod limits;
#[cfg(target_os = "linux")]
mod networks;
mod relayed;
mod several;
mod waiting;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use securecall_interop::{Homeserver, JsSdk, JsSdkCall, JsSdkCallState, JsSdkDevice, JsSdkLogin};
use serde_json::Value;

use crate::command::text;
use crate::ordinary::Ordinary;
use crate::recording::Recording;
use crate::talker::{Talker, homeserver};

/// What our microphone hears, in Hz.
const OUR_TONE: f32 = 440.0;
/// What theirs does.
const THEIR_TONE: f32 = 1000.0;
const PASSWORD: &str = "a password of theirs";

/// The browser of all these tests. It ends with the test process.
fn browser() -> &'static JsSdk {
    static BROWSER: OnceLock<JsSdk> = OnceLock::new();
    BROWSER.get_or_init(|| JsSdk::start().unwrap())
}

/// A new user of Element, with one device.
fn element() -> JsSdkDevice {
    element_at(homeserver(), false)
}

/// The same at another homeserver, with calls by its TURN servers only if that is wanted.
fn element_at(homeserver: &dyn Homeserver, force_turn: bool) -> JsSdkDevice {
    element_in(browser(), homeserver, force_turn)
}

/// The same in another browser.
fn element_in(browser: &JsSdk, homeserver: &dyn Homeserver, force_turn: bool) -> JsSdkDevice {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let user = format!("element{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let url = homeserver.base_url();
    browser.register(&url, &user, PASSWORD).unwrap();
    let login = JsSdkLogin {
        homeserver: &url,
        user: &user,
        password: PASSWORD,
        hertz: THEIR_TONE,
        force_turn,
    };
    browser.log_in(&login).unwrap()
}

/// A new device of a user of Element.
fn device_of(user: &str) -> JsSdkDevice {
    let login = JsSdkLogin {
        homeserver: &homeserver().base_url(),
        user,
        password: PASSWORD,
        hertz: THEIR_TONE,
        force_turn: false,
    };
    browser().log_in(&login).unwrap()
}

/// A user of the command who listens, a user of Element, and a room of the two.
struct Pair {
    ours: Ordinary,
    listener: Talker,
    recording: PathBuf,
    theirs: JsSdkDevice,
    room: String,
}

impl Pair {
    /// Element has made the room, and the listener, who takes calls of strangers, came.
    fn new(encrypted: bool, answer: &str) -> Self {
        let ours = Ordinary::new("ada");
        let options = ["--answer", answer, "--route", "direct"];
        Self::of(ours, element(), encrypted, &options)
    }

    /// The same of these two, the first of whom listens with these options.
    fn of(ours: Ordinary, theirs: JsSdkDevice, encrypted: bool, options: &[&str]) -> Self {
        Self::by(ours, theirs, encrypted, options, talk)
    }

    /// The same, where the listener is started in another way.
    fn by(
        ours: Ordinary,
        theirs: JsSdkDevice,
        encrypted: bool,
        options: &[&str],
        talk: impl FnOnce(&Ordinary, &Path, &[&str]) -> Talker,
    ) -> Self {
        let recording = ours.machine.file("heard.wav", "");
        // Nobody asks before its own calls.
        let listen = [&["listen", "--require", "any"], options].concat();
        let mut listener = talk(&ours, &recording, &listen);
        listener.wait_for("ready");
        let room = theirs
            .create_direct_room(&ours.account.matrix_id, encrypted)
            .unwrap();
        theirs
            .wait_for_member(&room, &ours.account.matrix_id)
            .unwrap();
        Self {
            ours,
            listener,
            recording,
            theirs,
            room,
        }
    }

    /// Orders a call to them; gives how it rings there.
    fn call_them(&mut self) -> JsSdkCall {
        self.listener
            .order(&format!("call {}", self.theirs.user_id()));
        is_standard(&self.listener.wait_for("dialing"), &self.theirs);
        self.theirs.wait_for_call().unwrap()
    }

    /// They call us and are answered; both hear the other.
    fn talk(&mut self) -> JsSdkCall {
        let call = self.theirs.place_call(&self.room, None).unwrap();
        is_standard(&self.listener.wait_for("incoming"), &self.theirs);
        self.is_up(&call);
        call
    }

    /// Both sides know of the call, and hear the other's tone.
    fn is_up(&mut self, call: &JsSdkCall) {
        let connected = self.listener.wait_for("connected");
        is_standard(&connected, &self.theirs);
        assert_eq!(
            (&connected["call_id"], &connected["safety_words"]),
            (&Value::from(call.id()), &Value::Null)
        );
        self.listener.wait_for("first_audio");
        call.wait_for(JsSdkCallState::Connected).unwrap();
        call.wait_for_tone(OUR_TONE).unwrap();
        self.stay();
    }

    /// Two seconds of the call or more, from now on.
    fn stay(&mut self) {
        // Figures come each second, and some wait since before.
        self.listener.so_far();
        for _ in 0..3 {
            self.listener.wait_for("stats");
        }
    }

    /// How the listener tells of the end, once both know of it; what the listener has heard meanwhile was them.
    fn ended(mut self, call: &JsSdkCall, reason: &str) {
        assert_eq!(self.listener.wait_for("ended")["reason"], reason);
        call.wait_for(JsSdkCallState::Ended).unwrap();
        self.quit().is_of(THEIR_TONE, OUR_TONE);
    }

    /// Ends the listener, and gives what it has heard.
    fn quit(mut self) -> Recording {
        self.listener.order("quit");
        assert_eq!(self.listener.end().0, 0);
        Recording::read(&self.recording)
    }
}

/// Runs `call` or `listen` with our tone, and records what it hears.
fn talk(ours: &Ordinary, recording: &Path, arguments: &[&str]) -> Talker {
    Talker::start(command(ours, recording, arguments))
}

fn command(ours: &Ordinary, recording: &Path, arguments: &[&str]) -> Command {
    let tone = format!("tone:{OUR_TONE}");
    let audio = ["--mic", &tone, "--speaker", text(recording)];
    let arguments = [&["--json"], arguments, &audio].concat();
    ours.machine.command(&arguments)
}

/// Who it is with, and that nothing is claimed of them.
#[track_caller]
fn is_standard(event: &Value, theirs: &JsSdkDevice) {
    assert_eq!(
        (
            &event["tier"],
            &event["peer"]["id"],
            &event["peer"]["matrix_id"]
        ),
        (
            &Value::from("matrix"),
            &Value::Null,
            &Value::from(theirs.user_id())
        ),
        "{event}"
    );
}

/// Who ended a call, and why, as Element has it.
fn end_of(call: &JsSdkCall) -> (String, String) {
    let ended = call.wait_for(JsSdkCallState::Ended).unwrap();
    (
        ended.end_party.unwrap_or_default(),
        ended.end_reason.unwrap_or_default(),
    )
}
