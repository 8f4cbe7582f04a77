//! The names of what lies in a profile.

/// How the key is found, and the sealed contents.
pub(crate) const STORE: &str = "profile.json";
/// Held for the moment of a change.
pub(crate) const WRITE_LOCK: &str = "write.lock";
/// Held by the one process that uses the Matrix session.
pub(crate) const SESSION_LOCK: &str = "session.lock";
/// The directory of matrix-sdk's store.
pub(crate) const MATRIX_STORE: &str = "matrix";
/// The invites that were taken.
pub(crate) const REPLAY_MEMORY: &str = "replay-memory";

/// The relays and tokens of GhostNet, sealed.
pub(crate) const GHOSTNET_MEMORY: &str = "ghostnet";

/// The settings, which the user writes.
pub const SETTINGS_FILE: &str = "config.toml";

/// Everything that lies in a profile; what ends in `new` was being written when a process ended.
pub(crate) const OURS: &[&str] = &[
    STORE,
    "profile.new",
    MATRIX_STORE,
    REPLAY_MEMORY,
    "replay-memory.new",
    GHOSTNET_MEMORY,
    "ghostnet.new",
    SETTINGS_FILE,
    "config.new",
    SESSION_LOCK,
    WRITE_LOCK,
];
