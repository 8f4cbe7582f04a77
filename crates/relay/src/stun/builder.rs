//! Messages that go out.

use std::net::{IpAddr, SocketAddr};

use super::message::{type_number, xor_address};
use super::{
    ATTRIBUTE_HEADER_LEN, AttributeType, Class, FINGERPRINT_XOR, HEADER_LEN, IntegrityKey,
    MAGIC_COOKIE, Method, TransactionId, crc32, padded,
};

/// A message on its way out.
pub struct MessageBuilder {
    transaction: TransactionId,
    bytes: Vec<u8>,
}

impl MessageBuilder {
    /// A message without attributes.
    pub fn new(class: Class, method: Method, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&type_number(class, method).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        bytes.extend_from_slice(&transaction.0);
        Self { transaction, bytes }
    }

    /// Adds an attribute. Values are those of ours: far shorter than a message can be.
    #[must_use]
    pub fn attribute(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&kind.0.to_be_bytes());
        self.bytes
            .extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(padded(self.bytes.len()), 0);
        self.write_length(0);
        self
    }

    /// Adds an attribute of four bytes.
    #[must_use]
    pub fn number(self, kind: AttributeType, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Adds an address, hidden from NATs that rewrite what looks like one.
    #[must_use]
    pub fn xor_address(self, kind: AttributeType, address: SocketAddr) -> Self {
        let xored = xor_address(address, self.transaction);
        let mut value = Vec::with_capacity(20);
        let [port_high, port_low] = xored.port().to_be_bytes();
        match xored.ip() {
            IpAddr::V4(ip) => {
                value.extend_from_slice(&[0, 1, port_high, port_low]);
                value.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                value.extend_from_slice(&[0, 2, port_high, port_low]);
                value.extend_from_slice(&ip.octets());
            }
        }
        self.attribute(kind, &value)
    }

    /// Adds the code that shows who sent it. Whatever comes behind is not covered.
    #[must_use]
    pub fn integrity(mut self, key: &IntegrityKey) -> Self {
        let algorithm = key.algorithm();
        // The length in the header counts the code itself already.
        self.write_length(ATTRIBUTE_HEADER_LEN + algorithm.len());
        let code = key.code([&self.bytes[..]]);
        self.attribute(algorithm.attribute(), &code)
    }

    /// The message with a checksum at its end, which tells it from packets of a call.
    pub fn finish(mut self) -> Vec<u8> {
        self.write_length(ATTRIBUTE_HEADER_LEN + 4);
        let crc = crc32(self.bytes.iter().copied()) ^ FINGERPRINT_XOR;
        self.number(AttributeType::FINGERPRINT, crc).bytes
    }

    fn write_length(&mut self, more: usize) {
        let length = (self.bytes.len() - HEADER_LEN + more) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}
