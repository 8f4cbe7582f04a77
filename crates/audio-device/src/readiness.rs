//! Reading and writing descriptors that must not be switched to non-blocking: standard input and output belong to
//! the shell as well, and the switch would reach every process that shares them.
#![allow(
    unsafe_code,
    reason = "poll, send and fcntl have no safe form in the standard library"
)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Whether `read` would return at once: bytes, the end, or an error.
pub(crate) fn readable(file: &File) -> bool {
    poll_now(file, libc::POLLIN)
}

/// Whether `write` of at most `PIPE_BUF` bytes to a pipe would return at once.
pub(crate) fn writable(file: &File) -> bool {
    poll_now(file, libc::POLLOUT)
}

fn poll_now(file: &File, events: libc::c_short) -> bool {
    let mut entry = libc::pollfd {
        fd: file.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: `entry` is one valid pollfd that outlives the call; the descriptor is open as long as `file` is borrowed.
    // A timeout of 0 returns at once.
    let ready = unsafe { libc::poll(&raw mut entry, 1, 0) };
    ready > 0
}

/// Writes to a socket as much as fits, without waiting.
pub(crate) fn send_now(socket: &File, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: pointer and length are those of one live slice, which the call only reads; the descriptor is open as long
    // as `socket` is borrowed.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            flags,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Makes a pipe's buffer smaller, so that a reader that stalled does not hear old sound for long. Best effort.
pub(crate) fn limit_pipe(pipe: &File, bytes: i32) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: F_SETPIPE_SZ takes an int and touches no memory of ours; on anything but a pipe it only fails.
        let _ = unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (pipe, bytes);
}
