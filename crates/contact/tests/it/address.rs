//! Addresses in any form, alone and in a text.

use securecall_contact::{
    Address, AddressError, ContactLink, ContactLinkError, MAX_ADDRESSES, MatrixId, NameLabel,
    SecureCallId, SecureCallIdError, ServerName, ShareText,
};
use securecall_crypto::IdentityKey;

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
const OLDER: &str = "HY_8HeQWUsvr78RozlHm8NCV8Gf-3UZYNQ3j1VUi1BI";

/// What is found, however certain.
fn find_addresses(text: &str) -> Result<Vec<Address>, AddressError> {
    let found = securecall_contact::find_addresses(text)?;
    Ok(found.into_iter().map(|found| found.address).collect())
}

fn id() -> SecureCallId {
    A.parse().unwrap()
}

#[test]
fn every_form_leads_to_the_same_person() {
    let default_domain = ServerName::default_domain();
    for text in [
        A.to_owned(),
        OLDER.to_owned(),
        format!("@sc_{A}:stealthx.tech"),
        format!("securecall://contact/{A}"),
        format!("https://stealthx.tech/add/#{A}"),
    ] {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.securecall_id(), Some(&id()), "{text}");
        assert_eq!(
            address.matrix_id(&default_domain).to_string(),
            format!("@sc_{A}:stealthx.tech"),
            "{text}"
        );
    }
}

#[test]
fn an_ordinary_account_has_no_id() {
    let address: Address = "@alice:example.org".parse().unwrap();
    assert_eq!(address.securecall_id(), None);
}

#[test]
fn a_contact_is_the_same_by_its_key_and_without_one_by_its_address() {
    let address = |text: &str| text.parse::<Address>().unwrap();
    let own = address(A);
    assert!(own.is_same_contact(&address(&format!("@sc_{A}:a.example"))));
    assert!(own.is_same_contact(&address(&format!("securecall://contact/{A}?name=Ada"))));
    let ordinary = address("@alice:example.org");
    assert!(ordinary.is_same_contact(&address("@alice:example.org")));
    assert!(!ordinary.is_same_contact(&address("@alice:example.com")));
    assert!(!ordinary.is_same_contact(&own));
}

#[test]
fn the_fault_of_an_id_is_found_in_every_form() {
    let mut wrong = A.to_owned();
    wrong.replace_range(0..1, "a");
    for text in [
        wrong.clone(),
        format!("@sc_{wrong}:a.example"),
        format!("securecall://contact/{wrong}"),
    ] {
        let error = text.parse::<Address>().unwrap_err();
        assert_eq!(
            error.id_error(),
            Some(&SecureCallIdError::Checksum),
            "{text}"
        );
    }
}

#[test]
fn a_share_text_holds_one_contact_in_two_forms() {
    let matrix_id: MatrixId = format!("@sc_{A}:example.org").parse().unwrap();
    let link = ContactLink::new(id(), &matrix_id).unwrap();
    let text = ShareText::new(&link, &ServerName::default_domain()).to_string();
    assert!(text.contains(&link.to_string()));
    assert!(text.contains(&link.https(&ServerName::default_domain())));
    assert_eq!(find_addresses(&text), Ok(vec![Address::Link(link)]));
}

#[test]
fn addresses_are_found_among_words() {
    let text = format!(
        "write to me@example.org, or <https://a.example/add/#{A}/x>; see https://example.org/address ."
    );
    assert_eq!(
        find_addresses(&text).unwrap_err(),
        AddressError::Link(ContactLinkError::Junk)
    );
    let text =
        format!("write to me@example.org, or <https://a.example/add/#{A}>; or @bob:example.org!");
    let found = find_addresses(&text).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].securecall_id(), Some(&id()));
    assert_eq!(
        found[1].matrix_id(&ServerName::default_domain()).as_str(),
        "@bob:example.org"
    );
}

#[test]
fn a_broken_address_in_a_text_is_an_error_not_a_gap() {
    let text = format!("here: securecall://contact/{}", &A[1..]);
    assert!(matches!(
        find_addresses(&text),
        Err(AddressError::Link(ContactLinkError::Id(
            SecureCallIdError::Length { found: 55 }
        )))
    ));
}

#[test]
fn a_link_cannot_be_made_for_two_keys() {
    let other = SecureCallId::new(&IdentityKey::from_bytes([7; 32]).unwrap());
    let matrix_id: MatrixId = format!("@sc_{A}:example.org").parse().unwrap();
    assert_eq!(
        ContactLink::new(other, &matrix_id),
        Err(ContactLinkError::AnotherKey)
    );
}

#[test]
fn a_share_text_says_who_if_the_link_does() {
    let link = ContactLink::without_account(id()).with_name(NameLabel::new("Ada L"));
    let text = ShareText::new(&link, &ServerName::default_domain()).to_string();
    assert_eq!(
        text.lines().next(),
        Some("Ada L on SecureCall, for end-to-end encrypted calls:")
    );
    let anonymous = ContactLink::without_account(id());
    let text = ShareText::new(&anonymous, &ServerName::default_domain()).to_string();
    assert_eq!(
        text.lines().next(),
        Some("Call me on SecureCall, end-to-end encrypted:")
    );
}

#[test]
fn links_of_other_matrix_programs_are_matrix_ids() {
    for text in [
        format!("https://matrix.to/#/@sc_{A}:example.org"),
        format!("HTTPS://Matrix.to/#/%40sc_{A}%3Aexample.org?via=other.example"),
        format!("matrix:u/sc_{A}:example.org"),
        format!("matrix:u/sc_{A}:example.org?action=chat"),
    ] {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.securecall_id(), Some(&id()), "{text}");
        assert_eq!(find_addresses(&text), Ok(vec![address]), "{text}");
    }
    // Rooms are nobody's address.
    for text in [
        "https://matrix.to/#/!room:example.org/$event",
        "https://matrix.to/#/#alias:example.org",
        "matrix:r/alias:example.org",
    ] {
        assert_eq!(find_addresses(text), Ok(Vec::new()), "{text}");
    }
}

#[test]
fn the_marks_of_chat_programs_around_a_link_do_not_count() {
    let deep = format!("securecall://contact/{A}?server=a.example&name=Ada");
    let link = Address::Link(deep.parse().unwrap());
    for text in [
        format!("[my contact]({deep})"),
        format!("**{deep}**, thanks!"),
        format!("<a href=\"{}\">me</a>", deep.replace('&', "&amp;")),
        format!("`{deep}`"),
        format!("> {deep}…"),
        format!("[{deep}]"),
        format!("[see {deep}]."),
        format!("«{deep}»?"),
    ] {
        assert_eq!(find_addresses(&text), Ok(vec![link.clone()]), "{text}");
    }
}

#[test]
fn web_pages_that_only_resemble_a_contact_are_no_contacts() {
    for text in [
        "https://shop.example/add-to-basket/4711",
        "https://shop.example/add/item/4711",
        "https://shop.example/products?next=/add/",
        "https://shop.example/add",
        "https://example.org/address",
        "https://a.example/redirect?to=securecall://contact/x",
    ] {
        assert_eq!(find_addresses(text), Ok(Vec::new()), "{text}");
    }
    // What could have been one is said to be damaged.
    let cut = format!("https://a.example/add/#{}", &A[..40]);
    assert!(find_addresses(&cut).is_err());
}

#[test]
fn a_text_with_too_many_addresses_is_refused() {
    let people = |count: usize| -> String {
        (0..count)
            .map(|n| format!("@person{n}:example.org "))
            .collect()
    };
    assert_eq!(
        find_addresses(&people(MAX_ADDRESSES)).unwrap().len(),
        MAX_ADDRESSES
    );
    assert_eq!(
        find_addresses(&people(MAX_ADDRESSES + 1)),
        Err(AddressError::TooMany)
    );
}

#[test]
fn the_brackets_of_an_ipv6_address_belong_to_it() {
    let link = ContactLink::without_account(id());
    let host: ServerName = "[2001:db8::1]:8448".parse().unwrap();
    let bob: Address = "@bob:[2001:db8::1]".parse().unwrap();
    for text in [
        format!("{} @bob:[2001:db8::1]", link.https(&host)),
        format!("[{}] ([@bob:[2001:db8::1]])", link.https(&host)),
    ] {
        assert_eq!(
            find_addresses(&text),
            Ok(vec![Address::Link(link.clone()), bob.clone()]),
            "{text}"
        );
    }
}
