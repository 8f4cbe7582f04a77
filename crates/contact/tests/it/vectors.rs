//! `testing/vectors/contact.json`, made by a program that shares no code with this crate.

use data_encoding::HEXLOWER;
use securecall_contact::{
    Address, AddressError, ContactLink, ContactLinkError, MatrixId, MatrixIdError, NameLabel,
    SecureCallId, SecureCallIdError, ServerName, ServerNameError, ShareText, find_addresses,
};
use securecall_crypto::IdentityKey;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Vectors {
    ids: Vec<Id>,
    invalid_ids: Vec<Invalid>,
    matrix_ids: Vec<Matrix>,
    invalid_matrix_ids: Vec<Invalid>,
    links: Vec<Link>,
    invalid_links: Vec<Invalid>,
    server_names: Vec<String>,
    invalid_server_names: Vec<Invalid>,
    name_labels: Vec<Label>,
    share_texts: Vec<Share>,
    messages: Vec<Message>,
    invalid_messages: Vec<Invalid>,
}

#[derive(Deserialize)]
struct Id {
    key: String,
    id: String,
    older: String,
}

#[derive(Deserialize)]
struct Matrix {
    text: String,
    server_name: String,
    id: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    text: String,
    id: String,
    matrix_id: String,
    name: Option<String>,
    deep_link: String,
    https: String,
}

#[derive(Deserialize)]
struct Label {
    text: String,
    label: Option<String>,
}

#[derive(Deserialize)]
struct Share {
    link: String,
    page_host: String,
    text: String,
}

#[derive(Deserialize)]
struct Message {
    text: String,
    /// Deep links, or the Matrix IDs of ordinary accounts, in their order.
    found: Vec<String>,
    /// What is not certain about each; all are certain where this is missing.
    #[serde(default)]
    doubts: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct Invalid {
    what: String,
    text: String,
    error: Value,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../testing/vectors/contact.json")).unwrap()
}

#[test]
fn ids_are_read_in_both_forms_and_written_in_one() {
    for vector in vectors().ids {
        let key: [u8; 32] = HEXLOWER
            .decode(vector.key.as_bytes())
            .unwrap()
            .try_into()
            .unwrap();
        let id = SecureCallId::new(&IdentityKey::from_bytes(key).unwrap());
        assert_eq!(id.to_string(), vector.id);
        assert_eq!(id.identity_key().as_bytes(), &key);
        let forms = [
            vector.id.clone(),
            vector.id.to_ascii_uppercase(),
            format!(" \t{}\r\n", vector.id),
            vector.older.clone(),
            format!("{}\n", vector.older),
        ];
        for form in forms {
            assert_eq!(form.parse(), Ok(id), "{form:?}");
        }
        assert_eq!(SecureCallId::from_canonical(&vector.id), Ok(id));
    }
}

#[test]
fn only_the_written_form_is_canonical() {
    let vector = vectors().ids.remove(1);
    let upper = vector.id.to_ascii_uppercase();
    assert!(matches!(
        SecureCallId::from_canonical(&upper),
        Err(SecureCallIdError::Alphabet { .. })
    ));
    assert_eq!(
        SecureCallId::from_canonical(&vector.older),
        Err(SecureCallIdError::Length { found: 43 })
    );
    assert_eq!(
        SecureCallId::from_canonical(&format!(" {}", vector.id)),
        Err(SecureCallIdError::Length { found: 57 })
    );
}

#[test]
fn an_id_is_grouped_in_fours_for_reading_aloud() {
    let vector = vectors().ids.remove(1);
    let id: SecureCallId = vector.id.parse().unwrap();
    let grouped = id.grouped().to_string();
    assert!(
        grouped.split(' ').all(|group| group.len() == 4),
        "{grouped}"
    );
    assert_eq!(grouped.replace(' ', ""), vector.id);
    assert_eq!(
        format!("{id:?}"),
        format!("SecureCallId({}…)", &vector.id[..8])
    );
}

#[test]
fn invalid_ids_are_refused_with_the_exact_error() {
    for vector in vectors().invalid_ids {
        let error = vector.text.parse::<SecureCallId>().unwrap_err();
        assert_eq!(
            id_error(&error),
            vector.error,
            "{}: {:?}",
            vector.what,
            vector.text
        );
    }
}

#[test]
fn matrix_ids_give_their_server_and_their_key() {
    for vector in vectors().matrix_ids {
        let matrix_id: MatrixId = vector.text.parse().unwrap();
        assert_eq!(matrix_id.to_string(), vector.text);
        assert_eq!(matrix_id.server_name().as_str(), vector.server_name);
        assert_eq!(
            matrix_id.securecall_id().map(ToString::to_string),
            vector.id
        );
        assert_eq!(
            format!("@{}:{}", matrix_id.localpart(), matrix_id.server_name()),
            vector.text
        );
        if let Some(id) = matrix_id.securecall_id() {
            assert_eq!(
                MatrixId::of_securecall_id(id, matrix_id.server_name()),
                matrix_id
            );
        }
    }
}

#[test]
fn invalid_matrix_ids_are_refused_with_the_exact_error() {
    for vector in vectors().invalid_matrix_ids {
        let error = vector.text.parse::<MatrixId>().unwrap_err();
        assert_eq!(matrix_id_error(&error), vector.error, "{}", vector.what);
    }
}

#[test]
fn links_are_read_in_every_form_and_written_in_two() {
    let default_domain = ServerName::default_domain();
    for vector in vectors().links {
        let link: ContactLink = vector
            .text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", vector.text));
        assert_eq!(link.id().to_string(), vector.id, "{}", vector.text);
        assert_eq!(
            link.matrix_id(&default_domain).to_string(),
            vector.matrix_id,
            "{}",
            vector.text
        );
        assert_eq!(
            link.name().map(ToString::to_string),
            vector.name,
            "{}",
            vector.text
        );
        assert_eq!(link.to_string(), vector.deep_link, "{}", vector.text);
        assert_eq!(link.https(&default_domain), vector.https, "{}", vector.text);
    }
}

#[test]
fn invalid_links_are_refused_with_the_exact_error() {
    for vector in vectors().invalid_links {
        let error = vector.text.parse::<ContactLink>().expect_err(&vector.what);
        assert_eq!(link_error(&error), vector.error, "{}", vector.what);
    }
}

#[test]
fn server_names_are_kept_in_lower_case() {
    for text in vectors().server_names {
        let server_name: ServerName = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(server_name.as_str(), text.to_ascii_lowercase());
    }
}

#[test]
fn invalid_server_names_are_refused_with_the_exact_error() {
    for vector in vectors().invalid_server_names {
        let error = vector.text.parse::<ServerName>().expect_err(&vector.what);
        assert_eq!(server_name_error(&error), vector.error, "{}", vector.what);
    }
}

#[test]
fn names_are_made_harmless_in_the_same_way_everywhere() {
    for vector in vectors().name_labels {
        let label = NameLabel::new(&vector.text).map(|label| label.to_string());
        assert_eq!(label, vector.label, "{:?}", vector.text);
    }
}

#[test]
fn share_texts_are_written_word_for_word() {
    for vector in vectors().share_texts {
        let link: ContactLink = vector.link.parse().unwrap();
        let page_host: ServerName = vector.page_host.parse().unwrap();
        assert_eq!(ShareText::new(&link, &page_host).to_string(), vector.text);
    }
}

#[test]
fn contacts_are_found_in_messages() {
    for vector in vectors().messages {
        let found = find_addresses(&vector.text)
            .unwrap_or_else(|error| panic!("{:?}: {error}", vector.text));
        let links: Vec<String> = found.iter().map(|found| written(&found.address)).collect();
        assert_eq!(links, vector.found, "{:?}", vector.text);
        let doubts: Vec<Vec<String>> = found
            .iter()
            .map(|found| {
                found
                    .doubts
                    .iter()
                    .map(|doubt| format!("{doubt:?}"))
                    .collect()
            })
            .collect();
        let expected = match vector.doubts.is_empty() {
            true => vec![Vec::new(); links.len()],
            false => vector.doubts,
        };
        assert_eq!(doubts, expected, "{:?}", vector.text);
    }
}

#[test]
fn damaged_contacts_in_messages_are_refused_with_the_exact_error() {
    for vector in vectors().invalid_messages {
        let error = find_addresses(&vector.text).expect_err(&vector.what);
        let error = match error {
            AddressError::Link(error) => json!({"Link": link_error(&error)}),
            AddressError::MatrixId(error) => json!({"MatrixId": matrix_id_error(&error)}),
            AddressError::Id(error) => json!({"Id": id_error(&error)}),
            AddressError::TooMany => json!("TooMany"),
        };
        assert_eq!(error, vector.error, "{}", vector.what);
    }
}

fn written(address: &Address) -> String {
    match address {
        Address::Link(link) => link.to_string(),
        Address::Id(id) => ContactLink::without_account(*id).to_string(),
        Address::MatrixId(matrix_id) => match matrix_id.securecall_id() {
            Some(id) => ContactLink::new(*id, matrix_id).unwrap().to_string(),
            None => matrix_id.to_string(),
        },
    }
}

fn id_error(error: &SecureCallIdError) -> Value {
    match error {
        SecureCallIdError::Length { found } => json!({"Length": found}),
        SecureCallIdError::Alphabet {
            character,
            position,
        } => json!({"Alphabet": [character, position]}),
        SecureCallIdError::Version { found } => json!({"Version": found}),
        other => json!(format!("{other:?}")),
    }
}

fn server_name_error(error: &ServerNameError) -> Value {
    match error {
        ServerNameError::TooLong { found } => json!({"TooLong": found}),
        ServerNameError::Character { character } => json!({"Character": character}),
        other => json!(format!("{other:?}")),
    }
}

fn matrix_id_error(error: &MatrixIdError) -> Value {
    match error {
        MatrixIdError::TooLong { found } => json!({"TooLong": found}),
        MatrixIdError::Character { character } => json!({"Character": character}),
        MatrixIdError::ServerName(error) => json!({"ServerName": server_name_error(error)}),
        MatrixIdError::SecureCallId(error) => json!({"SecureCallId": id_error(error)}),
        other => json!(format!("{other:?}")),
    }
}

fn link_error(error: &ContactLinkError) -> Value {
    match error {
        ContactLinkError::TooLong { found } => json!({"TooLong": found}),
        ContactLinkError::PageHost(error) => json!({"PageHost": server_name_error(error)}),
        ContactLinkError::Id(error) => json!({"Id": id_error(error)}),
        ContactLinkError::Server(error) => json!({"Server": server_name_error(error)}),
        ContactLinkError::MatrixId(error) => json!({"MatrixId": matrix_id_error(error)}),
        ContactLinkError::Twice { key } => json!({"Twice": key}),
        other => json!(format!("{other:?}")),
    }
}
