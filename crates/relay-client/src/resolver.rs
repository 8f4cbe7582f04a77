//! Addresses of servers, by the operating system.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

/// The most addresses of a name that are used.
pub const MAX_ADDRESSES: usize = 4;
/// How long a name service may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a server has no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The name service did not answer in time.
    #[error("the name service does not answer")]
    TimedOut,
    /// There is no such name, or no name service.
    #[error("the name has no address: {0}")]
    Unknown(#[from] std::io::Error),
    /// Only addresses that may not be used.
    #[error(
        "the name leads into a private network, and only the config file may name a server there"
    )]
    NotPublic,
}

/// Finds the addresses of a host, IPv4 and IPv6 in turn, at most [`MAX_ADDRESSES`]. Those for which
/// `admits` says no are left out: a server that a homeserver names must not be in our own network.
///
/// # Errors
/// [`ResolveError`]: which of the two is at fault, the name or the name service.
pub async fn resolve(
    host: &str,
    port: u16,
    admits: impl Fn(SocketAddr) -> bool,
) -> Result<Vec<SocketAddr>, ResolveError> {
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        // No name service is asked about what is an address.
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => timeout(PATIENCE, lookup_host((host, port)))
            .await
            .map_err(|_| ResolveError::TimedOut)??
            .collect(),
    };
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in found {
        // Before they are counted: what may not be used must not push out what may.
        if admits(address) {
            let family = if address.is_ipv4() { &mut v4 } else { &mut v6 };
            if !family.contains(&address) {
                family.push(address);
            }
        }
    }
    let mut addresses = Vec::new();
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    // In turn, so that the bound leaves some of both: one family may lead nowhere from here.
    while addresses.len() < MAX_ADDRESSES {
        let before = addresses.len();
        addresses.extend(v4.next());
        addresses.extend(v6.next());
        if addresses.len() == before {
            break;
        }
    }
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() {
        return Err(ResolveError::NotPublic);
    }
    Ok(addresses)
}
