//! Parsing: what comes out is what went in, everything is bounded, junk is refused with a reason.

use proptest::prelude::*;
use securecall_signaling::{
    Acknowledgement, Bundle, BundleError, CallId, Candidate, Content, Description, HangupReason,
    Hex32, Invite, MAX_ACKNOWLEDGEMENTS, MAX_BUNDLE, MAX_CANDIDATE, MAX_CANDIDATES, MAX_CONTENTS,
    MAX_SDP, PartyId, Version,
};

pub(crate) fn bundle(contents: Vec<Content>) -> Bundle {
    Bundle {
        version: Version::V1,
        call_id: CallId::from_random([1; 16]).to_string(),
        party_id: PartyId::parse("DEVICE").unwrap(),
        contents,
        acknowledges: vec![Acknowledgement(1, 2)],
        wants_acknowledgement: true,
    }
}

fn candidate(text: &str) -> Candidate {
    Candidate {
        candidate: text.into(),
        sdp_mid: "0".into(),
    }
}

pub(crate) fn one_of_each() -> Vec<Content> {
    vec![
        Content::Invite(Invite {
            offer: Description::offer("v=0"),
            lifetime: 90_000,
            sent_at: 1_800_000_000_000,
            words_commitment: Hex32([7; 32]),
            conference: None,
        }),
        Content::Answer {
            answer: Description::answer("v=0"),
        },
        Content::Candidates {
            candidates: vec![candidate("candidate:1"), candidate("")],
        },
        Content::SelectAnswer {
            selected_party_id: PartyId::parse("DEVICE").unwrap(),
        },
        Content::Reject,
        Content::Hangup {
            reason: HangupReason::UserHangup,
        },
        Content::Negotiate {
            description: Description::offer("v=0"),
            negotiation: 3,
        },
        Content::Ringing,
        Content::Busy,
        Content::ClocksDiffer,
        Content::WordsNonce {
            nonce: Hex32([8; 32]),
        },
        Content::Rekey,
        Content::RestartPlease,
        Content::Roster(crate::rosters::roster(3)),
    ]
}

/// Bundles with this text where a party ID belongs: the sender's, and the one that was selected.
fn party_ids_of(text: &str) -> [Vec<u8>; 2] {
    let select = Content::SelectAnswer {
        selected_party_id: PartyId::parse("DEVICE").unwrap(),
    };
    let good = serde_json::to_value(bundle(vec![Content::Ringing, select])).unwrap();
    let (mut sender, mut selected) = (good.clone(), good);
    sender["party_id"] = text.into();
    selected["contents"][1]["selected_party_id"] = text.into();
    [sender, selected].map(|json| serde_json::to_vec(&json).unwrap())
}

#[test]
fn every_content_comes_back_as_it_went_and_names_its_type() {
    let original = bundle(one_of_each());
    let json = original.to_json();
    assert_eq!(Bundle::parse(&json).unwrap(), original);
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    for (content, json) in original
        .contents
        .iter()
        .zip(value["contents"].as_array().unwrap())
    {
        assert_eq!(json["type"], content.kind());
    }
}

#[test]
fn the_shape_is_that_of_msc2746() {
    let json = serde_json::to_value(bundle(one_of_each())).unwrap();
    assert_eq!(json["version"], "1");
    let contents = json["contents"].as_array().unwrap();
    assert_eq!(contents[0]["offer"]["type"], "offer");
    assert_eq!(
        contents[1]["answer"],
        serde_json::json!({"type": "answer", "sdp": "v=0"})
    );
    assert_eq!(
        contents[2]["candidates"][0],
        serde_json::json!({"candidate": "candidate:1", "sdpMid": "0"})
    );
    assert_eq!(contents[3]["selected_party_id"], "DEVICE");
    assert_eq!(contents[5]["reason"], "user_hangup");
}

#[test]
fn trailing_spaces_are_padding() {
    let mut json = bundle(vec![Content::Ringing]).to_json();
    json.resize(4096, b' ');
    assert!(Bundle::parse(&json).is_ok());
}

#[test]
fn unknown_fields_are_ignored_and_unknown_hangup_reasons_understood() {
    let json =
        br#"{"version":"1","call_id":"x","party_id":"D","wants_acknowledgement":false,"new":1,
        "contents":[{"type":"m.call.hangup","reason":"new_reason","new":[]}]}"#;
    assert_eq!(
        Bundle::parse(json).unwrap().contents,
        [Content::Hangup {
            reason: HangupReason::UnknownError
        }]
    );
}

#[test]
fn too_much_of_anything_is_refused() {
    let sdp = "x".repeat(MAX_SDP + 1);
    let too_much = [
        bundle(vec![Content::Answer {
            answer: Description::answer(sdp.clone()),
        }]),
        bundle(vec![Content::Negotiate {
            description: Description::offer(sdp),
            negotiation: 1,
        }]),
        bundle(vec![Content::Candidates {
            candidates: vec![candidate("c"); MAX_CANDIDATES + 1],
        }]),
        bundle(vec![Content::Candidates {
            candidates: vec![candidate(&"c".repeat(MAX_CANDIDATE + 1))],
        }]),
        bundle(vec![Content::Reject; MAX_CONTENTS + 1]),
        Bundle {
            acknowledges: vec![Acknowledgement(0, 0); MAX_ACKNOWLEDGEMENTS + 1],
            ..bundle(Vec::new())
        },
    ];
    let long = "x".repeat(PartyId::MAX_LEN + 1);
    let too_much = too_much.map(|bundle| bundle.to_json());
    for json in too_much.into_iter().chain(party_ids_of(&long)) {
        assert!(
            matches!(Bundle::parse(&json), Err(BundleError::TooMuch { .. })),
            "{}",
            String::from_utf8_lossy(&json)
        );
    }
    assert!(matches!(
        Bundle::parse(&vec![b' '; MAX_BUNDLE + 1]),
        Err(BundleError::TooMuch { .. })
    ));
}

#[test]
fn party_ids_are_printable_and_not_empty() {
    for party_id in ["", "a b", "ä", "a\n"] {
        for json in party_ids_of(party_id) {
            assert_eq!(
                Bundle::parse(&json),
                Err(BundleError::PartyId),
                "{party_id:?}"
            );
        }
    }
}

#[test]
fn junk_is_refused() {
    let good = String::from_utf8(
        bundle(vec![Content::WordsNonce {
            nonce: Hex32([0xab; 32]),
        }])
        .to_json(),
    )
    .unwrap();
    let wrong = [
        String::new(),
        "null".into(),
        "[]".into(),
        good.replacen("\"1\"", "\"2\"", 1),
        good.replacen("\"1\"", "1", 1),
        good.replace("words_nonce", "unknown_type"),
        good.replacen("abab", "ABAB", 1),
        good.replacen("abab", "ab", 1),
        good.replacen("wants_acknowledgement", "wants", 1),
        good.replacen("\"DEVICE\"", "1", 1),
        format!("{good}x"),
    ];
    for text in wrong {
        assert!(
            matches!(
                Bundle::parse(text.as_bytes()),
                Err(BundleError::Json { .. })
            ),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Bundle::parse(&bytes);
    }

    #[test]
    fn a_changed_bundle_parses_to_something_bounded_or_not_at_all(place in 0_usize..600, byte in any::<u8>()) {
        let mut json = bundle(one_of_each()).to_json();
        let place = place % json.len();
        json[place] = byte;
        if let Ok(bundle) = Bundle::parse(&json) {
            prop_assert_eq!(Bundle::parse(&bundle.to_json()).unwrap(), bundle);
        }
    }
}
