//! Which two relays carry a call.
//!
//! Whoever runs both, or watches both, knows who speaks with whom. So they are of different operators and in different networks; and the
//! entry stays the same for weeks, because each new entry is one more that could be a bad one, while the exit, which does not see who
//! calls, is another for each call.

mod guards;
mod no_relay;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use rand_core::CryptoRng;
use securecall_relay::TunnelPath;
use zeroize::Zeroizing;

pub use guards::{GuardStateError, Guards, MAX_GUARDS};
pub use no_relay::NoRelay;

use crate::directory::{Directory, Families, Reach, Relay};
use crate::host_name::HostName;

/// An exit for a call through this entry, drawn anew for each call: each that is allowed is as likely as any other. Relays in `failed`
/// are left out: those that were silent in this call. Exits with all families that the peer may need are preferred.
pub fn choose_exit<'a, R: CryptoRng + ?Sized>(
    directory: &'a Directory,
    entry: &Relay,
    needed: Families,
    failed: &BTreeSet<HostName>,
    rng: &mut R,
) -> Result<&'a Relay, NoRelay> {
    let allowed: Vec<_> = exits_for(directory, entry).collect();
    if allowed.is_empty() {
        return Err(why_no_pair(directory, entry.families()));
    }
    let working: Vec<_> = allowed
        .into_iter()
        .filter(|relay| !failed.contains(&relay.name))
        .collect();
    let suited: Vec<_> = working
        .iter()
        .copied()
        .filter(|relay| relay.families().include(needed))
        .collect();
    let from = if suited.is_empty() { &working } else { &suited };
    draw(from, rng).copied().ok_or(NoRelay::ExitsFailed)
}

/// The tunnel through two relays: at the first address of each that the one before can reach.
pub fn tunnel_path(
    (entry, entry_authorization): (&Relay, Option<Zeroizing<String>>),
    (exit, exit_authorization): (&Relay, Option<Zeroizing<String>>),
    ours: Families,
) -> Result<TunnelPath, NoRelay> {
    let at_entry = entry.address_within(ours).ok_or(NoRelay::Families)?;
    let at_exit = exit
        .address_within(entry.families())
        .ok_or(NoRelay::Families)?;
    Ok(TunnelPath {
        entry: entry.hop(at_entry, entry_authorization),
        exit: exit.hop(at_exit, exit_authorization),
    })
}

/// The relays that may be the exit where this one is the entry.
fn exits_for<'a>(directory: &'a Directory, entry: &Relay) -> impl Iterator<Item = &'a Relay> {
    directory.relays.iter().filter(move |exit| {
        exit.role.is_exit()
            && exit.name != entry.name
            && exit.operator != entry.operator
            && entry.families().meet(exit.families())
            && (directory.reach == Reach::Lab || !share_network(entry, exit))
    })
}

/// The relays that may be the entry of somebody with these families: those that have an exit.
fn entries(directory: &Directory, ours: Families) -> impl Iterator<Item = &Relay> {
    directory.relays.iter().filter(move |entry| {
        entry.role.is_entry()
            && entry.families().meet(ours)
            && exits_for(directory, entry).next().is_some()
    })
}

/// Whether any addresses of two relays are in one network of /16, or /32 of IPv6: who sees the one then likely sees the other.
fn share_network(one: &Relay, other: &Relay) -> bool {
    let networks = |relay: &Relay| -> BTreeSet<_> {
        relay.addresses.iter().map(|a| network(a.ip())).collect()
    };
    !networks(one).is_disjoint(&networks(other))
}

/// The family and the first octets of an address.
fn network(address: IpAddr) -> (bool, [u8; 4]) {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            (false, [a, b, 0, 0])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.octets();
            (true, [a, b, c, d])
        }
    }
}

/// Why no two relays of a directory go together.
fn why_no_pair(directory: &Directory, ours: Families) -> NoRelay {
    let entries: Vec<_> = directory
        .relays
        .iter()
        .filter(|r| r.role.is_entry())
        .collect();
    let exits: Vec<_> = directory
        .relays
        .iter()
        .filter(|r| r.role.is_exit())
        .collect();
    let some_pair = |fits: &dyn Fn(&Relay, &Relay) -> bool| {
        entries
            .iter()
            .any(|entry| exits.iter().any(|exit| fits(entry, exit)))
    };
    if entries.is_empty() {
        NoRelay::NoEntry
    } else if exits.is_empty() {
        NoRelay::NoExit
    } else if !some_pair(&|entry, exit| entry.operator != exit.operator) {
        NoRelay::OneOperator
    } else if !some_pair(&|entry, exit| {
        entry.operator != exit.operator && !share_network(entry, exit)
    }) && directory.reach == Reach::Internet
    {
        NoRelay::OneNetwork
    } else if !entries.iter().any(|entry| entry.families().meet(ours)) {
        NoRelay::Families
    } else {
        NoRelay::NoPair
    }
}

/// One of some, each as likely as any other.
fn draw<'a, T, R: CryptoRng + ?Sized>(from: &'a [T], rng: &mut R) -> Option<&'a T> {
    let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
    from.get(usize::try_from(below(count, rng)).ok()?)
}

/// A number below another. Numbers from the incomplete turn at the end are drawn again.
fn below<R: CryptoRng + ?Sized>(count: u64, rng: &mut R) -> u64 {
    let whole_turns = u64::MAX - u64::MAX % count;
    loop {
        let number = rng.next_u64();
        if number < whole_turns {
            return number % count;
        }
    }
}
