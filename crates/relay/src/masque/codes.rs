//! Every code point in one place, for some are of a draft.
//!
//! Bound UDP is that of draft-ietf-masque-connect-udp-listen-13 (2026-06-30), with the source of
//! 2026-07-08, which changes no byte. Its code points are provisional until it is an RFC. Versions up to -16 (2026-08-24) have
//! come out since, and were not compared.

/// The `:protocol` of an extended CONNECT (RFC 9298 section 3.4).
pub const PROTOCOL: &str = "connect-udp";
/// What the path of a request begins with: the default template of RFC 9298 section 3.
pub const PATH_PREFIX: &str = "/.well-known/masque/udp/";
/// The field by which both ends say that they speak in capsules (RFC 9297 section 3.4).
pub const CAPSULE_PROTOCOL: &str = "capsule-protocol";
/// The field by which both ends ask for a bound flow (the draft's section "Connect-UDP-Bind").
pub const CONNECT_UDP_BIND: &str = "connect-udp-bind";
/// The field that names what the proxy has bound (the draft's section "Proxy-Public-Address").
pub const PROXY_PUBLIC_ADDRESS: &str = "proxy-public-address";
/// The value of both fields that say yes (RFC 9651 section 3.3.6).
pub const TRUE: &str = "?1";

/// The capsule that registers a context.
pub const COMPRESSION_ASSIGN: u64 = 0x11;
/// The capsule that accepts one.
pub const COMPRESSION_ACK: u64 = 0x12;
/// The capsule that refuses or ends one.
pub const COMPRESSION_CLOSE: u64 = 0x13;
