//! Numbers of attributes.

/// The type of an attribute. Those up to 0x7fff must be understood by whoever reads the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// RFC 8489 section 14.1.
    pub const MAPPED_ADDRESS: Self = Self(0x0001);
    /// RFC 8489 section 14.3.
    pub const USERNAME: Self = Self(0x0006);
    /// RFC 8489 section 14.5.
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    /// RFC 8489 section 14.8.
    pub const ERROR_CODE: Self = Self(0x0009);
    /// RFC 8656 section 18.1.
    pub const CHANNEL_NUMBER: Self = Self(0x000c);
    /// RFC 8656 section 18.2.
    pub const LIFETIME: Self = Self(0x000d);
    /// RFC 8656 section 18.3.
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    /// RFC 8656 section 18.4.
    pub const DATA: Self = Self(0x0013);
    /// RFC 8489 section 14.9.
    pub const REALM: Self = Self(0x0014);
    /// RFC 8489 section 14.10.
    pub const NONCE: Self = Self(0x0015);
    /// RFC 8656 section 18.5.
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    /// RFC 8656 section 18.6.
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    /// RFC 8656 section 18.8.
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    /// RFC 8489 section 14.6.
    pub const MESSAGE_INTEGRITY_SHA256: Self = Self(0x001c);
    /// RFC 8489 section 14.12.
    pub const PASSWORD_ALGORITHM: Self = Self(0x001d);
    /// RFC 8489 section 14.2.
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    /// RFC 8656 section 18.11.
    pub const ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8000);
    /// The same, by the number of a draft (draft-martinsen-tram-ssoda), which is the one that coturn 4.6.1 reads. No other
    /// attribute has it, and who does not know it may pass over it.
    pub const ADDITIONAL_ADDRESS_FAMILY_DRAFT: Self = Self(0x8032);
    /// RFC 8489 section 14.11.
    pub const PASSWORD_ALGORITHMS: Self = Self(0x8002);
    /// RFC 8489 section 14.15.
    pub const ALTERNATE_SERVER: Self = Self(0x8023);
    /// RFC 8489 section 14.7.
    pub const FINGERPRINT: Self = Self(0x8028);
    /// RFC 5780 section 7.4: where else the server listens.
    pub const OTHER_ADDRESS: Self = Self(0x802c);
    /// RFC 5780 section 7.3: from where the response was sent.
    pub const RESPONSE_ORIGIN: Self = Self(0x802b);
    /// RFC 5780 section 7.2.
    pub const CHANGE_REQUEST: Self = Self(0x0003);
}
