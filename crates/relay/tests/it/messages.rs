//! Messages, held to the vectors of RFC 5769.

use securecall_relay::stun::{
    AttributeType, Class, IntegrityAlgorithm, IntegrityKey, MAX_MESSAGE_LEN, Message,
    MessageBuilder, MessageError, Method, TransactionId,
};

/// RFC 5769 section 2.4: a request with long-term credentials.
const LONG_TERM_REQUEST: &str = "
    000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b90000
    0015001c662f2f3439396b393534643
    64f4c33346f4c3946535476793634734100140
    00b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666";
/// RFC 5769 section 2.2: a response with an IPv4 address.
const IPV4_RESPONSE: &str = "
    0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220
    002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
/// RFC 5769 section 2.3: a response with an IPv6 address.
const IPV6_RESPONSE: &str = "
    010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41
    80280004c8fb0b4c";

const ID: TransactionId = TransactionId([7; 12]);

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn key(password: &str) -> IntegrityKey {
    let username = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}";
    IntegrityKey::long_term(IntegrityAlgorithm::Md5, username, "example.org", password)
}

#[test]
fn a_request_with_long_term_credentials_is_read_and_vouched_for() {
    let bytes = bytes(LONG_TERM_REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class(), Class::Request);
    assert_eq!(message.method(), Method::Binding);
    assert_eq!(message.text(AttributeType::REALM, 128), Some("example.org"));
    assert!(message.is_authentic(&key("TheMatrIX")));
    assert!(!message.is_authentic(&key("TheMatrix")));
}

#[test]
fn addresses_are_unhidden() {
    for (hex, address) in [
        (IPV4_RESPONSE, "192.0.2.1:32853"),
        (
            IPV6_RESPONSE,
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ] {
        let bytes = bytes(hex);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::Success);
        assert_eq!(
            message.xor_address(AttributeType::XOR_MAPPED_ADDRESS),
            Some(address.parse().unwrap())
        );
    }
}

#[test]
fn a_byte_changed_anywhere_is_noticed_by_the_checksum() {
    let good = bytes(IPV4_RESPONSE);
    // Where it says that the checksum is one, the message is of another kind: one without.
    let type_of_checksum = good.len() - 8..good.len() - 6;
    for index in (0..good.len()).filter(|index| !type_of_checksum.contains(index)) {
        let mut bad = good.clone();
        bad[index] ^= 0x01;
        assert!(Message::parse(&bad).is_err(), "byte {index}");
    }
}

#[test]
fn what_is_built_is_read_again() {
    for algorithm in [IntegrityAlgorithm::Md5, IntegrityAlgorithm::Sha256] {
        let key = IntegrityKey::long_term(algorithm, "ada", "example.org", "secret");
        let peer = "[2001:db8::9]:4711".parse().unwrap();
        let bytes = MessageBuilder::new(Class::Request, Method::ChannelBind, ID)
            .number(AttributeType::CHANNEL_NUMBER, 0x4001_0000)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .attribute(AttributeType::DATA, b"12345")
            .integrity(&key)
            .finish();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::Request);
        assert_eq!(message.method(), Method::ChannelBind);
        assert_eq!(message.transaction(), ID);
        assert_eq!(
            message.number(AttributeType::CHANNEL_NUMBER),
            Some(0x4001_0000)
        );
        assert_eq!(
            message.xor_address(AttributeType::XOR_PEER_ADDRESS),
            Some(peer)
        );
        assert_eq!(message.attribute(AttributeType::DATA), Some(&b"12345"[..]));
        assert!(message.is_authentic(&key));
        let other = IntegrityKey::long_term(algorithm, "ada", "example.org", "other");
        assert!(!message.is_authentic(&other));
    }
}

#[test]
fn what_stands_behind_the_authentication_code_is_not_looked_at() {
    let key = IntegrityKey::long_term(IntegrityAlgorithm::Md5, "ada", "r", "secret");
    let bytes = MessageBuilder::new(Class::Success, Method::Allocate, ID)
        .integrity(&key)
        .number(AttributeType::LIFETIME, 600)
        .xor_address(
            AttributeType::XOR_RELAYED_ADDRESS,
            "192.0.2.1:1".parse().unwrap(),
        )
        .finish();
    let message = Message::parse(&bytes).unwrap();
    assert!(message.is_authentic(&key));
    assert_eq!(message.number(AttributeType::LIFETIME), None);
    assert_eq!(
        message.xor_address(AttributeType::XOR_RELAYED_ADDRESS),
        None
    );
    let relayed = message.xor_addresses(AttributeType::XOR_RELAYED_ADDRESS);
    assert_eq!(relayed.count(), 0);
}

#[test]
fn a_shortened_authentication_code_vouches_for_nothing() {
    let key = IntegrityKey::long_term(IntegrityAlgorithm::Sha256, "ada", "r", "secret");
    let whole = MessageBuilder::new(Class::Success, Method::Allocate, ID)
        .integrity(&key)
        .finish();
    let code = &whole[24..56];
    let short = MessageBuilder::new(Class::Success, Method::Allocate, ID)
        .attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, &code[..16])
        .finish();
    assert!(Message::parse(&whole).unwrap().is_authentic(&key));
    assert!(!Message::parse(&short).unwrap().is_authentic(&key));
}

#[test]
fn what_is_no_message_is_refused_with_a_reason() {
    let good = bytes(IPV4_RESPONSE);
    let changed = |index: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[index] = value;
        bytes
    };
    assert_eq!(Message::parse(&[]).err(), Some(MessageError::NotStun));
    assert_eq!(
        Message::parse(&good[..19]).err(),
        Some(MessageError::NotStun)
    );
    assert_eq!(
        Message::parse(&changed(0, 0x80)).err(),
        Some(MessageError::NotStun)
    );
    assert_eq!(
        Message::parse(&changed(4, 0)).err(),
        Some(MessageError::NotStun)
    );
    assert_eq!(
        Message::parse(&good[..good.len() - 4]).err(),
        Some(MessageError::Lengths)
    );
    assert_eq!(
        Message::parse(&changed(3, 0x3d)).err(),
        Some(MessageError::Lengths)
    );
    // An attribute that ends behind the message.
    assert_eq!(
        Message::parse(&changed(23, 0xff)).err(),
        Some(MessageError::Lengths)
    );
    assert_eq!(
        Message::parse(&changed(1, 0x02)).err(),
        Some(MessageError::Kind)
    );
    assert_eq!(
        Message::parse(&changed(good.len() - 1, 0)).err(),
        Some(MessageError::Fingerprint)
    );
    let long = MessageBuilder::new(Class::Indication, Method::Data, ID)
        .attribute(AttributeType::DATA, &[0; MAX_MESSAGE_LEN])
        .finish();
    assert_eq!(Message::parse(&long).err(), Some(MessageError::TooLong));
    let mut many = MessageBuilder::new(Class::Request, Method::Binding, ID);
    for _ in 0..60 {
        many = many.attribute(AttributeType(0xc000), &[]);
    }
    assert_eq!(
        Message::parse(&many.finish()).err(),
        Some(MessageError::TooLong)
    );
}

#[test]
fn an_error_code_is_from_300_to_699_and_its_reason_bounded() {
    let refusal = |value: &[u8]| {
        let bytes = MessageBuilder::new(Class::Error, Method::Allocate, ID)
            .attribute(AttributeType::ERROR_CODE, value)
            .finish();
        Message::parse(&bytes).unwrap().error_code()
    };
    let error = refusal(b"\0\0\x04\x26Stale Nonce").unwrap();
    assert_eq!((error.code, error.reason.as_str()), (438, "Stale Nonce"));
    assert_eq!(refusal(b"\0\0\x02\x26"), None);
    assert_eq!(refusal(b"\0\0\x07\x00"), None);
    assert_eq!(refusal(b"\0\0\x04\x64"), None);
    assert_eq!(refusal(b"\0\0\x04"), None);
    let long = [b"\0\0\x04\x03".as_slice(), &[b'x'; 500]].concat();
    assert_eq!(refusal(&long).unwrap().reason.len(), 127);
}
