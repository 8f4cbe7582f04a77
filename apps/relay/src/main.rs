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

use securecall_daemon::{Failure, Global, Output, Program, runtime};

mod access;
mod capacity;
mod check;
mod cli;
mod clock;
mod config;
mod connection;
mod directory_file;
mod exit;
mod figures;
mod file_limit;
mod flow;
mod http1;
mod init;
mod issuer;
mod limits;
mod listener;
mod networks;
mod own_addresses;
mod packet_socket;
mod quic;
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
            Command::Init(init) => init::run(self, init, output),
            Command::Check => check::run(self, output),
            Command::Run => {
                file_limit::raise();
                runtime()?.block_on(run::run(self, output))
            }
            Command::Directory(command) => directory_file::run(command, output),
            Command::Issuer(options) => runtime()?.block_on(issuer::run(options, output)),
        }
    }
}
