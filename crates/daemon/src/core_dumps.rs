//! Images of the process on disk.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// None: one would hold whatever a daemon knows of its users, and its keys.
pub(crate) fn forbid() {
    // Where the system refuses, nothing is lost but this protection.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
