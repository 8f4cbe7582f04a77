//! `securecall-relay`: a relay of GhostNet, entry, exit, or both.
//!
//! An *entry* forwards packets of a client to another relay of its directory (CONNECT-UDP, RFC 9298). An *exit* lends a client
//! addresses (draft-ietf-masque-connect-udp-listen). Neither hears anything: what it carries is sealed. Nothing about a flow is written anywhere.
//!
//! ```text
//!   listener ── connection ── request ──► flow ── entry: one relay
//!   handshakes   HTTP/3, datagrams         │  └── exit: whom the client names
//!                                    access, limits, capacity
//! ```
//!
//! For operators: `docs/relay-operators.md`.

#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::process::ExitCode;

use clap::Parser as _;

mod access;
mod capacity;
mod check;
mod cli;
mod clock;
mod config;
mod connection;
mod directory_file;
mod exit;
mod failure;
mod figures;
mod flow;
mod flow_socket;
mod http1;
mod init;
mod issuer;
mod limits;
mod listener;
mod log;
mod networks;
mod output;
mod own_addresses;
mod process;
mod relay;
mod request;
mod run;
mod spent_file;
mod stream_budget;
mod tls;
mod transport;
mod voice_window;
mod wiped_memory;

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
        Command::Init(init) => init::run(cli, init, output),
        Command::Check => check::run(cli, output),
        Command::Run => {
            process::raise_file_limit();
            runtime()?.block_on(run::run(cli, output))
        }
        Command::Directory(command) => directory_file::run(command, output),
        Command::Issuer(options) => runtime()?.block_on(issuer::run(options, output)),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::machine)
}
