//! The one place that reads the clock and the system's randomness.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use web_time::{Instant, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Now, on the clock that only goes forward.
#[expect(
    clippy::disallowed_methods,
    reason = "everybody below takes the time from here"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "everybody below takes the time from here"
)]
pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch.
pub(crate) fn wallclock_ms() -> u64 {
    unix_us() / 1000
}

/// A generator seeded by the operating system.
///
/// # Errors
///
/// The operating system has no randomness to give.
pub(crate) fn random_generator() -> Result<ChaCha20Rng, getrandom::Error> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())?;
    Ok(ChaCha20Rng::from_seed(*seed))
}
