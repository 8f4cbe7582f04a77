//! Two devices of matrix-js-sdk on one Synapse: what each hears is the other.

use std::{
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use securecall_interop::{
    JsSdk, JsSdkCall, JsSdkCallState, JsSdkDevice, JsSdkLogin, Synapse, SynapseOptions,
};

const ADAS_TONE: f32 = 440.0;
const BOS_TONE: f32 = 700.0;

/// The homeserver and the browser of all these tests. They end with the test process.
fn world() -> &'static (Synapse, JsSdk) {
    static WORLD: OnceLock<(Synapse, JsSdk)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let synapse = Synapse::start(SynapseOptions::default()).unwrap();
        (synapse, JsSdk::start().unwrap())
    })
}

/// A new user's device.
fn device(hertz: f32) -> JsSdkDevice {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let (synapse, browser) = world();
    let user = format!("user{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    browser
        .register(&synapse.base_url(), &user, "password")
        .unwrap();
    let login = JsSdkLogin {
        homeserver: &synapse.base_url(),
        user: &user,
        password: "password",
        hertz,
        force_turn: false,
    };
    browser.log_in(&login).unwrap()
}

/// Two devices in one direct room.
fn pair(encrypted: bool) -> (JsSdkDevice, JsSdkDevice, String) {
    let (ada, bo) = (device(ADAS_TONE), device(BOS_TONE));
    let room = ada.create_direct_room(bo.user_id(), encrypted).unwrap();
    assert_eq!(bo.join_invite(ada.user_id()).unwrap(), room);
    ada.wait_for_member(&room, bo.user_id()).unwrap();
    assert_eq!(ada.is_encrypted(&room).unwrap(), encrypted);
    (ada, bo, room)
}

/// A call from Ada to Bo, answered, in which both hear each other.
fn talk(ada: &JsSdkDevice, bo: &JsSdkDevice, room: &str) -> (JsSdkCall, JsSdkCall) {
    let outgoing = ada.place_call(room, None).unwrap();
    let incoming = bo.wait_for_call().unwrap();
    assert_eq!(incoming.id(), outgoing.id());
    incoming.answer(false).unwrap();
    for (call, hertz) in [(&outgoing, BOS_TONE), (&incoming, ADAS_TONE)] {
        call.wait_for(JsSdkCallState::Connected).unwrap();
        call.wait_for_tone(hertz).unwrap();
    }
    (outgoing, incoming)
}

#[test]
fn in_a_plain_room_each_hears_the_other_until_the_caller_hangs_up() {
    let (ada, bo, room) = pair(false);
    let (outgoing, incoming) = talk(&ada, &bo, &room);
    let status = outgoing.status().unwrap();
    let placed = status.placed_at_ms.unwrap();
    let heard = status.first_packet_at_ms.unwrap();
    assert!(
        placed < heard && heard < status.first_sound_at_ms.unwrap(),
        "{status:?}"
    );
    assert_eq!(
        outgoing.path().unwrap().local.as_deref(),
        Some("host"),
        "{status:?}"
    );

    outgoing.hang_up().unwrap();
    let ended = incoming.wait_for(JsSdkCallState::Ended).unwrap();
    assert_eq!(ended.end_party.as_deref(), Some("remote"));
    assert_eq!(ended.end_reason.as_deref(), Some("user_hangup"));
    let ended = outgoing.wait_for(JsSdkCallState::Ended).unwrap();
    assert_eq!(ended.end_party.as_deref(), Some("local"));

    // What went over the room, in its order.
    let events = bo.events().unwrap();
    let said_by = |device: &JsSdkDevice| -> Vec<&str> {
        let of_device = events
            .iter()
            .filter(|event| event.sender == device.user_id());
        of_device.map(|event| event.kind.as_str()).collect()
    };
    let by_ada = said_by(&ada);
    assert_eq!(by_ada.first(), Some(&"m.call.invite"), "{events:#?}");
    assert_eq!(by_ada.last(), Some(&"m.call.hangup"), "{events:#?}");
    assert!(by_ada.contains(&"m.call.select_answer"), "{events:#?}");
    assert!(said_by(&bo).contains(&"m.call.answer"), "{events:#?}");
    assert!(events.iter().all(|event| !event.encrypted
        && event.room_id == room
        && event.content["call_id"] == outgoing.id()));
}

#[test]
fn in_an_encrypted_room_each_hears_the_other_until_the_callee_hangs_up() {
    let (ada, bo, room) = pair(true);
    let (outgoing, incoming) = talk(&ada, &bo, &room);
    incoming.hang_up().unwrap();
    let ended = outgoing.wait_for(JsSdkCallState::Ended).unwrap();
    assert_eq!(ended.end_party.as_deref(), Some("remote"));

    let events = ada.events().unwrap();
    let hangup = events.last().unwrap();
    assert_eq!(
        (hangup.kind.as_str(), hangup.sender.as_str()),
        ("m.call.hangup", bo.user_id())
    );
    assert_eq!(hangup.content["party_id"], bo.device_id());
    assert!(events.iter().all(|event| event.encrypted), "{events:#?}");
}

#[test]
fn who_declines_ends_the_call_for_both() {
    let (ada, bo, room) = pair(false);
    let outgoing = ada.place_call(&room, Some(bo.user_id())).unwrap();
    let incoming = bo.wait_for_call().unwrap();
    incoming.reject().unwrap();
    let ended = outgoing.wait_for(JsSdkCallState::Ended).unwrap();
    assert_eq!(ended.end_party.as_deref(), Some("remote"));
    let events = ada.events().unwrap();
    assert_eq!(events[0].content["invitee"], bo.user_id());
    assert_eq!(events.last().unwrap().kind, "m.call.reject");
    assert_eq!(ended.first_packet_at_ms, None);
    assert!(incoming.answer(false).is_err());
    assert!(bo.wait_for_call_for(Duration::ZERO).is_err());
}

#[test]
fn a_call_is_muted_and_held_and_gets_a_new_path_and_a_picture() {
    let (ada, bo, room) = pair(true);
    let (outgoing, incoming) = talk(&ada, &bo, &room);
    let silent_within = Duration::from_secs(30);

    outgoing.mute(true).unwrap();
    incoming.wait_until("is_remote_muted", true).unwrap();
    incoming.wait_for_silence(silent_within).unwrap();
    outgoing.mute(false).unwrap();
    incoming.wait_for_tone(ADAS_TONE).unwrap();

    incoming.hold(true).unwrap();
    outgoing.wait_until("is_local_on_hold", true).unwrap();
    outgoing.wait_for_silence(silent_within).unwrap();
    incoming.hold(false).unwrap();
    outgoing.wait_for_tone(BOS_TONE).unwrap();
    incoming.wait_for_tone(ADAS_TONE).unwrap();

    let before = outgoing.status().unwrap();
    outgoing.restart_ice().unwrap();
    let after = outgoing.wait_for_restart(&before).unwrap();
    assert_ne!(after.local_ufrag, before.local_ufrag);

    outgoing.show_video(true).unwrap();
    incoming.wait_until("has_remote_video", true).unwrap();
    ada.speak(1200.0).unwrap();
    incoming.wait_for_tone(1200.0).unwrap();
    outgoing.hang_up().unwrap();
    incoming.wait_for(JsSdkCallState::Ended).unwrap();
}

#[test]
fn a_failure_in_the_page_says_what_was_asked_and_a_browser_that_ends_is_gone() {
    let (synapse, _) = world();
    let browser = JsSdk::start().unwrap();
    let login = JsSdkLogin {
        homeserver: &synapse.base_url(),
        user: "nobody",
        password: "wrong",
        hertz: ADAS_TONE,
        force_turn: false,
    };
    let refused = browser.log_in(&login).unwrap_err().to_string();
    assert!(
        refused.contains("`logIn` failed") && refused.contains("M_FORBIDDEN"),
        "{refused}"
    );
    let process = browser.process_id();
    drop(browser);
    assert!(!Path::new(&format!("/proc/{process}")).exists());
}
