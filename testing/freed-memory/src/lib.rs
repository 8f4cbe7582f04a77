//! An allocator for tests that looks for secrets in memory as it is given back: what is not wiped by then stays readable, for
//! whoever gets the memory next and whoever takes an image of it.
//!
//! Name it as the test program's allocator, then let it watch:
//!
//! ```
//! use securecall_freed_memory::{Watched, copies_left_by};
//!
//! #[global_allocator]
//! static ALLOCATOR: Watched = Watched;
//!
//! let secret = *b"a secret that is found if left..";
//! assert_eq!(copies_left_by(&[secret], || drop(secret.to_vec())), 1);
//! ```
//!
//! A growing vector counts as one that is given back, with whatever it held: here every growth moves it. Only the thread that asks
//! is watched. What passes through registers and the stack is not seen.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// How much of a secret is looked for: enough that it is none by accident, and found in a part of it too.
const PATTERN: usize = 16;
/// The most secrets that are looked for at once.
pub const MAX_SECRETS: usize = 128;

type Pattern = [u8; PATTERN];

thread_local! {
    static PATTERNS: Cell<[Pattern; MAX_SECRETS]> = const { Cell::new([[0; PATTERN]; MAX_SECRETS]) };
    static SOUGHT: Cell<usize> = const { Cell::new(0) };
    static FOUND: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, watched. Slow while it looks.
#[derive(Debug)]
pub struct Watched;

// SAFETY: every call goes to the system's allocator as it came; `realloc` and `alloc_zeroed` are the trait's own, made of the two.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is of this size and still the caller's.
        unsafe { look_at(block, layout.size()) };
        // SAFETY: the caller keeps the same promises.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs `work` and gives how many copies of the first 16 bytes of any of these secrets were in the memory that it gave back.
///
/// # Panics
///
/// If there are more than [`MAX_SECRETS`].
pub fn copies_left_by<const N: usize>(secrets: &[[u8; N]], work: impl FnOnce()) -> usize {
    const { assert!(N >= PATTERN) };
    assert!(secrets.len() <= MAX_SECRETS, "too many secrets at once");
    let mut patterns = [[0; PATTERN]; MAX_SECRETS];
    for (pattern, secret) in patterns.iter_mut().zip(secrets) {
        pattern.copy_from_slice(&secret[..PATTERN]);
    }
    PATTERNS.set(patterns);
    FOUND.set(0);
    SOUGHT.set(secrets.len());
    work();
    SOUGHT.set(0);
    FOUND.get()
}

/// Counts the patterns in a block.
///
/// # Safety
///
/// All of the block may be read.
unsafe fn look_at(block: *const u8, size: usize) {
    // At the end of a thread there is nothing to look for any more.
    let sought = SOUGHT.try_with(Cell::get).unwrap_or(0);
    if sought == 0 || size < PATTERN {
        return;
    }
    let patterns = PATTERNS.get();
    for start in 0..=size - PATTERN {
        let is_at = |pattern: &Pattern| {
            let mut bytes = pattern.iter().enumerate();
            // SAFETY: within the block. Volatile, because not all of it need have been written.
            bytes.all(|(place, byte)| unsafe { block.add(start + place).read_volatile() } == *byte)
        };
        let here = patterns[..sought].iter().filter(|it| is_at(it)).count();
        FOUND.set(FOUND.get() + here);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Watched = Watched;

    const SECRET: [u8; 32] = *b"a secret that is found if left..";

    #[test]
    fn what_is_given_back_unwiped_is_found() {
        assert_eq!(copies_left_by(&[SECRET], || drop(SECRET.to_vec())), 1);
        let twice = || drop((Box::new(SECRET), [SECRET, SECRET].concat()));
        assert_eq!(copies_left_by(&[SECRET], twice), 3);
    }

    #[test]
    fn what_is_wiped_before_is_not() {
        let wiped = || {
            let mut secret = SECRET.to_vec();
            secret.fill(0);
            drop(std::hint::black_box(secret));
        };
        assert_eq!(copies_left_by(&[SECRET], wiped), 0);
        assert_eq!(copies_left_by(&[[9; 32]], || drop(SECRET.to_vec())), 0);
    }

    #[test]
    fn a_vector_that_grows_leaves_a_copy() {
        let grow = || {
            let mut secret = SECRET.to_vec();
            secret.reserve(1000);
            secret.fill(0);
            drop(std::hint::black_box(secret));
        };
        assert_eq!(copies_left_by(&[SECRET], grow), 1);
    }
}
