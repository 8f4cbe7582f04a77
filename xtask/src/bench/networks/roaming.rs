//! How much is not heard of each other when either side of a call, or both, move to another network.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use securecall_interop::network::{Nat, Segment};

use crate::bench::events::Events;
use crate::bench::figure::{Figure, Target, median, percentile};
use crate::bench::short_calls::LISTEN;
use crate::bench::world::{Place, World};
use crate::call::client::Client;
use crate::call::record::{Record, Side};

/// How often each kind of move is made.
const MOVES: usize = 7;
/// When it is first looked whether they hear each other again.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// A frame, and what may come a little late of a second.
const FRAME_MS: f64 = 20.0;
const A_FEW_MS: f64 = 100.0;
/// A call waits for a network for less time than this.
const PATIENCE: Duration = Duration::from_secs(40);
/// The most that a move may take, in ms.
const MOST: f64 = 1_000.0;
/// A call without an end of its own.
const DIAL: [&str; 6] = ["call", "callee", "--mic", "tone:300", "--speaker", "null"];

/// Who moves.
struct Move {
    what: &'static str,
    sides: &'static [Side],
}

const MOVES_OF: [Move; 3] = [
    Move {
        what: "the caller moves",
        sides: &[Side::Caller],
    },
    Move {
        what: "the callee moves",
        sides: &[Side::Callee],
    },
    Move {
        what: "both move at once",
        sides: &Side::BOTH,
    },
];

/// Moves people about in one call, from behind one NAT to behind another.
pub(super) fn measure(program: &Path, directory: &Path) -> Result<Vec<Figure>> {
    println!("making networks: two people who move in a call");
    let nat = Nat::port_restricted();
    let world = World::new(Place::BehindNat(nat), program, directory)?;
    let call = Call::start(&world, directory)?;
    let mut homes = Homes::new(&world, nat)?;
    let mut figures = Vec::new();
    for Move { what, sides } in MOVES_OF {
        let mut times = Vec::new();
        for number in 1..=MOVES {
            let took = call.after(|| homes.change(&world, sides))?;
            println!("{what}, {number}: {took:.0} ms of sound were missing");
            times.push(took);
        }
        for (which, measured) in [
            ("median", median(&times)),
            ("slowest", percentile(&times, 1.0)),
        ] {
            figures.push(Figure {
                what: format!("{what}: sound that is missing, {which} of {MOVES}"),
                target: Target::AtMost(MOST),
                measured: measured.context("nobody has moved")?,
                unit: "ms",
                digits: 0,
            });
        }
    }
    Ok(figures)
}

/// Two networks for each side.
struct Homes {
    /// Where each side goes next.
    next: [Segment; 2],
    /// And after that.
    then: [Segment; 2],
}

impl Homes {
    fn new(world: &World, nat: Nat) -> Result<Self> {
        let one_each = |label: &str| -> Result<[Segment; 2]> {
            let [caller, callee] =
                Side::BOTH.map(|side| world.another_home(&format!("{}{label}", side.name()), nat));
            Ok([caller?, callee?])
        };
        Ok(Self {
            next: one_each("one")?,
            then: one_each("two")?,
        })
    }

    /// Moves these people.
    fn change(&mut self, world: &World, sides: &[Side]) -> Result<()> {
        for side in sides.iter().map(|side| side.index()) {
            world.people[side].host.move_to(&self.next[side])?;
            std::mem::swap(&mut self.next[side], &mut self.then[side]);
        }
        Ok(())
    }
}

/// A call that goes on.
struct Call {
    events: Events,
    _clients: [Client; 2],
}

impl Call {
    fn start(world: &World, directory: &Path) -> Result<Self> {
        let events = Events::new();
        let start = |side: Side, arguments: &[&str]| {
            let user = world.users()[side.index()];
            let log = directory.join(format!("{}.log", side.name()));
            user.start(arguments, side, events.sender(), &log)
        };
        let callee = start(Side::Callee, &LISTEN)?;
        events.until(Side::Callee, "ready")?;
        let caller = start(Side::Caller, &DIAL)?;
        events.until(Side::Caller, "first_audio")?;
        Ok(Self {
            events,
            _clients: [caller, callee],
        })
    }

    /// How much sound is missing of what has come since something began to happen, less the time in which it happened, for the side
    /// that misses more, in ms.
    fn after(&self, happens: impl FnOnce() -> Result<()>) -> Result<f64> {
        let before = self.heard()?;
        let began = Instant::now();
        happens()?;
        let took = began.elapsed().as_secs_f64() * 1_000.0;
        let settled = Instant::now();
        while settled.elapsed() < SETTLED_AFTER {
            self.next()?;
        }
        let mut after = self.heard()?;
        // In the last second nothing is missing any more, or it is waited for.
        loop {
            let later = self.heard()?;
            let is_whole =
                |side: Side| later[side.index()].missing_since(&after[side.index()]) < A_FEW_MS;
            if Side::BOTH.into_iter().all(is_whole) {
                break;
            }
            if settled.elapsed() > PATIENCE {
                bail!("they do not hear each other any more");
            }
            after = later;
        }
        let missing =
            Side::BOTH.map(|side| after[side.index()].missing_since(&before[side.index()]));
        Ok((missing[0].max(missing[1]) - took).max(0.0))
    }

    /// What each side says next that it has heard.
    fn heard(&self) -> Result<[Heard; 2]> {
        let mut heard = [None; 2];
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let Some(record) = self.next()? else {
                continue;
            };
            if let Some(frames) = record.number("frames_received") {
                heard[record.side.index()] = Some(Heard {
                    at_ms: record.at_ms(),
                    frames,
                });
            }
            if let [Some(caller), Some(callee)] = heard {
                return Ok([caller, callee]);
            }
        }
        bail!("the clients say nothing any more")
    }

    /// The next event, if one comes soon. The end of the call is an error.
    fn next(&self) -> Result<Option<Record>> {
        let record = self.events.next()?;
        if let Some(record) = &record
            && record.name() == "ended"
        {
            bail!("the {} said {}", record.side.name(), record.event);
        }
        Ok(record)
    }
}

/// What somebody has heard of the peer by a certain time.
#[derive(Clone, Copy)]
struct Heard {
    at_ms: f64,
    frames: f64,
}

impl Heard {
    /// How much of what was said since then was not heard, in ms.
    fn missing_since(&self, before: &Self) -> f64 {
        (self.at_ms - before.at_ms) - FRAME_MS * (self.frames - before.frames)
    }
}
