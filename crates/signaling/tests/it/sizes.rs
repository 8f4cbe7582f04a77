//! The bounds in figures, as `docs/protocol/signaling.md` has them, and what is shown of contents in a log.

use securecall_signaling::{Bundle, BundleError, CallId, Candidate, Content, Description, Hex32};

use crate::bundles::{bundle, one_of_each};

#[test]
fn a_bundle_of_twenty_kibibytes_is_taken_and_one_byte_more_is_not() {
    let mut json = bundle(vec![Content::Reject]).to_json();
    json.resize(20_480, b' ');
    assert!(Bundle::parse(&json).is_ok());
    json.push(b' ');
    assert!(matches!(
        Bundle::parse(&json),
        Err(BundleError::TooMuch { limit: 20_480, .. })
    ));
}

#[test]
fn an_sdp_of_ten_kibibytes_is_taken_and_one_byte_more_is_not() {
    for (length, is_taken) in [(10_240, true), (10_241, false)] {
        let answer = Description::answer("x".repeat(length));
        let json = bundle(vec![Content::Answer { answer }]).to_json();
        assert_eq!(Bundle::parse(&json).is_ok(), is_taken, "{length}");
    }
}

#[test]
fn a_content_knows_how_long_it_is_in_a_bundle() {
    let empty = bundle(Vec::new()).to_json().len();
    for content in one_of_each() {
        let length = content.json_len();
        let around = r#""contents":[],"#.len();
        let whole = bundle(vec![content]).to_json().len();
        assert_eq!(whole, empty + around + length);
    }
}

#[test]
fn a_log_shows_no_address_and_no_key() {
    let description = Description::offer("a=candidate 192.0.2.1");
    assert_eq!(format!("{description:?}"), "Description(Offer, 21 bytes)");
    let candidate = |text: &str| Candidate {
        candidate: text.into(),
        sdp_mid: "0".into(),
    };
    assert_eq!(format!("{:?}", candidate("192.0.2.1")), "Candidate");
    assert_eq!(format!("{:?}", candidate("")), "Candidate(end)");
    assert_eq!(format!("{:?}", Hex32([7; 32])), "Hex32(..)");
    assert_eq!(
        format!("{:?}", CallId::from_random([0xa7; 16])),
        format!("CallId({})", "a7".repeat(16))
    );
}

#[test]
fn thirty_two_bytes_are_read_from_every_lower_case_digit_and_from_nothing_else() {
    let digits = "0123456789abcdef";
    let text = digits.repeat(4);
    let bytes: Vec<u8> = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(4);
    let read = Hex32::try_from(text.clone()).unwrap();
    assert_eq!(read.0[..], bytes);
    assert_eq!(String::from(read), text);
    for bad in [
        text.to_uppercase(),
        text.replacen('f', "g", 1),
        text.replacen('0', "/", 1),
        text.replacen('0', ":", 1),
        text.replacen('a', "`", 1),
        text[1..].to_owned(),
        format!("{text}0"),
        "é".repeat(32),
    ] {
        assert!(Hex32::try_from(bad.clone()).is_err(), "{bad}");
    }
}
