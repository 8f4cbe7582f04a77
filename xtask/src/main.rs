//! The project's chores: ci, test, demo, bench, layering.

fn main() {}
