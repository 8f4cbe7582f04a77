//! What is published comes back, and what breaks a rule is refused with its reason.

use super::*;
use crate::token::tests::{at, issuer_key, issuer_name, other_key, rng, validity};

pub(crate) fn relay(name: &str, address: &str, role: Role, operator: &str) -> Relay {
    Relay {
        name: HostName::parse(name).unwrap(),
        addresses: address.split(' ').map(|a| a.parse().unwrap()).collect(),
        proof: HopProof::Authorities,
        role,
        operator: Operator::parse(operator).unwrap(),
        issuers: Vec::new(),
    }
}

pub(crate) fn directory(relays: Vec<Relay>) -> Directory {
    Directory {
        serial: 7,
        validity: validity(100, 200),
        issuer_keys: Vec::new(),
        relays,
        reach: Reach::Internet,
    }
}

fn full() -> Directory {
    let key = |key: crate::token::TokenKey, from, until| AcceptedKey {
        issuer: issuer_name(),
        key,
        validity: validity(from, until),
    };
    let mut one = relay(
        "one.example",
        "192.0.2.1:443 [2001:db8::1]:443",
        Role::Both,
        "Öner e.V.",
    );
    one.proof = HopProof::Spki([7; 32]);
    one.issuers = vec![issuer_name()];
    let two = relay("two.example", "198.51.100.1:4433", Role::Exit, "Two");
    let three = relay("three.example", "203.0.113.1:443", Role::Entry, "Three");
    let mut directory = directory(vec![one, two, three]);
    directory.issuer_keys = vec![
        key(issuer_key().public().clone(), 100, 150),
        key(other_key(2), 140, 200),
    ];
    directory
}

fn key() -> DirectorySigningKey {
    DirectorySigningKey::generate(&mut rng(1))
}

fn signed(payload: &[u8]) -> Vec<u8> {
    Directory::sign(payload, &key(), Reach::Internet).unwrap()
}

fn read(file: &[u8], now: u64) -> Result<(Directory, DirectoryMark), DirectoryError> {
    Directory::read(file, &[key().public()], None, Reach::Internet, at(now))
}

#[test]
fn a_directory_comes_back_as_it_was_signed() {
    let file = signed(&full().to_payload());
    let (directory, mark) = read(&file, 150).unwrap();
    assert_eq!(directory, full());
    assert_eq!(mark.serial, 7);
    let relay = &directory.relays[0];
    assert_eq!(directory.keys_of(relay).count(), 2);
    assert_eq!(directory.keys_of(&directory.relays[1]).count(), 0);
    let exit_at = |address: &str| directory.exit_at(address.parse().unwrap());
    assert_eq!(exit_at("[2001:db8::1]:443"), Some(relay));
    assert_eq!(exit_at("192.0.2.1:444"), None);
    assert_eq!(exit_at("203.0.113.1:443"), None);
    // The key that ends last of those that are valid.
    for (now, number) in [(120, Some(0)), (145, Some(1)), (160, Some(1)), (200, None)] {
        let key = directory.key_to_buy(&issuer_name(), at(now));
        assert_eq!(
            key,
            number.map(|number: usize| &directory.issuer_keys[number]),
            "{now}"
        );
    }
}

#[test]
fn only_what_a_trusted_key_signed_is_read() {
    let payload = full().to_payload();
    let file = signed(&payload);
    let stranger = DirectorySigningKey::generate(&mut rng(2));
    let forged = Directory::sign(&payload, &stranger, Reach::Internet).unwrap();
    assert_eq!(read(&forged, 150), Err(DirectoryError::Signature));
    // While one key follows another, both are trusted.
    let both = [stranger.public(), key().public()];
    assert!(Directory::read(&file, &both, None, Reach::Internet, at(150)).is_ok());
    assert_eq!(
        Directory::read(&file, &[], None, Reach::Internet, at(150)),
        Err(DirectoryError::Signature)
    );

    let text = String::from_utf8(file.clone()).unwrap();
    let other_payload = signed(
        &Directory {
            serial: 8,
            ..full()
        }
        .to_payload(),
    );
    let other = String::from_utf8(other_payload).unwrap();
    let (payload_end, _) = other.split_once("\",\"sig").unwrap();
    let (_, signature) = text.split_once("\",\"sig").unwrap();
    let mixed = format!("{payload_end}\",\"sig{signature}");
    assert_eq!(read(mixed.as_bytes(), 150), Err(DirectoryError::Signature));
    for envelope in [
        text.replacen('{', "{\"more\":1,", 1),
        text.replacen("\"payload\":\"", "\"payload\":\"\",\"payload\":\"", 1),
        text.replace("==\"", "\""),
        text.replacen("\"payload\":\"", "\"payload\":\" ", 1),
        format!("{text}{{}}"),
        "[]".to_owned(),
    ] {
        assert_eq!(
            read(envelope.as_bytes(), 150),
            Err(DirectoryError::Envelope),
            "{envelope}"
        );
    }
    let padded = [file, vec![b' '; MAX_DIRECTORY]].concat();
    assert_eq!(read(&padded, 150), Err(DirectoryError::TooLarge));
}

/// S + L is the same number to the curve.
#[test]
fn a_signature_cannot_be_changed_into_another() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let payload = b"payload";
    let mut signature = key().sign(payload);
    assert!(key().public().has_signed(payload, &signature));
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert!(!key().public().has_signed(payload, &signature));
}

/// R is the neutral element, and S = H(R ‖ A ‖ M) · a: RFC 8032 would take it, a strict check does not.
#[test]
fn a_signature_by_a_point_of_small_order_is_none() {
    let seed = data_encoding::BASE64.encode(&[7; 32]);
    let key = DirectorySigningKey::from_base64(&seed).unwrap().public();
    let mut signature = [0; 64];
    signature[0] = 1;
    let number = b"14e2fbc392513c9b71aecf9d9bdf725e6fabe4df181334e40edb233c3e20ea06";
    let number = data_encoding::HEXLOWER.decode(number).unwrap();
    signature[32..].copy_from_slice(&number);
    assert!(!key.has_signed(b"payload", &signature));
}

#[test]
fn keys_come_back_from_text_and_weak_ones_are_none() {
    let text = key().to_base64();
    let read = DirectorySigningKey::from_base64(&text).unwrap();
    assert_eq!(read.public(), key().public());
    assert_eq!(key().public().to_string().parse(), Ok(key().public()));
    assert!(!format!("{read:?}").contains(&text[..8]));
    // The neutral element signs everything.
    let weak = data_encoding::BASE64.encode(&[&[1][..], &[0; 31]].concat());
    for text in ["", "AAAA", &weak, &text[..43]] {
        assert_eq!(
            text.parse::<DirectoryKey>(),
            Err(DirectoryKeyError),
            "{text}"
        );
    }
}

#[test]
fn a_directory_is_used_in_its_time_and_never_followed_by_an_older_one() {
    let file = signed(&full().to_payload());
    assert_eq!(read(&file, 99), Err(DirectoryError::NotYetValid(at(100))));
    assert_eq!(read(&file, 200), Err(DirectoryError::Expired(at(200))));
    let (_, mark) = read(&file, 199).unwrap();
    let after = |last: DirectoryMark| {
        Directory::read(
            &file,
            &[key().public()],
            Some(&last),
            Reach::Internet,
            at(150),
        )
        .map(|_| ())
    };
    assert_eq!(after(mark), Ok(()));
    assert_eq!(
        after(DirectoryMark {
            serial: 6,
            digest: [0; 32]
        }),
        Ok(())
    );
    assert_eq!(
        after(DirectoryMark { serial: 8, ..mark }),
        Err(DirectoryError::Older { serial: 7, last: 8 })
    );
    assert_eq!(
        after(DirectoryMark {
            digest: [0; 32],
            ..mark
        }),
        Err(DirectoryError::Ambiguous(7))
    );
}

fn refused(change: impl FnOnce(&mut Directory)) -> String {
    let mut directory = full();
    change(&mut directory);
    let signed = Directory::sign(&directory.to_payload(), &key(), Reach::Internet);
    signed.unwrap_err().to_string()
}

#[test]
fn nothing_is_in_it_twice_and_nobody_is_named_who_is_not() {
    let twice = |change: fn(&mut Directory)| refused(change);
    let name = twice(|d| d.relays[1].name = d.relays[0].name.clone());
    assert!(
        name.ends_with("relay one.example: the name is there twice"),
        "{name}"
    );
    let address = twice(|d| d.relays[1].addresses = vec![d.relays[0].addresses[1]]);
    assert!(
        address.ends_with("[2001:db8::1]:443 is there twice"),
        "{address}"
    );
    let pin = twice(|d| d.relays[1].proof = d.relays[0].proof);
    assert!(pin.contains("another operator has the same key"), "{pin}");
    let key = twice(|d| d.issuer_keys[1].key = d.issuer_keys[0].key.clone());
    assert!(
        key.contains("key of issuer issuer.example is there twice"),
        "{key}"
    );
    let issuer = twice(|d| d.relays[0].issuers.push(issuer_name()));
    assert!(issuer.contains("is named twice"), "{issuer}");
    let unknown = twice(|d| d.issuer_keys.clear());
    assert!(unknown.contains("is not in the directory"), "{unknown}");
    // One operator may have one key on several machines.
    let mut directory = full();
    directory.relays[1].proof = directory.relays[0].proof;
    directory.relays[1].operator = directory.relays[0].operator.clone();
    signed(&directory.to_payload());
}

#[test]
fn relays_have_addresses_on_the_internet_unless_it_is_a_lab() {
    for address in [
        "10.0.0.1:443",
        "127.0.0.1:1",
        "[::1]:443",
        "[::ffff:192.0.2.9]:443",
        "[64:ff9b::192.0.2.9]:443",
        "[2002:c000:209::1]:443",
        "[2001:db8::9%1]:443",
        "192.0.2.9:0",
    ] {
        let reason = refused(|d| d.relays[1].addresses = vec![address.parse().unwrap()]);
        assert!(
            reason.ends_with("is not an address on the Internet"),
            "{reason}"
        );
    }
    let mut lab = full();
    lab.reach = Reach::Lab;
    lab.relays[1].addresses = vec!["127.0.0.1:443".parse().unwrap()];
    let file = Directory::sign(&lab.to_payload(), &key(), Reach::Lab).unwrap();
    let keys = [key().public()];
    let read = Directory::read(&file, &keys, None, Reach::Lab, at(150)).unwrap();
    assert_eq!(read.0, lab);
    assert!(Directory::read(&file, &keys, None, Reach::Internet, at(150)).is_err());
    for address in ["0.0.0.0:443", "127.0.0.1:0", "[::ffff:192.0.2.9]:443"] {
        lab.relays[1].addresses = vec![address.parse().unwrap()];
        assert!(
            Directory::sign(&lab.to_payload(), &key(), Reach::Lab).is_err(),
            "{address}"
        );
    }
}

#[test]
fn everything_has_a_bound() {
    let many = |count: usize| {
        (0..count).map(|n| {
            let [_, a, b, c] = u32::try_from(n + 1).unwrap().to_be_bytes();
            relay(
                &format!("r{n}"),
                &format!("9.{a}.{b}.{c}:443"),
                Role::Both,
                "X",
            )
        })
    };
    let mut directory = full();
    directory.relays = many(1_000).collect();
    signed(&directory.to_payload());
    assert!(refused(|d| d.relays = many(1_001).collect()).contains("more than 1,000 relays"));
    let addresses = |count: u8| {
        (0..count)
            .map(|n| ([9, 9, 9, n], 443).into())
            .collect::<Vec<_>>()
    };
    let mut eight = full();
    eight.relays[1].addresses = addresses(8);
    signed(&eight.to_payload());
    for count in [0, 9] {
        let reason = refused(|d| d.relays[1].addresses = addresses(count));
        assert!(reason.ends_with("no address, or more than 8"), "{reason}");
    }
    let reason = refused(|d| d.relays[0].issuers = vec![issuer_name(); 9]);
    assert!(reason.ends_with("more than 8 issuers"), "{reason}");
    let reason = refused(|d| d.issuer_keys = vec![d.issuer_keys[0].clone(); 65]);
    assert!(reason.contains("64 keys"), "{reason}");
    // What a payload of many long names comes to is bounded as well.
    let long = "x".repeat(60);
    let mut large = full();
    large.relays = many(1_000).collect();
    for relay in &mut large.relays {
        relay.name = HostName::parse(&format!("{}.{long}.{long}.{long}", relay.name)).unwrap();
    }
    let signed = Directory::sign(&large.to_payload(), &key(), Reach::Internet);
    assert_eq!(signed, Err(DirectoryError::TooLarge));
}

#[test]
fn payloads_of_other_forms_are_refused_with_a_reason() {
    let payload = String::from_utf8(full().to_payload()).unwrap();
    for (from, to, reason) in [
        (
            "\"version\": 1",
            "\"version\": 2",
            "version 2 is not known here",
        ),
        ("\"version\": 1", "\"version\": -1", "not the JSON"),
        (
            "\"serial\": 7",
            "\"serial\": 7, \"serial\": 8",
            "not the JSON",
        ),
        (
            "\"not_before\": 100,\n  \"not_after\": 200",
            "\"not_before\": 200,\n  \"not_after\": 200",
            "not after its not_before",
        ),
        (
            "one.example",
            "One.example",
            "relay One.example: not the name of a host",
        ),
        (
            "one.example",
            "one\\u001b.example",
            "relay one\\u{1b}.example: not the name of a host",
        ),
        ("\"both\"", "\"middle\"", "not the JSON"),
        ("192.0.2.1:443", "one.example:443", "not the JSON"),
        ("Öner", "\\nÖner", "operator has 1 to 64 characters"),
        (
            "\"spki\": \"Bwc",
            "\"spki\": \"Bw",
            "spki is not the base64",
        ),
        (
            "\"issuer.example\",\n      \"token",
            "\"issuer.example:443\",\n      \"token",
            "issuer issuer.example:443: not a port",
        ),
        (
            "\"token_key\": \"MIIB",
            "\"token_key\": \"MIIC",
            "issuer issuer.example: not a key",
        ),
    ] {
        let changed = payload.replacen(from, to, 1);
        assert_ne!(changed, payload, "{from}");
        let signed = Directory::sign(changed.as_bytes(), &key(), Reach::Internet);
        let error = signed.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    // What a later program adds is skipped.
    let more = payload.replacen('{', "{\"more\": [1],", 1);
    signed(more.as_bytes());
}

#[test]
fn operators_are_shown_as_they_are_compared() {
    for text in ["A", "Öner e.V.", "株式会社", &"x".repeat(64)] {
        assert_eq!(Operator::parse(text).unwrap().as_str(), text);
    }
    for text in [
        "",
        " A",
        "A ",
        "A\n",
        "A\u{202e}B",
        "A\u{200b}",
        "A\u{e0041}",
        "\u{feff}A",
        &"x".repeat(65),
    ] {
        assert_eq!(Operator::parse(text), Err(OperatorError), "{text:?}");
    }
}
