//! What a connection may have us hold of its streams.
//!
//! h3 0.0.8 reads a frame as a whole before it looks at it, and reading gives the peer credit for more: a HEADERS or SETTINGS frame
//! that says to be a gigabyte long would be collected, whatever the windows of QUIC. So each byte that h3 reads is taken from a budget
//! of the connection, and what has been dealt with is given back. Who uses it up is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What a connection may send beyond what is given back: settings, QPACK, and the fields of requests.
const BUDGET: i64 = 24 * 1024;

/// What a request may cost that was accepted: its fields have been read.
const PER_REQUEST: i64 = 4 * 1024;

/// Bytes that may still be read.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<AtomicI64>);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(BUDGET)))
    }

    /// Bytes of capsules have been dealt with.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.0
            .fetch_add(i64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    /// A request has been accepted, and paid for.
    pub(crate) fn request_accepted(&self) {
        self.0.fetch_add(PER_REQUEST, Ordering::Relaxed);
    }

    /// Whether it was used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) < 0
    }

    /// Bytes are read. `false`: more than may be.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.fetch_sub(bytes, Ordering::Relaxed) >= bytes
    }
}
