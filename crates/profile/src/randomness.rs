//! Random bytes of the operating system, for keys and nonces.

/// The operating system has no randomness to give: nothing is sealed with less.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers: {0}")]
pub struct NoRandomness(getrandom::Error);

/// Fills `bytes`.
///
/// # Errors
///
/// There is none; what is in `bytes` must not be used then.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(bytes).map_err(NoRandomness)
}
