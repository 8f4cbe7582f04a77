//! The name of a homeserver, as it stands after the colon of a Matrix ID.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The domain that is meant where a contact names none.
const DEFAULT_DOMAIN: &str = "stealthx.tech";

/// A Matrix server name: a DNS name, an IPv4 address or an IPv6 address in brackets, each with an optional port.
///
/// Kept, written and compared in lower case: host names mean the same in either, and homeservers write theirs so.
/// Grammar: <https://spec.matrix.org/v1.16/appendices/#server-name>.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName(String);

impl ServerName {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 230;

    /// The domain that is meant where a contact names none, unless the user's settings name another.
    #[must_use]
    pub fn default_domain() -> Self {
        Self(DEFAULT_DOMAIN.to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its port. An IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(&self.0).0
    }
}

impl FromStr for ServerName {
    type Err = ServerNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ServerNameError::Empty);
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(ServerNameError::TooLong { found: text.len() });
        }
        let (host, port) = split_port(text);
        check_host(host)?;
        port.map_or(Ok(()), check_port)?;
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for ServerName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// What is wrong with a text that should be a server name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerNameError {
    /// Nothing where a name should be.
    #[error("the server name is empty")]
    Empty,
    /// More than a Matrix ID has room for.
    #[error("a server name has at most 230 characters, this has {found}")]
    TooLong {
        /// Bytes counted.
        found: usize,
    },
    /// A character that no server name has.
    #[error("'{}' cannot be in a server name", .character.escape_debug())]
    Character {
        /// The first such character.
        character: char,
    },
    /// Dots that do not separate anything, or a label that starts or ends with a hyphen.
    #[error("a server name is made of letters, digits and hyphens between single dots")]
    Label,
    /// Brackets without an IPv6 address inside.
    #[error("there is no valid IPv6 address between the brackets")]
    Ipv6,
    /// Four numbers that are not an IPv4 address.
    #[error("this is not a valid IPv4 address")]
    Ipv4,
    /// Something else than 1 to 65535 after the colon.
    #[error("the port must be a number from 1 to 65535")]
    Port,
}

/// Splits at the colon before the port; the colons inside an IPv6 address's brackets are not it.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let after_brackets = text.rfind(']').map_or(0, |bracket| bracket + 1);
    match text[after_brackets..].find(':') {
        Some(colon) => {
            let (host, port) = text.split_at(after_brackets + colon);
            (host, port.get(1..))
        }
        None => (text, None),
    }
}

fn check_host(host: &str) -> Result<(), ServerNameError> {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.strip_suffix(']').ok_or(ServerNameError::Ipv6)?;
        return address
            .parse::<Ipv6Addr>()
            .map(drop)
            .map_err(|_| ServerNameError::Ipv6);
    }
    if host.is_empty() {
        return Err(ServerNameError::Empty);
    }
    if let Some(character) = host
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'))
    {
        return Err(ServerNameError::Character { character });
    }
    let mut labels = host.split('.');
    if labels
        .clone()
        .all(|label| label.bytes().all(|b| b.is_ascii_digit()))
    {
        return host
            .parse::<Ipv4Addr>()
            .map(drop)
            .map_err(|_| ServerNameError::Ipv4);
    }
    if labels.any(|label| {
        label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-')
    }) {
        return Err(ServerNameError::Label);
    }
    Ok(())
}

fn check_port(port: &str) -> Result<(), ServerNameError> {
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok(()),
        _ => Err(ServerNameError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_read() {
        for text in [
            "example.org",
            "example.org:8448",
            "localhost",
            "127.0.0.1:8008",
            "[::1]",
            "[2001:db8::1]:8448",
            "xn--bcher-kva.example",
        ] {
            assert_eq!(text.parse::<ServerName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_name_in_capitals_is_the_same_name() {
        let name: ServerName = "Bugs.TEST:8448".parse().unwrap();
        assert_eq!(name.as_str(), "bugs.test:8448");
        assert_eq!(name, "bugs.test:8448".parse().unwrap());
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        use ServerNameError::*;
        for (text, error) in [
            ("", Empty),
            (":8448", Empty),
            ("exa mple.org", Character { character: ' ' }),
            ("example.org/x", Character { character: '/' }),
            ("user@example.org", Character { character: '@' }),
            ("bücher.example", Character { character: 'ü' }),
            ("example..org", Label),
            (".example.org", Label),
            ("example.org.", Label),
            ("-a.example", Label),
            ("256.1.1.1", Ipv4),
            ("1.2.3", Ipv4),
            ("[::1", Ipv6),
            ("[nope]", Ipv6),
            ("example.org:", Port),
            ("example.org:0", Port),
            ("example.org:65536", Port),
            ("example.org:+1", Port),
            ("example.org:1:2", Port),
        ] {
            assert_eq!(text.parse::<ServerName>(), Err(error), "{text}");
        }
        assert_eq!(
            "a".repeat(231).parse::<ServerName>(),
            Err(TooLong { found: 231 })
        );
    }

    #[test]
    fn the_host_is_the_name_without_its_port() {
        assert_eq!(
            "example.org:1".parse::<ServerName>().unwrap().host(),
            "example.org"
        );
        assert_eq!("[::1]:1".parse::<ServerName>().unwrap().host(), "[::1]");
        assert_eq!("[::1]".parse::<ServerName>().unwrap().host(), "[::1]");
    }
}
