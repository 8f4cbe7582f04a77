//! Notices that the network of this machine changes: addresses that come and go, another default route, sleep.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod netlink;
mod sleep;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use securecall_media::Reach;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use self::sleep::SleepClock;
use crate::{clock, host_addresses};

/// How long a change may take until it is looked at: a computer that moves loses addresses and routes one by one, and gets
/// others the same way. What takes longer is a second change.
const SETTLE: Duration = Duration::from_millis(20);
/// How often it is looked whether the machine has slept; and where the system does not tell of changes, at the addresses.
const LOOK: Duration = Duration::from_secs(1);
/// Addresses of the internet to which nothing is sent: only the way there is asked for (RFC 5737, RFC 3849).
const FAR_AWAY: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9),
    SocketAddr::new(
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1)),
        9,
    ),
];

/// How this machine is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetworkState {
    /// The addresses that a peer can be told.
    pub(crate) addresses: Vec<IpAddr>,
    /// Those from which packets leave by the default routes, one of each family at most.
    pub(crate) default_sources: Vec<IpAddr>,
    /// How often the machine was seen to have slept, or the program to have been stopped.
    pub(crate) slept: u64,
}

impl NetworkState {
    /// Looks at the machine.
    fn read(reach: Reach, slept: u64) -> Self {
        let addresses = host_addresses::all(reach);
        let sources = FAR_AWAY
            .into_iter()
            .filter_map(|far| host_addresses::source_towards(far).ok());
        Self {
            // Without a way out the system names the loopback address.
            default_sources: sources
                .filter(|source| addresses.contains(source))
                .collect(),
            addresses,
            slept,
        }
    }

    /// Addresses of an earlier state that there are no more.
    pub(crate) fn gone_since(&self, before: &Self) -> Vec<IpAddr> {
        let is_gone = |address: &&IpAddr| !self.addresses.contains(address);
        before.addresses.iter().filter(is_gone).copied().collect()
    }
}

/// Watches the network in a task of its own, which ends when nobody looks any more. Whoever waits is woken when something may
/// have changed; the addresses may be the same ones.
pub(crate) fn watch(reach: Reach) -> watch::Receiver<NetworkState> {
    // Before the first look, so that no change falls between the two.
    let changes = Changes::subscribe();
    let (sender, receiver) = watch::channel(NetworkState::read(reach, 0));
    tokio::spawn(run(reach, changes, sender));
    receiver
}

async fn run(reach: Reach, mut changes: Changes, state: watch::Sender<NetworkState>) {
    let mut sleep = SleepClock::new(clock::now());
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut slept = 0;
    loop {
        let changed = tokio::select! {
            () = changes.next() => {
                tokio::time::sleep(SETTLE).await;
                // What is told of the same change is looked at with it.
                changes.drain();
                true
            }
            _ = look.tick() => false,
            () = state.closed() => return,
        };
        let woke = sleep.has_slept(clock::now());
        slept += u64::from(woke);
        if changed || woke {
            state.send_replace(NetworkState::read(reach, slept));
        } else if !changes.are_told() {
            // Nobody says so here, so it is compared.
            let now = NetworkState::read(reach, slept);
            state.send_if_modified(|before| {
                *before != now && {
                    *before = now;
                    true
                }
            });
        }
    }
}

/// What the system tells of changes.
struct Changes {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    netlink: Option<netlink::Netlink>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Changes {
    fn subscribe() -> Self {
        let netlink = netlink::Netlink::subscribe();
        if let Err(error) = &netlink {
            // Android has it for the system alone.
            tracing::info!(%error, "the system does not tell of changes of the network; it is looked for them");
        }
        Self {
            netlink: netlink.ok(),
        }
    }

    /// Waits for a change; for ever where none are told.
    async fn next(&mut self) {
        let Some(netlink) = &self.netlink else {
            return std::future::pending().await;
        };
        if let Err(error) = netlink.changed().await {
            tracing::warn!(%error, "the system does not tell of changes of the network any more");
            self.netlink = None;
        }
    }

    fn drain(&self) {
        if let Some(netlink) = &self.netlink {
            netlink.drain();
        }
    }

    const fn are_told(&self) -> bool {
        self.netlink.is_some()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Changes {
    const fn subscribe() -> Self {
        Self {}
    }

    /// Nothing is told here.
    async fn next(&mut self) {
        std::future::pending().await
    }

    const fn drain(&self) {}

    const fn are_told(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use securecall_interop::network::{Host, Network};
    use tokio::time::timeout;

    use super::*;

    /// Runs inside a host, on a runtime of its own.
    fn inside<T: Send>(host: &Host, test: impl AsyncFnOnce() -> T + Send) -> T {
        host.enter(|| {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(test())
        })
        .unwrap()
    }

    /// Waits until the state fits.
    async fn until(
        states: &mut watch::Receiver<NetworkState>,
        fits: impl FnMut(&NetworkState) -> bool,
    ) -> NetworkState {
        let patience = Duration::from_secs(30);
        let found = timeout(patience, states.wait_for(fits)).await;
        found.expect("it is not noticed").unwrap().clone()
    }

    #[test]
    fn addresses_that_come_and_go_are_noticed_and_so_is_the_default_route() {
        let network = Network::new().unwrap();
        let host = network.internet().host("ada").unwrap();
        let host = &host;
        inside(host, async || {
            let mut states = watch(Reach::OtherMachines);
            let before = states.borrow_and_update().clone();
            assert_eq!(before.addresses.len(), 2, "{before:?}");
            assert!(before.default_sources.contains(&host.address()));
            let added = host.add_address().unwrap();
            until(&mut states, |state| state.addresses.contains(&added)).await;
            host.change_addresses().unwrap();
            let new = host.addresses();
            let moved = until(&mut states, |state| {
                new.iter().all(|address| state.addresses.contains(address))
                    && state.default_sources.contains(&new[0])
            })
            .await;
            let mut gone = before.addresses.clone();
            gone.push(added);
            gone.sort_unstable();
            let with_added = NetworkState {
                addresses: gone.clone(),
                ..before
            };
            assert_eq!(moved.gone_since(&with_added), gone);
            let flushed = Command::new("ip")
                .args(["addr", "flush", "dev", "eth0"])
                .status();
            assert!(flushed.unwrap().success());
            let alone = until(&mut states, |state| state.addresses.is_empty()).await;
            assert_eq!(alone.default_sources, Vec::<IpAddr>::new());
        });
    }

    #[test]
    fn the_watch_ends_with_whoever_looks() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, receiver) = watch::channel(NetworkState::default());
            let running = tokio::spawn(run(Reach::OtherMachines, Changes::subscribe(), sender));
            drop(receiver);
            timeout(Duration::from_secs(30), running)
                .await
                .expect("it goes on")
                .unwrap();
        });
    }
}
