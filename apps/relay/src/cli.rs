//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// A relay of GhostNet: carries calls that it can neither hear nor connect to both ends.
#[derive(Parser, Debug)]
#[command(name = "securecall-relay", version, propagate_version = true)]
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
        default_value = "/etc/securecall-relay/relay.toml"
    )]
    pub(crate) config: PathBuf,
    /// One JSON object a line on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more; addresses and tokens never
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Write settings, a certificate and its key, where there are none yet
    Init(Init),
    /// Be a relay until SIGTERM
    Run,
    /// Say whether the relay would run, and be of use
    Check,
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
