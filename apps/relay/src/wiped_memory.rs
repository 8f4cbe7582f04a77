//! Memory is overwritten when it is given back. What a relay knows of a flow, addresses before all, would else lie about for as long as
//! nobody wants the place, for whoever takes an image of the process then.
//!
//! The crates below keep addresses in many places: connections, timers, queues. So this is done for all of them, where they meet.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;

/// The system's allocator, which wipes. Blocks never grow in place: that would leave a copy where they were.
struct Wiping;

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

// SAFETY: every call goes to the system's allocator as it came; `realloc` is the trait's own, made of the others.
#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is of this size and still the caller's.
        unsafe { block.write_bytes(0, layout.size()) };
        // What is about to be freed need not be written, a compiler might think.
        let block = black_box(block);
        // SAFETY: the caller keeps the same promises.
        unsafe { System.dealloc(block, layout) }
    }
}
