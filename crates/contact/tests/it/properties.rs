//! What holds for every key, every mistake and every text.

use proptest::prelude::*;
use securecall_contact::{
    Address, ContactLink, FoundAddress, MatrixId, NameLabel, SecureCallId, SecureCallIdError,
    ServerName, find_addresses,
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

/// Words of several scripts, with punctuation and characters that draw nothing, in any order. No ASCII letter or digit comes
/// next to what is hidden between them, and none of it is an address.
fn any_words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[а-яё]{1,8}",
        "[α-ω]{1,8}",
        "[一-龥]{1,6}",
        "[ぁ-ん]{1,6}",
        "[가-힣]{1,5}",
        "[ء-ي]{1,8}",
        "[א-ת]{1,8}",
        "[अ-ह]{1,6}",
        "[ก-ฮ]{1,6}",
        "[äöüßéèñçłø]{1,4}",
        "[。，、！？：；「」（）《》…—’“”«»¿¡]{1,3}",
        "[\\u{200b}-\\u{200f}\\u{202a}-\\u{202e}\\u{2060}\\u{feff}\\u{ad}\\u{fffc}]{1,3}",
        "[ \\n\\t\\u{a0}\\u{3000}]{1,3}",
        "[.,;:!?()<>\"'*~]{1,3}",
        "[🦊📞👋🏽]{1,2}",
        " [A-Za-z]{1,7} ",
        " [0-9]{1,6}, ",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// How an ID is hidden in a text.
#[derive(Clone, Debug)]
struct Form {
    before: &'static str,
    behind: &'static str,
    names_server: bool,
    is_upper: bool,
    in_groups: bool,
    /// Characters that draw nothing, and where they are put.
    invisible: Vec<(prop::sample::Index, char)>,
}

impl Form {
    fn write(&self, id: &SecureCallId) -> String {
        let id = match self.in_groups {
            true => id.grouped().to_string(),
            false => id.to_string(),
        };
        let text = format!("{}{id}{}", self.before, self.behind);
        let mut characters: Vec<char> = match self.is_upper {
            true => text.to_uppercase().chars().collect(),
            false => text.chars().collect(),
        };
        for (place, character) in &self.invisible {
            let place = place.index(characters.len() + 1);
            characters.insert(place, *character);
        }
        characters.into_iter().collect()
    }
}

fn any_form() -> impl Strategy<Value = Form> {
    let around = prop::sample::select(vec![
        ("", "", false),
        ("securecall://contact/", "", false),
        ("securecall://contact/", "?server=bugs.test", true),
        ("securecall://contact/", "?name=Ada&server=Bugs.Test", true),
        (
            "https://a.example/add/#",
            "?server=bugs.test&amp;name=Ada",
            true,
        ),
        ("https://a.example/add/%23", "%3Fserver%3Dbugs.test", true),
        ("https://a.example/add/", "/?SERVER=bugs.test", true),
        (
            "https://b.example/?u=https%3A%2F%2Fa.example%2Fadd%2F%23",
            "%3Fserver%3Dbugs.test&x=y",
            true,
        ),
    ]);
    let invisible = prop::sample::select(vec![
        '\u{200b}', '\u{200d}', '\u{ad}', '\u{feff}', '\u{2069}', '\u{fffc}',
    ]);
    let inserted = prop::collection::vec((any::<prop::sample::Index>(), invisible), 0..4);
    (around, any::<bool>(), any::<bool>(), inserted).prop_map(
        |((before, behind, names_server), is_upper, in_groups, invisible)| Form {
            before,
            behind,
            names_server,
            // A path is in lower case.
            is_upper: is_upper && !before.contains("/add/") && !before.contains("%2F"),
            in_groups: in_groups && before.is_empty(),
            invisible,
        },
    )
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
            let found = FoundAddress { address: Address::Link(link.clone()), doubts: Vec::new() };
            prop_assert_eq!(find_addresses(&format!("Hi! ({text}). Bye.")), Ok(vec![found]));
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
    fn an_id_is_found_anywhere_in_a_text_of_any_script(id in any_id(), before in any_words(), behind in any_words(), form in any_form()) {
        let text = format!("{before}{}{behind}", form.write(&id));
        let found = find_addresses(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        prop_assert_eq!(found.len(), 1, "{:?}", text);
        prop_assert_eq!(found[0].address.securecall_id(), Some(&id), "{:?}", text);
        if form.names_server {
            let matrix_id = found[0].address.matrix_id(&ServerName::default_domain());
            prop_assert_eq!(matrix_id.server_name().as_str(), "bugs.test", "{:?}", text);
        }
    }

    #[test]
    fn a_changed_text_gives_the_key_that_was_in_it_or_none(id in any_id(), form in any_form(), at in any::<prop::sample::Index>(), new in any::<char>()) {
        let written = form.write(&id);
        let mut characters: Vec<char> = written.chars().collect();
        let place = at.index(characters.len());
        characters[place] = new;
        let text: String = characters.into_iter().collect();
        for found in find_addresses(&text).unwrap_or_default() {
            // One wrong character in 65,536 fits the checksum, and then the version must fit.
            if let Some(other) = found.address.securecall_id() {
                prop_assert_eq!(other, &id, "{:?}", text);
            }
        }
    }

    #[test]
    fn whatever_is_read_as_a_matrix_id_is_written_the_same(text in "@[!-~]{1,70}:[a-z0-9.:\\[\\]-]{1,30}") {
        if let Ok(matrix_id) = text.parse::<MatrixId>() {
            let (localpart, server) = text.split_once(':').unwrap();
            prop_assert_eq!(matrix_id.as_str(), format!("{localpart}:{}", server.to_lowercase()));
        }
    }
}
