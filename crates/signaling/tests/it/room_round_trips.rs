//! What is written of calls in rooms: it is read back as it was, and has what the strictest reader among the clients in use needs.

use std::time::Duration;

use proptest::prelude::*;
use securecall_signaling::wire::room::{
    MAX_ROOM_CONTENT, Mid, RoomCandidate, RoomContent, RoomInvite, RoomReason, RoomSignal,
    RoomVersion, Stream, StreamId, StreamMetadata, StreamPurpose,
};
use securecall_signaling::{Description, HangupReason, PartyId, WireCallId};
use serde_json::{Value, json};

use crate::room_events::{read, whole_events};

fn any_stream() -> impl Strategy<Value = Stream> {
    let purpose = prop_oneof![
        Just(StreamPurpose::Usermedia),
        Just(StreamPurpose::Screenshare)
    ];
    (purpose, any::<bool>(), any::<bool>()).prop_map(|(purpose, audio_muted, video_muted)| Stream {
        purpose,
        audio_muted,
        video_muted,
    })
}

fn any_streams() -> impl Strategy<Value = StreamMetadata> {
    let id = "[!-~]{1,40}".prop_map(|id| StreamId::parse(&id).unwrap());
    prop::collection::btree_map(id, any_stream(), 0..6).prop_map(StreamMetadata::from_iter)
}

fn any_candidate() -> impl Strategy<Value = RoomCandidate> {
    let mid = prop::option::of("[!-~]{1,10}".prop_map(|mid| Mid::parse(&mid).unwrap()));
    let index = any::<u16>();
    let placed = ("[^\u{0}]{0,100}", mid.clone(), index);
    let placed = placed.prop_map(|(candidate, sdp_mid, index)| RoomCandidate {
        candidate,
        sdp_mid,
        sdp_m_line_index: Some(index),
    });
    let end = mid.prop_map(|sdp_mid| RoomCandidate {
        candidate: String::new(),
        sdp_mid,
        sdp_m_line_index: None,
    });
    prop_oneof![4 => placed, 1 => end]
}

fn any_reason() -> impl Strategy<Value = RoomReason> {
    prop_oneof![
        "[0-9A-Za-z._~-]{1,64}",
        Just("ice_failed".to_owned()),
        Just("unknown_error".to_owned())
    ]
    .prop_map(|text| RoomReason::parse(&text))
}

fn any_lifetime() -> impl Strategy<Value = Duration> {
    (0_u64..=180_000).prop_map(Duration::from_millis)
}

fn any_party() -> impl Strategy<Value = PartyId> {
    "[!-~]{1,255}".prop_map(|id| PartyId::parse(&id).unwrap())
}

fn any_content() -> impl Strategy<Value = RoomContent> {
    let streams = || prop::option::of(any_streams());
    let sdp = || ".{0,200}";
    let invitee = prop::option::of(Just("@ben:example.org".parse().unwrap()));
    let invite = (sdp(), any_lifetime(), invitee, streams());
    let negotiate = (
        any::<bool>(),
        sdp(),
        prop::option::of(any_lifetime()),
        streams(),
    );
    prop_oneof![
        invite.prop_map(
            |(sdp, lifetime, invitee, streams)| RoomContent::Invite(RoomInvite {
                offer: Description::offer(sdp),
                lifetime,
                invitee,
                streams,
            })
        ),
        (sdp(), streams()).prop_map(|(sdp, streams)| RoomContent::Answer {
            answer: Description::answer(sdp),
            streams,
        }),
        prop::collection::vec(any_candidate(), 0..8)
            .prop_map(|candidates| RoomContent::Candidates { candidates }),
        any_party().prop_map(|selected_party_id| RoomContent::SelectAnswer { selected_party_id }),
        prop::option::of(any_reason()).prop_map(|reason| RoomContent::Reject { reason }),
        any_reason().prop_map(|reason| RoomContent::Hangup { reason }),
        negotiate.prop_map(
            |(is_offer, sdp, lifetime, streams)| RoomContent::Negotiate {
                description: if is_offer {
                    Description::offer(sdp)
                } else {
                    Description::answer(sdp)
                },
                lifetime,
                streams,
            }
        ),
        any_streams().prop_map(|streams| RoomContent::StreamMetadataChanged { streams }),
    ]
}

fn any_signal() -> impl Strategy<Value = RoomSignal> {
    let call_id = "[0-9A-Za-z._~-]{1,255}".prop_map(|id| WireCallId::parse(&id).unwrap());
    let version = prop_oneof![Just(RoomVersion::V0), Just(RoomVersion::V1)];
    let party_id = prop::option::of(any_party());
    (call_id, version, party_id, any_content()).prop_map(|(call_id, version, party_id, content)| {
        RoomSignal {
            call_id,
            version,
            party_id: party_id.filter(|_| version == RoomVersion::V1),
            content,
        }
    })
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(signal in any_signal()) {
        let (event_type, content) = signal.to_event();
        prop_assert!(!has_null(&content), "{}", content);
        prop_assert_eq!(read(event_type, &content), signal);
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (event_type, _) in whole_events() {
            let _ = RoomSignal::parse(event_type, &bytes);
        }
    }

    #[test]
    fn a_changed_event_is_read_as_something_bounded_or_not_at_all(at in any::<prop::sample::Index>(), new in any::<u8>()) {
        for (event_type, content) in whole_events() {
            let mut bytes = serde_json::to_vec(&content).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = new;
            if let Ok(Some(signal)) = RoomSignal::parse(event_type, &bytes) {
                let (event_type, content) = signal.to_event();
                prop_assert_eq!(read(event_type, &content), signal);
            }
        }
    }
}

/// One of each event as we send them.
fn ours() -> Vec<RoomSignal> {
    let streams = StreamMetadata::of_voice(StreamId::parse("securecall").unwrap(), true);
    let mid = Mid::parse("0").unwrap();
    let contents = vec![
        RoomContent::Invite(RoomInvite {
            offer: Description::offer("v=0"),
            lifetime: Duration::from_secs(90),
            invitee: Some("@ben:example.org".parse().unwrap()),
            streams: Some(streams.clone()),
        }),
        RoomContent::Answer {
            answer: Description::answer("v=0"),
            streams: Some(streams.clone()),
        },
        RoomContent::Candidates {
            candidates: vec![
                RoomCandidate::bundled("candidate:1", mid.clone()),
                RoomCandidate::bundled("", mid),
            ],
        },
        RoomContent::SelectAnswer {
            selected_party_id: PartyId::parse("BEN").unwrap(),
        },
        RoomContent::Reject { reason: None },
        RoomContent::Hangup {
            reason: HangupReason::UserHangup.into(),
        },
        RoomContent::Negotiate {
            description: Description::offer("v=0"),
            lifetime: Some(Duration::from_secs(90)),
            streams: Some(streams.clone()),
        },
        RoomContent::StreamMetadataChanged { streams },
    ];
    let call_id = WireCallId::parse("c1").unwrap();
    let party_id = PartyId::parse("ADA").unwrap();
    let signal = |content| RoomSignal::new(call_id.clone(), party_id.clone(), content);
    contents.into_iter().map(signal).collect()
}

#[test]
fn our_events_have_the_shape_of_the_specification() {
    let stream = json!({"purpose": "m.usermedia", "audio_muted": true, "video_muted": true});
    let streams = json!({"securecall": stream});
    let expected = [
        (
            "m.call.invite",
            json!({"offer": {"type": "offer", "sdp": "v=0"}, "lifetime": 90_000, "invitee": "@ben:example.org",
                "sdp_stream_metadata": streams, "org.matrix.msc3077.sdp_stream_metadata": streams}),
        ),
        (
            "m.call.answer",
            json!({"answer": {"type": "answer", "sdp": "v=0"},
                "sdp_stream_metadata": streams, "org.matrix.msc3077.sdp_stream_metadata": streams}),
        ),
        (
            "m.call.candidates",
            json!({"candidates": [
                {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0},
                {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0},
            ]}),
        ),
        ("m.call.select_answer", json!({"selected_party_id": "BEN"})),
        ("m.call.reject", json!({})),
        ("m.call.hangup", json!({"reason": "user_hangup"})),
        (
            "m.call.negotiate",
            json!({"description": {"type": "offer", "sdp": "v=0"}, "lifetime": 90_000,
                "sdp_stream_metadata": streams, "org.matrix.msc3077.sdp_stream_metadata": streams}),
        ),
        (
            "m.call.sdp_stream_metadata_changed",
            json!({"sdp_stream_metadata": streams, "org.matrix.msc3077.sdp_stream_metadata": streams}),
        ),
    ];
    let written: Vec<_> = ours().iter().map(RoomSignal::to_event).collect();
    for ((event_type, mut content), written) in expected.into_iter().zip(&written) {
        content["call_id"] = "c1".into();
        content["version"] = "1".into();
        content["party_id"] = "ADA".into();
        assert_eq!((event_type, content), *written);
    }
    assert_eq!(written.len(), 8);
}

#[test]
fn a_candidate_that_knows_its_number_alone_is_written_with_both_of_its_places() {
    let candidate = RoomCandidate {
        candidate: "candidate:1".into(),
        sdp_mid: None,
        sdp_m_line_index: Some(2),
    };
    let candidates = vec![candidate];
    let call_id = WireCallId::parse("c1").unwrap();
    let party_id = PartyId::parse("ADA").unwrap();
    let signal = RoomSignal::new(call_id, party_id, RoomContent::Candidates { candidates });
    let expected = json!([{"candidate": "candidate:1", "sdpMid": "", "sdpMLineIndex": 2}]);
    assert_eq!(signal.to_event().1["candidates"], expected);
}

/// mtxclient, which Nheko reads events with, loses a whole event for a field that is missing or of another kind.
#[test]
fn nheko_finds_every_field_that_it_needs() {
    for signal in ours() {
        let (event_type, content) = signal.to_event();
        let text = |pointer: &str| content.pointer(pointer).unwrap().as_str().unwrap();
        let number = |pointer: &str| content.pointer(pointer).unwrap().as_u64().unwrap();
        assert_eq!((text("/version"), text("/call_id")), ("1", "c1"));
        assert_eq!(text("/party_id"), "ADA");
        match event_type {
            "m.call.invite" => {
                assert_eq!((text("/offer/type"), text("/offer/sdp")), ("offer", "v=0"));
                assert!(u32::try_from(number("/lifetime")).is_ok());
                assert!(!text("/invitee").is_empty());
            }
            "m.call.candidates" => {
                for n in 0..content["candidates"].as_array().unwrap().len() {
                    text(&format!("/candidates/{n}/candidate"));
                    text(&format!("/candidates/{n}/sdpMid"));
                    let index = number(&format!("/candidates/{n}/sdpMLineIndex"));
                    assert!(u16::try_from(index).is_ok());
                }
            }
            _ => {}
        }
    }
}

#[test]
fn no_address_and_no_description_gets_into_a_log() {
    let secret = "192.0.2.77";
    let mid = Mid::parse("0").unwrap();
    let contents = [
        RoomContent::Candidates {
            candidates: vec![RoomCandidate::bundled(secret, mid)],
        },
        RoomContent::Answer {
            answer: Description::answer(secret),
            streams: None,
        },
    ];
    for content in contents {
        let shown = format!("{content:?}");
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_description_may_fill_a_whole_event() {
    let sdp = "x".repeat(MAX_ROOM_CONTENT - 100);
    let content = json!({"call_id": "c1", "answer": {"type": "answer", "sdp": sdp}});
    let RoomContent::Answer { answer, .. } = read("m.call.answer", &content).content else {
        panic!("another event");
    };
    assert_eq!(answer.sdp, sdp);
}
