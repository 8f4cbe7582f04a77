//! The command and clients with GStreamer's media engine call each other over a real Synapse: each must hear the tone that the other
//! makes, and nothing that ours says may get lost there.

mod dart;
mod nheko;

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use securecall_interop::{
    Certificate, Coturn, CoturnUsers, Manner, Synapse, SynapseOptions, WebrtcbinDevice,
};
use serde_json::Value;

use crate::command::text;
use crate::recording::Recording;
use crate::talker::{Talker, User, homeserver};

/// What our microphone hears, in Hz.
const OURS: u32 = 440;
/// What theirs does.
const THEIRS: u32 = 1000;

/// A user of the command who listens, another client, and a room of the two that the other has made.
struct Pair {
    /// Its machine goes with it.
    _user: User,
    encrypted: bool,
    listener: Talker,
    speaker: PathBuf,
    peer: WebrtcbinDevice,
    peer_id: String,
    room: String,
}

impl Pair {
    fn new(manner: Manner) -> Self {
        Self::with(manner, false, "direct", |_| ())
    }

    /// In a room that is encrypted.
    fn encrypted(manner: Manner) -> Self {
        Self::with(manner, true, "direct", |_| ())
    }

    /// Where our listener goes by this route, and has these settings.
    fn with(
        manner: Manner,
        encrypted: bool,
        route: &str,
        settings: impl FnOnce(&mut Command),
    ) -> Self {
        Self::at(homeserver(), manner, encrypted, route, settings)
    }

    fn at(
        homeserver: &Synapse,
        manner: Manner,
        encrypted: bool,
        route: &str,
        settings: impl FnOnce(&mut Command),
    ) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let user = User::of(homeserver);
        let name = format!("webrtcbin{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let peer_id = format!("@{name}:{}", homeserver.server_name());
        let add = ["contact", "add", &peer_id, "--name", "peer"];
        user.machine.json(&add);
        user.machine.json(&["contact", "require", "peer", "any"]);
        let speaker = user.machine.file("heard.wav", "");
        let tone = format!("tone:{OURS}");
        let mut listen = user.machine.command(&["--json", "listen"]);
        listen
            .args(["--route", route, "--mic", &tone])
            .args(["--speaker", text(&speaker)]);
        settings(&mut listen);
        let mut listener = Talker::start(listen);
        listener.wait_for("ready");
        // As their media engines make them, GStreamer's and libwebrtc's.
        let certificate = match manner {
            Manner::Nheko => Certificate::Rsa,
            Manner::Dart => Certificate::Ecdsa,
        };
        let mut peer = WebrtcbinDevice::start(manner, certificate, THEIRS).unwrap();
        let registered = peer.register(&homeserver.base_url(), &name).unwrap();
        assert_eq!(registered, peer_id);
        let room = peer.room_with(&user.matrix_id, encrypted).unwrap();
        peer.wait_until_joined(&room, &user.matrix_id).unwrap();
        Self {
            _user: user,
            encrypted,
            listener,
            speaker,
            peer,
            peer_id,
            room,
        }
    }

    /// They call, and it rings here.
    fn they_call(&mut self) {
        self.peer.call(&self.room).unwrap();
        let incoming = self.listener.wait_for("incoming");
        assert_eq!(incoming["tier"], "matrix");
        assert_eq!(incoming["peer"]["matrix_id"], self.peer_id.as_str());
    }

    /// We call, and it rings there.
    fn we_call(&mut self) {
        self.listener.order("call peer");
        assert_eq!(self.listener.wait_for("dialing")["tier"], "matrix");
        let rings = self.peer.wait_for("ringing").unwrap();
        // In the room that they have made, and for voice.
        assert_eq!(
            (&rings["room"], &rings["video"]),
            (&Value::from(self.room.as_str()), &Value::from(false))
        );
    }

    /// They have called, and are answered.
    fn answer(&mut self) {
        self.listener.order("answer");
        self.both_hear();
    }

    /// They are called, and answer.
    fn they_answer(&mut self) {
        self.peer.tell("answer").unwrap();
        self.both_hear();
    }

    fn both_hear(&mut self) {
        let connected = self.listener.wait_for("connected");
        assert_eq!(
            (&connected["tier"], &connected["safety_words"]),
            (&Value::from("matrix"), &Value::Null)
        );
        self.listener.wait_for("first_audio");
        self.peer.wait_for("connected").unwrap();
        self.peer.wait_until_it_hears(OURS).unwrap();
        // Both stay for what is recorded of them. Figures of before would say nothing.
        self.listener.so_far();
        self.listener.wait_for("stats");
        self.listener.wait_for("stats");
    }

    /// They are told, and so are we; nothing was lost there.
    #[track_caller]
    fn is_over(&mut self, ours: &str, theirs: &str) {
        assert_eq!(self.peer.wait_for("ended").unwrap()["why"], theirs);
        assert_eq!(self.listener.wait_for("ended")["reason"], ours);
        let lost = self.peer.so_far().iter().filter(|it| it["event"] == "lost");
        let lost: Vec<&Value> = lost.filter(|it| !is_late(it)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        let received = self.peer.so_far().iter();
        let mut received = received.filter(|it| it["event"] == "received");
        assert!(received.all(|it| it["encrypted"] == self.encrypted));
    }

    /// What our speaker got was them.
    #[track_caller]
    fn we_have_heard_them(mut self) {
        self.listener.order("quit");
        assert_eq!(self.listener.end().0, 0);
        // Whole numbers far below 2^24.
        Recording::read(&self.speaker).is_of(THEIRS as f32, OURS as f32);
    }
}

/// They call, both hear the other, and they hang up.
fn they_call_and_hang_up(pair: &mut Pair) {
    pair.they_call();
    pair.answer();
    pair.peer.tell("hang_up").unwrap();
    pair.is_over("remote_hangup", "user_hangup");
}

/// We call, both hear the other, and we hang up.
fn we_call_and_hang_up(pair: &mut Pair) {
    pair.we_call();
    pair.they_answer();
    pair.listener.order("hangup");
    pair.is_over("local_hangup", "remote_hangup");
}

/// They are called and decline.
fn they_decline(manner: Manner) {
    let mut pair = Pair::new(manner);
    pair.we_call();
    pair.peer.tell("reject").unwrap();
    pair.is_over("declined", "rejected");
}

/// We give up a call before they answer, and they one of theirs.
fn each_gives_up(manner: Manner) {
    let mut pair = Pair::new(manner);
    pair.we_call();
    pair.listener.order("hangup");
    assert_eq!(pair.peer.wait_for("ended").unwrap()["why"], "remote_hangup");
    assert_eq!(pair.listener.wait_for("ended")["reason"], "cancelled");
    pair.they_call();
    pair.peer.tell("hang_up").unwrap();
    pair.is_over("caller_cancelled", "user_hangup");
}

/// Both by the homeserver's TURN server alone, in an encrypted room, whoever calls; each candidate of theirs in an event of its own.
fn both_hear_by_a_relay_alone(manner: Manner) {
    let users = CoturnUsers::SharedSecret("a secret of the two servers".to_owned());
    let coturn = Coturn::start(users, &[]).unwrap();
    let options = SynapseOptions {
        turn: coturn.named(),
        ..SynapseOptions::default()
    };
    let synapse = Synapse::start(options).unwrap();
    let mut pair = Pair::at(&synapse, manner, true, "relay", |_| ());
    pair.peer.use_relay().unwrap();
    pair.peer.tell("one_by_one").unwrap();
    they_call_and_hang_up(&mut pair);
    we_call_and_hang_up(&mut pair);
    // What either said of itself, in whatever event.
    let said: Vec<String> = pair.peer.so_far().iter().map(Value::to_string).collect();
    let count = |kind: &str| -> usize { said.iter().map(|it| it.matches(kind).count()).sum() };
    assert!(count("typ relay") >= 2, "{said:#?}");
    for kind in ["typ host", "typ srflx", "typ prflx"] {
        assert_eq!(count(kind), 0, "{said:#?}");
    }
    pair.we_have_heard_them();
}

/// Each candidate of theirs comes in an event of its own, and counts.
fn both_hear_where_candidates_come_one_by_one(manner: Manner) {
    let mut pair = Pair::encrypted(manner);
    pair.peer.tell("one_by_one").unwrap();
    pair.they_call();
    pair.answer();
    let events = pair.peer.so_far().iter();
    let events = events.filter(|it| it["event"] == "said" && it["type"] == "m.call.candidates");
    let sizes: Vec<usize> = events
        .map(|it| it["content"]["candidates"].as_array().unwrap().len())
        .collect();
    assert!(
        sizes.len() > 1 && sizes.iter().all(|it| *it == 1),
        "{sizes:?}"
    );
    pair.peer.tell("hang_up").unwrap();
    pair.is_over("remote_hangup", "user_hangup");
    pair.we_have_heard_them();
}

/// What comes of a call that is over there, and what our redactions leave of our events, is lost rightly.
fn is_late(lost: &Value) -> bool {
    let why = lost["why"].as_str().unwrap_or_default();
    ["of no call", "we do not have the call", "'call_id'"]
        .iter()
        .any(|it| why.contains(it))
}
