//! A server of one's own as `securecall-server init` sets it up, on the loopback interface: the programs, each with the settings
//! that were written for it.
//!
//! What differs from a machine of one's own is what loopback takes: ports that are free, and an authority for certificates that is
//! Caddy's own. Names are those of the settings; [`ConnectProxy`](crate::ConnectProxy) leads to them.

mod error;
mod folder;
mod parts;
mod program;
mod whole;
mod workers;

pub use error::PlaceError;
pub use folder::{DOMAIN, Place};
pub use parts::{CaddyPorts, CoturnPorts};
pub use program::RunningProgram;
pub use whole::{PlaceDatabase, PlacePlan, WholePlace};
