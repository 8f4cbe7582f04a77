//! Fresh bytes of the operating system.

use rand_core::Rng as _;
use securecall_randomness::SystemRandomness;

/// So many, used for one thing.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandomness.fill_bytes(&mut bytes);
    bytes
}
