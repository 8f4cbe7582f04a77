//! How the process ends: the one list of exit codes (`docs/cli.md`).

use std::process;

/// Whose turn it is to do something about how the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// It did what was asked.
    Done,
    /// A fault of this program.
    Bug,
    /// Wrong use or bad input.
    Usage,
    /// Refused for security.
    Security,
    /// The peer.
    Peer,
    /// Network or server.
    Network,
    /// This machine.
    Machine,
    /// Ended by a signal before a call was connected.
    Signal(u8),
}

impl ExitCode {
    /// The number the shell sees.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Security => 3,
            Self::Peer => 4,
            Self::Network => 5,
            Self::Machine => 6,
            Self::Signal(number) => 128 + number,
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}
