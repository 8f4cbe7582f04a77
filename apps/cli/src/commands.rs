//! One module for each command.

use std::path::PathBuf;
use std::time::Instant;

use securecall_profile::Profile;

use crate::cli::{Cli, Command};
use crate::config::Settings;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::harmless::Printable;
use crate::output::{Event, Output, OutputError, note};
use crate::passphrases::GivenOrTyped;

mod account;
mod call;
mod completions;
mod contact;
mod id;
mod install_handler;
mod listen;
mod man;
mod open;

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

/// Runs the command that the command line names.
///
/// # Errors
///
/// Whatever did not work.
pub(crate) fn run(cli: Cli, output: Output, started_at: Instant) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Completions { shell } => return Ok(completions::run(shell, output)),
        Command::Man => return man::run(output),
        _ => {}
    }
    let profile = profile_directory(cli.global.profile)?;
    if securecall_profile::make_private(&profile)? {
        output.note(&format!(
            "others could look into the profile directory {}: closed, it is yours alone now",
            profile.display()
        ));
    }
    let settings = Settings::read(&profile)?;
    let context = Context {
        profile,
        settings,
        output,
        started_at,
    };
    match cli.command {
        Command::Id(command) => id::run(&context, &command),
        Command::Contact(command) => contact::run(&context, command),
        Command::Register(options) => account::register(&context, &options),
        Command::Login(options) => account::login(&context, &options),
        Command::Logout => account::logout(&context),
        Command::Call(options) => call::run(context, &options),
        Command::Listen(options) => listen::run(context, &options),
        Command::Open(options) => open::run(context, &options),
        Command::InstallHandler { remove } => install_handler::run(&context, remove),
        Command::Completions { .. } | Command::Man => Ok(ExitCode::Done),
    }
}

/// The directory that is meant by `--profile`, `SECURECALL_PROFILE` or neither.
///
/// # Errors
///
/// Neither is given and the operating system names no data directory.
fn profile_directory(option: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let variable = std::env::var_os("SECURECALL_PROFILE")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    option
        .or(variable)
        .or_else(securecall_profile::default_directory)
        .ok_or_else(|| {
            Failure::new(
                ErrorKind::Usage,
                "there is no home directory to keep the profile in",
            )
            .help("name a directory with --profile DIR")
        })
}
