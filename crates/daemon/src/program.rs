//! A program, from its command line to its exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::{Failure, Output, core_dumps, log};

/// A command line, and what is done for it.
pub trait Program: clap::Parser {
    /// What the lines of its log are known by: `env!("CARGO_CRATE_NAME")`.
    const LOG_TARGET: &'static str;

    /// What every command takes.
    fn global(&self) -> &Global;

    /// Does what was asked for.
    fn obey(&self, output: Output) -> Result<(), Failure>;
}

/// What every command takes.
///
/// Where the settings are and what is never logged differs: a program says it with `#[command(mut_arg(…))]`.
#[derive(clap::Args, Debug)]
pub struct Global {
    /// The settings
    // Clap has no global option without a default that is not optional.
    #[arg(long, short, global = true, value_name = "FILE", required = false)]
    pub config: PathBuf,
    /// One JSON object a line on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Log more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// What `main` of a daemon is.
pub fn run<P: Program>() -> ExitCode {
    core_dumps::forbid();
    let program = P::parse();
    let global = program.global();
    log::start(P::LOG_TARGET, global.verbose);
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nothing else installs one");
    let output = Output::new(global.json);
    let done = program.obey(output);
    match done.err().or_else(Output::unwritten) {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            output.failure(&failure);
            failure.kind.into()
        }
    }
}

/// For commands that wait for something.
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::machine)
}
