//! The real binary, beside a homeserver.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
mod place;
