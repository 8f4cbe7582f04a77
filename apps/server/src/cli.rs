//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Stands beside a homeserver: enrolment, relay tokens, relay directory, the page behind contact links.
#[derive(Parser, Debug)]
#[command(name = "securecall-server", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Global {
    /// The settings
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        default_value = "/etc/securecall-server/server.toml"
    )]
    pub(crate) config: PathBuf,
    /// One JSON object a line on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more; addresses and user names never
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Write settings for this server and for what stands around it
    Init(Init),
    /// Say what the homeserver keeps beyond need
    Doctor(Doctor),
}

/// Options of `init`.
#[derive(clap::Args, Debug)]
pub(crate) struct Init {}

/// Options of `doctor`.
#[derive(clap::Args, Debug)]
pub(crate) struct Doctor {}
