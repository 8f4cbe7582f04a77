//! Bytes of RFC 9297, RFC 9298 and draft-ietf-masque-connect-udp-listen, as far as a lying relay needs them.

use std::net::{IpAddr, SocketAddr};

/// Registers a context.
pub(super) const ASSIGN: u64 = 0x11;
/// Agrees to one.
const ACK: u64 = 0x12;
/// Ends one.
pub(super) const CLOSE: u64 = 0x13;

/// A variable-length integer and what is behind it (RFC 9000, section 16).
pub(super) fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let length = 1_usize << (first >> 6);
    let (number, rest) = bytes.split_at_checked(length)?;
    let value = number
        .iter()
        .skip(1)
        .fold(u64::from(first & 0x3f), |value, byte| {
            value << 8 | u64::from(*byte)
        });
    Some((value, rest))
}

/// A number as a variable-length integer.
pub(super) fn varint(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let (length, mark) = match value {
        0..0x40 => (1, 0),
        0x40..0x4000 => (2, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (8, 0xc0),
    };
    let mut encoded = bytes.get(8 - length..).unwrap_or_default().to_vec();
    if let Some(first) = encoded.first_mut() {
        *first |= mark;
    }
    encoded
}

/// A capsule.
pub(super) fn capsule(kind: u64, value: &[u8]) -> Vec<u8> {
    let length = u64::try_from(value.len()).unwrap_or_default();
    [varint(kind), varint(length), value.to_vec()].concat()
}

/// Agrees to a context.
pub(super) fn ack(context: u64) -> Vec<u8> {
    capsule(ACK, &varint(context))
}

/// Takes the first capsule off, if it is there in whole.
pub(super) fn take_capsule(bytes: &mut Vec<u8>) -> Option<(u64, Vec<u8>)> {
    let (kind, rest) = read_varint(bytes)?;
    let (length, rest) = read_varint(rest)?;
    let value = rest.get(..usize::try_from(length).ok()?)?.to_vec();
    let behind = rest.get(value.len()..).unwrap_or_default().to_vec();
    *bytes = behind;
    Some((kind, value))
}

/// Version, address and port, and what is behind them; no address where the version is 0.
pub(super) fn read_address(bytes: &[u8]) -> Option<(Option<SocketAddr>, &[u8])> {
    let (version, rest) = bytes.split_first()?;
    let (ip, rest): (IpAddr, &[u8]) = match version {
        0 => return Some((None, rest)),
        4 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            ((*ip).into(), rest)
        }
        6 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            ((*ip).into(), rest)
        }
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((Some(SocketAddr::new(ip, u16::from_be_bytes(*port))), rest))
}

/// The same in bytes.
pub(super) fn address(address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => [&[4][..], &ip.octets(), &port].concat(),
        IpAddr::V6(ip) => [&[6][..], &ip.octets(), &port].concat(),
    }
}

/// Whom a request names: `None` is a bound flow's `*`.
pub(super) fn target(path: &str) -> Option<Option<SocketAddr>> {
    let rest = path.strip_prefix("/.well-known/masque/udp/")?;
    let (host, port) = rest.strip_suffix('/')?.split_once('/')?;
    if host == "%2A" {
        return Some(None);
    }
    let ip: IpAddr = host.replace("%3A", ":").parse().ok()?;
    Some(Some(SocketAddr::new(ip, port.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 63, 64, 16_383, 16_384, 1 << 30, 1 << 40] {
            assert_eq!(read_varint(&varint(value)), Some((value, &[][..])));
        }
        for text in ["192.0.2.1:9", "[2001:db8::1]:443"] {
            let at: SocketAddr = text.parse().unwrap();
            assert_eq!(read_address(&address(at)), Some((Some(at), &[][..])));
        }
        let mut bytes = [capsule(ASSIGN, b"abc"), ack(2), vec![0x13]].concat();
        assert_eq!(take_capsule(&mut bytes), Some((ASSIGN, b"abc".to_vec())));
        assert_eq!(take_capsule(&mut bytes), Some((ACK, vec![2])));
        assert_eq!(take_capsule(&mut bytes), None);
    }

    #[test]
    fn paths_name_an_address_or_any() {
        let prefix = "/.well-known/masque/udp";
        assert_eq!(target(&format!("{prefix}/%2A/%2A/")), Some(None));
        let at = |text: &str| Some(Some(text.parse().unwrap()));
        assert_eq!(target(&format!("{prefix}/192.0.2.1/9/")), at("192.0.2.1:9"));
        let six = format!("{prefix}/2001%3Adb8%3A%3A1/9/");
        assert_eq!(target(&six), at("[2001:db8::1]:9"));
        assert_eq!(target("/"), None);
    }
}
