//! What every command is given, and how its last word becomes its exit code.

use std::path::PathBuf;
use std::time::Instant;

use securecall_profile::{Profile, SessionLock};

use crate::config::Settings;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::harmless::{Line, Printable};
use crate::output::{Event, Output, OutputError, note};
use crate::passphrases::GivenOrTyped;

/// What every command is given.
pub(crate) struct Context {
    /// The profile's directory.
    pub(crate) profile: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) output: Output,
    pub(crate) started_at: Instant,
}

impl Context {
    /// Opens the profile.
    ///
    /// # Errors
    ///
    /// There is none yet; its store is damaged or newer; its key cannot be had.
    pub(crate) fn open_profile(&self) -> Result<Profile, Failure> {
        Profile::open(&self.profile, &GivenOrTyped)
    }

    /// Opens the profile, or makes an empty one that is written with its first change.
    ///
    /// # Errors
    ///
    /// As [`open_profile`](Self::open_profile); or there is no way to get a key for a new profile.
    pub(crate) fn open_or_new_profile(&self) -> Result<Profile, Failure> {
        Profile::open_or_new(&self.profile, &GivenOrTyped)
    }

    /// Takes the account for this process, and waits a moment for one that is about to end.
    ///
    /// # Errors
    ///
    /// Another process has it and goes on.
    pub(crate) fn lock_session(
        &self,
        profile: &mut Profile,
        command: &str,
    ) -> Result<SessionLock, Failure> {
        let waiting = |holder: &str| {
            // What the lock's file says of its holder may have been written by anything.
            let holder = Line::from(holder);
            self.output.note(&format!(
                "note: the profile is in use by {holder}: waiting a moment for it to end"
            ));
        };
        Ok(profile.wait_for_session(command, waiting)?)
    }

    /// Tells an event of a command that has nothing more to do. A reader that is gone has heard enough: nothing to tell.
    pub(crate) fn tell(&self, event: &Event) -> ExitCode {
        told(self.output.event(event))
    }
}

/// The exit code of a command whose last word was told, or not: where the reader has gone, as other programs end then
/// (SIGPIPE); where it could not be written, it says so.
pub(crate) fn told(result: Result<(), OutputError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::Done,
        Err(OutputError::Closed) => ExitCode::Signal(13),
        Err(error @ OutputError::Failed(_)) => {
            let failure = Failure::from(error);
            note(Printable::text(&failure.to_string()));
            failure.kind.exit_code()
        }
    }
}
