//! Messages that came in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use subtle::ConstantTimeEq as _;

use super::{
    ATTRIBUTE_HEADER_LEN, AttributeType, ErrorCode, FINGERPRINT_XOR, HEADER_LEN, IntegrityKey,
    MAGIC_COOKIE, crc32, padded,
};

/// The longest message that is read, in bytes. One that carries a packet of a call has less than 1,600.
pub const MAX_MESSAGE_LEN: usize = 2048;
/// The most attributes of a message that is read.
const MAX_ATTRIBUTES: usize = 48;

/// What a message is (RFC 8489 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Asks, and is answered.
    Request,
    /// Says something, and is not answered.
    Indication,
    /// Grants a request.
    Success,
    /// Refuses a request.
    Error,
}

/// What a message is about (RFC 8489 section 18.3, RFC 8656 section 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Which address am I seen with?
    Binding,
    /// Give me an address.
    Allocate,
    /// Let me keep it, or take it back.
    Refresh,
    /// A packet for a peer.
    Send,
    /// A packet of a peer.
    Data,
    /// Let packets of this host through.
    CreatePermission,
    /// Let this number stand for this peer.
    ChannelBind,
}

impl Method {
    const ALL: [Self; 7] = [
        Self::Binding,
        Self::Allocate,
        Self::Refresh,
        Self::Send,
        Self::Data,
        Self::CreatePermission,
        Self::ChannelBind,
    ];

    const fn number(self) -> u16 {
        match self {
            Self::Binding => 1,
            Self::Allocate => 3,
            Self::Refresh => 4,
            Self::Send => 6,
            Self::Data => 7,
            Self::CreatePermission => 8,
            Self::ChannelBind => 9,
        }
    }
}

/// Joins a response to its request: 96 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub [u8; 12]);

impl TransactionId {
    /// From random bytes.
    pub const fn from_random(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not STUN at all, as packets of a call are.
    #[error("no STUN message")]
    NotStun,
    /// It has more than [`MAX_MESSAGE_LEN`] bytes, or too many attributes.
    #[error("a STUN message that is too long")]
    TooLong,
    /// Its length is not that of its attributes.
    #[error("a STUN message whose lengths do not fit")]
    Lengths,
    /// A class or method that no client of ours deals with.
    #[error("a STUN message of an unknown kind")]
    Kind,
    /// Its checksum is of something else.
    #[error("a STUN message with a wrong checksum")]
    Fingerprint,
}

/// A message that came in.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    class: Class,
    method: Method,
    transaction: TransactionId,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Whether a datagram may be STUN: the two highest bits tell it from all else on a socket of a call
    /// (RFC 7983), the magic cookie from what only looks so.
    pub fn is_stun(bytes: &[u8]) -> bool {
        bytes.len() >= HEADER_LEN
            && bytes[0] & 0xc0 == 0
            && bytes[4..8] == MAGIC_COOKIE.to_be_bytes()
    }

    /// Reads a message that fills all the bytes.
    ///
    /// # Errors
    /// [`MessageError`], and nothing of the message was looked at.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MessageError> {
        if !Self::is_stun(bytes) {
            return Err(MessageError::NotStun);
        }
        if bytes.len() > MAX_MESSAGE_LEN {
            return Err(MessageError::TooLong);
        }
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        if !length.is_multiple_of(4) || HEADER_LEN + length != bytes.len() {
            return Err(MessageError::Lengths);
        }
        let (class, method) = kind(u16::from_be_bytes([bytes[0], bytes[1]]))?;
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&bytes[8..HEADER_LEN]);
        let message = Self {
            class,
            method,
            transaction: TransactionId(transaction),
            bytes,
        };
        message.check_attributes()?;
        Ok(message)
    }

    /// Request, indication, success or error.
    pub fn class(&self) -> Class {
        self.class
    }

    /// What it is about.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whose response it is.
    pub fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// The first attribute of a type. What stands behind the authentication code is not looked at, for
    /// nobody has vouched for it (RFC 8489 section 14.5).
    pub fn attribute(&self, wanted: AttributeType) -> Option<&'a [u8]> {
        let mut vouched_for = true;
        for (kind, value, _) in self.attributes() {
            let behind = is_behind(kind);
            if kind == wanted && (vouched_for || behind) {
                return Some(value);
            }
            vouched_for &= !behind;
        }
        None
    }

    /// An attribute of text that is valid UTF-8 and no longer than this, in bytes.
    pub fn text(&self, wanted: AttributeType, max_len: usize) -> Option<&'a str> {
        let value = self.attribute(wanted)?;
        (value.len() <= max_len)
            .then(|| std::str::from_utf8(value).ok())
            .flatten()
    }

    /// An attribute of four bytes.
    pub fn number(&self, wanted: AttributeType) -> Option<u32> {
        let value = self.attribute(wanted)?.try_into().ok()?;
        Some(u32::from_be_bytes(value))
    }

    /// An address as it stands there (MAPPED-ADDRESS, ALTERNATE-SERVER).
    pub fn address(&self, wanted: AttributeType) -> Option<SocketAddr> {
        read_address(self.attribute(wanted)?)
    }

    /// An address that was hidden from address-rewriting NATs (RFC 8489 section 14.2).
    pub fn xor_address(&self, wanted: AttributeType) -> Option<SocketAddr> {
        let address = read_address(self.attribute(wanted)?)?;
        Some(xor_address(address, self.transaction))
    }

    /// All such addresses of a type.
    pub fn xor_addresses(
        &self,
        wanted: AttributeType,
    ) -> impl Iterator<Item = SocketAddr> + use<'a> {
        let transaction = self.transaction;
        self.attributes()
            .take_while(|(kind, ..)| !is_behind(*kind))
            .filter(move |(kind, ..)| *kind == wanted)
            .filter_map(|(_, value, _)| read_address(value))
            .map(move |address| xor_address(address, transaction))
    }

    /// Why a request was refused; `None` in what is no readable refusal.
    pub fn error_code(&self) -> Option<ErrorCode> {
        ErrorCode::parse(self.attribute(AttributeType::ERROR_CODE)?)
    }

    /// Whether whoever sent it has the key. In constant time.
    pub fn is_authentic(&self, key: &IntegrityKey) -> bool {
        let algorithm = key.algorithm();
        let Some((_, code, at)) = self
            .attributes()
            .find(|(kind, ..)| *kind == algorithm.attribute())
        else {
            return false;
        };
        // RFC 8489 lets a sender truncate the SHA-256 code; no server does, and a short one is easier forged.
        if code.len() != algorithm.len() {
            return false;
        }
        // The code is over a message that ends with it.
        let length = (at - HEADER_LEN + ATTRIBUTE_HEADER_LEN + algorithm.len()) as u16;
        let expected = key.code([&self.bytes[..2], &length.to_be_bytes(), &self.bytes[4..at]]);
        expected.ct_eq(code).into()
    }

    /// Types, values and positions of all attributes, as far as they are whole.
    fn attributes(&self) -> impl Iterator<Item = (AttributeType, &'a [u8], usize)> + use<'a> {
        let bytes = self.bytes;
        let mut at = HEADER_LEN;
        std::iter::from_fn(move || {
            let [high, low, length_high, length_low] = *bytes.get(at..)?.first_chunk()?;
            let length = usize::from(u16::from_be_bytes([length_high, length_low]));
            let begin = at + ATTRIBUTE_HEADER_LEN;
            let value = bytes.get(begin..begin + length)?;
            let attribute = (AttributeType(u16::from_be_bytes([high, low])), value, at);
            at = begin + padded(length);
            Some(attribute)
        })
    }

    fn check_attributes(&self) -> Result<(), MessageError> {
        let mut end = HEADER_LEN;
        for (index, (kind, value, at)) in self.attributes().enumerate() {
            if index >= MAX_ATTRIBUTES {
                return Err(MessageError::TooLong);
            }
            end = at + ATTRIBUTE_HEADER_LEN + padded(value.len());
            if kind == AttributeType::FINGERPRINT {
                let crc = crc32(self.bytes[..at].iter().copied()) ^ FINGERPRINT_XOR;
                // It is the last one, or the checksum is not of all that came.
                if value != crc.to_be_bytes() || end != self.bytes.len() {
                    return Err(MessageError::Fingerprint);
                }
            }
        }
        (end == self.bytes.len())
            .then_some(())
            .ok_or(MessageError::Lengths)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            class,
            method,
            transaction,
            bytes: _,
        } = self;
        write!(f, "{method:?} {class:?} {transaction:?}")
    }
}

/// The attributes that stand behind all others.
fn is_behind(kind: AttributeType) -> bool {
    matches!(
        kind,
        AttributeType::MESSAGE_INTEGRITY
            | AttributeType::MESSAGE_INTEGRITY_SHA256
            | AttributeType::FINGERPRINT
    )
}

/// The type of a message: the bits of its class stand between those of its method (RFC 8489 section 5).
pub(super) const fn type_number(class: Class, method: Method) -> u16 {
    let class: u16 = match class {
        Class::Request => 0b00,
        Class::Indication => 0b01,
        Class::Success => 0b10,
        Class::Error => 0b11,
    };
    // Methods of ours have four bits, all below those of the class.
    method.number() | (class & 0b01) << 4 | (class & 0b10) << 7
}

fn kind(number: u16) -> Result<(Class, Method), MessageError> {
    for method in Method::ALL {
        for class in [
            Class::Request,
            Class::Indication,
            Class::Success,
            Class::Error,
        ] {
            if type_number(class, method) == number {
                return Ok((class, method));
            }
        }
    }
    Err(MessageError::Kind)
}

fn read_address(value: &[u8]) -> Option<SocketAddr> {
    let [_, family, port_high, port_low, ip @ ..] = value else {
        return None;
    };
    let ip: IpAddr = match family {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?).into(),
        2 => Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?).into(),
        _ => return None,
    };
    let port = u16::from_be_bytes([*port_high, *port_low]);
    Some(SocketAddr::new(ip, port))
}

/// An address xored with magic cookie and transaction ID; twice is the address again.
pub(super) fn xor_address(address: SocketAddr, transaction: TransactionId) -> SocketAddr {
    let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match address.ip() {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip) ^ MAGIC_COOKIE).into(),
        IpAddr::V6(ip) => {
            let mut mask = [0; 16];
            mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            mask[4..].copy_from_slice(&transaction.0);
            Ipv6Addr::from(u128::from(ip) ^ u128::from_be_bytes(mask)).into()
        }
    };
    SocketAddr::new(ip, port)
}
