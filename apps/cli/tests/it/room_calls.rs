//! The group call of a room, with other apps in it: matrix-js-sdk in Chromium, and this program more than once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use securecall_interop::{JsSdk, JsSdkDevice, JsSdkLogin, Synapse, SynapseOptions};
use serde_json::{Value, json};

use crate::command::{Machine, end, expect, text};
use crate::ordinary::{Ordinary, escaped};
use crate::recording::Recording;
use crate::talker::{Talker, User, last};

/// What our microphone hears, in Hz.
const OUR_TONE: f32 = 440.0;
/// What that of another one of us does.
const FRIENDS_TONE: f32 = 1300.0;
/// What theirs do.
const THEIR_TONES: [f32; 2] = [700.0, 1000.0];
/// Their names: of the lesser we are called, the greater we call.
const THEIR_NAMES: [&str; 2] = ["a_page", "z_page"];

const MEMBER_EVENT: &str = "org.matrix.msc3401.call.member";

/// A homeserver that takes out of a call who dies.
fn homeserver() -> Synapse {
    let options = SynapseOptions {
        delayed_events: true,
        ..SynapseOptions::default()
    };
    Synapse::start(options).unwrap()
}

/// Two pages in a room, and somebody of ours who is invited to it.
struct Meeting {
    /// It ends with the test.
    homeserver: Synapse,
    pages: [JsSdkDevice; 2],
    ours: Ordinary,
    room: String,
    recording: PathBuf,
}

impl Meeting {
    fn new(browser: &JsSdk) -> Self {
        let homeserver = homeserver();
        let page = |place: usize| {
            let (url, user) = (&homeserver.base_url(), THEIR_NAMES[place]);
            browser.register(url, user, "password").unwrap();
            let login = JsSdkLogin {
                homeserver: url,
                user,
                password: "password",
                hertz: THEIR_TONES[place],
                force_turn: false,
            };
            browser.log_in(&login).unwrap()
        };
        let pages = [page(0), page(1)];
        let ours = Ordinary::of(&homeserver, "ours");
        let [first, second] = &pages;
        let invitees = [second.user_id(), &ours.account.matrix_id];
        let room = first.create_group_room(&invitees).unwrap();
        second.join_invite(first.user_id()).unwrap();
        first.wait_for_member(&room, second.user_id()).unwrap();
        let recording = ours.machine.file("heard.wav", "");
        Self {
            homeserver,
            pages,
            ours,
            room,
            recording,
        }
    }

    /// The pages begin a call and are in it.
    fn call(&self) {
        let call = self.pages[0].create_group_call(&self.room).unwrap();
        for page in &self.pages {
            assert_eq!(page.enter_group_call(&self.room).unwrap(), call);
        }
    }

    /// We come, by the room's ID or its alias.
    fn come(&self, room: &str, options: &[&str]) -> Talker {
        let audio = (OUR_TONE, self.recording.as_path());
        self.ours.start(&call(room, options, audio).each())
    }

    /// Another one of us, who is nobody's contact, is invited and comes.
    fn friend_comes(&self, friend: &User, recording: &Path, options: &[&str]) -> Talker {
        let invite = json!({ "user_id": friend.matrix_id });
        let path = format!("rooms/{}/invite", escaped(&self.room));
        self.ours.account.ask("POST", &path, &invite);
        let audio = (FRIENDS_TONE, recording);
        friend.start(&call(&self.room, options, audio).each())
    }

    /// Each page hears each of us and the other one, each in one call.
    fn pages_hear_all(&self, ours: &[f32]) {
        for (place, page) in self.pages.iter().enumerate() {
            let tones = [ours, &[THEIR_TONES[1 - place]]].concat();
            page.wait_for_group_tones(&self.room, &tones).unwrap();
        }
    }

    /// The pages see themselves in the call, and nobody else.
    fn pages_are_alone(&self) {
        let devices = self.devices();
        let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
        for page in &self.pages {
            // Twice a minute: of the first, the homeserver waits for half after a device has died.
            let wait = || page.wait_for_group_devices(&self.room, &devices);
            wait().or_else(|_| wait()).unwrap();
        }
    }

    fn devices(&self) -> BTreeSet<String> {
        let pages = self.pages.iter();
        pages.map(|page| page.device_id().to_owned()).collect()
    }

    /// What the room says of our being in calls.
    fn our_entry(&self) -> Value {
        let account = &self.ours.account;
        let state = account.state_of(&self.room);
        let own = Value::from(account.matrix_id.as_str());
        let entry = state
            .iter()
            .find(|it| it["type"] == MEMBER_EVENT && it["state_key"] == own);
        entry.map_or(Value::Null, |entry| entry["content"].clone())
    }
}

/// The command, word by word.
struct Words(Vec<String>);

impl Words {
    fn each(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

fn call(room: &str, options: &[&str], (hertz, recording): (f32, &Path)) -> Words {
    let tone = format!("tone:{hertz}");
    let call = ["call", "--room", room, "--route", "direct"];
    let audio = ["--mic", &tone, "--speaker", text(recording)];
    let words = [&call[..], options, &audio].concat();
    Words(words.into_iter().map(str::to_owned).collect())
}

/// Waits until these devices have joined, each once.
#[track_caller]
fn all_joined(talker: &mut Talker, mut missing: BTreeSet<String>) {
    while !missing.is_empty() {
        let joined = talker.wait_for("member_joined");
        let device = joined["peer"]["device_id"].as_str().unwrap();
        assert!(missing.remove(device), "another, or again: {joined}");
        assert_eq!(joined["peer"]["id"], Value::Null);
    }
}

fn in_clear_with(browser: &JsSdk, options: &[&str]) {
    let meeting = Meeting::new(browser);
    meeting.call();
    let mut talker = meeting.come(&meeting.room, options);
    let keeps = talker.wait_for("room_keeps");
    assert_eq!(
        [&keeps["room_id"], &keeps["starts"], &keeps["public"]],
        [&json!(meeting.room), &json!(false), &json!(false)]
    );
    assert_eq!(keeps["in_clear"], options.contains(&"--in-clear"));
    assert_eq!(
        talker.wait_for("conference")["conference_id"],
        keeps["conference_id"]
    );
    all_joined(&mut talker, meeting.devices());
    // With one of us there is a sealed leg, and with the pages what there is with us.
    let friend = User::of(&meeting.homeserver);
    let recording = friend.machine.file("heard.wav", "");
    let mut other = meeting.friend_comes(&friend, &recording, options);
    let instead = talker.wait_for("sealed_instead");
    let joined = talker.wait_for("member_joined");
    for told in [&instead, &joined] {
        let peer = &told["peer"];
        assert_eq!(
            [&peer["id"], &peer["matrix_id"], &peer["device_id"]],
            [&json!(friend.id), &json!(friend.matrix_id), &Value::Null]
        );
    }
    let ours = Value::from(meeting.ours.account.matrix_id.as_str());
    let mut missing = meeting.devices();
    while !missing.is_empty() {
        let joined = other.wait_for("member_joined");
        if let Some(device) = joined["peer"]["device_id"].as_str() {
            assert!(missing.remove(device), "another, or again: {joined}");
        } else {
            assert_eq!(joined["peer"]["matrix_id"], ours);
        }
    }
    meeting.pages_hear_all(&[OUR_TONE, FRIENDS_TONE]);
    // Figures of each leg come each second, and some wait since before.
    talker.so_far();
    for _ in 0..12 {
        talker.wait_for("stats");
    }
    assert_ne!(meeting.our_entry()["m.calls"], json!([]));
    talker.order("verify");
    assert_eq!(talker.wait_for("error")["kind"], "not_now");
    let mut words = Vec::new();
    for mut talker in [other, talker] {
        talker.order("hangup");
        let (code, events) = talker.end_with_all();
        assert_eq!(
            (code, &last(&events, "conference_ended")["reason"]),
            (0, &json!("local_hangup"))
        );
        let connected = events.iter().filter(|it| it["event"] == "connected");
        let (sealed, others): (Vec<_>, Vec<_>) =
            connected.partition(|it| it["tier"] == "securecall");
        assert_eq!((sealed.len(), others.len()), (1, 2), "{events:#?}");
        words.push(sealed[0]["safety_words"].clone());
        for connected in others {
            assert_eq!(connected["tier"], "matrix");
            assert_eq!(connected["safety_words"], Value::Null);
        }
    }
    // Nobody is between the two.
    assert!(words[0].is_array() && words[0] == words[1], "{words:?}");
    // Nothing of us is left in the call, at once.
    assert_eq!(meeting.our_entry()["m.calls"], json!([]));
    meeting.pages_are_alone();
    for (recording, of_us) in [(&meeting.recording, FRIENDS_TONE), (&recording, OUR_TONE)] {
        let heard = Recording::read(recording);
        for hertz in [of_us, THEIR_TONES[0], THEIR_TONES[1]] {
            assert!(heard.has(hertz), "{hertz}");
        }
    }

    // Whoever is killed is taken out by the homeserver.
    let mut killed = meeting.come(&meeting.room, options);
    all_joined(&mut killed, meeting.devices());
    meeting.pages_hear_all(&[OUR_TONE]);
    killed.signal(libc::SIGKILL);
    drop(killed);
    meeting.pages_are_alone();
    assert_eq!(meeting.our_entry()["m.calls"], json!([]));
}

#[test]
fn in_a_room_all_hear_all_with_apps_that_speak_in_clear() {
    in_clear_with(&JsSdk::start().unwrap(), &["--in-clear"]);
}

#[test]
fn in_a_room_all_hear_all_with_apps_that_encrypt() {
    in_clear_with(&JsSdk::start_with_olm().unwrap(), &[]);
}

#[test]
fn a_call_is_begun_where_there_is_none_and_who_speaks_in_clear_is_not_heard_unasked() {
    let meeting = Meeting::new(&JsSdk::start().unwrap());
    meeting.ours.account.in_room(&meeting.room, "join");
    let alias = meeting.ours.account.give_alias(&meeting.room, "friends");
    let mut talker = meeting.come(&alias, &["--muted"]);
    let keeps = talker.wait_for("room_keeps");
    assert_eq!(
        (&keeps["starts"], &keeps["room_id"]),
        (&json!(true), &json!(meeting.room))
    );
    talker.wait_for("conference");
    // Nobody else is there.
    for muted in [true, false] {
        let told = talker.wait_for("muted");
        let found = (&told["muted"], &told["call_id"], &told["by"]);
        assert_eq!(found, (&json!(muted), &Value::Null, &json!("self")));
        assert_eq!(told["conference_id"], keeps["conference_id"]);
        talker.order("unmute");
    }
    let page = &meeting.pages[0];
    page.enter_group_call(&meeting.room).unwrap();
    let in_clear = talker.wait_for("member_in_clear");
    assert_eq!(in_clear["peer"]["matrix_id"], page.user_id());
    // Whoever ends the call ends it for all.
    page.terminate_group_call(&meeting.room).unwrap();
    let ended = talker.wait_for("conference_ended");
    assert_eq!(ended["reason"], "remote_hangup");
    assert_eq!(talker.end().0, 0);
}

#[test]
fn somebody_whose_key_is_known_has_a_sealed_leg_in_the_room_and_no_other() {
    let homeserver = homeserver();
    let (ada, bo) = (Ordinary::of(&homeserver, "ada"), User::of(&homeserver));
    let room = json!({"invite": [bo.matrix_id], "power_level_content_override": {"events_default": 0, "state_default": 0}});
    let room = ada.account.ask("POST", "createRoom", &room);
    let room = room["room_id"].as_str().unwrap();
    let call = ["call", "--room", room, "--route", "direct"];
    let audio = ["--mic", "tone:440", "--speaker", "null"];
    let arguments = [&call[..], &audio].concat();
    let mut first = ada.start(&arguments);
    first.wait_for("conference");
    let mut second = bo.start(&arguments);
    second.wait_for("conference");
    let instead = first.wait_for("sealed_instead");
    assert_eq!(
        (&instead["peer"]["id"], &instead["peer"]["matrix_id"]),
        (&json!(bo.id), &json!(bo.matrix_id))
    );
    for talker in [&mut first, &mut second] {
        talker.wait_for("member_joined");
    }
    for talker in [&mut first, &mut second] {
        talker.order("hangup");
    }
    for talker in [first, second] {
        let (code, events) = talker.end_with_all();
        assert_eq!(code, 0);
        let mut connected = events.iter().filter(|it| it["event"] == "connected");
        assert!(
            connected.all(|it| it["tier"] == "securecall"),
            "{events:#?}"
        );
    }
}

#[test]
fn a_room_in_which_there_can_be_no_call_of_ours_is_refused_with_what_to_do() {
    let homeserver = homeserver();
    let (ada, bo) = (
        Ordinary::of(&homeserver, "ada"),
        Ordinary::of(&homeserver, "bo"),
    );
    let refused = |room: &str, code, kind: &str| {
        let ended = ada.machine.refused(&[
            "call",
            "--room",
            room,
            "--route",
            "direct",
            "--mic",
            "null",
            "--speaker",
            "null",
        ]);
        expect(ended, code, kind)
    };
    let server = ada.account.matrix_id.split_once(':').unwrap().1;
    refused(&format!("#nobody:{server}"), 2, "unknown_room");
    // Not invited.
    let create = |body: Value| {
        let room = bo.account.ask("POST", "createRoom", &body);
        room["room_id"].as_str().unwrap().to_owned()
    };
    refused(&create(json!({})), 5, "room_refused");
    // In the room, and not allowed to say so of a call.
    let invite = json!([ada.account.matrix_id]);
    let room = create(json!({"invite": invite}));
    let call = ["call", "--room", &room, "--route", "direct"];
    let audio = ["--mic", "null", "--speaker", "null"];
    let (code, events) = ada.start(&[&call[..], &audio].concat()).end_with_all();
    assert_eq!(
        (code, &last(&events, "conference_ended")["reason"]),
        (5, &json!("homeserver_refused"))
    );
    // A call of another kind.
    let room = create(json!({
        "invite": invite,
        "power_level_content_override": {"state_default": 0},
        "initial_state": [{
            "type": "org.matrix.msc3401.call",
            "state_key": "1795",
            "content": {
                "m.intent": "m.prompt",
                "m.type": "m.voice",
                "io.element.livekit_service_url": "https://livekit.example.org",
            },
        }],
    }));
    refused(&room, 4, "unsupported_call");
}

#[test]
fn a_room_call_is_refused_before_anything_is_asked_of_the_network() {
    let (machine, _) = Machine::with_identity();
    let refused = |arguments: &[&str], code, kind: &str| {
        expect(
            machine.refused(&[&["call", "--room"], arguments].concat()),
            code,
            kind,
        )
    };
    refused(&["friends"], 2, "unknown_room");
    refused(&["@ada:example.org"], 2, "unknown_room");
    refused(
        &["#friends:example.org", "--require", "securecall"],
        3,
        "tier_too_low",
    );
    refused(&["#friends:example.org"], 2, "no_account");
}

#[test]
fn what_the_room_keeps_is_asked_about_and_without_a_yes_nothing_happens() {
    use crate::pseudo_terminal::PseudoTerminal;

    let ada = Ordinary::new("ada");
    let call = |options: &[&str]| {
        let call = ["call", "--room", "#friends:example.org"];
        ada.machine.command(&[&call[..], options].concat())
    };
    let mut asked = PseudoTerminal::run(call(&["--in-clear"]));
    let shown = asked.wait_for("[y/N]").replace('\n', " ");
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in ["The room keeps", "on which device", "goes in clear"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    asked.press("\n");
    let (code, shown) = asked.end();
    assert_eq!(code, 4, "{shown}");
    // Nobody can be asked.
    let ended = end(call(&[]).stdin(Stdio::null()));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("--yes"), "{ended:?}");
}
