//! One module for each command.

use std::path::PathBuf;
use std::time::Instant;

use crate::cli::{Cli, Command};
use crate::config::Settings;
use crate::context::Context;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Output;

mod account;
mod account_profile;
mod call;
mod completions;
mod config;
mod contact;
mod doctor;
mod id;
pub(crate) mod install_handler;
mod listen;
mod man;
mod open;

/// Runs the command that the command line names.
///
/// # Errors
///
/// Whatever did not work.
pub(crate) fn run(cli: Cli, output: Output, started_at: Instant) -> Result<ExitCode, Failure> {
    // These are run where a package is built, with no home directory.
    match cli.command {
        Command::Completions { shell } => return Ok(completions::run(shell, output)),
        Command::Man => return man::run(output),
        _ => {}
    }
    let profile = profile_directory(cli.global.profile)?;
    // It tells of rights and settings that are wrong, and goes on.
    if let Command::Doctor(options) = cli.command {
        return doctor::run(&profile, options, output);
    }
    // Before any command writes: what it puts there is private from its first byte.
    if securecall_profile::make_private(&profile)? {
        output.note(&format!(
            "others could look into the profile directory {}: closed, it is yours alone now",
            profile.display()
        ));
    }
    // It puts settings right that are wrong.
    if let Command::Config(command) = cli.command {
        return config::run(&profile, command, output);
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
        Command::Account(command) => account_profile::run(&context, command),
        Command::Logout => account::logout(&context),
        Command::Call(options) => call::run(context, &options),
        Command::Listen(options) => listen::run(context, &options),
        Command::Open(options) => open::run(context, &options),
        Command::InstallHandler { remove } => install_handler::run(&context, remove),
        Command::Completions { .. } | Command::Man | Command::Doctor(_) | Command::Config(_) => {
            Ok(ExitCode::Done)
        }
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
