//! Why a command failed, for people and for scripts, and the exit code.

use std::fmt::Display;
use std::process;

/// Whose turn it is to do something about it: the exit codes of `docs/cli.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The command line or the settings.
    Usage,
    /// What would make the daemon unsafe.
    Security,
    /// The network.
    Network,
    /// This machine.
    Machine,
}

impl FailureKind {
    /// As JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Security => "security",
            Self::Network => "network",
            Self::Machine => "machine",
        }
    }
}

impl From<FailureKind> for process::ExitCode {
    fn from(kind: FailureKind) -> Self {
        Self::from(match kind {
            FailureKind::Usage => 2,
            FailureKind::Security => 3,
            FailureKind::Network => 5,
            FailureKind::Machine => 6,
        })
    }
}

/// What went wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose turn it is.
    pub kind: FailureKind,
    /// What went wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Failure {
    /// One without help.
    pub fn new(kind: FailureKind, message: impl Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            help: None,
        }
    }

    /// The command line or the settings.
    pub fn usage(message: impl Display) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// This machine.
    pub fn machine(message: impl Display) -> Self {
        Self::new(FailureKind::Machine, message)
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
