//! URIs of STUN and TURN servers (RFC 7064, RFC 7065), as homeservers and config files have them.

use std::fmt;
use std::net::Ipv6Addr;

/// The longest URI, in bytes: the longest host name, and what stands around it.
pub const MAX_URI_LEN: usize = 300;
/// The longest host name, in bytes (RFC 1035).
const MAX_HOST_LEN: usize = 253;

/// What a server is and how it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `stun:`, over UDP.
    Stun,
    /// `turn:` over UDP.
    TurnUdp,
    /// `turn:…?transport=tcp`.
    TurnTcp,
    /// `turns:`, over TLS.
    TurnTls,
}

/// A server: host, port, and how it is spoken to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUri {
    /// STUN or TURN, and over what.
    pub scheme: Scheme,
    /// A host name in lower case, or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port: 3478, or 5349 for TLS, where none is given.
    pub port: u16,
}

/// Why a text names no server that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It is longer than [`MAX_URI_LEN`].
    #[error("it is longer than {MAX_URI_LEN} bytes")]
    TooLong,
    /// It begins with neither `stun:`, `turn:` nor `turns:`.
    #[error("it begins with neither stun:, turn: nor turns:")]
    Scheme,
    /// `stuns:`, or a transport that no client of ours speaks (DTLS).
    #[error("it wants a transport that is not supported")]
    Transport,
    /// No host, or none that is a host name or an address.
    #[error("its host is no host name and no address")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("its port is no number from 1 to 65535")]
    Port,
}

impl ServerUri {
    /// Reads a URI. Case of scheme, host and transport does not matter; `turn://host`, which no
    /// specification has but config files do, is read as `turn:host`.
    ///
    /// # Errors
    /// [`UriError`] for what names no server that can be used.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI_LEN {
            return Err(UriError::TooLong);
        }
        let (scheme, rest) = text.trim().split_once(':').ok_or(UriError::Scheme)?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let scheme = scheme_of(
            &scheme.to_ascii_lowercase(),
            transport_of(query)?.as_deref(),
        )?;
        let (host, port) = split_port(authority)?;
        Ok(Self {
            scheme,
            host: check_host(host)?,
            port: match port {
                Some(port) => read_port(port)?,
                None if scheme == Scheme::TurnTls => 5349,
                None => 3478,
            },
        })
    }
}

/// The transport of a query; parameters that are not known are no reason to refuse a server.
fn transport_of(query: Option<&str>) -> Result<Option<String>, UriError> {
    let Some(query) = query else {
        return Ok(None);
    };
    let transports: Vec<String> = query
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(key, _)| key.eq_ignore_ascii_case("transport"))
        .map(|(_, value)| value.to_ascii_lowercase())
        .collect();
    match transports.as_slice() {
        [] => Ok(None),
        [transport] => Ok(Some(transport.clone())),
        _ => Err(UriError::Transport),
    }
}

fn scheme_of(scheme: &str, transport: Option<&str>) -> Result<Scheme, UriError> {
    match (scheme, transport) {
        ("stun", None | Some("udp")) => Ok(Scheme::Stun),
        ("turn", None | Some("udp")) => Ok(Scheme::TurnUdp),
        ("turn", Some("tcp")) => Ok(Scheme::TurnTcp),
        ("turns", None | Some("tcp")) => Ok(Scheme::TurnTls),
        // Over UDP that would be DTLS.
        ("stun" | "stuns" | "turn" | "turns", _) => Err(UriError::Transport),
        _ => Err(UriError::Scheme),
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), UriError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(UriError::Host)?;
        host.parse::<Ipv6Addr>().map_err(|_| UriError::Host)?;
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if port.is_empty() => Ok((host, None)),
            None => Err(UriError::Port),
        };
    }
    match authority.split_once(':') {
        // An IPv6 address without brackets has no port that could be told from it.
        Some((_, rest)) if rest.contains(':') => Err(UriError::Host),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn read_port(text: &str) -> Result<u16, UriError> {
    // `parse` would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UriError::Port);
    }
    text.parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or(UriError::Port)
}

fn check_host(host: &str) -> Result<String, UriError> {
    if host.parse::<Ipv6Addr>().is_ok() {
        return Ok(host.to_ascii_lowercase());
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let label_is_good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if host.len() > MAX_HOST_LEN || !host.split('.').all(label_is_good) {
        return Err(UriError::Host);
    }
    Ok(host.to_ascii_lowercase())
}

impl fmt::Display for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Stun => "stun",
            Scheme::TurnUdp | Scheme::TurnTcp => "turn",
            Scheme::TurnTls => "turns",
        };
        write!(f, "{scheme}:")?;
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)?;
        } else {
            write!(f, "{}:{}", self.host, self.port)?;
        }
        match self.scheme {
            Scheme::TurnTcp => f.write_str("?transport=tcp"),
            Scheme::Stun | Scheme::TurnUdp | Scheme::TurnTls => Ok(()),
        }
    }
}

impl fmt::Debug for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
