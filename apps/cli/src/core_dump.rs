//! No image of this process's memory on disk: it would hold the identity and the keys of a call.

/// Forbids core dumps, and on Linux the reading of this process's memory by others of the same user, debuggers among them. Programs
/// that this one starts may be debugged, and dump as little.
///
/// Where the system refuses, nothing is lost but this protection.
pub(crate) fn forbid() {
    #[cfg(unix)]
    set_core_limit(0);
    #[cfg(target_os = "linux")]
    set_not_dumpable();
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "setrlimit has no safe form")]
fn set_core_limit(bytes: libc::rlim_t) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: the limit is only read.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
}

/// A core that is piped to a program (systemd-coredump, apport) does not ask for the limit.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "prctl has no safe form")]
fn set_not_dumpable() {
    // SAFETY: takes and gives numbers only.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "getrlimit and prctl have no safe form")]
    fn this_process_neither_dumps_nor_lets_others_look_into_it() {
        forbid();
        let mut limit = libc::rlimit {
            rlim_cur: 1,
            rlim_max: 1,
        };
        // SAFETY: the limit is valid for writes; prctl takes and gives numbers only.
        let (read, dumpable) = unsafe {
            (
                libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit),
                libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0),
            )
        };
        assert_eq!((read, limit.rlim_cur, limit.rlim_max), (0, 0, 0));
        assert_eq!(dumpable, 0);
    }
}
