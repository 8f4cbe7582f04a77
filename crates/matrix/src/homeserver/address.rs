//! Reads what a person, or a `.well-known` document, gives as the address of a homeserver.
//!
//! Sans-IO and without any of this crate's other types, so that it can be fuzzed without them.

use std::net::Ipv6Addr;

use url::{Host, Url};

/// Longest address that is read, in bytes. Longer ones are mistakes.
pub(crate) const MAX_LENGTH: usize = 2_048;

/// Why a text is not the address of a homeserver. None of these repeats what may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HomeserverAddressError {
    /// Not an address at all.
    #[error(
        "{given:?} is not the address of a homeserver ({reason}); it looks like example.org or https://matrix.example.org"
    )]
    NotAnAddress {
        /// What was given, shortened.
        given: String,
        /// What is wrong with it, in a few words for a person.
        reason: String,
    },
    /// There is a user name, and perhaps a password, in it.
    #[error(
        "the address of a homeserver holds no user name and no password; give the address alone, such as https://matrix.example.org"
    )]
    Credentials,
    /// It is the address of a person.
    #[error(
        "this is a Matrix ID, not the address of a homeserver; give what stands behind its colon, such as example.org"
    )]
    MatrixId,
    /// Plain HTTP to another machine.
    #[error(
        "{given} is not encrypted; http:// is accepted for this machine (127.0.0.1, localhost) only, use https://"
    )]
    NotEncrypted {
        /// What was given, shortened.
        given: String,
    },
}

/// Reads what a person gives: a name, with or without a port, or a URL. What does not belong to a homeserver's base URL
/// (query, fragment, `/_matrix/…`, doubled slashes) is left out; a name without a scheme is asked by `https`, one of
/// this machine by `http`.
///
/// # Errors
///
/// When it names no homeserver.
pub(crate) fn read(text: &str) -> Result<Url, HomeserverAddressError> {
    let text = text.trim_matches(is_wrapping);
    if text.starts_with('@') || starts_with_ignoring_case(text, "matrix:u/") {
        return Err(HomeserverAddressError::MatrixId);
    }
    if has_scheme(text) {
        return check(text, text);
    }
    let authority = text.trim_start_matches('/');
    let authority = match authority.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => authority.to_owned(),
    };
    let encrypted = check(&format!("https://{authority}"), text)?;
    if is_loopback(&encrypted) {
        // Nothing leaves the machine, and hardly any homeserver has a certificate for it. Read anew, for the port that
        // a scheme implies is another one.
        return check(&format!("http://{authority}"), text);
    }
    Ok(encrypted)
}

/// Reads the `base_url` of a `.well-known` document: a whole URL.
///
/// # Errors
///
/// When it is none.
pub(crate) fn read_base_url(text: &str) -> Result<Url, HomeserverAddressError> {
    check(text, text)
}

/// Whether the host is this machine, by address or by a name that RFC 6761 reserves for it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_loopback_name(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether a name is `localhost` or below it (RFC 6761, 6.3).
pub(crate) fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

fn check(url: &str, given: &str) -> Result<Url, HomeserverAddressError> {
    let not_an_address = |reason: &str| HomeserverAddressError::NotAnAddress {
        given: shown(given),
        reason: reason.to_owned(),
    };
    if url.len() > MAX_LENGTH {
        return Err(not_an_address("it is too long"));
    }
    let mut url = Url::parse(url).map_err(|error| not_an_address(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HomeserverAddressError::Credentials);
    }
    if !matches!(url.scheme(), "https" | "http") {
        return Err(not_an_address(&format!(
            "it begins with {}:, not with https:",
            url.scheme()
        )));
    }
    // The dot at the end of a fully qualified name names the same host, and would be another context for passwords.
    if let Some(Host::Domain(name)) = url.host()
        && name.ends_with('.')
    {
        let name = name.trim_end_matches('.').to_owned();
        url.set_host(Some(&name))
            .map_err(|error| not_an_address(&error.to_string()))?;
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(HomeserverAddressError::NotEncrypted {
            given: shown(given),
        });
    }
    let path = base_path(url.path());
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The path below which the homeserver's `/_matrix` lies: `/` but for those that share a host with something else.
fn base_path(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .take_while(|part| !matches!(*part, "_matrix" | ".well-known"))
        .collect();
    format!("/{}", parts.join("/"))
}

fn has_scheme(text: &str) -> bool {
    let by_slashes = text.split_once("://").is_some_and(|(scheme, _)| {
        scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
    });
    // `https:example.org` and `https:/example.org`: read as browsers do.
    by_slashes
        || starts_with_ignoring_case(text, "https:")
        || starts_with_ignoring_case(text, "http:")
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// What surrounds an address that is copied out of a text.
fn is_wrapping(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '<' | '>' | '"' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
        )
}

/// The text as an error may repeat it: short, and never where it could hold a password.
pub(crate) fn shown(text: &str) -> String {
    const LENGTH: usize = 100;
    if text.contains('@') {
        return "(not shown)".to_owned();
    }
    let mut shown: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LENGTH)
        .collect();
    if text.chars().nth(LENGTH).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_becomes_a_base_url() {
        for (given, url) in [
            ("example.org", "https://example.org/"),
            ("https://example.org", "https://example.org/"),
            ("https://example.org/", "https://example.org/"),
            ("https://example.org//", "https://example.org/"),
            ("//example.org//", "https://example.org/"),
            ("https:example.org", "https://example.org/"),
            ("https:/example.org", "https://example.org/"),
            (" <https://example.org>\n", "https://example.org/"),
            ("\u{feff}example.org\u{200b}", "https://example.org/"),
            ("HTTPS://EXAMPLE.ORG", "https://example.org/"),
            ("Example.Org:8448", "https://example.org:8448/"),
            ("example.org:443", "https://example.org/"),
            ("example.org.", "https://example.org/"),
            ("matrix:8448", "https://matrix:8448/"),
            ("bücher.example", "https://xn--bcher-kva.example/"),
            ("https://example.org/_matrix/client", "https://example.org/"),
            (
                "https://example.org/_matrix/client/v3/login",
                "https://example.org/",
            ),
            (
                "example.org/.well-known/matrix/client",
                "https://example.org/",
            ),
            ("https://example.org/#/login", "https://example.org/"),
            ("https://example.org/?a=b#c", "https://example.org/"),
            ("https://example.org/matrix//", "https://example.org/matrix"),
            (
                "https://example.org/x/_matrix/client/",
                "https://example.org/x",
            ),
            ("2001:db8::1", "https://[2001:db8::1]/"),
            ("[2001:db8::1]:8448", "https://[2001:db8::1]:8448/"),
            ("192.0.2.1", "https://192.0.2.1/"),
            ("localhost", "http://localhost/"),
            ("localhost:8008", "http://localhost:8008/"),
            ("localhost:443", "http://localhost:443/"),
            ("::1", "http://[::1]/"),
            ("127.0.0.1:8008", "http://127.0.0.1:8008/"),
            ("a.localhost.", "http://a.localhost/"),
            ("http://localhost:8008", "http://localhost:8008/"),
            ("https://localhost:8448", "https://localhost:8448/"),
        ] {
            assert_eq!(
                read(given).map(|url| url.to_string()),
                Ok(url.to_owned()),
                "{given}"
            );
            // What was read reads the same again: it is stored with the account.
            assert_eq!(read(url).map(|url| url.to_string()), Ok(url.to_owned()));
        }
    }

    #[test]
    fn what_names_no_homeserver_is_refused() {
        for given in [
            "",
            " ",
            "https://",
            "https://.",
            "/",
            "ftp://example.org",
            "htps://example.org",
            "exa mple.org",
            "https://[::1",
            "https://[nope]",
            "example.org:99999",
            "fe80::1%eth0",
            "localhost:x",
        ] {
            assert!(
                matches!(
                    read(given),
                    Err(HomeserverAddressError::NotAnAddress { .. })
                ),
                "{given}: {:?}",
                read(given)
            );
        }
        let long = format!("https://example.org/{}", "a".repeat(MAX_LENGTH));
        let error = read(&long).unwrap_err().to_string();
        assert!(error.contains("too long") && error.len() < 400, "{error}");
    }

    #[test]
    fn a_matrix_id_is_said_to_be_one() {
        for given in ["@alice:example.org", "matrix:u/alice:example.org", " @a:b"] {
            assert_eq!(
                read(given),
                Err(HomeserverAddressError::MatrixId),
                "{given}"
            );
        }
    }

    #[test]
    fn a_user_name_or_password_is_refused_and_never_repeated() {
        for given in [
            "https://alice:hunter2@example.org",
            "https://hunter2@example.org",
            "alice:hunter2@example.org",
            "https://:hunter2@example.org/",
            "https://alice:hunter2@exa mple.org",
            "ftp://alice:hunter2@example.org",
            "https://alice:hunter2@[::1",
            "http://alice:hunter2@example.org",
        ] {
            let error = read(given).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        assert_eq!(
            read("https://alice:hunter2@example.org"),
            Err(HomeserverAddressError::Credentials)
        );
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for url in [
            "http://127.0.0.1:8008",
            "http://127.8.8.8",
            "http://localhost",
            "http://a.b.LOCALHOST:1",
            "http://[::1]:1",
            "http://[::ffff:127.0.0.1]",
            "http://2130706433",
        ] {
            assert!(read(url).is_ok(), "{url}");
        }
        for url in [
            "http://example.org",
            "http://192.168.1.1",
            "http://0.0.0.0",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "http://notlocalhost",
            "HTTP:example.org",
        ] {
            assert!(
                matches!(read(url), Err(HomeserverAddressError::NotEncrypted { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn what_an_error_repeats_is_short_and_moves_no_cursor() {
        for path in ["\u{1b}[2J", "\u{7}", &"a".repeat(MAX_LENGTH / 2)] {
            let error = read(&format!("http://example.org/{path}")).unwrap_err();
            let HomeserverAddressError::NotEncrypted { given } = error else {
                panic!("{error:?}");
            };
            assert!(given.starts_with("http://example.org/"), "{given}");
            assert!(!given.contains(char::is_control), "{given:?}");
            assert!(given.chars().count() <= 101, "{given}");
        }
    }

    #[test]
    fn a_base_url_must_have_its_scheme() {
        assert!(read_base_url("https://matrix.example.org/").is_ok());
        for text in [
            "matrix.example.org",
            "",
            "//matrix.example.org",
            "matrix.example.org:443",
        ] {
            assert!(read_base_url(text).is_err(), "{text}");
        }
    }
}
