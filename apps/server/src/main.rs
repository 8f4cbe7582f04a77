//! `securecall-server`: what stands beside a homeserver whose registration is closed.
//!
//! It lets in whoever proves an identity key, under the name of that key and no other (`docs/protocol/enrolment.md`); sells relay
//! tokens to the homeserver's users; serves the relay directory, the page behind contact links, and `.well-known`.
//!
//! ```text
//!   proxy ── routes ── handlers ──┬── repository   SQLite or PostgreSQL
//!            limits               ├── homeserver   accounts, OpenID
//!                                 └── engines      challenge, issuer, directory, page
//! ```
//!
//! For operators: `docs/self-hosting.md`.

#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::process::ExitCode;

use clap::Parser as _;

mod cli;
mod clock;
mod config;
mod doctor;
mod failure;
mod init;
mod log;
mod output;
mod process;

use cli::{Cli, Command};
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    process::forbid_core_dumps();
    let cli = Cli::parse();
    log::start(cli.global.verbose);
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nothing else installs one");
    let output = Output {
        json: cli.global.json,
    };
    match obey(&cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.kind.into()
        }
    }
}

fn obey(cli: &Cli, output: Output) -> Result<(), Failure> {
    match &cli.command {
        Command::Init(options) => init::run(cli, options, output),
        Command::Doctor(options) => doctor::run(cli, options, output),
    }
}
