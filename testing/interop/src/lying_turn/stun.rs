//! As much of STUN and TURN as it takes to change what a server says (RFC 8489, RFC 8656). Written for this alone, so that it
//! shares no mistake with what is under test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;

pub(super) const ALLOCATE: u16 = 0x003;
pub(super) const REFRESH: u16 = 0x004;
pub(super) const DATA: u16 = 0x007;

const REQUEST: u16 = 0x000;
const INDICATION: u16 = 0x010;
const SUCCESS: u16 = 0x100;
const ERROR: u16 = 0x110;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA_ATTRIBUTE: u16 = 0x0013;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const FINGERPRINT: u16 = 0x8028;
const ALTERNATE_SERVER: u16 = 0x8023;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;

/// A message: its type, its transaction and its attributes.
#[derive(Clone, Debug)]
pub(super) struct Message {
    kind: u16,
    transaction: [u8; 12],
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Message {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if header[0] & 0xc0 != 0 || header[4..8] != COOKIE {
            return None;
        }
        let mut attributes = Vec::new();
        let mut rest = &bytes[HEADER..];
        while let [a, b, c, d, more @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*c, *d]));
            let value = more.get(..length)?.to_vec();
            attributes.push((u16::from_be_bytes([*a, *b]), value));
            rest = more.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(Self {
            kind: u16::from_be_bytes([header[0], header[1]]),
            transaction: header[8..].try_into().ok()?,
            attributes,
        })
    }

    fn is(&self, class: u16, method: Option<u16>) -> bool {
        self.kind & 0x110 == class && method.is_none_or(|method| self.kind & !0x110 == method)
    }

    pub(super) fn is_request(&self, method: Option<u16>) -> bool {
        self.is(REQUEST, method)
    }

    pub(super) fn is_grant_of(&self, method: u16) -> bool {
        self.is(SUCCESS, Some(method))
    }

    /// Whether it grants or refuses something.
    pub(super) fn is_answer(&self) -> bool {
        self.kind & SUCCESS != 0
    }

    pub(super) fn is_authenticated(&self) -> bool {
        let mut attributes = self.attributes.iter();
        attributes.any(|(kind, _)| *kind == MESSAGE_INTEGRITY)
    }

    pub(super) fn username(&self) -> Option<&[u8]> {
        let mut attributes = self.attributes.iter();
        let (_, value) = attributes.find(|(kind, _)| *kind == USERNAME)?;
        Some(value)
    }

    /// The refusal of this request.
    pub(super) fn refused(&self, code: u16) -> Self {
        let value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        Self {
            kind: self.kind | ERROR,
            transaction: self.transaction,
            attributes: vec![(ERROR_CODE, value)],
        }
    }

    pub(super) fn with_challenge(mut self, realm: &str, nonce: &str) -> Self {
        self.attributes.push((REALM, realm.as_bytes().to_vec()));
        self.attributes.push((NONCE, nonce.as_bytes().to_vec()));
        self
    }

    pub(super) fn with_alternate_server(mut self, server: SocketAddr) -> Self {
        self.attributes.push((ALTERNATE_SERVER, address(server)));
        self
    }

    /// The same with this address in place of the one at the relay.
    pub(super) fn with_relayed_address(mut self, relayed: SocketAddr) -> Self {
        let hidden = xored(relayed, self.transaction);
        for (kind, value) in &mut self.attributes {
            if *kind == XOR_RELAYED_ADDRESS {
                *value = address(hidden);
            }
        }
        self
    }

    /// A packet as if a peer had sent it.
    pub(super) fn packet_of(peer: SocketAddr, contents: &[u8]) -> Self {
        let transaction = *b"made up here";
        Self {
            kind: DATA | INDICATION,
            transaction,
            attributes: vec![
                (XOR_PEER_ADDRESS, address(xored(peer, transaction))),
                (DATA_ATTRIBUTE, contents.to_vec()),
            ],
        }
    }

    /// The peer of a packet that was relayed.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        let mut attributes = self.attributes.iter();
        let (_, value) = attributes.find(|(kind, _)| *kind == XOR_PEER_ADDRESS)?;
        let [_, 1, high, low, a, b, c, d] = value[..] else {
            return None;
        };
        let hidden = SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])));
        Some(xored(hidden, self.transaction))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in &self.attributes {
            push(&mut body, *kind, value);
        }
        self.with_header(body.len(), &body)
    }

    /// With the code of whoever has this key; what stood there for others is gone.
    pub(super) fn signed(mut self, key: &[u8; 16]) -> Vec<u8> {
        let is_proof = |kind: u16| matches!(kind, MESSAGE_INTEGRITY | FINGERPRINT);
        self.attributes.retain(|(kind, _)| !is_proof(*kind));
        let mut body = Vec::new();
        for (kind, value) in &self.attributes {
            push(&mut body, *kind, value);
        }
        let signed = self.with_header(body.len() + 24, &body);
        let code = code(key, &signed);
        push(&mut body, MESSAGE_INTEGRITY, &code);
        self.with_header(body.len(), &body)
    }

    fn with_header(&self, length: usize, body: &[u8]) -> Vec<u8> {
        let mut bytes = self.kind.to_be_bytes().to_vec();
        bytes.extend_from_slice(&(length as u16).to_be_bytes());
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&self.transaction);
        bytes.extend_from_slice(body);
        bytes
    }
}

/// The key of long-term credentials.
pub(super) fn key(username: &str, realm: &str, password: &str) -> [u8; 16] {
    Md5::digest(format!("{username}:{realm}:{password}")).into()
}

fn code(key: &[u8; 16], bytes: &[u8]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

fn push(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend_from_slice(&kind.to_be_bytes());
    body.extend_from_slice(&(value.len() as u16).to_be_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn address(address: SocketAddr) -> Vec<u8> {
    let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
    value.extend_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => value.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => value.extend_from_slice(&ip.octets()),
    }
    value
}

/// Hidden, or shown again.
fn xored(address: SocketAddr, transaction: [u8; 12]) -> SocketAddr {
    let cookie = u32::from_be_bytes(COOKIE);
    let ip = match address.ip() {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip) ^ cookie).into(),
        IpAddr::V6(ip) => {
            let mut mask = [0; 16];
            mask[..4].copy_from_slice(&COOKIE);
            mask[4..].copy_from_slice(&transaction);
            Ipv6Addr::from(u128::from(ip) ^ u128::from_be_bytes(mask)).into()
        }
    };
    SocketAddr::new(ip, address.port() ^ (cookie >> 16) as u16)
}
