//! The target of a CONNECT-UDP request, as its path names it (RFC 9298 section 3).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::codes;

/// The longest path that is read: an IPv6 address and a port, each character percent-encoded.
const MAX_PATH_LEN: usize = codes::PATH_PREFIX.len() + 3 * (39 + 5) + 2;
/// How a path says that it has no target: an asterisk, which must be percent-encoded.
const ANY: &str = "%2A";

/// Where a flow leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// To one address.
    Address(SocketAddr),
    /// To whom each packet says: a bound flow.
    Any,
}

impl Target {
    /// The path of a request for it.
    pub fn path(self) -> String {
        let (host, port) = match self {
            Self::Any => (ANY.to_owned(), ANY.to_owned()),
            Self::Address(address) => {
                let host = address.ip().to_string().replace(':', "%3A");
                (host, address.port().to_string())
            }
        };
        format!("{}{host}/{port}/", codes::PATH_PREFIX)
    }

    /// The target that a path names. Only addresses are targets: a relay that resolves names would find out for anybody
    /// what its resolver sees, and be led into its own network.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        if path.len() > MAX_PATH_LEN {
            return Err(PathError::TooLong);
        }
        let variables = path
            .strip_prefix(codes::PATH_PREFIX)
            .and_then(|rest| rest.strip_suffix('/'))
            .ok_or(PathError::OtherTemplate)?;
        let (host, port) = variables.split_once('/').ok_or(PathError::OtherTemplate)?;
        let (host, port) = (decode(host)?, decode(port)?);
        match (host.as_str(), port.as_str()) {
            ("*", "*") => Ok(Self::Any),
            ("*", _) | (_, "*") => Err(PathError::HalfAny),
            (host, port) => {
                let ip = parse_host(host)?;
                Ok(Self::Address(SocketAddr::new(ip, parse_port(port)?)))
            }
        }
    }
}

/// What a variable of the template says. Nothing but letters, digits, dots and hyphens stands there as it is: that
/// leaves one way to write a slash, a colon or an asterisk.
fn decode(variable: &str) -> Result<String, PathError> {
    let mut decoded = String::new();
    let mut rest = variable.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(PathError::BadEncoding);
                };
                (high << 4 | low) as u8
            }
            b'.' | b'-' => byte,
            byte if byte.is_ascii_alphanumeric() => byte,
            _ => return Err(PathError::BadEncoding),
        };
        if !byte.is_ascii_graphic() {
            return Err(PathError::BadEncoding);
        }
        decoded.push(char::from(byte));
    }
    Ok(decoded)
}

fn parse_host(host: &str) -> Result<IpAddr, PathError> {
    // As the kernel would read it, 127.1 and 0x7f.1 are addresses, too; here they are names.
    if host.contains('%') {
        return Err(PathError::Name);
    }
    let ip: IpAddr = host.parse().map_err(|_| PathError::Name)?;
    let v4_within = |ip: Ipv6Addr| ip.to_ipv4_mapped().is_some();
    match ip {
        IpAddr::V6(ip) if v4_within(ip) => Err(PathError::Mapped),
        ip => Ok(ip),
    }
}

fn parse_port(port: &str) -> Result<u16, PathError> {
    let is_number = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| port.parse().ok()).flatten();
    number.ok_or(PathError::Port)
}

/// Why a path names no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum PathError {
    /// Longer than any address.
    #[error("a path longer than any address")]
    TooLong,
    /// It is not of the template.
    #[error("not /.well-known/masque/udp/HOST/PORT/")]
    OtherTemplate,
    /// Characters that must be percent-encoded, or are badly so.
    #[error("characters that are not, or badly, percent-encoded")]
    BadEncoding,
    /// An asterisk for the host or the port alone: malformed by the draft.
    #[error("an asterisk for the host or the port alone")]
    HalfAny,
    /// A host name, which is not resolved here.
    #[error("a name for a host: only addresses are targets")]
    Name,
    /// An IPv4 address within an IPv6 one.
    #[error("an IPv4 address within an IPv6 one")]
    Mapped,
    /// No port from 1 to 65535.
    #[error("not a port from 1 to 65535")]
    Port,
}

#[cfg(test)]
mod tests;
