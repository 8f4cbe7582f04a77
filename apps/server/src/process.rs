//! What this process asks of the system for itself.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No image of this process on disk: it would hold passwords, codes and the keys of the server.
pub(crate) fn forbid_core_dumps() {
    // Where the system refuses, nothing is lost but this protection.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
