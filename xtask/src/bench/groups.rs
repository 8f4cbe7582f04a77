//! Group calls: how soon all hear all, and what eight members cost.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use securecall_interop::{Synapse, SynapseOptions};

use super::engines::{runs_of, worst};
use super::figure::{Figure, Target, median};
use crate::call::group::{self, Member, Running, all_hear_all_ms, until_all};
use crate::demo::group::Turns;
use crate::workspace::Workspace;

/// Calls that count; the first, which makes the Olm sessions, does not.
const CALLS: usize = 10;
/// Who talks in those.
const FEW: usize = 3;
/// Who talks in the one whose cost is counted.
const MANY: usize = 8;
/// How long that is, in seconds.
const LONG: u32 = 32;
/// A leg of a busy machine is there by then.
const PATIENCE: Duration = Duration::from_secs(60);
/// What three pages with matrix-js-sdk in Chromium need from joining until all hear all, on this kind of machine (loopback).
const THREE_PAGES_MS: f64 = 876.0;

/// All figures.
pub(super) fn measure(
    workspace: &Workspace,
    program: &Path,
    directory: &Path,
) -> Result<Vec<Figure>> {
    let homeserver = Synapse::start(SynapseOptions::default()).context("no homeserver")?;
    let url = homeserver.base_url();
    let members = group::acquainted(program, &directory.join("profiles"), &url, MANY)?;
    let mut figures = vec![all_hear_all(&members[..FEW], directory)?];
    figures.extend(cost(workspace, &members, directory)?);
    figures.push(added_by_the_mixer(workspace)?);
    Ok(figures)
}

/// How much later a voice is heard in the mix of three than in a call of two, on virtual time.
fn added_by_the_mixer(workspace: &Workspace) -> Result<Figure> {
    let runs = runs_of(workspace, "group_call")?;
    let target = Target::AtMost(1.0);
    Ok(Figure {
        what: format!("{FEW} people in a group call: mouth to ear beyond that of a call of two"),
        target,
        measured: worst(&runs, "added_by_the_mixer_ms", target)?,
        unit: "ms",
        digits: 1,
    })
}

/// Group calls of three, answered at once by people who listen all the time.
fn all_hear_all(members: &[Member], directory: &Path) -> Result<Figure> {
    let tone = |member: &Member| {
        // Each its own: the name ends in a number.
        let hertz = member
            .name
            .bytes()
            .last()
            .map_or(300, |it| 100 * u32::from(it - b'0') + 300);
        let audio = ["--mic", &format!("tone:{hertz}"), "--speaker", "null"];
        audio.map(str::to_owned).to_vec()
    };
    let mut listening = group::listen(members, tone, directory)?;
    let mut took = Vec::new();
    for number in 0..=CALLS {
        let mut running = vec![group::call_all(members, tone, directory)?];
        running.append(&mut listening);
        let hears_all = |one: &mut Running| {
            let heard = one.records().iter().filter(|it| it.name() == "first_audio");
            heard.count() + 1 >= FEW
        };
        until_all(&mut running, PATIENCE, "voice of all", hears_all)
            .with_context(|| format!("group call {number} failed"))?;
        running[0].order("hangup")?;
        listening = running.split_off(1);
        // The others would talk on; whoever is left alone then has no group call any more.
        let first = listening.first_mut().context("nobody else is there")?;
        first.order("hangup")?;
        until_all(&mut listening, PATIENCE, "end", |one| {
            one.has_told("conference_ended")
        })?;
        let mut records = vec![running[0].take_records()];
        records.extend(listening.iter_mut().map(Running::take_records));
        let ms = all_hear_all_ms(&records).context("somebody has not heard somebody")?;
        println!("group call {number:>2}: all hear all {ms:.0} ms after dialing");
        if number > 0 {
            took.push(ms);
        }
    }
    Ok(Figure {
        what: format!(
            "{FEW} people in a group call: `dialing` until all hear all, median of {CALLS} calls"
        ),
        target: Target::AtMost(THREE_PAGES_MS * 0.5),
        measured: median(&took).context("there were no calls")?,
        unit: "ms",
        digits: 0,
    })
}

/// One call of eight who speak one after the other.
fn cost(workspace: &Workspace, members: &[Member], directory: &Path) -> Result<Vec<Figure>> {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let turns = Turns::of(members.len(), LONG);
    turns.write(workspace, &names, directory)?;
    println!("one group call of {MANY} people, {} s", turns.seconds());
    let call = group::hold(members, directory, turns.seconds(), &mut |_, _| {})?;
    let costs = call.costs.into_iter().collect::<Option<Vec<_>>>();
    let costs = costs.context("what it cost was not measured")?;
    let most = |values: Vec<f64>| values.into_iter().fold(0.0, f64::max);
    Ok(vec![
        Figure {
            what: format!("{MANY} people in a group call: processor of the busiest"),
            target: Target::AtMost(25.0),
            measured: most(costs.iter().map(|cost| cost.processor).collect()),
            unit: "% of a core",
            digits: 1,
        },
        Figure {
            what: format!("{MANY} people in a group call: memory (PSS) of the largest"),
            target: Target::AtMost(45.0),
            measured: most(costs.iter().map(|cost| cost.megabytes).collect()),
            unit: "MB",
            digits: 0,
        },
    ])
}
