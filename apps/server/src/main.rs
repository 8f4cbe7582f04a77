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

mod backup;
mod challenges;
mod check;
mod cli;
mod clock;
mod config;
mod doctor;
mod failure;
mod figures;
mod handlers;
mod homeserver;
mod init;
mod invite_command;
mod issuer;
mod issuer_key;
mod listener;
mod log;
mod network;
mod network_limit;
mod new_file;
mod openapi;
mod output;
mod process;
mod published;
mod randomness;
mod relay_directory;
mod repository;
mod routes;
mod run;
mod server;
mod turn;
mod user_command;

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
        Command::Run => runtime()?.block_on(run::run(cli, output)),
        Command::Check => runtime()?.block_on(check::run(cli, output)),
        Command::Doctor(options) => doctor::run(cli, options, output),
        Command::User(command) => runtime()?.block_on(user_command::run(cli, command, output)),
        Command::Invite(command) => runtime()?.block_on(invite_command::run(cli, command, output)),
        Command::IssuerKey { file } => issuer_key::run(file, output),
        Command::Backup { file } => runtime()?.block_on(backup::run(cli, file, output)),
        Command::Openapi => {
            openapi::run(output);
            Ok(())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::machine)
}
