//! From names to addresses: the names of this machine never leave it.

use std::{
    future,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::homeserver::is_loopback_name;

/// Resolves `localhost` and what is below it to the loopback addresses without asking anybody, as RFC 6761 (6.3) wants
/// it: plain `http` is allowed there, and whoever answered a question for it over the network would get passwords. All
/// other names are the operating system's.
#[derive(Debug)]
pub(crate) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        if is_loopback_name(name.as_str()) {
            return Box::pin(future::ready(Ok(loopback())));
        }
        Box::pin(async move {
            // The port is the URL's.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// IPv4 first: that is where homeservers listen by themselves.
fn loopback() -> Addrs {
    let addresses = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    ];
    Box::new(addresses.into_iter())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[tokio::test]
    async fn names_of_this_machine_are_resolved_without_asking_anybody() {
        for name in [
            "localhost",
            "securecall.localhost",
            "a.b.localhost.",
            "LocalHost",
        ] {
            let addresses = Resolver.resolve(name.parse().unwrap()).await.unwrap();
            let addresses: Vec<IpAddr> = addresses.map(|address| address.ip()).collect();
            assert_eq!(
                addresses,
                [
                    IpAddr::from(Ipv4Addr::LOCALHOST),
                    IpAddr::from(Ipv6Addr::LOCALHOST)
                ],
                "{name}"
            );
        }
    }
}
