//! What a packet of a call is, by its first bytes: STUN, DTLS and SRTP share one socket (RFC 7983).

/// How a check begins: a STUN binding request (RFC 8489 section 5).
pub(super) const BINDING_REQUEST: [u8; 2] = [0, 1];
/// How the answer to one begins: a binding success response.
pub(super) const BINDING_SUCCESS: [u8; 2] = [1, 1];

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
