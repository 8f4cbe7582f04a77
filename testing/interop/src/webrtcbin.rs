//! A small Matrix client whose media engine is GStreamer's `webrtcbin`, with the manners of Nheko or of matrix-dart-sdk.
//!
//! It is a Python program, `testing/interop/webrtcbin`; `__main__.py` there says which orders it takes and what it tells. Each
//! manner is named there with its source.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pem::pem;
use crate::venv::{SYSTEM_PYTHON, ScriptError, VODOZEMAC};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/webrtcbin");
/// How long something may take that will not come.
const PATIENCE: Duration = Duration::from_secs(120);
/// How far a tone that is heard may be from the one that is said: neither clocks nor windows are exact.
const TOLERANCE_HERTZ: f64 = 4.0;
/// How much of what is heard must be the tone. While the first second fills, and where frames are lost, less of it is.
const PURE: f64 = 0.9;
/// The level (RMS) of the quietest tone that counts: a quarter of full scale has 0.177.
const AUDIBLE: f64 = 0.05;

/// Whose manners a [`WebrtcbinDevice`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nheko 0.12.1.
    Nheko,
    /// An application of matrix-dart-sdk 10.0, as FluffyChat up to 2.9.
    Dart,
}

impl Manner {
    fn name(self) -> &'static str {
        match self {
            Self::Nheko => "nheko",
            Self::Dart => "dart",
        }
    }
}

/// What a [`WebrtcbinDevice`] shows in DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// GStreamer's own: of an RSA key.
    Rsa,
    /// Of a key as browsers and libwebrtc have it: ECDSA with P-256.
    Ecdsa,
}

/// Why such a client does not run, or has not told what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum WebrtcbinError {
    /// It could not be started, or is gone.
    #[error("Python or GStreamer's bindings are missing (`cargo xtask setup` installs them): {0}")]
    Start(#[from] io::Error),
    /// What it encrypts by cannot be installed.
    #[error(transparent)]
    Venv(#[from] ScriptError),
    /// It ended, or is broken.
    #[error("the webrtcbin client failed: {0}")]
    Failed(String),
    /// It did not tell what was waited for.
    #[error("the webrtcbin client told none of {wanted}, but {seen}; it wrote: {log}")]
    Silent {
        /// The events that were waited for.
        wanted: String,
        /// All events that it told.
        seen: String,
        /// What it wrote to standard error.
        log: String,
    },
}

/// A running client. It ends when this value is dropped, and with the process that started it.
#[derive(Debug)]
pub struct WebrtcbinDevice {
    process: Child,
    orders: ChildStdin,
    events: Receiver<Value>,
    seen: Vec<Value>,
    directory: TempDir,
}

impl Certificate {
    /// With its private key; nothing for GStreamer's own.
    fn pem(self) -> io::Result<String> {
        if self == Self::Rsa {
            return Ok(String::new());
        }
        let pair = rcgen::generate_simple_self_signed(["WebRTC".to_owned()]);
        let pair = pair.map_err(io::Error::other)?;
        Ok([
            pem("CERTIFICATE", pair.cert.der()),
            pem("PRIVATE KEY", &pair.signing_key.serialize_der()),
        ]
        .concat())
    }
}

impl WebrtcbinDevice {
    /// Starts one, whose microphone hears a tone of so many Hz at a quarter of full scale.
    ///
    /// # Errors
    ///
    /// Python or GStreamer's bindings are not installed.
    pub fn start(
        manner: Manner,
        certificate: Certificate,
        hertz: u32,
    ) -> Result<Self, WebrtcbinError> {
        let packages = VODOZEMAC.packages()?;
        let directory = tempfile::tempdir()?;
        let log = File::create(directory.path().join("log"))?;
        let mut process = Command::new(SYSTEM_PYTHON)
            // No compiled files in the checkout.
            .args(["-B", PROGRAM])
            .args([manner.name(), &hertz.to_string(), &certificate.pem()?])
            .env("PYTHONPATH", packages)
            .env_remove("PYTHONHOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let missing = || io::Error::other("no pipe to the child");
        let orders = process.stdin.take().ok_or_else(missing)?;
        let stdout = process.stdout.take().ok_or_else(missing)?;
        let (told, events) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line)
                    .unwrap_or_else(|_| json!({ "event": "failed", "why": line }));
                if told.send(event).is_err() {
                    return;
                }
            }
        });
        let mut device = Self {
            process,
            orders,
            events,
            seen: Vec::new(),
            directory,
        };
        device.wait_for("ready")?;
        Ok(device)
    }

    /// Makes an account, and gives its Matrix ID.
    ///
    /// # Errors
    ///
    /// The homeserver refuses it.
    pub fn register(&mut self, homeserver: &str, name: &str) -> Result<String, WebrtcbinError> {
        self.order(&json!({ "order": "register", "homeserver": homeserver, "name": name }))?;
        let told = self.wait_for("registered")?;
        Ok(text(&told, "user"))
    }

    /// Makes a direct room and invites somebody, who has not joined yet; gives its ID.
    ///
    /// # Errors
    ///
    /// The homeserver refuses it.
    pub fn room_with(&mut self, user: &str, encrypted: bool) -> Result<String, WebrtcbinError> {
        self.order(&json!({ "order": "room", "with": user, "encrypted": encrypted }))?;
        let told = self.wait_for("room")?;
        Ok(text(&told, "room"))
    }

    /// Waits until somebody is in a room.
    ///
    /// # Errors
    ///
    /// They do not come.
    pub fn wait_until_joined(&mut self, room: &str, user: &str) -> Result<(), WebrtcbinError> {
        let joined = |event: &Value| {
            event["room"] == room && event["user"] == user && event["membership"] == "join"
        };
        while !self.seen.iter().any(joined) {
            self.wait_for("member")?;
        }
        Ok(())
    }

    /// Calls whoever else is in the room, and waits until the homeserver has the invite.
    ///
    /// # Errors
    ///
    /// It does not come to that.
    pub fn call(&mut self, room: &str) -> Result<(), WebrtcbinError> {
        self.order(&json!({ "order": "call", "room": room }))?;
        self.wait_for("ringing_out").map(drop)
    }

    /// Gives an order that needs but its name: `answer`, `reject`, `hang_up`, `mute`, `unmute`, `one_by_one`.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn tell(&mut self, order: &str) -> Result<(), WebrtcbinError> {
        self.order(&json!({ "order": order }))
    }

    /// Has its media go by the homeserver's TURN server alone from now on.
    ///
    /// # Errors
    ///
    /// The homeserver names none.
    pub fn use_relay(&mut self) -> Result<(), WebrtcbinError> {
        self.order(&json!({ "order": "relay" }))?;
        self.wait_for("relayed").map(drop)
    }

    /// Says something in a room, whatever its manners are.
    ///
    /// # Errors
    ///
    /// The homeserver refuses it.
    pub fn say(&mut self, room: &str, kind: &str, content: &Value) -> Result<(), WebrtcbinError> {
        self.order(&json!({ "order": "say", "room": room, "type": kind, "content": content }))?;
        self.wait_for_such("said", |it| it["type"] == kind && it["content"] == *content)
            .map(drop)
    }

    /// Waits until it hears a tone of so many Hz for a whole second.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn wait_until_it_hears(&mut self, hertz: u32) -> Result<(), WebrtcbinError> {
        self.wait_for_such("hears", |event| is_tone(event, hertz))
            .map(drop)
    }

    /// Waits until there is nothing to be heard for a whole second.
    ///
    /// # Errors
    ///
    /// There is.
    pub fn wait_until_it_hears_nothing(&mut self) -> Result<(), WebrtcbinError> {
        let silent = |event: &Value| {
            event["level"]
                .as_f64()
                .is_some_and(|level| level < AUDIBLE / 10.0)
        };
        self.wait_for_such("hears", silent).map(drop)
    }

    /// The next event of this name; others before it are passed over.
    ///
    /// # Errors
    ///
    /// It does not come.
    pub fn wait_for(&mut self, name: &str) -> Result<Value, WebrtcbinError> {
        self.wait_for_such(name, |_| true)
    }

    /// The next event of a call of this type that it says (`said`) or that comes (`received`): its content.
    ///
    /// # Errors
    ///
    /// It does not come.
    pub fn wait_for_event(&mut self, event: &str, kind: &str) -> Result<Value, WebrtcbinError> {
        let mut found = self.wait_for_such(event, |it| it["type"] == kind)?;
        Ok(found["content"].take())
    }

    /// All events up to now, those too that were waited for.
    pub fn so_far(&mut self) -> &[Value] {
        self.seen.extend(self.events.try_iter());
        &self.seen
    }

    fn wait_for_such(
        &mut self,
        name: &str,
        is_such: impl Fn(&Value) -> bool,
    ) -> Result<Value, WebrtcbinError> {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let left = give_up_at.saturating_duration_since(Instant::now());
            let event = match self.events.recv_timeout(left) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => return Err(self.silent(name)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(WebrtcbinError::Failed(self.log()));
                }
            };
            self.seen.push(event.clone());
            if event["event"] == "failed" {
                return Err(WebrtcbinError::Failed(text(&event, "why")));
            }
            if event["event"] == name && is_such(&event) {
                return Ok(event);
            }
        }
    }

    fn order(&mut self, order: &Value) -> Result<(), WebrtcbinError> {
        writeln!(self.orders, "{order}").map_err(|_| WebrtcbinError::Failed(self.log()))
    }

    fn silent(&self, wanted: &str) -> WebrtcbinError {
        WebrtcbinError::Silent {
            wanted: wanted.to_owned(),
            seen: Value::from(self.seen.clone()).to_string(),
            log: self.log(),
        }
    }

    fn log(&self) -> String {
        log_in(self.directory.path())
    }
}

impl Drop for WebrtcbinDevice {
    fn drop(&mut self) {
        // Nothing more can be done about a process that will not be ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_tone(event: &Value, hertz: u32) -> bool {
    let figure = |name: &str| event[name].as_f64().unwrap_or_default();
    (figure("hertz") - f64::from(hertz)).abs() < TOLERANCE_HERTZ
        && figure("purity") > PURE
        && figure("level") > AUDIBLE
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
}

fn log_in(directory: &Path) -> String {
    let mut log = String::new();
    // Without a log there is nothing to show.
    let _ = File::open(directory.join("log")).and_then(|mut file| file.read_to_string(&mut log));
    log
}
