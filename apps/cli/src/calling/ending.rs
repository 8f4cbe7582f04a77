//! How a run ends.

use securecall_driver::{EndReason, ExitClass};

use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;

/// Why the run is ending.
#[derive(Debug)]
pub(super) enum Ending {
    /// The goal is reached, or somebody said quit.
    Done(ExitCode),
    /// A signal, or nobody reads standard output any more.
    Signal(u8),
    Failed(Failure),
}

impl Ending {
    /// The call that the command was for is over.
    pub(super) fn of_call(reason: EndReason) -> Self {
        Self::Done(match reason.exit_class() {
            ExitClass::Done => ExitCode::Done,
            ExitClass::Security => ExitCode::Security,
            ExitClass::Peer => ExitCode::Peer,
            ExitClass::Network => ExitCode::Network,
            ExitClass::Machine => ExitCode::Machine,
        })
    }

    /// There is no account any more.
    pub(super) fn signed_out() -> Self {
        let failure = Failure::new(
            ErrorKind::SignedOut,
            "the homeserver has signed this device out",
        );
        Self::Failed(
            failure.help(
                "`securecall logout`, then `securecall register` or `securecall login` again",
            ),
        )
    }

    /// What it is to the shell.
    ///
    /// # Errors
    ///
    /// Something did not work.
    pub(super) fn outcome(self, was_connected: bool) -> Result<ExitCode, Failure> {
        match self {
            Self::Done(code) => Ok(code),
            Self::Signal(_) if was_connected => Ok(ExitCode::Done),
            Self::Signal(number) => Ok(ExitCode::Signal(number)),
            Self::Failed(failure) => Err(failure),
        }
    }
}
