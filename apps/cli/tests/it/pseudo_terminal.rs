//! The program in front of a person: a pseudo-terminal, what it shows, and keys that are pressed.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long the test waits for something that will not be shown.
const PATIENCE: Duration = Duration::from_secs(120);
const ROWS: NonZero<u16> = NonZero::new(30).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(100).unwrap();

/// A program that runs in a terminal of its own.
pub(crate) struct PseudoTerminal {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    /// Whether the terminal takes nothing.
    stopped: Arc<(Mutex<bool>, Condvar)>,
}

impl PseudoTerminal {
    /// Runs a command in a terminal of 100 columns and 30 rows.
    pub(crate) fn run(mut command: Command) -> Self {
        let (ours, theirs) = open();
        let standard = || Stdio::from(theirs.try_clone().unwrap());
        command
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(standard())
            .stdout(standard())
            .stderr(standard());
        let make_it_the_terminal = || {
            // SAFETY: plain system calls, allowed between fork and exec; descriptor 0 is the terminal. A person's shell ends
            // programs by Ctrl-C, also where tests run in the background of a script, whose children ignore it.
            let done = unsafe {
                libc::signal(libc::SIGINT, libc::SIG_DFL) != libc::SIG_ERR
                    && libc::setsid() >= 0
                    && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0
            };
            if done {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        };
        // SAFETY: the closure makes three system calls and allocates nothing.
        unsafe { command.pre_exec(make_it_the_terminal) };
        let child = command.spawn().unwrap();
        // The command holds the other end of the terminal, too, until it is let go of.
        drop(command);
        drop(theirs);

        let mut screen = ours.try_clone().unwrap();
        let (sender, output) = mpsc::channel();
        let stopped = Arc::new((Mutex::new(false), Condvar::new()));
        let is_stopped = stopped.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The last reader of a terminal that nobody has open gets an error, not an end.
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
                let (stopped, changed) = &*is_stopped;
                let stopped = stopped.lock().unwrap();
                drop(changed.wait_while(stopped, |stopped| *stopped).unwrap());
            }
        });
        Self {
            child,
            keyboard: ours,
            output,
            parser: vt100::Parser::new(ROWS, COLUMNS, 0),
            stopped,
        }
    }

    /// From now on the terminal takes nothing that is written to it, or takes it again.
    pub(crate) fn stop(&self, stopped: bool) {
        *self.stopped.0.lock().unwrap() = stopped;
        self.stopped.1.notify_all();
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen shows a text; gives the whole screen.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.wait_until(text, true)
    }

    /// Waits until the screen does not show a text any more: a picture may come in several pieces.
    #[track_caller]
    pub(crate) fn wait_until_gone(&mut self, text: &str) {
        self.wait_until(text, false);
    }

    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test that waits for ever says nothing"
    )]
    fn wait_until(&mut self, text: &str, is_shown: bool) -> String {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown();
            if shown.contains(text) == is_shown {
                return shown;
            }
            let left = give_up_at.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{text:?}, to be seen: {is_shown}:\n{shown}")
                }
                Err(RecvTimeoutError::Disconnected) => panic!("ended without {text:?}:\n{shown}"),
            }
        }
    }

    /// Waits for the end; gives the exit code, and what is then to be seen.
    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test that waits for ever says nothing"
    )]
    pub(crate) fn end(mut self) -> (i32, String) {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let left = give_up_at.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it does not end:\n{}", self.shown())
                }
            }
        }
        assert!(
            !self.parser.screen().alternate_screen(),
            "the terminal is given back"
        );
        assert!(
            !self.parser.screen().hide_cursor(),
            "the cursor is shown again"
        );
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.shown())
    }

    /// Whether the program has taken the whole screen.
    pub(crate) fn has_the_screen(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    fn shown(&self) -> String {
        self.parser.screen().contents()
    }
}

impl Drop for PseudoTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two ends of a new terminal: the person's, and the program's. No other program that is started inherits them.
fn open() -> (File, File) {
    let end_at = |path: &str| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOCTTY);
        options.open(path).unwrap()
    };
    let ours = end_at("/dev/ptmx");
    let mut name = [0_u8; 64];
    // SAFETY: the descriptor is open, and the name has room for as many bytes as is said.
    let unlocked = unsafe {
        libc::unlockpt(ours.as_raw_fd()) == 0
            && libc::ptsname_r(ours.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) == 0
    };
    assert!(unlocked, "{}", std::io::Error::last_os_error());
    let theirs = end_at(CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap());
    let size = libc::winsize {
        ws_row: ROWS.get(),
        ws_col: COLUMNS.get(),
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is open, and the size is read only.
    let sized = unsafe { libc::ioctl(ours.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    assert_eq!(sized, 0);
    (ours, theirs)
}
