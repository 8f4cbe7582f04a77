//! How long a call takes to connect from behind NATs, beside libwebrtc in Chromium in the same networks.

mod roaming;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use securecall_interop::network::{Nat, Network};
use serde_json::json;

use super::chromium::browser::{self, Browser};
use super::chromium::signaling::Signaling;
use super::figure::{Figure, Target, median, percentile};
use super::short_calls::ShortCalls;
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

/// The calls of one program in one network, in ms.
struct Row {
    network: &'static str,
    program: &'static str,
    times: Vec<f64>,
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
                network: topology.name,
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
        details: details(&rows),
        details_in_columns: details_in_columns(&rows),
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
    let ours = ShortCalls::start(world.users(), &directory)?;
    let prepare = json!({"configuration": {"iceServers": world.ice_servers()}});
    let mut times = Times::default();
    for number in 0..=CALLS {
        let (took, route) = call_of_ours(&ours)?;
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

/// The time from dialing to connected, in ms, by when the bench has read the caller's events; and the kind of path.
fn call_of_ours(calls: &ShortCalls<'_>) -> Result<(f64, String)> {
    let call = calls.call()?;
    let [dialing, connected] = [call.event("dialing")?, call.event("connected")?];
    let took = connected.read_at_ms - dialing.read_at_ms;
    Ok((took, connected.text("route").to_owned()))
}

/// The rows, as a table.
fn details(rows: &[Row]) -> String {
    let rows: String = rows.iter().map(Row::markdown).collect();
    format!(
        "| network | program | median | 90th percentile | fastest | slowest |\n| --- | --- | --- | --- | --- | --- |\n{rows}"
    )
}

/// The rows, in columns.
fn details_in_columns(rows: &[Row]) -> String {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let [middle, slow, fastest, slowest] = row.summary();
            format!(
                "  {:<14} {:<32} median {middle:.0} ms, 90th percentile {slow:.0} ms, {fastest:.0} to {slowest:.0} ms",
                row.network, row.program
            )
        })
        .collect();
    lines.join("\n")
}

impl Row {
    /// Median, 90th percentile, the fastest and the slowest call.
    fn summary(&self) -> [f64; 4] {
        let at = |share| percentile(&self.times, share).unwrap_or(f64::NAN);
        [
            median(&self.times).unwrap_or(f64::NAN),
            at(0.9),
            at(0.0),
            at(1.0),
        ]
    }

    fn markdown(&self) -> String {
        let [middle, slow, fastest, slowest] = self.summary();
        format!(
            "| {} | {} | {middle:.0} ms | {slow:.0} ms | {fastest:.0} ms | {slowest:.0} ms |\n",
            self.network, self.program
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_median_and_percentile_and_both_ends() {
        let row = Row {
            network: "behind NATs",
            program: "SecureCall",
            times: (1..=20).map(|call| f64::from(call) * 10.0).collect(),
        };
        let expected = "| behind NATs | SecureCall | 105 ms | 180 ms | 10 ms | 200 ms |\n";
        assert_eq!(row.markdown(), expected);
    }
}
