//! Criterion benches behind the figures of docs/performance.md.
