//! What holds for every key, every mistake and every text.

use proptest::prelude::*;
use securecall_contact::{
    Address, ContactLink, MatrixId, NameLabel, SecureCallId, SecureCallIdError, ServerName,
    find_addresses,
};
use securecall_crypto::IdentityKey;

fn any_id() -> impl Strategy<Value = SecureCallId> {
    any::<[u8; 32]>().prop_filter_map("not an identity key", |bytes| {
        IdentityKey::from_bytes(bytes)
            .ok()
            .map(|key| SecureCallId::new(&key))
    })
}

fn any_server_name() -> impl Strategy<Value = ServerName> {
    "[a-z][a-z0-9]{0,10}(\\.[a-z][a-z0-9]{0,8}){0,3}(:[1-9][0-9]{0,3})?"
        .prop_map(|text| text.parse().unwrap())
}

/// Either a self-certifying address of the ID or an ordinary account.
fn any_matrix_id(id: SecureCallId) -> impl Strategy<Value = MatrixId> {
    (
        any_server_name(),
        prop::option::of("[a-rt-z][a-z0-9._=/+-]{0,20}"),
    )
        .prop_map(move |(server, localpart)| match localpart {
            None => MatrixId::of_securecall_id(&id, &server),
            Some(localpart) => format!("@{localpart}:{server}").parse().unwrap(),
        })
}

fn any_contact() -> impl Strategy<Value = (SecureCallId, MatrixId)> {
    any_id().prop_flat_map(|id| (Just(id), any_matrix_id(id)))
}

fn is_fault_of_a_typo(error: SecureCallIdError) -> bool {
    matches!(
        error,
        SecureCallIdError::Checksum
            | SecureCallIdError::Version { .. }
            | SecureCallIdError::NonCanonicalKey
    )
}

fn is_harmful(character: char) -> bool {
    let turns_the_line = matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns_the_line || character == '\u{200b}'
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_id_survives_writing_and_reading(id in any_id()) {
        let text = id.to_string();
        prop_assert_eq!(text.len(), SecureCallId::LENGTH);
        prop_assert_eq!(text.parse::<SecureCallId>(), Ok(id));
        prop_assert_eq!(text.to_uppercase().parse::<SecureCallId>(), Ok(id));
    }

    #[test]
    fn one_wrong_character_never_gives_another_key(id in any_id(), position in 0_usize..56, symbol in 0_usize..32) {
        let mut text = id.to_string().into_bytes();
        let wrong = b"abcdefghijklmnopqrstuvwxyz234567"[symbol];
        prop_assume!(text[position] != wrong);
        text[position] = wrong;
        // Two bytes of checksum let one mistake in 65,536 through; none of these may give back the same ID.
        match String::from_utf8(text).unwrap().parse::<SecureCallId>() {
            Ok(other) => prop_assert_ne!(other, id),
            Err(error) => prop_assert!(is_fault_of_a_typo(error), "{}", error),
        }
    }

    #[test]
    fn a_link_survives_writing_and_reading((id, matrix_id) in any_contact(), name in ".{0,80}", page in any_server_name()) {
        let link = ContactLink::new(id, &matrix_id).unwrap().with_name(NameLabel::new(&name));
        let default_domain = ServerName::default_domain();
        prop_assert_eq!(link.matrix_id(&default_domain), matrix_id);
        for text in [link.to_string(), link.https(&page)] {
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{}", text);
            prop_assert_eq!(text.parse(), Ok(link.clone()));
            prop_assert_eq!(find_addresses(&format!("Hi! ({text}). Bye.")), Ok(vec![Address::Link(link.clone())]));
        }
    }

    #[test]
    fn a_label_is_harmless_and_a_label_of_a_label_is_the_same(text in any::<String>()) {
        if let Some(label) = NameLabel::new(&text) {
            prop_assert!(label.as_str().chars().count() <= NameLabel::MAX_LENGTH);
            prop_assert!(!label.as_str().chars().any(is_harmful), "{:?}", label);
            prop_assert_eq!(NameLabel::new(label.as_str()), Some(label));
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>()) {
        let _ = text.parse::<Address>();
        let _ = format!("@{text}").parse::<Address>();
        let _ = format!("securecall://{text}").parse::<Address>();
        let _ = format!("https://{text}").parse::<Address>();
        let _ = text.parse::<ServerName>();
        let _ = find_addresses(&text);
    }

    #[test]
    fn whatever_is_read_as_a_matrix_id_is_written_the_same(text in "@[!-~]{1,70}:[a-z0-9.:\\[\\]-]{1,30}") {
        if let Ok(matrix_id) = text.parse::<MatrixId>() {
            prop_assert_eq!(matrix_id.as_str(), text);
        }
    }
}
