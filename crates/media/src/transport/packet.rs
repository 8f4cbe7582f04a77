//! What a packet of a call is, by its first bytes: STUN, DTLS and SRTP share one socket (RFC 7983).

/// How a check begins: a STUN binding request (RFC 8489 section 5).
pub(super) const BINDING_REQUEST: [u8; 2] = [0, 1];
/// How the answer to one begins: a binding success response.
pub(super) const BINDING_SUCCESS: [u8; 2] = [1, 1];

/// USE-CANDIDATE, by which a check nominates its pair (RFC 8445 section 16.1).
const USE_CANDIDATE: u16 = 0x0025;
/// The header of a STUN message, and of each of its attributes.
const HEADER_LEN: usize = 20;
const ATTRIBUTE_HEADER_LEN: usize = 4;

/// STUN goes to every pair there is, everything else over the nominated one alone.
pub(super) fn is_stun(packet: &[u8]) -> bool {
    packet.first().is_some_and(|byte| *byte < 20)
}

/// A record of DTLS.
pub(super) fn is_dtls(packet: &[u8]) -> bool {
    packet.first().is_some_and(|byte| (20..=63).contains(byte))
}

/// The transaction ID of a message of STUN.
pub(super) type Transaction = [u8; 12];

/// The transaction ID of a STUN message that begins so (RFC 8489 section 5).
pub(super) fn transaction(contents: &[u8], kind: [u8; 2]) -> Option<Transaction> {
    if !contents.starts_with(&kind) {
        return None;
    }
    contents.get(8..20)?.try_into().ok()
}

/// A connectivity check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// It nominates no pair.
    Plain,
    /// It nominates the pair that it goes over.
    Nominating,
}

/// What check this is, if it is one.
pub(super) fn check_of(contents: &[u8]) -> Option<Check> {
    transaction(contents, BINDING_REQUEST)?;
    Some(if has_attribute(contents, USE_CANDIDATE) {
        Check::Nominating
    } else {
        Check::Plain
    })
}

fn has_attribute(message: &[u8], wanted: u16) -> bool {
    let mut rest = message.get(HEADER_LEN..).unwrap_or_default();
    while let Some((&[a, b, c, d], value)) = rest.split_first_chunk::<ATTRIBUTE_HEADER_LEN>() {
        if u16::from_be_bytes([a, b]) == wanted {
            return true;
        }
        let length = usize::from(u16::from_be_bytes([c, d])).next_multiple_of(4);
        rest = value.get(length..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_nominates_is_told_from_one_that_does_not() {
        let mut check = BINDING_REQUEST.to_vec();
        check.resize(HEADER_LEN, 0);
        assert_eq!(check_of(&check), Some(Check::Plain));
        // A user name of five bytes, padded; in it what looks like the attribute.
        check.extend(b"\x00\x06\x00\x05\x00\x25\x00\x00x\0\0\0");
        assert_eq!(check_of(&check), Some(Check::Plain));
        check.extend(b"\x00\x25\x00\x00");
        assert_eq!(check_of(&check), Some(Check::Nominating));
        check[..2].copy_from_slice(&BINDING_SUCCESS);
        assert_eq!((check_of(&check), check_of(&BINDING_REQUEST)), (None, None));
    }
}
