//! Texts that hold no address, though it looks so, and addresses that could be read in another way.

use securecall_contact::{
    Address, AddressError, ContactLink, ContactLinkError, Doubt, FoundAddress, SecureCallIdError,
    find_addresses,
};

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
const DEEP: &str = "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab?server=a.example";

/// The one address in a text.
#[track_caller]
fn one(text: &str) -> FoundAddress {
    let mut found = find_addresses(text).unwrap();
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

/// Letters of an ID's alphabet, as many as an ID has.
fn no_id() -> String {
    "a".repeat(A.len())
}

#[test]
fn what_only_resembles_an_address_is_none_and_no_error() {
    for text in [
        "xmatrix:u/bob:example.org".to_owned(),
        "git clone git@example.org:owner/project.git".to_owned(),
        "https://shop.example/add/item/a-long-name-of-some-product".to_owned(),
        "https://a.example/to?url=securecall://contact/x?session=0123456789abcdef0123".to_owned(),
        format!("token={}", no_id()),
        format!("/{}?name=x", no_id()),
        // Fifteen groups of four are no ID of fourteen.
        "abcd ".repeat(15),
        format!("@{}:example.org", "x".repeat(300)),
    ] {
        assert_eq!(find_addresses(&text), Ok(Vec::new()), "{text}");
    }
}

#[test]
fn pieces_far_apart_are_not_put_together() {
    let (one_half, other_half) = A.split_at(28);
    let halves = |gap: usize| format!("{one_half}{}{other_half}", " ".repeat(gap));
    assert_eq!(one(&halves(400)).doubts, [Doubt::PutTogether]);
    assert_eq!(find_addresses(&halves(401)), Ok(Vec::new()));

    let link = |gap: usize| {
        format!(
            "securecall://contact/{A}{}?server=a.example",
            " ".repeat(gap)
        )
    };
    let joined = one(&link(8));
    assert_eq!(joined.address, DEEP.parse().unwrap());
    assert_eq!(joined.doubts, [Doubt::PutTogether]);
    let alone = one(&link(9));
    let without_server: ContactLink = format!("securecall://contact/{A}").parse().unwrap();
    assert_eq!(alone.address, Address::Link(without_server));
}

#[test]
fn the_words_behind_a_cut_link_are_no_part_of_its_fault() {
    let text = format!("securecall://contact/{} and more", &A[..40]);
    let fault = SecureCallIdError::Length { found: 40 };
    assert_eq!(
        find_addresses(&text),
        Err(AddressError::Link(ContactLinkError::Id(fault)))
    );
}

#[test]
fn an_id_in_groups_is_all_of_an_address() {
    let id: Address = A.parse().unwrap();
    let grouped = id.securecall_id().unwrap().grouped().to_string();
    assert_eq!(grouped.parse(), Ok(id));
    assert!(format!("{grouped} more").parse::<Address>().is_err());
}

#[test]
fn the_more_certain_of_two_readings_counts() {
    let wrapped = "https://gateway.example/?url=securecall%3A%2F%2Fcontact%2F";
    let query = "%3Fserver%3Da.example";
    for text in [
        format!("{DEEP} {wrapped}{A}{query}"),
        format!("{wrapped}{A}{query} {DEEP}"),
    ] {
        assert_eq!(one(&text).doubts, [], "{text}");
    }
    assert_eq!(
        one(&format!("{wrapped}{A}{query}")).doubts,
        [Doubt::Wrapped]
    );
}

#[test]
fn what_a_mail_has_encoded_is_doubtful_and_what_only_looks_so_is_not() {
    let encoded = one(&DEEP.replace('=', "=3D"));
    assert_eq!(encoded.address, DEEP.parse().unwrap());
    assert_eq!(encoded.doubts, [Doubt::MailEncoded]);
    // Decoded, the server would begin with a hyphen.
    let plain = format!("securecall://contact/{A}?server=3D-a.example");
    let found = one(&plain);
    assert_eq!(found.doubts, []);
    assert_eq!(found.address, plain.parse().unwrap());
}

#[test]
fn bytes_that_were_no_text_are_not_cut_off_a_server() {
    let link = format!("{DEEP}\u{fffd}");
    assert!(matches!(
        link.parse::<ContactLink>(),
        Err(ContactLinkError::Server(_))
    ));
}

#[test]
fn links_without_end_are_not_followed() {
    let long = format!("{DEEP}&name={}", "x".repeat(20_000));
    let Err(AddressError::Link(ContactLinkError::TooLong { found })) = find_addresses(&long) else {
        panic!("it is too long");
    };
    assert!(found < 10_000, "{found}");

    // A link in a link in a link.
    let nested = |depth: usize| format!("{}{DEEP}", "https://a.example/?u=".repeat(depth));
    assert_eq!(one(&nested(20)).doubts, [Doubt::Wrapped]);
    assert_eq!(find_addresses(&nested(60)), Ok(Vec::new()));
}
