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

use securecall_daemon::{Failure, Global, Output, Program, runtime};

mod backup;
mod challenges;
mod check;
mod cli;
mod config;
mod day;
mod doctor;
mod figures;
mod handlers;
mod homeserver;
mod init;
mod invite_command;
mod issuer;
mod issuer_key;
mod listener;
mod network;
mod network_limit;
mod openapi;
mod operators;
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

fn main() -> ExitCode {
    securecall_daemon::run::<Cli>()
}

impl Program for Cli {
    const LOG_TARGET: &'static str = env!("CARGO_CRATE_NAME");

    fn global(&self) -> &Global {
        &self.global
    }

    fn obey(&self, output: Output) -> Result<(), Failure> {
        match &self.command {
            Command::Init(options) => init::run(self, options, output),
            Command::Run => runtime()?.block_on(run::run(self, output)),
            Command::Check => runtime()?.block_on(check::run(self, output)),
            Command::Doctor(options) => runtime()?.block_on(doctor::run(self, options, output)),
            Command::User(command) => runtime()?.block_on(user_command::run(self, command, output)),
            Command::Invite(command) => {
                runtime()?.block_on(invite_command::run(self, command, output))
            }
            Command::IssuerKey { file } => issuer_key::run(self, file, output),
            Command::Backup { file } => runtime()?.block_on(backup::run(self, file, output)),
            Command::Openapi => {
                openapi::run(output);
                Ok(())
            }
        }
    }
}
