//! Names of servers.

use std::fmt;

use thiserror::Error;

/// The longest name of a host (RFC 1035 section 2.3.4, without the root).
const MAX_HOST: usize = 253;
/// The longest label of one.
const MAX_LABEL: usize = 63;

/// The name of a host: letters in lower case, digits and hyphens between dots; addresses of IPv4 pass, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// Reads a name. Upper case is refused: each host has one name here.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        let is_name = text.len() <= MAX_HOST && text.split('.').all(is_label);
        is_name
            .then(|| Self(text.to_owned()))
            .ok_or(HostNameError::Host)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let within = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(within)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The name of an issuer: a host, and a port where it is not 443 (RFC 9577 section 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerName(String);

impl IssuerName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        HostName::parse(host)?;
        if !port.is_none_or(is_port) {
            return Err(HostNameError::Port);
        }
        Ok(Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One way to write each port, and none to write 443, which is not written.
fn is_port(text: &str) -> bool {
    text.parse::<u16>()
        .is_ok_and(|port| port != 0 && port != 443 && port.to_string() == text)
}

/// Why a text is no name of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostNameError {
    /// No host has such a name.
    #[error("not the name of a host: expected lower case, digits, hyphens and dots")]
    Host,
    /// The port is none, or should not be written.
    #[error("not a port: expected 1 to 65535 in digits, and none for 443")]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_one_name() {
        for text in ["relay.example.org", "localhost", "192.0.2.1", "a-b.c", "x1"] {
            assert_eq!(HostName::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "Relay.example",
            "a_b",
            "-a",
            "a-",
            "a b",
            "a/b",
            "a:1",
            "é.example",
            &"a".repeat(64),
            &["abcdefg"; 32].join("."),
        ] {
            assert_eq!(HostName::parse(text), Err(HostNameError::Host), "{text}");
        }
    }

    #[test]
    fn an_issuer_may_have_a_port() {
        for text in ["issuer.example", "issuer.example:8443", "127.0.0.1:1"] {
            assert_eq!(IssuerName::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "issuer.example:443",
            "a:",
            "a:0",
            "a:01",
            "a:65536",
            "a:1:2",
            "a:+1",
        ] {
            assert_eq!(IssuerName::parse(text), Err(HostNameError::Port), "{text}");
        }
        assert_eq!(IssuerName::parse("u@a"), Err(HostNameError::Host));
    }
}
