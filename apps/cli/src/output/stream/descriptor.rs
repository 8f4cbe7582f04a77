//! The streams as the operating system has them.

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output: what was asked for.
    Out,
    /// Standard error: what is for a person besides.
    Err,
}

#[cfg(unix)]
mod system {
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::os::fd::{AsFd as _, AsRawFd as _};
    use std::sync::OnceLock;

    use super::Stream;

    static FILES: [OnceLock<File>; 2] = [OnceLock::new(), OnceLock::new()];

    fn file(stream: Stream) -> io::Result<&'static File> {
        let file = &FILES[stream as usize];
        if let Some(file) = file.get() {
            return Ok(file);
        }
        let descriptor = match stream {
            Stream::Out => io::stdout().as_fd().try_clone_to_owned()?,
            Stream::Err => io::stderr().as_fd().try_clone_to_owned()?,
        };
        Ok(file.get_or_init(|| descriptor.into()))
    }

    /// Writes all of it and counts what was written.
    pub(in crate::output) fn write_all(
        stream: Stream,
        bytes: &[u8],
        written: &mut usize,
    ) -> io::Result<()> {
        let mut file = file(stream)?;
        while *written < bytes.len() {
            match file.write(&bytes[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody else has made the pipe non-blocking, which is no reason to lose a line.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_until_writable(file);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(in crate::output) fn sync(stream: Stream) -> io::Result<()> {
        let file = file(stream)?;
        if file.metadata()?.is_file() {
            file.sync_data()?;
        }
        Ok(())
    }

    #[expect(unsafe_code, reason = "poll has no safe form")]
    fn wait_until_writable(file: &File) {
        let mut descriptor = libc::pollfd {
            fd: file.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one valid pollfd, and the call only writes its `revents`.
        let _ = unsafe { libc::poll(&raw mut descriptor, 1, -1) };
    }
}

#[cfg(not(unix))]
mod system {
    use std::io::{self, Write};

    use super::Stream;

    pub(in crate::output) fn write_all(
        stream: Stream,
        bytes: &[u8],
        written: &mut usize,
    ) -> io::Result<()> {
        let into = |to: &mut dyn Write| to.write_all(bytes).and_then(|()| to.flush());
        match stream {
            Stream::Out => into(&mut io::stdout().lock())?,
            Stream::Err => into(&mut io::stderr().lock())?,
        }
        *written = bytes.len();
        Ok(())
    }

    pub(in crate::output) fn sync(_: Stream) -> io::Result<()> {
        Ok(())
    }
}

pub(super) use system::{sync, write_all};

/// The standard library opens `/dev/null` in place of a closed standard stream, before `main`, and everything written there
/// is lost without an error. So that is looked at before.
#[cfg(target_os = "linux")]
mod at_start {
    use std::sync::atomic::{AtomicBool, Ordering};

    static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

    #[expect(unsafe_code, reason = "fcntl has no safe form")]
    extern "C" fn look() {
        // SAFETY: only asks for the flags of a descriptor.
        if unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1 {
            STDOUT_WAS_CLOSED.store(true, Ordering::Relaxed);
        }
    }

    // SAFETY: the loader calls what stands in this section before `main`, with arguments that a C function may ignore; the
    // function calls nothing that would have to be set up first.
    #[used]
    #[expect(unsafe_code, reason = "nothing safe runs before `main`")]
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;

    pub(in crate::output) fn stdout_was_closed() -> bool {
        STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
    }
}

/// Whether standard output was closed when the program was started; where that cannot be known, it was not.
pub(super) fn stdout_was_closed_at_start() -> bool {
    #[cfg(target_os = "linux")]
    return at_start::stdout_was_closed();
    #[cfg(not(target_os = "linux"))]
    false
}
