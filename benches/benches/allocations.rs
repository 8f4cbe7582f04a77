//! Counts the allocations of sealing and opening frames, and prints the number.

#![allow(missing_docs, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use securecall_crypto::{Direction, FrameOpener, FrameSealer, MediaSeed, OVERHEAD};
use web_time::Instant;

/// Bytes of Opus in a frame: 20 ms at 32 kbit/s.
const PAYLOAD: usize = 80;
/// 100 s of a call, within one epoch.
const FRAMES: usize = 5_000;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and every block came from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock"
)]
fn main() {
    let now = Instant::now();
    let direction = Direction::CallerToCallee;
    let mut sealer = FrameSealer::new(direction, MediaSeed::from_bytes([7; 32]));
    let mut opener = FrameOpener::new(direction, MediaSeed::from_bytes([7; 32]));
    let mut frame = [0; PAYLOAD + OVERHEAD];
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..FRAMES {
        sealer.seal(&mut frame).unwrap();
        black_box(opener.open(now, &mut frame).unwrap());
    }
    println!("{}", ALLOCATIONS.load(Ordering::Relaxed) - before);
}
