//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::init::{DatabaseOption, HomeserverOption, ProxyOption};

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

/// Options of `init`. What is not given is asked, or is as the last time.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Init {
    /// The domain in Matrix IDs: @sc_…:DOMAIN
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// The homeserver beside this server
    #[arg(long, value_enum)]
    pub(crate) homeserver: Option<HomeserverOption>,
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
    #[arg(long, value_name = "PORT")]
    pub(crate) homeserver_port: Option<u16>,
    /// The server's port on loopback
    #[arg(long, value_name = "PORT")]
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
    pub(crate) homeserver: Option<HomeserverOption>,
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
