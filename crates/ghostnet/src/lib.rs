//! GhostNet: which two relays carry a call, and the tokens that pay for it.
//!
//! Everything here is sans-IO: bytes, the time of day and randomness come in as parameters.

#![forbid(unsafe_code)]
