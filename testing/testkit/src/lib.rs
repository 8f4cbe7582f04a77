//! Pairs of engines on virtual time, a fake homeserver, builders.
