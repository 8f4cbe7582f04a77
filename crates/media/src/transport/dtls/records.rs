//! What of a peer's datagram a library looks at before it has keys (RFC 6347 sections 4.1 and 4.2, RFC 9147 sections 4 and 5).
//!
//! Until keys are agreed on nothing is authenticated, and anybody who knows the addresses can send records. OpenSSL ends a handshake
//! for good at one that has no place in it, so it gets only what a client of DTLS 1.2 sends, in bounds. dimpl ends one at an alert, so
//! it gets no datagram with what no peer of ours sends.

/// Types of records (RFC 5246 section 6.2.1, RFC 8446 section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// How the first byte of a record of DTLS 1.3 begins that is encrypted (RFC 9147 section 4).
const CIPHERTEXT: u8 = 0b0010_0000;
/// Types of handshake messages (RFC 5246 section 7.4, RFC 8446 section 4).
pub(super) const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const CERTIFICATE_VERIFY: u8 = 15;
/// The longest handshake message. A hello with a key share that withstands quantum computers has 2,000 bytes, the certificate of an
/// RSA key 1,500.
const MAX_MESSAGE: usize = 16 * 1024;
/// The highest number of a record without encryption. OpenSSL drops what is 64 behind the highest that came: anybody could have it
/// drop what the client sends by one of a high number. A client that repeats its flight ten times stays below.
const MAX_NUMBER: u8 = 63;
/// Type, version, epoch, number and length of a record that is not encrypted, or is one of DTLS 1.2.
pub(super) const RECORD_HEADER: usize = 13;
/// Type, length, number, offset and length of a fragment of a handshake message.
pub(super) const MESSAGE_HEADER: usize = 12;

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
        let [whole, offset, length] = [1, 6, 9].map(|at| length_at(header, at));
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

/// One of the lengths in the header of a fragment, of 3 bytes.
fn length_at(header: &[u8; MESSAGE_HEADER], at: usize) -> usize {
    u32::from_be_bytes([0, header[at], header[at + 1], header[at + 2]]) as usize
}

/// Whether a datagram has a record in it that no peer of ours sends without encryption, but anybody can who knows the addresses:
/// an alert, of which "closed" would end the handshake for good (a peer that gives up has as good as fallen silent, and there is
/// a time-out for that), or a handshake message that is no hello, which would stay in dimpl's queue until that is full. In DTLS 1.2
/// more of the handshake goes without encryption.
///
/// dimpl drops a record that it cannot read and goes on behind it, so all are looked at, by the lengths that it goes by.
pub(super) fn is_made_up(datagram: &[u8], is_13_alone: bool) -> bool {
    let mut rest = datagram;
    while let [first, ..] = *rest {
        let length = if first & 0b1110_0000 == CIPHERTEXT {
            length_of_ciphertext(rest)
        } else {
            match plaintext(rest) {
                Some((kind, body)) if may_be_plain(kind, body, is_13_alone) => {
                    Some(RECORD_HEADER + body.len())
                }
                // One that is cut off is not read, nor is anything else of the datagram.
                None => None,
                Some(_) => return true,
            }
        };
        rest = length
            .and_then(|length| rest.get(length..))
            .unwrap_or_default();
    }
    false
}

/// The length of a record of DTLS 1.3 that is encrypted, with its header (RFC 9147 section 4); `None` where it is the last one, or the
/// rest is not read.
fn length_of_ciphertext(record: &[u8]) -> Option<usize> {
    const HAS_CONNECTION_ID: u8 = 0b0001_0000;
    const HAS_LONG_NUMBER: u8 = 0b0000_1000;
    const HAS_LENGTH: u8 = 0b0000_0100;
    let first = *record.first()?;
    if first & HAS_CONNECTION_ID != 0 || first & HAS_LENGTH == 0 {
        return None;
    }
    let at = if first & HAS_LONG_NUMBER != 0 { 3 } else { 2 };
    let length = record.get(at..)?.first_chunk()?;
    Some(at + 2 + usize::from(u16::from_be_bytes(*length)))
}

/// Type and contents of a record that has the header of one without encryption (RFC 9147 section 4).
fn plaintext(record: &[u8]) -> Option<(u8, &[u8])> {
    let (header, rest) = record.split_first_chunk::<RECORD_HEADER>()?;
    let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
    Some((header[0], rest.get(..length)?))
}

/// Whether a peer of ours may send a record that has this header. In DTLS 1.2 encrypted ones have it, too.
fn may_be_plain(kind: u8, body: &[u8], is_13_alone: bool) -> bool {
    match kind {
        HANDSHAKE if is_13_alone => is_first_hello(body),
        ALERT => false,
        20..=26 => !is_13_alone,
        _ => false,
    }
}

/// The first hello of either side, alone in its record: nobody of ours asks for another one.
fn is_first_hello(record: &[u8]) -> bool {
    record
        .first_chunk::<MESSAGE_HEADER>()
        .is_some_and(|header| {
            matches!(header[..6], [CLIENT_HELLO | SERVER_HELLO, _, _, _, 0, 0])
                && record.len() == MESSAGE_HEADER + length_at(header, 9)
        })
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

    #[test]
    fn only_the_first_hellos_come_in_clear_to_an_end_of_dtls_1_3() {
        const ENCRYPTED_EXTENSIONS: u8 = 8;
        let alone = |kind| record(HANDSHAKE, 0, &fragment(kind, 4, 0, 4));
        let alert = record(ALERT, 0, &[2, 40]);
        for hello in [CLIENT_HELLO, SERVER_HELLO] {
            assert!(!is_made_up(&alone(hello), true));
            let mut second = fragment(hello, 4, 0, 4);
            second[5] = 1;
            assert!(is_made_up(&record(HANDSHAKE, 0, &second), true));
            let and_more = [
                fragment(hello, 4, 0, 4),
                fragment(ENCRYPTED_EXTENSIONS, 4, 0, 4),
            ];
            assert!(is_made_up(&record(HANDSHAKE, 0, &and_more.concat()), true));
            assert!(is_made_up(&[alone(hello), alert.clone()].concat(), true));
        }
        assert!(is_made_up(&alone(ENCRYPTED_EXTENSIONS), true));
        for kind in (0..=u8::MAX).filter(|kind| kind & 0b1110_0000 != CIPHERTEXT) {
            let bytes = record(kind, 0, &[1]);
            assert!(is_made_up(&bytes, true), "{kind}");
            let may_be_of_12 = (20..=26).contains(&kind) && kind != ALERT;
            assert_eq!(is_made_up(&bytes, false), !may_be_of_12, "{kind}");
        }
        // Encrypted, with and without a length of its own, and cut off: what is behind the last two is not read.
        let with_length = [0b0010_1100, 0, 7, 0, 1, 9];
        let without = [0b0010_1000, 0, 7, 9];
        let cut_off = &alone(CLIENT_HELLO)[..20];
        assert!(is_made_up(&[&with_length[..], &alert].concat(), true));
        assert!(!is_made_up(&[&without[..], &alert].concat(), true));
        assert!(!is_made_up(cut_off, true));
    }
}
