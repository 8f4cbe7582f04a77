//! How long a call takes to connect from behind NATs, beside libwebrtc in Chromium in the same networks.

mod roaming;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use securecall_interop::network::{Nat, Network};
use serde_json::json;

use super::chromium::browser::{self, Browser};
use super::chromium::signaling::Signaling;
use super::figure::{Figure, Target, median};
use super::short_calls::ShortCalls;
use super::spread::{self, Row};
use super::table;
use super::world::{Place, World};
use crate::call::record::Side;

/// Where the section is, in the page of performance.
const MARKS: table::Marks = table::Marks {
    begin: "<!-- cargo xtask bench --write: networks begin -->",
    end: "<!-- cargo xtask bench --write: networks end -->",
};
/// Calls of each that count; the first pair, which finds everything cold, does not.
const CALLS: usize = 20;
/// What of Chromium's time ours may take.
const SHARE: f64 = 0.7;

/// A kind of network.
struct Topology {
    name: &'static str,
    nat: Nat,
    /// The kind of path that there is, or that is asked for.
    route: &'static str,
    /// The most that `dialing` to `connected` may take, in ms.
    most: f64,
}

/// How long the calls in one network took to connect, in ms.
#[derive(Default)]
struct Times {
    /// Until a frame of the other side's voice has opened.
    ours: Vec<f64>,
    /// Until ICE and DTLS are done.
    chromium_connected: Vec<f64>,
    /// Until a packet of the other side's voice has come, which is what our `connected` says.
    chromium_heard: Vec<f64>,
}

/// Whether there can be networks here at all.
pub(super) fn try_out() -> Result<()> {
    Network::new().map(drop).context("no networks can be made")
}

/// Times calls in all networks.
pub(super) fn measure(program: &Path, directory: &Path) -> Result<table::Section> {
    let topologies = [
        Topology {
            name: "behind NATs",
            nat: Nat::port_restricted(),
            route: "direct",
            most: 400.0,
        },
        Topology {
            name: "through TURN",
            nat: Nat::symmetric(),
            route: "relay",
            most: 500.0,
        },
    ];
    let (mut figures, mut rows) = (Vec::new(), Vec::new());
    for topology in &topologies {
        let Times {
            ours,
            chromium_connected,
            chromium_heard,
        } = calls(topology, program, directory)
            .with_context(|| format!("no calls {}", topology.name))?;
        let middle = |times: &[f64]| median(times).context("there were no calls");
        figures.push(Figure {
            what: format!(
                "{}: `dialing` to `connected`, median of {CALLS} calls",
                topology.name
            ),
            target: Target::AtMost(topology.most),
            measured: middle(&ours)?,
            unit: "ms",
            digits: 0,
        });
        figures.push(Figure {
            what: format!("{}: the same by Chromium's", topology.name),
            target: Target::AtMost(SHARE),
            measured: middle(&ours)? / middle(&chromium_heard)?,
            unit: "×",
            digits: 2,
        });
        let programs = [
            ("SecureCall, `connected`", ours),
            ("Chromium, first packet of voice", chromium_heard),
            ("Chromium, `connectionState`", chromium_connected),
        ];
        for (program, times) in programs {
            rows.push(Row {
                place: topology.name,
                program,
                times,
            });
        }
    }
    let directory = directory.join("roaming");
    fs::create_dir_all(&directory)?;
    figures.extend(roaming::measure(program, &directory)?);
    Ok(table::Section {
        marks: &MARKS,
        figures,
        details: spread::markdown("network", &rows)?,
        details_in_columns: spread::columns(&rows)?,
    })
}

/// Calls of ours and of Chromium's, one after the other in turn, so that a machine that is busy for a while is so for both.
fn calls(topology: &Topology, program: &Path, directory: &Path) -> Result<Times> {
    let directory = directory.join(topology.route);
    fs::create_dir_all(&directory)?;
    println!(
        "making networks: two people {} with a homeserver and a relay in between",
        topology.name
    );
    let world = World::new(Place::BehindNat(topology.nat), program, &directory)?;
    let signaling = Signaling::start(&world.host("signaling")?)?;
    let _browsers = start_browsers(&world, &signaling, &directory)?;
    let ours = ShortCalls::start(world.users(), &directory, &[])?;
    let prepare = json!({"configuration": {"iceServers": world.ice_servers()}});
    let mut times = Times::default();
    for number in 0..=CALLS {
        let (took, route) = ours.call()?.set_up()?;
        let chromium = browser::call(&signaling, &prepare)?;
        browser::hang_up(&signaling)?;
        println!(
            "call {number:>2}: {took:.0} ms ({route}), Chromium {:.0} ms, first packet {:.0} ms ({})",
            chromium.connected_ms, chromium.heard_ms, chromium.route
        );
        for way in [&route, &chromium.route] {
            // A relay may be the first way that works, but not where there is no other.
            ensure!(
                topology.route == "direct" || way == "relay",
                "a call went {way}, where there is no such way"
            );
        }
        if number > 0 {
            times.ours.push(took);
            times.chromium_connected.push(chromium.connected_ms);
            times.chromium_heard.push(chromium.heard_ms);
        }
    }
    Ok(times)
}

fn start_browsers(world: &World, signaling: &Signaling, directory: &Path) -> Result<Vec<Browser>> {
    let start = |side: Side| {
        let host = &world.people[side.index()].host;
        Browser::start(host, side, signaling, None, directory)
    };
    Side::BOTH.into_iter().map(start).collect()
}
