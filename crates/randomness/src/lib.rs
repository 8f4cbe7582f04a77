//! The operating system's randomness, asked for each draw anew.
//!
//! Every ephemeral key, KEM coin, ratchet key and words nonce of every call comes from here, and so do the keys of relays and
//! issuers. Whoever gets an image of a program's memory gets no generator with it: there is no state from which earlier or later
//! draws could be worked out.
//!
//! The engines take their generator as a parameter, and have none of their own; this one is for the programs that run them.

#[cfg(test)]
mod theft;

use std::convert::Infallible;
use std::io;
use std::panic::resume_unwind;

use rand_core::{TryCryptoRng, TryRng};

/// The generator of the engines: a name for the operating system's, with nothing in it.
///
/// An engine takes a generator that cannot fail. If the system gives nothing, the draw does not return: it unwinds with
/// [`NoRandomness`], and whoever runs the engine ends. Nothing is ever sealed with less.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandomness;

/// The operating system has no randomness to give: nothing is sealed with less.
///
/// It is also what a draw of [`SystemRandomness`] unwinds with.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers: {0}")]
pub struct NoRandomness(pub io::Error);

/// Fills `bytes`, for whoever can say that there is no randomness.
///
/// # Errors
///
/// There is none; what is in `bytes` must not be used then.
pub fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    ask(bytes).map_err(NoRandomness)
}

impl SystemRandomness {
    /// Asks once, so that a system without randomness is an error before anything begins.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness to give.
    pub fn check() -> io::Result<Self> {
        Self::check_source(ask)
    }

    fn check_source(source: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<Self> {
        source(&mut [0])?;
        Ok(Self)
    }
}

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

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        draw(bytes, ask);
        Ok(())
    }
}

impl TryCryptoRng for SystemRandomness {}

/// Fills `bytes` from `source`, or does not return.
fn draw(bytes: &mut [u8], source: impl FnOnce(&mut [u8]) -> io::Result<()>) {
    if let Err(error) = source(bytes) {
        tracing::error!(%error, "the operating system gives no random numbers");
        // Past the panic hook: it is no fault of this program.
        resume_unwind(Box::new(NoRandomness(error)));
    }
}

/// The system call itself: newer C libraries answer `getrandom` from a generator of their own, in this program's memory.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "the standard library has no safe form of getrandom(2)"
)]
fn ask(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // SAFETY: the kernel writes at most `rest.len()` bytes to `rest`, which is borrowed for the call.
        let count = unsafe {
            libc::syscall(
                libc::SYS_getrandom,
                rest.as_mut_ptr(),
                rest.len(),
                0_u32, // from the pool, once it is ready
            )
        };
        match usize::try_from(count) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn ask(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rand_core::Rng as _;

    use super::*;

    #[test]
    fn a_thief_of_the_generator_has_nothing() {
        assert_eq!(size_of::<SystemRandomness>(), 0, "it has no state");
        let mut owner = SystemRandomness::check().unwrap();
        let mut thief = owner;
        let (mut owners, mut guessed) = ([0_u8; 32], [0_u8; 32]);
        owner.fill_bytes(&mut owners);
        thief.fill_bytes(&mut guessed);
        assert_ne!(owners, guessed);
        assert_ne!(owners, [0; 32]);
    }

    #[test]
    fn more_than_the_system_gives_at_once_is_filled_to_the_end() {
        let mut bytes = vec![0_u8; 1 << 20];
        SystemRandomness.fill_bytes(&mut bytes);
        assert!(bytes.chunks(64).all(|chunk| chunk != [0; 64]));
    }

    #[test]
    fn a_system_that_gives_nothing_is_found_out_at_the_start() {
        let failing = |_: &mut [u8]| Err(io::ErrorKind::Unsupported.into());
        let error = SystemRandomness::check_source(failing).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn a_draw_that_fails_does_not_return() {
        let mut bytes = [7; 32];
        let failing = |_: &mut [u8]| Err(io::ErrorKind::Unsupported.into());
        let drawn = catch_unwind(AssertUnwindSafe(|| draw(&mut bytes, failing)));
        let reason = drawn.unwrap_err().downcast::<NoRandomness>().unwrap();
        assert_eq!(reason.0.kind(), io::ErrorKind::Unsupported);
        assert_eq!(bytes, [7; 32]);
    }
}
