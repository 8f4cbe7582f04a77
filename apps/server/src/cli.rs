//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use securecall_daemon::Global;

use crate::config::HomeserverKind;
use crate::init::{DatabaseOption, ProxyOption};

/// Stands beside a homeserver: enrolment, relay tokens, relay directory, the page behind contact links.
#[derive(Parser, Debug)]
#[command(
    name = "securecall-server",
    version,
    propagate_version = true,
    mut_arg("config", |arg| arg.default_value("/etc/securecall-server/server.toml")),
    mut_arg("verbose", |arg| arg.help("Log more; addresses and user names never"))
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Write settings for this server and for what stands around it
    Init(Init),
    /// Serve until SIGTERM
    Run,
    /// Say whether the server would run, and be of use
    Check,
    /// Say what the homeserver keeps beyond need
    Doctor(Doctor),
    /// Who has an account, waits for one, or is shut out
    #[command(subcommand)]
    User(UserCommand),
    /// Codes that let people in
    #[command(subcommand)]
    Invite(InviteCommand),
    /// Make a key that relay tokens are signed with
    IssuerKey {
        /// The file; it must not be there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Copy SQLite's file while the server runs
    Backup {
        /// The copy; it must not be there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print what the server answers, as OpenAPI 3.1
    Openapi,
}

#[derive(Subcommand, Debug)]
pub(crate) enum UserCommand {
    /// All whose key was proven
    List {
        /// Only those who wait for approval
        #[arg(long)]
        waiting: bool,
    },
    /// Let somebody in who waits
    Approve {
        /// SecureCall ID or Matrix ID
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Shut somebody out: their sessions end, and they are not let in again
    Disable {
        /// SecureCall ID or Matrix ID
        #[arg(value_name = "WHO")]
        who: String,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum InviteCommand {
    /// Make a code; it is shown once and kept nowhere
    New(NewInvite),
    /// All invitations, without their codes
    List,
    /// Take one back
    Revoke {
        /// What `list` calls it by
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Options of `invite new`.
#[derive(clap::Args, Debug)]
pub(crate) struct NewInvite {
    /// How many accounts it is for
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) uses: u32,
    /// How long it is good
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub(crate) days: u16,
    /// For whom it is, for your own memory
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
}

/// Options of `init`. What is not given is asked, or is as the last time.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Init {
    /// The domain in Matrix IDs: @sc_…:DOMAIN
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// The homeserver beside this server
    #[arg(long, value_enum)]
    pub(crate) homeserver: Option<HomeserverKind>,
    /// Where homeserver and server keep their rows
    #[arg(long, value_enum)]
    pub(crate) database: Option<DatabaseOption>,
    /// What takes connections from outside
    #[arg(long, value_enum)]
    pub(crate) proxy: Option<ProxyOption>,
    /// What the outside knows this machine by, where it stands behind a NAT, or its relay is to be an exit
    #[arg(long, value_name = "IP")]
    pub(crate) address: Option<IpAddr>,
    /// The homeserver's port on loopback
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) homeserver_port: Option<u16>,
    /// The server's port on loopback
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) server_port: Option<u16>,
    /// Keep all in the folder of the settings, and use nothing of systemd
    #[arg(long)]
    pub(crate) lab: bool,
}

/// Options of `doctor`. Without them it looks at what the settings name.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Doctor {
    /// Which homeserver it is, where there are no settings
    #[arg(long, value_enum)]
    pub(crate) homeserver: Option<HomeserverKind>,
    /// Its own settings, or a folder of them; the later ones count
    #[arg(long, value_name = "FILE")]
    pub(crate) homeserver_config: Vec<PathBuf>,
    /// Where it is asked, as its users ask it
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Its database, which is only read
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// The settings of coturn
    #[arg(long, value_name = "FILE")]
    pub(crate) coturn: Option<PathBuf>,
    /// The settings of Caddy or nginx
    #[arg(long, value_name = "FILE")]
    pub(crate) proxy: Option<PathBuf>,
    /// The homeserver's unit of systemd
    #[arg(long, value_name = "FILE")]
    pub(crate) unit: Option<PathBuf>,
}
