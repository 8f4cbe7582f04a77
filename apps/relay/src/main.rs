//! `securecall-relay`: a relay of GhostNet, entry, exit, or both.

fn main() {}
