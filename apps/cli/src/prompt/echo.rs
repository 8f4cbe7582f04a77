//! Terminals that do not show what is typed.

use std::io;
use std::mem::MaybeUninit;

/// While this lives, the terminal at standard input shows nothing that is typed or pasted.
pub(super) struct EchoOff(libc::termios);

impl EchoOff {
    /// Turns it off.
    ///
    /// # Errors
    ///
    /// Standard input is no terminal, or it refuses.
    pub(super) fn new() -> io::Result<Self> {
        let before = settings()?;
        let mut silent = before;
        silent.c_lflag &= !(libc::ECHO | libc::ECHONL);
        set(&silent)?;
        Ok(Self(before))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        let _ = set(&self.0);
    }
}

#[expect(unsafe_code, reason = "tcgetattr has no safe form")]
fn settings() -> io::Result<libc::termios> {
    let mut settings = MaybeUninit::uninit();
    // SAFETY: the pointer is valid for writes of a termios, which the call fills if it returns 0.
    unsafe {
        if libc::tcgetattr(libc::STDIN_FILENO, settings.as_mut_ptr()) == 0 {
            return Ok(settings.assume_init());
        }
    }
    Err(io::Error::last_os_error())
}

#[expect(unsafe_code, reason = "tcsetattr has no safe form")]
fn set(settings: &libc::termios) -> io::Result<()> {
    // SAFETY: the settings are read only.
    match unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, settings) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
