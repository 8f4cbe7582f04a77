//! Events of calls in rooms as the clients in use send them, written from what is known of each (`docs/protocol/room.md`).

use std::time::Duration;

use securecall_signaling::wire::room::{
    RoomCandidate, RoomContent, RoomInvite, RoomReason, RoomSignal, RoomVersion, Stream,
    StreamMetadata, StreamPurpose,
};
use securecall_signaling::{Description, HangupReason};
use serde_json::{Value, json};

use crate::room_events::read;

const LINE: &str = "candidate:1 1 udp 2122260223 192.0.2.1 43670 typ host generation 0 ufrag abcd";

/// The content with what a client puts into each of its events.
fn with(common: &Value, content: Value) -> Value {
    let (Value::Object(common), Value::Object(content)) = (common.clone(), content) else {
        panic!("no objects");
    };
    Value::Object(common.into_iter().chain(content).collect())
}

fn camera_off(audio_muted: bool) -> Stream {
    Stream {
        purpose: StreamPurpose::Usermedia,
        audio_muted,
        video_muted: true,
    }
}

fn streams_of(signal: &RoomSignal) -> Option<&StreamMetadata> {
    match &signal.content {
        RoomContent::Invite(RoomInvite { streams, .. })
        | RoomContent::Answer { streams, .. }
        | RoomContent::Negotiate { streams, .. } => streams.as_ref(),
        RoomContent::StreamMetadataChanged { streams } => Some(streams),
        _ => None,
    }
}

fn candidates_of(signal: &RoomSignal) -> &[RoomCandidate] {
    match &signal.content {
        RoomContent::Candidates { candidates } => candidates,
        other => panic!("{other:?}"),
    }
}

mod matrix_js_sdk {
    use super::*;

    fn event(content: Value) -> Value {
        let common = json!({"version": "1", "call_id": "1764300000000AbCdEfGhIjKlMnOp", "party_id": "ABCDEFGHIJ"});
        with(&common, content)
    }

    fn one_stream(value: &Value) -> Value {
        json!({"9b6e1f3c-0000-4000-8000-2f0d0a1b2c3d": value})
    }

    #[test]
    fn an_invite_without_invitee_says_which_stream_is_what() {
        let stream = json!({"purpose": "m.usermedia", "audio_muted": false, "video_muted": true});
        let read = read(
            "m.call.invite",
            &event(json!({
                "lifetime": 60_000,
                "offer": {"type": "offer", "sdp": "v=0\r\n"},
                "capabilities": {"m.call.transferee": true, "m.call.dtmf": false},
                "sdp_stream_metadata": one_stream(&stream),
            })),
        );
        assert_eq!(read.version, RoomVersion::V1);
        assert_eq!(read.call_id.as_str(), "1764300000000AbCdEfGhIjKlMnOp");
        assert_eq!(read.party_id.as_ref().unwrap().as_str(), "ABCDEFGHIJ");
        let RoomContent::Invite(invite) = &read.content else {
            panic!("{read:?}");
        };
        assert_eq!(invite.offer, Description::offer("v=0\r\n"));
        assert_eq!(invite.lifetime, Duration::from_secs(60));
        assert_eq!(invite.invitee, None);
        let streams: Vec<_> = streams_of(&read).unwrap().iter().collect();
        assert_eq!(streams.len(), 1);
        assert_eq!(
            streams[0].0.as_str(),
            "9b6e1f3c-0000-4000-8000-2f0d0a1b2c3d"
        );
        assert_eq!(*streams[0].1, camera_off(false));
    }

    #[test]
    fn the_end_of_candidates_belongs_to_no_line() {
        let chromium = json!({"candidate": LINE, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "abcd"});
        let read = read(
            "m.call.candidates",
            &event(json!({"candidates": [chromium, {"candidate": ""}]})),
        );
        let [first, end] = candidates_of(&read) else {
            panic!("{read:?}");
        };
        assert_eq!((first.candidate.as_str(), first.is_end()), (LINE, false));
        assert_eq!(first.sdp_mid.as_ref().unwrap().as_str(), "0");
        assert_eq!(first.sdp_m_line_index, Some(0));
        assert!(end.is_end());
    }

    #[test]
    fn an_answer_to_a_hold_has_no_lifetime_and_an_offer_has_one() {
        let stream = json!({"purpose": "m.usermedia", "audio_muted": true, "video_muted": true});
        for (kind, lifetime) in [("answer", None), ("offer", Some(60_000))] {
            let mut content = event(json!({
                "description": {"type": kind, "sdp": "v=0"},
                "sdp_stream_metadata": one_stream(&stream),
            }));
            if let Some(lifetime) = lifetime {
                content["lifetime"] = lifetime.into();
            }
            let read = read("m.call.negotiate", &content);
            let RoomContent::Negotiate {
                description,
                lifetime: read_lifetime,
                streams,
            } = &read.content
            else {
                panic!("{read:?}");
            };
            let written = serde_json::to_value(description).unwrap();
            assert_eq!(written, json!({"type": kind, "sdp": "v=0"}));
            assert_eq!(*read_lifetime, lifetime.map(Duration::from_millis));
            assert_eq!(streams.as_ref().map(StreamMetadata::len), Some(1));
        }
    }

    #[test]
    fn mute_comes_under_the_older_name_of_the_event() {
        let stream = json!({"purpose": "m.usermedia", "audio_muted": true, "video_muted": true});
        let content = event(json!({"sdp_stream_metadata": one_stream(&stream)}));
        let older = read("org.matrix.call.sdp_stream_metadata_changed", &content);
        let muted = streams_of(&older).unwrap().iter().next().unwrap().1;
        assert_eq!(*muted, camera_off(true));
        let newer = read("m.call.sdp_stream_metadata_changed", &content);
        assert_eq!(older, newer);
    }

    #[test]
    fn reasons_are_more_than_the_specification_has() {
        let cases = [
            (json!({"reason": "user_hangup"}), HangupReason::UserHangup),
            (
                json!({"reason": "answered_elsewhere"}),
                HangupReason::UnknownError,
            ),
            (json!({"reason": "ice_timeout"}), HangupReason::IceTimeout),
            (json!({}), HangupReason::UserHangup),
        ];
        for (content, known) in cases {
            let read = read("m.call.hangup", &event(content.clone()));
            let RoomContent::Hangup { reason } = &read.content else {
                panic!("{read:?}");
            };
            assert_eq!(reason.known(), known);
            let text = content["reason"].as_str().unwrap_or("user_hangup");
            assert_eq!(reason.as_str(), text);
        }
    }

    #[test]
    fn a_busy_user_rejects_with_a_reason_and_others_without_one() {
        let busy = read("m.call.reject", &event(json!({"reason": "user_busy"})));
        let reason = Some(RoomReason::Known(HangupReason::UserBusy));
        assert_eq!(busy.content, RoomContent::Reject { reason });
        let rejected = read("m.call.reject", &event(json!({})));
        assert_eq!(rejected.content, RoomContent::Reject { reason: None });
    }
}

mod matrix_dart_sdk {
    use super::*;

    fn event(content: Value) -> Value {
        let common = json!({"version": "1", "call_id": "1764300000000abcdefghijklmnop", "party_id": "q3+/9aZbQw=="});
        with(&common, content)
    }

    #[test]
    fn streams_are_under_the_older_key_alone() {
        let streams =
            json!({"s-1": {"purpose": "m.usermedia", "audio_muted": false, "video_muted": false}});
        let read = read(
            "m.call.invite",
            &event(json!({
                "lifetime": 60_000,
                "offer": {"type": "offer", "sdp": "v=0"},
                "invitee": "@ben:example.org",
                "invitee_device_id": "PHONE",
                "org.matrix.msc3077.sdp_stream_metadata": streams,
            })),
        );
        assert_eq!(read.party_id.as_ref().unwrap().as_str(), "q3+/9aZbQw==");
        let RoomContent::Invite(invite) = &read.content else {
            panic!("{read:?}");
        };
        assert_eq!(
            invite.invitee.as_ref().unwrap().as_str(),
            "@ben:example.org"
        );
        assert_eq!(streams_of(&read).unwrap().len(), 1);
    }

    #[test]
    fn a_candidate_may_have_null_where_it_knows_nothing() {
        let candidates = json!([
            {"candidate": LINE, "sdpMid": "", "sdpMLineIndex": 0},
            {"candidate": LINE, "sdpMid": "audio", "sdpMLineIndex": null},
        ]);
        let read = read(
            "m.call.candidates",
            &event(json!({"candidates": candidates})),
        );
        let [by_index, by_mid] = candidates_of(&read) else {
            panic!("{read:?}");
        };
        assert_eq!(
            (&by_index.sdp_mid, by_index.sdp_m_line_index),
            (&None, Some(0))
        );
        assert_eq!(by_mid.sdp_mid.as_ref().unwrap().as_str(), "audio");
        assert_eq!(by_mid.sdp_m_line_index, None);
    }
}

mod nheko {
    use super::*;

    fn event(content: Value) -> Value {
        let common = json!({"version": "1", "call_id": "c1a2b3c4d5e6f70", "party_id": "a1B2c3D4"});
        with(&common, content)
    }

    #[test]
    fn an_invite_says_nothing_of_streams() {
        let read = read(
            "m.call.invite",
            &event(json!({
                "lifetime": 120_000,
                "offer": {"type": "offer", "sdp": "v=0"},
                "invitee": "@ben:example.org",
            })),
        );
        let RoomContent::Invite(invite) = &read.content else {
            panic!("{read:?}");
        };
        assert_eq!(invite.lifetime, Duration::from_secs(120));
        assert_eq!(invite.streams, None);
    }

    #[test]
    fn candidates_have_an_empty_mid_and_the_number_of_their_line() {
        let candidate = json!({"candidate": LINE, "sdpMid": "", "sdpMLineIndex": 0});
        let read = read(
            "m.call.candidates",
            &event(json!({"candidates": [candidate]})),
        );
        let first = &candidates_of(&read)[0];
        assert_eq!((&first.sdp_mid, first.sdp_m_line_index), (&None, Some(0)));
    }

    #[test]
    fn negotiate_has_no_version_and_is_of_version_1() {
        let mut content =
            event(json!({"lifetime": 60_000, "description": {"type": "offer", "sdp": "v=0"}}));
        content.as_object_mut().unwrap().remove("version");
        let read = read("m.call.negotiate", &content);
        assert_eq!(read.version, RoomVersion::V1);
        assert_eq!(read.party_id.as_ref().unwrap().as_str(), "a1B2c3D4");
    }
}

mod version_0 {
    use super::*;

    #[test]
    fn there_is_no_party_and_a_hangup_has_no_reason() {
        let hangup = read("m.call.hangup", &json!({"version": 0, "call_id": "c1"}));
        assert_eq!(hangup.version, RoomVersion::V0);
        assert_eq!(hangup.party_id, None);
        let reason = HangupReason::UserHangup.into();
        assert_eq!(hangup.content, RoomContent::Hangup { reason });
    }

    #[test]
    fn a_party_id_is_not_even_looked_at() {
        for party_id in [json!("PHONE"), json!(7), json!("a b")] {
            let content = json!({"version": 0, "call_id": "c1", "party_id": party_id});
            assert_eq!(read("m.call.hangup", &content).party_id, None);
        }
    }

    #[test]
    fn only_the_whole_number_0_is_version_0() {
        let others = [
            "\"0\"", "0.0", "-0", "1", "\"1\"", "\"2\"", "-1", "null", "true", "[]", "{}", "1e400",
        ];
        for version in others {
            let content = format!(r#"{{"version":{version},"call_id":"c1","party_id":"P"}}"#);
            let Ok(read) = RoomSignal::parse("m.call.hangup", content.as_bytes()) else {
                assert_eq!(version, "1e400", "numbers that are none are no JSON");
                continue;
            };
            assert_eq!(read.unwrap().version, RoomVersion::V1, "{version}");
        }
    }
}

#[test]
fn whoever_leaves_the_party_out_is_read_all_the_same() {
    for party_id in [None, Some(Value::Null), Some("".into())] {
        let mut content = json!({"version": "1", "call_id": "c1"});
        if let Some(party_id) = party_id {
            content["party_id"] = party_id;
        }
        let read = read("m.call.hangup", &content);
        assert_eq!((read.version, read.party_id), (RoomVersion::V1, None));
    }
}

#[test]
fn of_two_keys_for_streams_that_of_the_specification_counts() {
    let stream = |muted: bool| json!({"purpose": "m.usermedia", "audio_muted": muted});
    let mut content = json!({
        "version": "1", "call_id": "c1", "party_id": "P",
        "sdp_stream_metadata": {"s": stream(true)},
        "org.matrix.msc3077.sdp_stream_metadata": {"s": stream(false)},
    });
    let muted = |content: &Value| {
        let read = read("m.call.sdp_stream_metadata_changed", content);
        let streams = streams_of(&read).unwrap();
        streams.iter().all(|(_, stream)| stream.audio_muted)
    };
    assert!(muted(&content));
    content["sdp_stream_metadata"] = Value::Null;
    assert!(!muted(&content), "null is as good as nothing");
}

#[test]
fn a_stream_for_something_unknown_is_left_out_and_the_others_are_kept() {
    let content = json!({
        "version": "1", "call_id": "c1", "party_id": "P",
        "sdp_stream_metadata": {
            "a": {"purpose": "org.example.hologram"},
            "b": {"purpose": "m.screenshare"},
        },
    });
    let read = read("m.call.sdp_stream_metadata_changed", &content);
    let streams: Vec<_> = streams_of(&read).unwrap().iter().collect();
    assert_eq!(streams.len(), 1);
    assert_eq!(streams[0].0.as_str(), "b");
    let screen = Stream {
        purpose: StreamPurpose::Screenshare,
        audio_muted: false,
        video_muted: false,
    };
    assert_eq!(*streams[0].1, screen);
}

#[test]
fn events_of_other_kinds_are_not_looked_at() {
    let others = [
        "m.room.message",
        "m.call.replaces",
        "org.matrix.call.asserted_identity",
        "m.call.member",
        "m.call",
        "M.CALL.INVITE",
        "m.call.invite ",
        "",
    ];
    for event_type in others {
        assert_eq!(
            RoomSignal::parse(event_type, b"no JSON"),
            Ok(None),
            "{event_type}"
        );
    }
}
