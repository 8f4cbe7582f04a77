//! End-to-end encrypted voice calls over Matrix.

fn main() {}
