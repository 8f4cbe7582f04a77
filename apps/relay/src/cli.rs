//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use securecall_daemon::Global;

/// A relay of GhostNet: carries calls that it can neither hear nor connect to both ends.
#[derive(Parser, Debug)]
#[command(
    name = "securecall-relay",
    version,
    propagate_version = true,
    mut_arg("config", |arg| arg.default_value("/var/lib/securecall-relay/relay.toml")),
    mut_arg("verbose", |arg| arg.help("Log more; addresses and tokens never"))
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Write settings, a certificate and its key, where there are none yet
    Init(Init),
    /// Be a relay until SIGTERM
    Run,
    /// Say whether the relay would run, and be of use
    Check,
    /// Sell tokens to whoever asks on this machine, for a lab
    Issuer(Issuer),
    /// Publish a relay directory
    #[command(subcommand)]
    Directory(DirectoryCommand),
}

#[derive(Subcommand, Debug)]
pub(crate) enum DirectoryCommand {
    /// Show the public key of a directory; the secret one is made if it is not there
    Key {
        /// The secret key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Check and sign what a directory says
    Sign(SignDirectory),
}

/// Options of `directory sign`.
#[derive(clap::Args, Debug)]
pub(crate) struct SignDirectory {
    /// The secret key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// What it says: JSON, see docs/protocol/relay-directory.md
    #[arg(long, value_name = "FILE")]
    pub(crate) payload: PathBuf,
    /// The signed file
    #[arg(long, value_name = "FILE", default_value = "relays.json")]
    pub(crate) out: PathBuf,
    /// Private addresses are allowed
    #[arg(long)]
    pub(crate) lab: bool,
}

/// Options of `init`.
#[derive(clap::Args, Debug)]
pub(crate) struct Init {
    /// What the relay is
    #[arg(long, value_enum, default_value_t = RoleOption::Both)]
    pub(crate) role: RoleOption,
    /// The name in its certificate, and in requests to it
    #[arg(long, value_name = "HOST")]
    pub(crate) name: String,
}

/// Options of `issuer`.
#[derive(clap::Args, Debug)]
pub(crate) struct Issuer {
    /// The key; made if it is not there
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The issuer's name, which tokens are bought for
    #[arg(long, value_name = "HOST", default_value = "issuer.test")]
    pub(crate) name: String,
    /// Where it is asked, by HTTP on loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    pub(crate) listen: SocketAddr,
    /// How long tokens are to be taken
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub(crate) days: u16,
}

/// `--role`.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum RoleOption {
    Entry,
    Exit,
    Both,
}

impl RoleOption {
    /// As it stands in the settings.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
            Self::Both => "both",
        }
    }
}
