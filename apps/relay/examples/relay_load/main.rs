//! Loads a relay with calls, and says what it did with them and what that took: for `cargo xtask bench --only relays`.
//!
//! ```text
//!   clients ── QUIC, HTTP/3, datagrams (or TURN, or nothing) ──► relay ── UDP ──► peer
//!      ▲                                                                           │
//!      └───────────────────────────── and back ────────────────────────────────────┘
//! ```
//!
//! Clients and peer are this one thread, which never sleeps: give it a core of its own. QUIC is quinn's engine without a runtime, so
//! that one core carries more than a relay on another one can. All packets are sent at times that are fixed before, evenly spread,
//! so that it is known whether the loader was late itself, and each bears its time. What its own sockets lost is
//! counted apart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a tool of the bench: whatever fails ends it"
)]

mod direct;
mod http3;
mod load;
mod masque;
mod process;
mod turn;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::json;

use load::{Load, Peer};
use process::Process;

/// Loads a relay with calls.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    way: Way,
    /// How many calls.
    #[arg(long, default_value_t = 1000, global = true)]
    flows: usize,
    /// Packets of a call a second, each way.
    #[arg(long, default_value_t = 50, global = true)]
    rate: u32,
    /// How long is measured, after a while in which all settles.
    #[arg(long, default_value_t = 10.0, global = true)]
    seconds: f64,
    /// Bytes of a packet.
    #[arg(long, default_value_t = 160, global = true)]
    size: usize,
    /// Where the peer is.
    #[arg(long, default_value = "127.0.0.1:0", global = true)]
    peer: SocketAddr,
    /// The process whose time and memory are looked at.
    #[arg(long, global = true)]
    process: Option<u32>,
}

#[derive(Subcommand)]
enum Way {
    /// Straight to the peer.
    Direct,
    /// Through an entry, which must be allowed to forward to the peer.
    Entry(Masque),
    /// Through an exit.
    Exit(Masque),
    /// Through a TURN server that asks for nothing.
    Turn {
        /// Where it listens.
        server: SocketAddr,
    },
}

#[derive(clap::Args)]
struct Masque {
    /// Where the relay listens.
    relay: SocketAddr,
    /// What it asks for: the value of `authorization`.
    #[arg(long)]
    authorization: String,
}

fn main() {
    let cli = Cli::parse();
    let process = cli.process.map(Process);
    let peer = Peer::bind(cli.peer);
    let before = process.as_ref().map(Process::memory);
    let load = Load {
        flows: cli.flows,
        rate: cli.rate,
        measured: Duration::from_secs_f64(cli.seconds),
        size: cli.size,
        process: process.as_ref(),
    };
    let (open, outcome) = match &cli.way {
        Way::Direct => load.run(direct::Direct::new(&peer), &peer),
        Way::Entry(Masque {
            relay,
            authorization,
        }) => {
            let role = masque::Role::Entry;
            let clients = masque::Clients::open(*relay, authorization, role, &peer, cli.flows);
            load.run(clients, &peer)
        }
        Way::Exit(Masque {
            relay,
            authorization,
        }) => {
            let role = masque::Role::Exit;
            let clients = masque::Clients::open(*relay, authorization, role, &peer, cli.flows);
            load.run(clients, &peer)
        }
        Way::Turn { server } => load.run(turn::Clients::open(*server, &peer, cli.flows), &peer),
    };
    let mut said = outcome.json();
    said["flows"] = json!(cli.flows);
    said["memory_before"] = json!(before);
    said["memory_open"] = json!(open);
    println!("{said}");
}
