//! Group calls over a real homeserver, as scripts drive them.

use std::collections::BTreeSet;

use securecall_interop::{DatabaseSnapshot, Synapse, SynapseOptions};
use serde_json::Value;

use crate::command::{Machine, expect, text};
use crate::recording::Recording;
use crate::talker::{Talker, User, homeserver, last};

/// What each of the three says.
const TONES: [&str; 3] = ["tone:400", "tone:700", "tone:1100"];
/// The same as numbers.
const HERTZ: [f32; 3] = [400.0, 700.0, 1100.0];
/// What the three are called by each other.
const NAMES: [&str; 3] = ["ada", "bo", "cy"];

/// Three users of a homeserver who know each other.
fn three_at(homeserver: &Synapse) -> [User; 3] {
    let users = [(); 3].map(|()| User::of(homeserver));
    for (own, user) in users.iter().enumerate() {
        for (other, name) in NAMES.iter().enumerate().filter(|(it, _)| *it != own) {
            user.add(&users[other], name);
        }
    }
    users
}

fn three() -> [User; 3] {
    three_at(homeserver())
}

/// Waits until the others have joined; gives the events up to then.
#[track_caller]
fn all_joined(talker: &mut Talker, others: [&User; 2]) {
    let mut missing: BTreeSet<&str> = others.iter().map(|user| user.id.as_str()).collect();
    while !missing.is_empty() {
        let joined = talker.wait_for("member_joined");
        let id = joined["peer"]["id"].as_str().unwrap();
        assert!(missing.remove(id), "again: {joined}");
    }
}

/// Waits until a member is gone.
#[track_caller]
fn gone(talker: &mut Talker, who: &User, why: &str) {
    let left = talker.wait_for("member_left");
    assert_eq!(
        (&left["peer"]["id"], &left["why"]),
        (&Value::from(who.id.as_str()), &Value::from(why))
    );
}

/// Waits until two more seconds of somebody's voice have come: it goes on, and is long enough to be found in a recording.
#[track_caller]
fn still_hears(talker: &mut Talker, who: &User) {
    let mut frames = || loop {
        let stats = talker.wait_for("stats");
        if stats["peer"]["id"] == who.id {
            break stats["frames_received"].as_u64().unwrap();
        }
    };
    let before = frames();
    // Figures come each second.
    let has_come = (0..60).any(|_| frames() >= before + 100);
    assert!(has_come, "nothing more of {}", who.id);
}

/// How many events there are of this name.
fn count(events: &[Value], name: &str) -> usize {
    let named = events.iter().filter(|event| event["event"] == name);
    named.count()
}

/// Every event about a leg says of which group call it is, and with whom.
#[track_caller]
fn legs_say_of_whom_they_are(events: &[Value]) {
    let in_group = events.iter().skip_while(|it| it["event"] != "conference");
    for event in in_group.skip(1).filter(|it| it.get("call_id").is_some()) {
        assert!(event["conference_id"].is_string(), "{event}");
        let is_of_all = event["event"] == "muted" && event["by"] == "self";
        assert_eq!(event["peer"]["id"].is_string(), !is_of_all, "{event}");
    }
}

#[test]
fn three_people_all_hear_each_other_and_nothing_is_left_at_the_homeserver() {
    let homeserver = Synapse::start(SynapseOptions::default()).unwrap();
    let [ada, bo, cy] = three_at(&homeserver);
    let before = loop {
        let snapshot = DatabaseSnapshot::read(&homeserver.database_path()).unwrap();
        if snapshot.row_count("background_updates").unwrap_or(0) == 0 {
            break snapshot;
        }
    };
    let users = [&ada, &bo, &cy];
    let recordings = users.map(|user| user.machine.file("heard.wav", ""));
    let audio = |place: usize| ["--mic", TONES[place], "--speaker", text(&recordings[place])];
    let listen =
        |place: usize| users[place].start(&[&["listen", "--once"], &audio(place)[..]].concat());
    let (mut second, mut third) = (listen(1), listen(2));
    second.wait_for("ready");
    third.wait_for("ready");
    let mut first = ada.start(&[&["call", "BO", "cy"], &audio(0)[..]].concat());
    let conference = first.wait_for("conference");
    assert_eq!(conference["call_id"], Value::Null);

    // It rings once at each, and says who else is asked.
    for (talker, other) in [(&mut second, &cy), (&mut third, &bo)] {
        let incoming = talker.wait_for("incoming");
        assert_eq!(incoming["conference_id"], conference["conference_id"]);
        assert_eq!(incoming["peer"]["id"], ada.id);
        let members = incoming["members"].as_array().unwrap();
        let ids: Vec<&Value> = members.iter().map(|member| &member["id"]).collect();
        assert_eq!(ids, [&Value::from(other.id.as_str())]);
    }
    second.order("answer");
    let joined = first.wait_for("member_joined");
    assert_eq!(joined["peer"]["id"], bo.id);
    // That one is there says nothing of the other: no key is proven yet.
    first.order("verify cy");
    assert_eq!(first.wait_for("error")["kind"], "not_now");
    third.order("answer");
    let joined = first.wait_for("member_joined");
    assert_eq!(joined["peer"]["id"], cy.id);
    all_joined(&mut second, [&ada, &cy]);
    all_joined(&mut third, [&ada, &bo]);
    for (talker, others) in [
        (&mut first, [&bo, &cy]),
        (&mut second, [&ada, &cy]),
        (&mut third, [&ada, &bo]),
    ] {
        for other in others {
            still_hears(talker, other);
        }
    }

    first.order("verify cy");
    assert_eq!(first.wait_for("contact")["verified"], true);
    // Mute holds for all.
    first.order("mute");
    for talker in [&mut second, &mut third] {
        let muted = talker.wait_for("muted");
        assert_eq!(
            (&muted["by"], &muted["peer"]["id"]),
            (&Value::from("peer"), &Value::from(ada.id.as_str()))
        );
    }

    // One of them leaves, the one who has called; the others talk on, and then there is nobody left.
    first.order("hangup");
    let (code, events) = first.end_with_all();
    assert_eq!(
        (code, &last(&events, "conference_ended")["reason"]),
        (0, &Value::from("local_hangup"))
    );
    assert_eq!(count(&events, "muted"), 1);
    legs_say_of_whom_they_are(&events);
    gone(&mut second, &ada, "hung_up");
    gone(&mut third, &ada, "hung_up");
    still_hears(&mut second, &cy);
    second.order("hangup");
    for (talker, reason) in [(second, "local_hangup"), (third, "remote_hangup")] {
        let (code, events) = talker.end_with_all();
        assert_eq!(
            (code, &last(&events, "conference_ended")["reason"]),
            (0, &Value::from(reason))
        );
        assert_eq!(count(&events, "incoming"), 1, "it rang again");
        legs_say_of_whom_they_are(&events);
    }

    for (place, recording) in recordings.iter().enumerate() {
        let recording = Recording::read(recording);
        for (other, hertz) in HERTZ.iter().enumerate() {
            let heard = recording.has(*hertz);
            assert_eq!(
                heard,
                other != place,
                "{} at {}",
                NAMES[other],
                NAMES[place]
            );
        }
    }
    let after = DatabaseSnapshot::read(&homeserver.database_path()).unwrap();
    let report = before.compare(&after);
    let rows: Vec<String> = report.unexplained().map(ToString::to_string).collect();
    assert_eq!(rows, [""; 0]);
}

#[test]
fn somebody_added_to_a_call_of_two_is_in_a_group_with_both_and_a_member_that_dies_is_gone() {
    let [ada, bo, cy] = three();
    let listen = ["listen", "--answer", "contacts", "--once"];
    let (mut second, mut third) = (bo.talk(&listen), cy.talk(&listen));
    second.wait_for("ready");
    third.wait_for("ready");
    let mut first = ada.talk(&["call", "bo"]);
    first.order("add cy");
    assert_eq!(first.wait_for("error")["kind"], "not_now");
    let connected = first.wait_for("connected");
    second.wait_for("connected");
    first.order("add nobody");
    assert_eq!(first.wait_for("error")["kind"], "unknown_contact");
    first.order("add cy");
    let conference = first.wait_for("conference");
    assert_eq!(conference["call_id"], connected["call_id"]);
    assert_eq!(
        second.wait_for("conference")["conference_id"],
        conference["conference_id"]
    );
    let incoming = third.wait_for("incoming");
    assert_eq!(incoming["conference_id"], conference["conference_id"]);
    all_joined(&mut third, [&ada, &bo]);
    let id = |user: &User| Value::from(user.id.as_str());
    loop {
        let joined = second.wait_for("member_joined");
        if joined["peer"]["id"] == id(&cy) {
            assert_eq!(joined["brought_by"]["id"], id(&ada), "{joined}");
            break;
        }
    }
    still_hears(&mut first, &bo);
    still_hears(&mut second, &cy);
    first.order("volume cy 50");
    first.order("volume dora 50");
    assert_eq!(first.wait_for("error")["kind"], "unknown_contact");
    first.order("hold");
    assert_eq!(first.wait_for("error")["kind"], "not_now");

    third.signal(libc::SIGKILL);
    gone(&mut first, &cy, "vanished");
    gone(&mut second, &cy, "vanished");
    still_hears(&mut first, &bo);
    first.order("hangup");
    assert_eq!(first.end().0, 0);
    assert_eq!(second.end().0, 0);
}

#[test]
fn a_group_that_cannot_be_is_refused_before_anybody_is_called() {
    let (machine, own) = Machine::with_identity();
    let (_, bo) = Machine::with_identity();
    let (_, dora) = Machine::with_identity();
    machine.json(&["contact", "add", &bo, "--name", "Bo"]);
    machine.json(&["contact", "add", "@cy:example.org", "--name", "Cy"]);
    let refused = |arguments: &[&str], code, kind: &str| {
        let refused = machine.refused(&[&["call"], arguments].concat());
        let error = expect(refused, code, kind);
        error["message"].as_str().unwrap().to_owned()
    };
    assert!(refused(&["Bo", &bo], 2, "usage").contains("Bo is named twice"));
    assert!(refused(&["Bo", &own], 2, "usage").contains("is you"));
    assert!(refused(&["Bo", "Cy"], 4, "no_securecall_device").contains("Cy"));
    refused(&["Bo", "nobody at all"], 2, "unknown_contact");
    assert!(refused(&["Bo"; 8], 2, "usage").contains("at most 8 people"));
    // Nothing is wrong with these two but that there is no account.
    refused(&["Bo", &dora], 2, "no_account");
    machine.json(&["contact", "block", "Bo"]);
    refused(&["Bo", &dora], 3, "blocked");
}
