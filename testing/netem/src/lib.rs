//! A network that misbehaves on purpose, on virtual time and with a seed: the same seed gives the same misfortunes.
//!
//! ```
//! use std::time::Duration;
//! use securecall_netem::{Conditions, Link, virtual_start};
//!
//! let start = virtual_start();
//! let mut link = Link::new(1, Conditions { delay: Duration::from_millis(30), ..Conditions::default() });
//! link.send(start, 101, "frame");
//! assert_eq!(link.receive(start), None);
//! let arrival = link.next_arrival().expect("on its way");
//! assert_eq!(link.receive(arrival), Some((arrival, "frame")));
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use web_time::Instant;

/// What a link does to packets. The default is a perfect network without delay.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Conditions {
    /// Share of packets lost, each by itself, 0 to 1.
    pub loss: f64,
    /// Losses that come in runs, besides.
    pub bursts: Option<Bursts>,
    /// Time every packet takes.
    pub delay: Duration,
    /// Extra time, uniform from nothing to this, for each packet by itself. Unless `in_order`, packets overtake each other.
    pub jitter: Duration,
    /// No packet overtakes another, as in a queue.
    pub in_order: bool,
    /// Share of packets held back by `reorder_delay`, 0 to 1.
    pub reorder: f64,
    /// For how long a packet is held back that `reorder` has picked.
    pub reorder_delay: Duration,
    /// Share of packets that come twice, 0 to 1.
    pub duplicate: f64,
    /// Bytes per second; what comes faster queues.
    pub rate: Option<u64>,
    /// A packet that would queue for longer than this is lost; zero means no limit.
    pub queue: Duration,
    /// Nothing gets through.
    pub cut: bool,
}

/// Losses in runs: the Gilbert model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// The chance that a run begins at a packet.
    pub begin: f64,
    /// The chance that it ends at a packet; its mean length is 1 / `end`.
    pub end: f64,
}

/// One direction of a network path.
#[derive(Debug)]
pub struct Link<T> {
    conditions: Conditions,
    rng: ChaCha8Rng,
    in_burst: bool,
    busy_until: Option<Instant>,
    last_arrival: Option<Instant>,
    sent: u64,
    lost: u64,
    under_way: BinaryHeap<Reverse<UnderWay<T>>>,
}

#[derive(Debug)]
struct UnderWay<T> {
    arrival: Instant,
    number: u64,
    payload: T,
}

impl<T> Link<T> {
    /// A link whose luck is drawn from `seed`.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            conditions,
            rng: ChaCha8Rng::seed_from_u64(seed),
            in_burst: false,
            busy_until: None,
            last_arrival: None,
            sent: 0,
            lost: 0,
            under_way: BinaryHeap::new(),
        }
    }

    /// Changes the weather; packets under way are not affected.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Gives a packet of `size` bytes to the network.
    pub fn send(&mut self, now: Instant, size: usize, payload: T)
    where
        T: Clone,
    {
        self.sent += 1;
        // Every packet draws the same number of times, so that one condition does not change the luck of another.
        let luck: [f64; 6] = std::array::from_fn(|_| self.draw());
        let conditions = self.conditions;
        if let Some(bursts) = conditions.bursts {
            self.in_burst = if self.in_burst {
                luck[0] >= bursts.end
            } else {
                luck[0] < bursts.begin
            };
        } else {
            self.in_burst = false;
        }
        let departure = self.departure(now, size);
        let Some(departure) =
            departure.filter(|_| !conditions.cut && !self.in_burst && luck[1] >= conditions.loss)
        else {
            self.lost += 1;
            return;
        };

        let mut arrival = departure + conditions.delay + conditions.jitter.mul_f64(luck[2]);
        if luck[3] < conditions.reorder {
            arrival += conditions.reorder_delay;
        }
        if conditions.in_order {
            arrival = self.last_arrival.map_or(arrival, |last| last.max(arrival));
        }
        self.last_arrival = Some(arrival);
        if luck[4] < conditions.duplicate {
            let twin = arrival + conditions.jitter.mul_f64(luck[5]);
            self.enqueue(twin, payload.clone());
        }
        self.enqueue(arrival, payload);
    }

    /// The next packet that has arrived by `now`, and when it did. To be called until there is none.
    pub fn receive(&mut self, now: Instant) -> Option<(Instant, T)> {
        if self.next_arrival()? > now {
            return None;
        }
        self.under_way
            .pop()
            .map(|Reverse(packet)| (packet.arrival, packet.payload))
    }

    /// When the next packet arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(packet)| packet.arrival)
    }

    /// Packets given to the network.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Packets that never arrive: by chance, in a run, at a full queue or a cut.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// When a packet has passed the bottleneck, or nothing if the queue before it is full.
    fn departure(&mut self, now: Instant, size: usize) -> Option<Instant> {
        let Some(rate) = self.conditions.rate else {
            return Some(now);
        };
        let start = self.busy_until.map_or(now, |busy| busy.max(now));
        if !self.conditions.queue.is_zero() && start - now > self.conditions.queue {
            return None;
        }
        let departure = start + Duration::from_secs_f64(size as f64 / rate.max(1) as f64);
        self.busy_until = Some(departure);
        Some(departure)
    }

    fn enqueue(&mut self, arrival: Instant, payload: T) {
        let number = self.sent;
        self.under_way.push(Reverse(UnderWay {
            arrival,
            number,
            payload,
        }));
    }

    /// Uniform in 0 to 1, without 1.
    fn draw(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl<T> PartialEq for UnderWay<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for UnderWay<T> {}

impl<T> PartialOrd for UnderWay<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for UnderWay<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrival, self.number).cmp(&(other.arrival, other.number))
    }
}

/// An instant for virtual time to begin at. Which one it is does not matter: tests only add to it.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can be had in no other way"
)]
pub fn virtual_start() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Sends `count` packets, one every 20 ms, and gives what arrives as (packet, time since it was sent).
    fn run(seed: u64, conditions: Conditions, count: u32) -> Vec<(u32, Duration)> {
        let start = virtual_start();
        let mut link = Link::new(seed, conditions);
        for i in 0..count {
            link.send(start + 20 * MS * i, 100, i);
        }
        std::iter::from_fn(|| link.receive(start + MS * 1_000_000))
            .map(|(at, i)| (i, at - (start + 20 * MS * i)))
            .collect()
    }

    #[test]
    fn the_default_network_is_perfect() {
        let arrived = run(1, Conditions::default(), 1_000);
        assert_eq!(arrived.len(), 1_000);
        assert!(
            arrived
                .iter()
                .enumerate()
                .all(|(i, (n, delay))| *n == i as u32 && delay.is_zero())
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_misfortunes() {
        let conditions = Conditions {
            loss: 0.2,
            jitter: 50 * MS,
            duplicate: 0.1,
            ..Conditions::default()
        };
        assert_eq!(run(5, conditions, 500), run(5, conditions, 500));
        assert_ne!(run(5, conditions, 500), run(6, conditions, 500));
    }

    #[test]
    fn loss_jitter_and_duplicates_have_their_share() {
        let lossy = run(
            1,
            Conditions {
                loss: 0.1,
                ..Conditions::default()
            },
            10_000,
        )
        .len();
        assert!((8_850..9_150).contains(&lossy), "{lossy}");
        let doubled = run(
            1,
            Conditions {
                duplicate: 0.1,
                ..Conditions::default()
            },
            10_000,
        )
        .len();
        assert!((10_850..11_150).contains(&doubled), "{doubled}");

        let jittery = run(
            1,
            Conditions {
                delay: 10 * MS,
                jitter: 40 * MS,
                ..Conditions::default()
            },
            10_000,
        );
        let mean = jittery
            .iter()
            .map(|(_, delay)| delay.as_secs_f64())
            .sum::<f64>()
            / 10_000.0;
        assert!((mean - 0.030).abs() < 0.001, "{mean}");
        assert!(
            jittery
                .iter()
                .all(|(_, delay)| (10 * MS..=50 * MS).contains(delay))
        );
        assert!(
            jittery.windows(2).any(|pair| pair[0].0 > pair[1].0),
            "packets overtake each other"
        );
    }

    #[test]
    fn in_order_means_so() {
        let arrived = run(
            1,
            Conditions {
                jitter: 100 * MS,
                in_order: true,
                ..Conditions::default()
            },
            1_000,
        );
        assert!(arrived.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn bursts_have_their_mean_length() {
        let bursts = Some(Bursts {
            begin: 0.02,
            end: 0.25,
        });
        let arrived = run(
            3,
            Conditions {
                bursts,
                ..Conditions::default()
            },
            20_000,
        );
        let runs = arrived
            .windows(2)
            .filter(|pair| pair[1].0 - pair[0].0 > 1)
            .count();
        let mean = (20_000 - arrived.len()) as f64 / runs as f64;
        assert!((3.5..4.5).contains(&mean), "{mean}");
    }

    #[test]
    fn reordered_packets_are_held_back() {
        let conditions = Conditions {
            reorder: 0.05,
            reorder_delay: 70 * MS,
            ..Conditions::default()
        };
        let held = run(1, conditions, 10_000)
            .iter()
            .filter(|(_, delay)| *delay == 70 * MS)
            .count();
        assert!((400..600).contains(&held), "{held}");
    }

    #[test]
    fn a_narrow_link_queues_and_then_drops() {
        // 100 bytes every 20 ms are 5,000 bytes a second.
        let enough = run(
            1,
            Conditions {
                rate: Some(10_000),
                ..Conditions::default()
            },
            100,
        );
        assert!(enough.iter().all(|(_, delay)| *delay == 10 * MS));
        let narrow = Conditions {
            rate: Some(2_500),
            queue: 100 * MS,
            ..Conditions::default()
        };
        let arrived = run(1, narrow, 1_000);
        assert!((480..520).contains(&arrived.len()), "{}", arrived.len());
        assert!(arrived.iter().all(|(_, delay)| *delay <= 160 * MS));
    }

    #[test]
    fn a_cut_link_lets_nothing_through_until_it_is_mended() {
        let start = virtual_start();
        let mut link = Link::new(
            1,
            Conditions {
                cut: true,
                ..Conditions::default()
            },
        );
        link.send(start, 1, 1);
        link.set_conditions(Conditions::default());
        link.send(start, 1, 2);
        assert_eq!(link.receive(start), Some((start, 2)));
        assert_eq!(
            (link.receive(start), link.sent(), link.lost()),
            (None, 2, 1)
        );
    }
}
