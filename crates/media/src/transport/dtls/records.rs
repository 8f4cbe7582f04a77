//! What of a peer's datagram a server of DTLS 1.2 looks at (RFC 6347 sections 4.1 and 4.2).
//!
//! Until keys are agreed on nothing is authenticated, and OpenSSL ends a handshake for good at a record that has no place in it.
//! Anybody who knows the addresses can send one. So it gets only what a client sends, in bounds.

/// Types of records (RFC 5246 section 6.2.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Types of handshake messages that a client sends (RFC 5246 section 7.4).
const CLIENT_HELLO: u8 = 1;
const CERTIFICATE: u8 = 11;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const CERTIFICATE_VERIFY: u8 = 15;
/// The longest handshake message. A hello with a key share that withstands quantum computers has 2,000 bytes, the certificate of an
/// RSA key 1,500.
const MAX_MESSAGE: usize = 16 * 1024;
/// The highest number of a record without encryption. OpenSSL drops what is 64 behind the highest that came: anybody could have it
/// drop what the client sends by one of a high number. A client that repeats its flight ten times stays below.
const MAX_NUMBER: u8 = 63;
/// Type, version, epoch, number and length.
const RECORD_HEADER: usize = 13;
/// Type, length, number, offset and length of a fragment.
const MESSAGE_HEADER: usize = 12;

/// The records of a datagram that a client may send; nothing if there are none.
pub(super) fn of_client(datagram: &[u8]) -> Vec<u8> {
    let allowed = |record: &&[u8]| match record[..] {
        [
            kind,
            _,
            _,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            ..=MAX_NUMBER,
            _,
            _,
            ref body @ ..,
        ] => match kind {
            CHANGE_CIPHER_SPEC => *body == [1],
            HANDSHAKE => has_messages_of_client(body),
            _ => false,
        },
        // Encrypted: whoever has no key changes nothing by it.
        [ALERT..=APPLICATION_DATA, _, _, 0, 1, ..] => true,
        _ => false,
    };
    records(datagram)
        .filter(allowed)
        .flatten()
        .copied()
        .collect()
}

/// Whether a datagram has a part of a first hello in it.
pub(super) fn has_hello(datagram: &[u8]) -> bool {
    records(datagram).any(|record| {
        let message = &record[RECORD_HEADER..];
        matches!(record, [HANDSHAKE, _, _, 0, 0, ..])
            && message.first() == Some(&CLIENT_HELLO)
            && has_messages_of_client(message)
    })
}

/// The whole records at the beginning of a datagram, with their headers.
fn records(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header: &[u8; RECORD_HEADER] = rest.first_chunk()?;
        let is_dtls = header[1] == 0xfe && matches!(header[2], 0xfd | 0xff);
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (record, after) = rest.split_at_checked(RECORD_HEADER + length)?;
        rest = after;
        is_dtls.then_some(record)
    })
}

/// Whether all fragments in a record are of messages of a client, and lie within them.
fn has_messages_of_client(record: &[u8]) -> bool {
    let mut rest = record;
    while !rest.is_empty() {
        let Some(header) = rest.first_chunk::<MESSAGE_HEADER>() else {
            return false;
        };
        let number = |at: usize| {
            let bytes = [0, header[at], header[at + 1], header[at + 2]];
            u32::from_be_bytes(bytes) as usize
        };
        let (whole, offset, length) = (number(1), number(6), number(9));
        let is_of_client = matches!(
            header[0],
            CLIENT_HELLO | CERTIFICATE | CLIENT_KEY_EXCHANGE | CERTIFICATE_VERIFY
        );
        if !is_of_client || whole > MAX_MESSAGE || offset + length > whole {
            return false;
        }
        match rest.get(MESSAGE_HEADER + length..) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    !record.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: [u8; 0] = [];

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 7];
        bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    /// A fragment of four bytes.
    fn fragment(kind: u8, whole: u32, offset: u32, length: u32) -> Vec<u8> {
        let [whole, offset, length] = [whole, offset, length].map(u32::to_be_bytes);
        [
            &[kind][..],
            &whole[1..],
            &[0, 0],
            &offset[1..],
            &length[1..],
            &[9; 4],
        ]
        .concat()
    }

    #[test]
    fn what_a_client_sends_stays_and_nothing_else() {
        let hello = record(HANDSHAKE, 0, &fragment(CLIENT_HELLO, 8, 4, 4));
        let two = [
            fragment(CERTIFICATE, 4, 0, 4),
            fragment(CLIENT_KEY_EXCHANGE, 4, 0, 4),
        ]
        .concat();
        let flight = [
            record(HANDSHAKE, 0, &two),
            record(CHANGE_CIPHER_SPEC, 0, &[1]),
            record(HANDSHAKE, 1, &[3; 40]),
        ];
        for whole in [hello.clone(), flight.concat()] {
            assert_eq!(of_client(&whole), whole);
        }
        let refused = [
            record(ALERT, 0, &[2, 40]),
            record(APPLICATION_DATA, 0, b"data"),
            record(26, 0, &[0, 2, 0, 0]),
            record(HANDSHAKE, 2, &fragment(CLIENT_HELLO, 4, 0, 4)),
            record(CHANGE_CIPHER_SPEC, 0, &[2]),
            record(CHANGE_CIPHER_SPEC, 0, &[1, 1]),
            record(HANDSHAKE, 0, &[]),
            record(HANDSHAKE, 0, b"no handshake message at all"),
            record(HANDSHAKE, 0, &[CLIENT_HELLO, 0, 0]),
            // Of a server, beyond its end, beyond the record's, and far too long.
            record(HANDSHAKE, 0, &fragment(2, 4, 0, 4)),
            record(HANDSHAKE, 0, &fragment(CLIENT_HELLO, 4, 1, 4)),
            record(HANDSHAKE, 0, &fragment(CLIENT_HELLO, 8, 0, 5)),
            record(HANDSHAKE, 0, &fragment(CLIENT_HELLO, 0x4001, 0, 4)),
        ];
        for (index, other) in refused.iter().enumerate() {
            assert_eq!(of_client(other), NOTHING, "{index}");
            // It takes nothing with it.
            assert_eq!(
                of_client(&[other.clone(), hello.clone()].concat()),
                hello,
                "{index}"
            );
        }
        for cut in 0..hello.len() {
            assert_eq!(of_client(&hello[..cut]), NOTHING, "{cut}");
        }
        for (place, byte) in [(2, 0xfc), (9, 1), (10, MAX_NUMBER + 1)] {
            let mut other = hello.clone();
            other[place] = byte;
            assert_eq!(of_client(&other), NOTHING, "{place}");
        }
    }

    #[test]
    fn a_hello_is_told_from_the_rest() {
        assert!(has_hello(&record(
            HANDSHAKE,
            0,
            &fragment(CLIENT_HELLO, 8, 4, 4)
        )));
        for other in [
            record(HANDSHAKE, 0, &fragment(CERTIFICATE, 8, 4, 4)),
            record(HANDSHAKE, 1, &fragment(CLIENT_HELLO, 8, 4, 4)),
            record(HANDSHAKE, 0, &fragment(CLIENT_HELLO, 8, 5, 4)),
            vec![],
        ] {
            assert!(!has_hello(&other));
        }
    }
}
