//! What is said of a conference, in invites and rosters: the shape, the bounds, and that nobody is named twice or at another's address.

use proptest::prelude::*;
use securecall_contact::{MatrixId, SecureCallId};
use securecall_signaling::{
    Bundle, BundleError, ConferenceId, ConferenceInvite, Content, Description, Hex32, Invite,
    MAX_MEMBERS, Membership, MembershipState, Person, PersonError, Roster,
};
use serde_json::{Value, json};

use crate::bundles::bundle;

/// The ID that is the n-th in order.
pub(crate) fn id(number: u8) -> SecureCallId {
    // In capitals and small letters: a text in one case could be the beginning of the newer form.
    let mut key = [0x6b; 32];
    key[0] = number;
    key[12..20].fill(0);
    base64url(&key).parse().unwrap()
}

/// The older form of an ID: base64url of the bare key.
fn base64url(key: &[u8; 32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bit = |index: usize| {
        key.get(index / 8)
            .map_or(0, |byte| byte >> (7 - index % 8) & 1)
    };
    let digit = |place: usize| (0..6).fold(0, |value, index| value << 1 | bit(place * 6 + index));
    (0..43)
        .map(|place| char::from(ALPHABET[usize::from(digit(place))]))
        .collect()
}

pub(crate) fn person(number: u8) -> Person {
    let server = "example.org".parse().unwrap();
    let id = id(number);
    Person::new(id, MatrixId::of_securecall_id(&id, &server)).unwrap()
}

pub(crate) fn roster(people: u8) -> Roster {
    let members = (0..people).map(|number| Membership {
        person: person(number),
        state: [
            MembershipState::Connected,
            MembershipState::Calling,
            MembershipState::NoPath,
        ][usize::from(number % 3)],
        brought_by: (number % 2 == 1).then(|| id(0)),
    });
    Roster {
        conference_id: conference(),
        number: 7,
        members: members.collect(),
    }
}

fn conference() -> ConferenceId {
    ConferenceId::from_random([0xab; 16])
}

fn invite(people: u8) -> Invite {
    Invite {
        offer: Description::offer("v=0"),
        lifetime: 90_000,
        sent_at: 1_800_000_000_000,
        words_commitment: Hex32([7; 32]),
        conference: Some(ConferenceInvite {
            conference_id: conference(),
            rings: true,
            members: (0..people).map(person).collect(),
        }),
    }
}

fn json_of(content: Content) -> Value {
    serde_json::to_value(bundle(vec![content])).unwrap()
}

fn parse(json: &Value) -> Result<Bundle, BundleError> {
    Bundle::parse(&serde_json::to_vec(json).unwrap())
}

#[test]
fn the_shape_is_that_of_the_protocol_text() {
    let json = json_of(Content::Roster(roster(2)));
    assert_eq!(
        json["contents"][0],
        json!({
            "type": "tech.stealthx.securecall.roster",
            "conference_id": "ab".repeat(16),
            "number": 7,
            "members": [
                { "id": id(0).to_string(), "matrix_id": format!("@sc_{}:example.org", id(0)), "state": "connected" },
                { "id": id(1).to_string(), "matrix_id": format!("@sc_{}:example.org", id(1)), "state": "calling",
                  "brought_by": id(0).to_string() },
            ],
        })
    );
    let json = json_of(Content::Invite(invite(1)));
    assert_eq!(
        json["contents"][0]["conference"],
        json!({
            "conference_id": "ab".repeat(16),
            "rings": true,
            "members": [{ "id": id(0).to_string(), "matrix_id": format!("@sc_{}:example.org", id(0)) }],
        })
    );
}

#[test]
fn an_invite_of_a_call_of_two_has_the_bytes_it_always_had() {
    let alone = Invite {
        conference: None,
        ..invite(0)
    };
    let text = serde_json::to_string(&Content::Invite(alone)).unwrap();
    let commitment = "07".repeat(32);
    assert_eq!(
        text,
        format!(
            r#"{{"type":"m.call.invite","offer":{{"type":"offer","sdp":"v=0"}},"lifetime":90000,"sent_at":1800000000000,"words_commitment":"{commitment}"}}"#
        )
    );
}

#[test]
fn eight_people_are_read_and_nine_are_not() {
    for (people, is_taken) in [(8, true), (9, false)] {
        for content in [
            Content::Roster(roster(people)),
            Content::Invite(invite(people)),
        ] {
            let read = parse(&json_of(content));
            let too_much = matches!(
                read,
                Err(BundleError::TooMuch {
                    limit: MAX_MEMBERS,
                    found: 9,
                    ..
                })
            );
            assert_eq!((read.is_ok(), too_much), (is_taken, !is_taken));
        }
    }
}

#[test]
fn nobody_is_named_twice() {
    let mut twice = roster(3);
    twice.members[2] = Membership {
        state: MembershipState::Calling,
        ..twice.members[0].clone()
    };
    assert_eq!(
        parse(&json_of(Content::Roster(twice))),
        Err(BundleError::NamedTwice)
    );
    let mut twice = invite(3);
    // Not even at two addresses.
    let elsewhere = Person::new(id(0), "@someone:elsewhere.example".parse().unwrap()).unwrap();
    twice.conference.as_mut().unwrap().members[2] = elsewhere;
    assert_eq!(
        parse(&json_of(Content::Invite(twice))),
        Err(BundleError::NamedTwice)
    );
}

#[test]
fn nobody_is_named_at_the_certified_address_of_another() {
    let address = person(1).matrix_id().clone();
    assert_eq!(
        Person::new(id(0), address),
        Err(PersonError::AddressOfAnother)
    );
    let mut json = json_of(Content::Roster(roster(1)));
    json["contents"][0]["members"][0]["id"] = id(1).to_string().into();
    assert!(matches!(parse(&json), Err(BundleError::Json { .. })));
}

#[test]
fn what_is_no_id_no_address_or_no_state_is_refused() {
    let good = json_of(Content::Roster(roster(2)));
    let member = |name: &str, value: Value| {
        let mut json = good.clone();
        json["contents"][0]["members"][1][name] = value;
        json
    };
    let mut wrong = vec![
        member("id", id(1).to_string().to_uppercase().into()),
        member("id", base64url(&[9; 32]).into()),
        member("id", Value::Null),
        member("matrix_id", "example.org".into()),
        member("matrix_id", format!("@{}:a.b", "x".repeat(255)).into()),
        member("state", "left".into()),
        member("brought_by", "nobody".into()),
    ];
    for (name, value) in [
        ("conference_id", json!("AB".repeat(16))),
        ("number", json!(-1)),
        ("number", json!(u64::from(u32::MAX) + 1)),
        ("members", json!({})),
    ] {
        let mut json = good.clone();
        json["contents"][0][name] = value;
        wrong.push(json);
    }
    for json in wrong {
        assert!(
            matches!(parse(&json), Err(BundleError::Json { .. })),
            "{json}"
        );
    }
    assert!(parse(&member("brought_by", Value::Null)).is_ok());
    assert!(parse(&member("new_field", json!([1]))).is_ok());
}

#[test]
fn a_roster_is_not_said_before_the_handshake_is_through() {
    assert!(!Content::Roster(roster(1)).fits_message_2());
}

#[test]
fn a_log_shows_no_address() {
    let shown = format!("{:?}", Content::Roster(roster(2)));
    assert!(
        !shown.contains("example.org") && !shown.contains(&id(0).to_string()),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn a_changed_roster_parses_to_something_bounded_or_not_at_all(place in 0_usize..2000, byte in any::<u8>()) {
        let mut json = bundle(vec![Content::Roster(roster(8)), Content::Invite(invite(8))]).to_json();
        let place = place % json.len();
        json[place] = byte;
        if let Ok(bundle) = Bundle::parse(&json) {
            prop_assert_eq!(Bundle::parse(&bundle.to_json()).unwrap(), bundle);
        }
    }
}
