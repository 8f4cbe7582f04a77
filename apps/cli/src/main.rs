//! End-to-end encrypted voice calls over Matrix: the `securecall` command.
//!
//! `docs/cli.md` is its contract. The program reads the command line ([`cli`]) and the settings ([`config`]), opens the
//! [`profile`], runs one of the [`commands`], and tells what happened as [`output`] events and one exit code.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;

mod calling;
mod cli;
mod commands;
mod config;
mod contact_book;
mod core_dump;
mod desktop;
mod error;
mod exit_code;
mod logging;
mod output;
mod profile;
mod prompt;
mod proof;
mod qr_text;
mod screen;
mod secret;
mod secret_input;
mod sources;
mod who;

/// The tests look for secrets in what is given back.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: securecall_freed_memory::Watched = securecall_freed_memory::Watched;

use cli::Cli;
use error::{ErrorKind, Failure};
use output::Output;

#[expect(
    clippy::disallowed_methods,
    reason = "the start of the process, for `startup_ms`"
)]
fn main() -> ExitCode {
    let started_at = Instant::now();
    core_dump::forbid();
    install_panic_message();
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nothing else installs one");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse_usage(&error),
    };
    logging::start(cli.global.verbose);
    let output = Output::new(cli.global.json);
    let outcome = catch_unwind(AssertUnwindSafe(|| commands::run(cli, output, started_at)));
    // The hook below has said what there is to say of a panic.
    let outcome = outcome.unwrap_or_else(|_| {
        calling::restore_terminal();
        Ok(exit_code::ExitCode::Bug)
    });
    let code = match outcome {
        Ok(code) => code.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.kind.exit_code().into()
        }
    };
    output.drain();
    code
}

/// Says what is wrong with the command line; `--help` and `--version` come this way as well.
fn refuse_usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let message = text
            .trim_start_matches("error: ")
            .lines()
            .map(str::trim)
            .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let _ = Output::new(true).event(
            &(&Failure::new(ErrorKind::Usage, message).help("see `securecall --help`")).into(),
        );
    }
    let _ = error.print();
    ExitCode::from(if error.use_stderr() {
        ErrorKind::Usage.exit_code().number()
    } else {
        0
    })
}

/// A panic is a fault of this program: it says so and says how to report it. What follows is for whoever catches it: the
/// media of one call, which ends, or [`main`], which ends the program with the exit code of a bug.
fn install_panic_message() {
    std::panic::set_hook(Box::new(|panic| {
        calling::restore_terminal();
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(
            stderr,
            "error: this is a fault of securecall: {panic}\n  help: {}",
            error::REPORT
        );
    }));
}
