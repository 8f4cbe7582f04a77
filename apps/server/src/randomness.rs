//! The operating system's randomness, for what takes a generator.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// A name for it, with nothing in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemRandomness;

impl TryRng for SystemRandomness {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    #[expect(
        clippy::expect_used,
        reason = "no key is ever made with less randomness: a system that has none cannot have an issuer"
    )]
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        getrandom::fill(bytes).expect("the operating system gives random numbers");
        Ok(())
    }
}

impl TryCryptoRng for SystemRandomness {}

/// Fresh bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let Ok(()) = SystemRandomness.try_fill_bytes(&mut bytes);
    bytes
}
