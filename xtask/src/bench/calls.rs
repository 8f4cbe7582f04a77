//! Figures of real calls over a real homeserver.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::figure::{Figure, Target, median, percentile};
use super::resources::Meter;
use super::short_calls::ShortCalls;
use crate::call::conversation::{self, said_by};
use crate::call::record::Side;
use crate::call::stage::Stage;
use crate::demo::{measure, voice};
use crate::workspace::Workspace;

/// Calls that count; the first of the pair, which makes the Olm session, does not.
const CALLS: usize = 20;
/// Length of the call in which resources are counted.
const LONG: u32 = 22;
/// When counting begins and ends, after `connected`.
const COUNTED: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// Many short calls of one pair, answered at once by a callee that listens all the time.
pub(super) fn set_up(stage: &Stage, directory: &Path) -> Result<Vec<Figure>> {
    let directory = directory.join("set-up");
    let calls = ShortCalls::start(stage.people(), &directory, &[])?;
    let [mut startup, mut connected, mut first_audio] = [const { Vec::new() }; 3];
    for number in 0..=CALLS {
        let call = calls.call();
        let call = call.with_context(|| format!("call {number} failed"))?;
        let value = |event: &str, field: &str| {
            let value = call.event(event)?.number(field);
            value.with_context(|| format!("call {number} has no {event} with {field}"))
        };
        let figures = [
            value("dialing", "startup_ms")?,
            value("connected", "setup_ms")?,
            value("first_audio", "setup_ms")?,
        ];
        println!(
            "call {number:>2}: dialing after {:.0} ms, connected {:.0} ms later, first audio {:.0} ms later",
            figures[0], figures[1], figures[2]
        );
        if number > 0 {
            startup.push(figures[0]);
            connected.push(figures[1]);
            first_audio.push(figures[2]);
        }
    }
    // One slow call in ten is what people remember; a second cluster shows here, and not in the median.
    let spread = percentile(&connected, 0.9)
        .zip(median(&connected))
        .map(|(slow, middle)| slow / middle)
        .context("there were no calls")?;
    let mut figures = [
        (
            "`dialing` to `connected`, median of 20 calls",
            200.0,
            connected,
        ),
        (
            "`dialing` to `first_audio`, median of 20 calls",
            240.0,
            first_audio,
        ),
        (
            "process start to `dialing`, median of 20 calls",
            700.0,
            startup,
        ),
    ]
    .into_iter()
    .map(|(what, most, values)| {
        Ok(Figure {
            what: what.to_owned(),
            target: Target::AtMost(most),
            measured: median(&values).context("there were no calls")?,
            unit: "ms",
            digits: 0,
        })
    })
    .collect::<Result<Vec<_>>>()?;
    figures.insert(
        1,
        Figure {
            what: "`dialing` to `connected`, 90th percentile of 20 calls by their median"
                .to_owned(),
            target: Target::AtMost(1.3),
            measured: spread,
            unit: "×",
            digits: 2,
        },
    );
    Ok(figures)
}

/// One call with speech, long enough to measure delay and resources.
pub(super) fn one_long_call(
    workspace: &Workspace,
    stage: &Stage,
    directory: &Path,
) -> Result<Vec<Figure>> {
    for side in Side::BOTH {
        voice::write(workspace, side, LONG, &said_by(directory, side))?;
    }
    println!("one call of {LONG} s");
    let mut meter = Meter::new(COUNTED);
    let call = conversation::hold(stage.people(), directory, LONG, &mut meter)?;
    let directions = measure::directions(&call.records, directory)?;
    let delays: Vec<f64> = directions
        .iter()
        .flat_map(|direction| direction.delay.iter().map(|point| point.1))
        .collect();
    let [processor, memory] = [meter.processor, meter.memory].map(|sides| {
        sides
            .map(|[caller, callee]| f64::max(caller, callee))
            .context("the call was too short to measure")
    });
    Ok(vec![
        Figure {
            what: "mouth to ear on loopback, median".to_owned(),
            target: Target::AtMost(55.0),
            measured: median(&delays).context("mouth to ear could not be measured")?,
            unit: "ms",
            digits: 1,
        },
        Figure {
            what: "one client in a call, after 5 s: processor".to_owned(),
            target: Target::AtMost(3.0),
            measured: processor?,
            unit: "% of a core",
            digits: 1,
        },
        Figure {
            what: "one client in a call, after 5 s: memory (PSS)".to_owned(),
            target: Target::AtMost(60.0),
            measured: memory?,
            unit: "MB",
            digits: 0,
        },
    ])
}
