use proptest::prelude::*;

use super::*;

fn id(number: u64) -> ContextId {
    ContextId::new(number).unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn bytes_of(capsules: &[Capsule]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for capsule in capsules {
        write(*capsule, &mut bytes);
    }
    bytes
}

/// Reads in pieces of this size.
fn read_all(bytes: &[u8], piece: usize) -> Result<Vec<Capsule>, CapsuleError> {
    let mut reader = CapsuleReader::default();
    let mut capsules = Vec::new();
    for mut piece in bytes.chunks(piece) {
        while let Some(capsule) = reader.read(&mut piece)? {
            capsules.push(capsule);
        }
        assert!(piece.is_empty(), "bytes are left that belong to no capsule");
    }
    Ok(capsules)
}

#[test]
fn capsules_have_the_bytes_of_the_draft() {
    let peer = Registration::Compressed(address("203.0.113.11:60000"));
    for (capsule, bytes) in [
        (
            Capsule::Assign(id(2), Registration::Uncompressed),
            &[0x11, 2, 2, 0][..],
        ),
        (
            Capsule::Assign(id(4), peer),
            &[0x11, 8, 4, 4, 203, 0, 113, 11, 0xea, 0x60],
        ),
        (Capsule::Ack(id(2)), &[0x12, 1, 2]),
        (Capsule::Close(id(0x1234)), &[0x13, 2, 0x52, 0x34]),
    ] {
        assert_eq!(bytes_of(&[capsule]), bytes);
        assert_eq!(read_all(bytes, 1), Ok(vec![capsule]));
    }
}

#[test]
fn unknown_capsules_are_skipped_however_long_they_are() {
    let mut bytes = Vec::new();
    // A datagram in a capsule, an empty one of a type in eight bytes, and a long one.
    bytes.extend_from_slice(&[0, 3, 2, 0xff, 0xff]);
    bytes.extend_from_slice(&[0xc0, 0, 0, 0, 0, 0, 0x29, 0x17, 0]);
    bytes.extend_from_slice(&[0x29, 0x80, 1, 0, 0]);
    bytes.extend(std::iter::repeat_n(0x11, 65_536));
    write(Capsule::Ack(id(6)), &mut bytes);
    for piece in [1, 7, 100_000] {
        assert_eq!(read_all(&bytes, piece), Ok(vec![Capsule::Ack(id(6))]));
    }
    // The longest that can be said is begun, and whatever comes belongs to it.
    let mut longest = [0x29; 1 + 8 + 64];
    longest[1..9].fill(0xff);
    assert_eq!(read_all(&longest, 5), Ok(vec![]));
}

#[test]
fn a_known_capsule_that_is_too_long_is_refused_before_it_comes() {
    let mut reader = CapsuleReader::default();
    let error = CapsuleError::TooLong {
        kind: 0x11,
        len: 28,
    };
    assert_eq!(reader.read(&mut &[0x11, 28][..]), Err(error));
    let mut endless = [0x12; 9];
    endless[1..].fill(0xff);
    let len = varint::MAX;
    let error = CapsuleError::TooLong { kind: 0x12, len };
    assert_eq!(read_all(&endless, 9), Err(error));
    // The longest that there is.
    let mut longest = vec![0x11, 27, 0xc0, 0, 0, 0, 0, 0, 0, 2, 6];
    longest.extend_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0]);
    let peer = Registration::Compressed(address("[2001:db8::9]:256"));
    assert_eq!(
        read_all(&longest, 3),
        Ok(vec![Capsule::Assign(id(2), peer)])
    );
}

#[test]
fn malformed_capsules_are_refused() {
    for bytes in [
        // Nothing at all, half an ID, more than there should be.
        &[0x12, 0][..],
        &[0x12, 1, 0x40],
        &[0x12, 2, 2, 0],
        &[0x13, 0],
        &[0x13, 2, 2, 2],
        // No version, a wrong one, too few and too many bytes of an address, one in an uncompressed context.
        &[0x11, 1, 2],
        &[0x11, 8, 2, 5, 203, 0, 113, 11, 1, 1],
        &[0x11, 7, 2, 4, 203, 0, 113, 11, 1],
        &[0x11, 9, 2, 4, 203, 0, 113, 11, 1, 1, 0],
        &[0x11, 8, 2, 6, 203, 0, 113, 11, 1, 1],
        &[0x11, 8, 2, 0, 203, 0, 113, 11, 1, 1],
    ] {
        let kind = u64::from(bytes[0]);
        assert_eq!(
            read_all(bytes, 2),
            Err(CapsuleError::Malformed(kind)),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_reader_that_has_refused_refuses_on() {
    let mut reader = CapsuleReader::default();
    let error = Err(CapsuleError::Malformed(0x12));
    assert_eq!(reader.read(&mut &[0x12, 0][..]), error);
    let good = bytes_of(&[Capsule::Ack(id(2))]);
    assert_eq!(reader.read(&mut &good[..]), error);
}

#[test]
fn a_stream_ends_well_only_between_capsules() {
    let mut reader = CapsuleReader::default();
    assert!(reader.is_between_capsules());
    for (byte, is_between) in [
        (0x12, false),
        (1, false),
        (2, true),
        (0x29, false),
        (0, true),
    ] {
        reader.read(&mut &[byte][..]).unwrap();
        assert_eq!(reader.is_between_capsules(), is_between, "{byte:#x}");
    }
}

fn any_capsule() -> impl Strategy<Value = Capsule> {
    let id = (0..=varint::MAX).prop_map(id);
    let peer = any::<(std::net::IpAddr, u16)>();
    let registration = prop_oneof![
        Just(Registration::Uncompressed),
        peer.prop_map(|(ip, port)| Registration::Compressed(SocketAddr::new(ip, port))),
    ];
    prop_oneof![
        (id.clone(), registration).prop_map(|(id, meaning)| Capsule::Assign(id, meaning)),
        id.clone().prop_map(Capsule::Ack),
        id.prop_map(Capsule::Close),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_wherever_it_is_cut(
        capsules in prop::collection::vec(any_capsule(), 0..8),
        piece in 1..40_usize,
    ) {
        prop_assert_eq!(read_all(&bytes_of(&capsules), piece), Ok(capsules));
    }

    #[test]
    fn where_bytes_are_cut_makes_no_difference(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..0x14_u8], 0..80),
        piece in 1..80_usize,
    ) {
        prop_assert_eq!(read_all(&bytes, piece), read_all(&bytes, 1));
    }
}
