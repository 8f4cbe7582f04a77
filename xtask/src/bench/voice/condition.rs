//! What the link between the two people does to the UDP of their call.

use std::time::Duration;

use securecall_interop::network::{Delay, Impairment, Outages};

/// Of the first recording; the next ones have the next seeds. The same for all programs: of packets in the same order the same ones
/// are lost.
const SEED: u64 = 11;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing is lost or delayed.
    Clear,
    /// One packet in twenty is lost by chance, each way.
    Loss5,
    /// One in ten.
    Loss10,
    /// One in five.
    Loss20,
    /// Three in ten.
    Loss30,
    /// For 60 ms of each 600 ms everything is lost.
    Bursts,
    /// Each packet takes up to 40 ms longer, and may overtake others.
    Jitter40,
    /// Up to 100 ms.
    Jitter100,
}

impl Condition {
    /// All rows.
    pub(super) const ALL: [Self; 8] = [
        Self::Clear,
        Self::Loss5,
        Self::Loss10,
        Self::Loss20,
        Self::Loss30,
        Self::Bursts,
        Self::Jitter40,
        Self::Jitter100,
    ];

    /// What the row is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Loss5 => "5 % loss",
            Self::Loss10 => "10 % loss",
            Self::Loss20 => "20 % loss",
            Self::Loss30 => "30 % loss",
            Self::Bursts => "60 ms gone every 600 ms",
            Self::Jitter40 => "jitter 0–40 ms",
            Self::Jitter100 => "jitter 0–100 ms",
        }
    }

    /// The same in a path, and as it is asked for.
    pub(super) const fn slug(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Loss5 => "loss-5",
            Self::Loss10 => "loss-10",
            Self::Loss20 => "loss-20",
            Self::Loss30 => "loss-30",
            Self::Bursts => "bursts",
            Self::Jitter40 => "jitter-40",
            Self::Jitter100 => "jitter-100",
        }
    }

    /// Whether packets are lost.
    pub(super) const fn loses(self) -> bool {
        !matches!(self, Self::Clear | Self::Jitter40 | Self::Jitter100)
    }

    /// What happens to each packet of UDP in this recording, counted from 0.
    pub(super) fn impairment(self, recording: u8) -> Impairment {
        let loss = match self {
            Self::Loss5 => 0.05,
            Self::Loss10 => 0.1,
            Self::Loss20 => 0.2,
            Self::Loss30 => 0.3,
            Self::Clear | Self::Bursts | Self::Jitter40 | Self::Jitter100 => 0.0,
        };
        let jitter = match self {
            Self::Jitter40 => 40,
            Self::Jitter100 => 100,
            _ => 0,
        };
        let outages = (self == Self::Bursts).then_some(Outages {
            length: Duration::from_millis(60),
            every: Duration::from_millis(600),
        });
        Impairment {
            delay: Delay {
                least: Duration::ZERO,
                jitter: Duration::from_millis(jitter),
            },
            loss,
            outages,
            seed: SEED + u64::from(recording),
        }
    }
}

impl clap::ValueEnum for Condition {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.slug()).help(self.name()))
    }
}
