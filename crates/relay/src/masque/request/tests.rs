use proptest::prelude::*;

use super::*;

fn parse(rest: &str) -> Result<Target, PathError> {
    Target::parse(&format!("{}{rest}", codes::PATH_PREFIX))
}

fn target(text: &str) -> Result<Target, PathError> {
    Ok(Target::Address(text.parse().unwrap()))
}

#[test]
fn paths_are_those_of_the_rfc_and_the_draft() {
    // RFC 9298 section 3, and the draft's appendix.
    let path = "/.well-known/masque/udp/192.0.2.6/443/";
    assert_eq!(Target::parse(path), target("192.0.2.6:443"));
    assert_eq!(target("192.0.2.6:443").unwrap().path(), path);
    let path = "/.well-known/masque/udp/2001%3Adb8%3A%3A42/443/";
    assert_eq!(Target::parse(path), target("[2001:db8::42]:443"));
    assert_eq!(target("[2001:db8::42]:443").unwrap().path(), path);
    let path = "/.well-known/masque/udp/%2A/%2A/";
    assert_eq!(Target::parse(path), Ok(Target::Any));
    assert_eq!(Target::Any.path(), path);
    // Encodings are the same in either case, and where none is needed.
    assert_eq!(parse("%2a/%2A/"), Ok(Target::Any));
    assert_eq!(
        parse("2001%3adb8%3A%3A%34%32/%34%343/"),
        target("[2001:db8::42]:443")
    );
}

#[test]
fn what_is_no_target_is_refused_with_a_reason() {
    for (rest, error) in [
        // Names, among them what some resolvers take for addresses.
        ("example.org/443/", PathError::Name),
        ("localhost/443/", PathError::Name),
        ("127.1/443/", PathError::Name),
        ("0x7f.0.0.1/443/", PathError::Name),
        ("127.0.0.01/443/", PathError::Name),
        ("2130706433/443/", PathError::Name),
        ("%5B%3A%3A1%5D/443/", PathError::Name),
        ("fe80%3A%3A1%25eth0/443/", PathError::Name),
        ("/443/", PathError::Name),
        ("%3A%3Affff%3A127.0.0.1/443/", PathError::Mapped),
        // Ports.
        ("192.0.2.6/0/", PathError::Port),
        ("192.0.2.6/65536/", PathError::Port),
        ("192.0.2.6/0443/", PathError::Port),
        ("192.0.2.6/-1/", PathError::Port),
        ("192.0.2.6//", PathError::Port),
        ("192.0.2.6/https/", PathError::Port),
        // An asterisk alone, or not encoded.
        ("%2A/443/", PathError::HalfAny),
        ("192.0.2.6/%2A/", PathError::HalfAny),
        ("*/*/", PathError::BadEncoding),
        // Encodings.
        ("2001:db8::42/443/", PathError::BadEncoding),
        ("192.0.2.6%/443/", PathError::BadEncoding),
        ("192.0.2.6%4/443/", PathError::BadEncoding),
        ("192.0.2.6%zz/443/", PathError::BadEncoding),
        ("192.0.2.6%00/443/", PathError::BadEncoding),
        ("192.0.2.6%20/443/", PathError::BadEncoding),
        ("192.0.2.6%C3%A9/443/", PathError::BadEncoding),
        ("192.0.2.é/443/", PathError::BadEncoding),
        ("192.0.2.6/%2B443/", PathError::Port),
        ("192.0.2.6/+443/", PathError::BadEncoding),
        ("192.0.2.6/443/?q=/", PathError::BadEncoding),
        ("192.0.2.6/443/more/", PathError::BadEncoding),
        // Other paths.
        ("192.0.2.6/443", PathError::OtherTemplate),
        ("192.0.2.6/443/?q", PathError::OtherTemplate),
        ("192.0.2.6/", PathError::OtherTemplate),
        ("", PathError::OtherTemplate),
    ] {
        assert_eq!(parse(rest), Err(error), "{rest}");
    }
    let other = "/masque/udp/192.0.2.6/443/";
    assert_eq!(Target::parse(other), Err(PathError::OtherTemplate));
    let long = "1".repeat(MAX_PATH_LEN);
    assert_eq!(parse(&long), Err(PathError::TooLong));
}

proptest! {
    #[test]
    fn what_is_written_is_read(ip in any::<IpAddr>(), port in 1..=u16::MAX) {
        let target = Target::Address(SocketAddr::new(ip, port));
        let is_mapped = ip.to_canonical() != ip;
        let expected = if is_mapped { Err(PathError::Mapped) } else { Ok(target) };
        prop_assert_eq!(Target::parse(&target.path()), expected);
    }

    #[test]
    fn any_text_is_read_or_refused(rest in "[0-9a-f.:%*/]{0,40}") {
        if let Ok(target) = parse(&rest) {
            prop_assert_eq!(Target::parse(&target.path()), Ok(target));
        }
    }
}
