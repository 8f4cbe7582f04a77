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
