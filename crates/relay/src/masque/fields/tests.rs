use proptest::prelude::*;

use super::*;

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn the_list_of_the_draft_is_written_and_read() {
    let list = addresses(&["192.0.2.45:54321", "[2001:db8::1234]:54321"]);
    let value = "\"192.0.2.45:54321\", \"[2001:db8::1234]:54321\"";
    assert_eq!(write_public_addresses(&list), value);
    assert_eq!(parse_public_addresses(value), Ok(list.clone()));
    // White space and parameters as RFC 9651 allows them.
    let other = "  \"192.0.2.45:54321\";a;b=1; c=\"x,\\\";\"\t,\t\"[2001:db8::1234]:54321\";*d=?1 ";
    assert_eq!(parse_public_addresses(other), Ok(list));
}

#[test]
fn what_is_no_list_of_addresses_is_refused_with_a_reason() {
    let five = ["\"192.0.2.1:1\""; 5].join(",");
    let long = format!("\"192.0.2.1:1\"{}", " ".repeat(MAX_LIST_LEN));
    for (value, error) in [
        ("", AddressListError::Malformed),
        ("192.0.2.1:1", AddressListError::Malformed),
        ("\"192.0.2.1:1", AddressListError::Malformed),
        ("\"192.0.2.1:1\",", AddressListError::Malformed),
        (
            "\"192.0.2.1:1\" \"192.0.2.2:1\"",
            AddressListError::Malformed,
        ),
        ("\"192.0.2.1:1\\\"\"", AddressListError::Malformed),
        ("\"192.0.2.1:1\";", AddressListError::Malformed),
        ("\"192.0.2.1:1\";A", AddressListError::Malformed),
        ("\"192.0.2.1:1\";a=", AddressListError::Malformed),
        ("\"192.0.2.1:1\";a=\"", AddressListError::Malformed),
        ("(\"192.0.2.1:1\")", AddressListError::Malformed),
        ("\"192.0.2.1\"", AddressListError::NoAddress),
        ("\"192.0.2.1:0\"", AddressListError::NoAddress),
        ("\"192.0.2.1:070\"", AddressListError::NoAddress),
        ("\"192.0.2.1:65536\"", AddressListError::NoAddress),
        ("\"example.org:1\"", AddressListError::NoAddress),
        ("\"2001:db8::1:1\"", AddressListError::NoAddress),
        ("\"[fe80::1%1]:1\"", AddressListError::NoAddress),
        ("\" 192.0.2.1:1\"", AddressListError::NoAddress),
        (&five, AddressListError::TooMany),
        (&long, AddressListError::TooLong),
    ] {
        assert_eq!(parse_public_addresses(value), Err(error), "{value}");
    }
}

#[test]
fn only_one_yes_is_a_yes() {
    for yes in ["?1", " ?1 ", "?1;a=2", "?1; a=\"b\""] {
        assert!(is_true(yes), "{yes}");
    }
    for no in [
        "", "?0", "1", "true", "?1, ?1", "?1,?1", "?11", "\"?1\"", "?1;", "?1 ;a",
    ] {
        assert!(!is_true(no), "{no}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        list in prop::collection::vec(any::<(std::net::IpAddr, u16)>(), 1..=MAX_ADDRESSES)
    ) {
        let list: Vec<_> = list.into_iter().map(|(ip, port)| SocketAddr::new(ip, port.max(1))).collect();
        prop_assert_eq!(parse_public_addresses(&write_public_addresses(&list)), Ok(list));
    }

    #[test]
    fn any_text_is_read_or_refused(value in "[\"0-9.:;,=a\\[\\] ]{0,60}") {
        if let Ok(list) = parse_public_addresses(&value) {
            prop_assert_eq!(parse_public_addresses(&write_public_addresses(&list)), Ok(list));
        }
        is_true(&value);
    }
}
