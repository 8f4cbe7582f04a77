//! End-to-end encrypted voice calls over Matrix: the `securecall` command.
//!
//! `docs/cli.md` is its contract. The program reads the command line ([`cli`]) and the settings ([`config`]), opens the
//! profile, runs one of the [`commands`], and tells what happened as [`output`] events and one exit code. What is not of a
//! terminal, the profile and the contact book, is in [`securecall_profile`].

#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue};

mod alerts;
mod calling;
mod cli;
mod commands;
mod config;
mod context;
mod core_dump;
mod desktop;
mod doctor;
mod error;
mod exit_code;
mod ghostnet_settings;
mod harmless;
mod logging;
mod output;
mod passphrases;
mod prompt;
mod qr_text;
mod runtime;
#[cfg(test)]
mod sample_calls;
#[cfg(test)]
mod sample_contacts;
mod screen;
mod secret;
mod secret_input;
mod server_settings;

/// The tests look for secrets in what is given back.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: securecall_freed_memory::Watched = securecall_freed_memory::Watched;

use cli::Cli;
use error::{ErrorKind, Failure};
use harmless::{Line, Printable};
use output::{Output, Stream};
use screen::ScreenTerminal;

#[expect(
    clippy::disallowed_methods,
    reason = "the start of the process, for `startup_ms`"
)]
fn main() -> ExitCode {
    let started_at = Instant::now();
    // Before any secret is read.
    core_dump::forbid();
    install_panic_message();
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nothing else installs one");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = cli::with_better_tip(error, std::env::args_os());
            return refuse_usage(&with_harmless_values(error));
        }
    };
    logging::start(cli.global.verbose);
    let output = Output::new(cli.global.json);
    let outcome = catch_unwind(AssertUnwindSafe(|| commands::run(cli, output, started_at)));
    // The hook below has said what there is to say of a panic.
    let outcome = outcome.unwrap_or_else(|_| {
        ScreenTerminal::restore_if_open();
        Ok(exit_code::ExitCode::Bug)
    });
    let code = match outcome {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.kind.exit_code()
        }
    };
    // After the failure is told, and before it is asked which lines got lost.
    output.drain();
    if let Some(failure) = output.lost_lines() {
        let _ = Stream::Err.line(&Printable::text(&failure.to_string()));
        if code == exit_code::ExitCode::Done {
            return failure.kind.exit_code().into();
        }
    }
    code.into()
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
    let stream = if error.use_stderr() {
        Stream::Err
    } else {
        Stream::Out
    };
    let written = stream.start_of_line(&usage_text(error, stream.takes_colours()));
    match stream {
        Stream::Err => ErrorKind::Usage.exit_code(),
        Stream::Out => context::told(written.map_err(Into::into)),
    }
    .into()
}

/// The error with every argument that it quotes on one line: one with line breaks could go on with lines that look like
/// ours.
fn with_harmless_values(mut error: clap::Error) -> clap::Error {
    let line = |text: &String| Line::from(text.as_str()).to_string();
    let quoted: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| {
            let value = match value {
                ContextValue::String(text) => ContextValue::String(line(text)),
                ContextValue::Strings(texts) => {
                    ContextValue::Strings(texts.iter().map(line).collect())
                }
                _ => return None,
            };
            Some((kind, value))
        })
        .collect();
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    error
}

/// What clap says. The colours are its own; an argument that it quotes may hold anything.
fn usage_text(error: &clap::Error, colours: bool) -> Printable {
    let rendered = error.render();
    Printable::painted(&if colours {
        rendered.ansi().to_string()
    } else {
        rendered.to_string()
    })
}

/// A panic is a fault of this program: it says so and says how to report it. What follows is for whoever catches it: the
/// media of one call, which ends, or [`main`], which ends the program with the exit code of a bug.
fn install_panic_message() {
    std::panic::set_hook(Box::new(|panic| {
        ScreenTerminal::restore_if_open();
        // A panic may quote what came from outside.
        let text = format!(
            "error: this is a fault of securecall: {panic}\n  help: {}",
            error::REPORT
        );
        // At once: the panic may have happened anywhere.
        let _ = Stream::Err.line(&Printable::text(&text));
    }));
}
