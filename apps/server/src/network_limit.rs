//! So much of one network in a time, with bounded memory.

use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::network::Network;

/// So many networks are remembered. When that many ask within one period, others are refused until some are forgotten.
const MAX_NETWORKS: usize = 100_000;

/// A limit. What is not used in one moment is there in the next, up to the whole of a period.
pub(crate) struct NetworkLimit<C: Clock = DefaultClock> {
    limiter: RateLimiter<Network, HashMapStateStore<Network>, C, NoOpMiddleware<C::Instant>>,
    most_networks: usize,
}

impl NetworkLimit {
    pub(crate) fn per_minute(most: NonZeroU32) -> Self {
        Self::with_clock(
            Quota::per_minute(most),
            MAX_NETWORKS,
            DefaultClock::default(),
        )
    }

    pub(crate) fn per_hour(most: NonZeroU32) -> Self {
        Self::with_clock(Quota::per_hour(most), MAX_NETWORKS, DefaultClock::default())
    }
}

impl<C: Clock> NetworkLimit<C> {
    fn with_clock(quota: Quota, most_networks: usize, clock: C) -> Self {
        Self {
            limiter: RateLimiter::new(quota, HashMapStateStore::default(), clock),
            most_networks,
        }
    }

    /// Whether there is room for one more of this network; then it is counted.
    pub(crate) fn admits(&self, network: Network) -> bool {
        if self.limiter.len() >= self.most_networks {
            // Those that have their whole room again need not be remembered.
            self.limiter.retain_recent();
            if self.limiter.len() >= self.most_networks {
                return false;
            }
        }
        self.limiter.check_key(&network).is_ok()
    }

    /// Gives back what is not needed: to be called now and then.
    pub(crate) fn forget_old(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(Ipv4Addr::from(number).into())
    }

    #[test]
    fn a_network_has_its_room_and_no_more() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_minute(NonZeroU32::new(3).unwrap());
        let limit = NetworkLimit::with_clock(quota, 10, clock.clone());
        for _ in 0..3 {
            assert!(limit.admits(network(1)));
        }
        assert!(!limit.admits(network(1)));
        assert!(limit.admits(network(2)));
        clock.advance(Duration::from_secs(20));
        assert!(limit.admits(network(1)));
        assert!(!limit.admits(network(1)));
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_minute(NonZeroU32::new(3).unwrap());
        let limit = NetworkLimit::with_clock(quota, 10, clock.clone());
        for number in 0..100 {
            limit.admits(network(number));
        }
        assert_eq!(limit.limiter.len(), 10);
        assert!(!limit.admits(network(1_000)));
        clock.advance(Duration::from_secs(61));
        assert!(limit.admits(network(1_000)));
        assert_eq!(limit.limiter.len(), 1);
    }
}
