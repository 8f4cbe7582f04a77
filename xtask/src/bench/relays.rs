//! What a relay of GhostNet costs and how late it makes packets, beside coturn on the same core.
//!
//! The server has one core, and whoever loads it (`apps/relay/examples/relay_load`) the other. What a packet costs is the time of the
//! server's process, by the packets that it took in and sent out: on a machine that others use, too, that is steadier than the rate at
//! which it begins to lose some.
//!
//! And how much later a call begins by it than by TURN.

mod load;
mod server;
mod set_up;

use std::path::Path;

use anyhow::{Context as _, Result};

use self::load::{Loader, Run, Way};
use self::server::Server;
use super::figure::{Figure, Target, median};
use super::{spread, table};
use crate::call::stage::Build;
use crate::workspace::Workspace;

/// Where the section is, in the page of performance.
const MARKS: table::Marks = table::Marks {
    begin: "<!-- cargo xtask bench --write: relays begin -->",
    end: "<!-- cargo xtask bench --write: relays end -->",
};
/// Calls at a time.
const FLOWS: u32 = 1000;
/// Packets of a call a second, each way.
const RATE: u32 = 50;
/// How often each is measured, in turn, so that a machine that is slow for a while is so for all.
const ROUNDS: usize = 3;
/// What of coturn's packets a relay has to carry, in the same time.
const SHARE: f64 = 0.7;
/// What a packet of a call grows by at each relay, as it is computed: QUIC's header with its connection ID, a frame, the two IDs of
/// MASQUE, a tag.
const OVERHEAD: f64 = 32.0;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Entry,
    Exit,
    Coturn,
}

impl Who {
    const ALL: [Self; 3] = [Self::Entry, Self::Exit, Self::Coturn];

    const fn name(self) -> &'static str {
        match self {
            Self::Entry => "securecall-relay, entry",
            Self::Exit => "securecall-relay, exit",
            Self::Coturn => "coturn, UDP",
        }
    }
}

/// All rounds of one.
struct Row {
    who: Who,
    /// With [`FLOWS`] calls.
    full: Vec<Run>,
    /// With as many as take half of a core.
    half: Run,
    /// The same packets without anybody between.
    direct: Run,
}

/// Measures all.
pub(super) fn measure(
    workspace: &Workspace,
    program: &Path,
    directory: &Path,
) -> Result<table::Section> {
    let relay = Build::Release.relay(workspace)?;
    let loader = Loader::build(workspace)?;
    let start = |who: Who| -> Result<Server> {
        match who {
            Who::Entry | Who::Exit => Server::relay(&relay, directory),
            Who::Coturn => Server::coturn(directory),
        }
    };
    let mut full: Vec<(Who, Vec<Run>)> = Who::ALL.map(|who| (who, Vec::new())).into();
    for round in 1..=ROUNDS {
        for (who, runs) in &mut full {
            // Each begins anew, so that memory begins at nothing.
            let server = start(*who)?;
            let run = loader.run(way(*who, &server), FLOWS, RATE, Some(server.process()))?;
            println!("{:<24} round {round}: {}", who.name(), run.words());
            runs.push(run);
        }
    }
    let mut rows = Vec::new();
    for (who, full) in full {
        let cost = middle(&full, |run| run.microseconds_a_packet())?;
        // Half a second of the core's time a second.
        let flows = (0.5e6 / (cost * f64::from(2 * RATE))).clamp(1.0, f64::from(FLOWS));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 1 and a thousand"
        )]
        let flows = flows as u32;
        let server = start(who)?;
        let half = loader.run(way(who, &server), flows, RATE, Some(server.process()))?;
        let direct = loader.run(Way::Direct, flows, RATE, None)?;
        println!("{:<24} {flows} calls: {}", who.name(), half.words());
        println!("{:<24} {flows} calls: {}", "nobody between", direct.words());
        rows.push(Row {
            who,
            full,
            half,
            direct,
        });
    }
    let (set_up, calls) = set_up::measure(program, &relay, directory)?;
    let mut figures = figures(&rows)?;
    figures.push(set_up);
    let calls_in_columns = spread::columns(&calls)?;
    let calls = spread::markdown("route", &calls)?;
    Ok(table::Section {
        marks: &MARKS,
        figures,
        details: format!("{}\n{calls}", details(&rows)?),
        // Each run of the loader has been told.
        details_in_columns: calls_in_columns,
    })
}

fn way(who: Who, server: &Server) -> Way<'_> {
    match who {
        Who::Entry => Way::Entry(server),
        Who::Exit => Way::Exit(server),
        Who::Coturn => Way::Turn(server),
    }
}

fn middle(runs: &[Run], value: impl Fn(&Run) -> f64) -> Result<f64> {
    let values: Vec<f64> = runs.iter().map(value).collect();
    median(&values).context("nothing was measured")
}

fn figures(rows: &[Row]) -> Result<Vec<Figure>> {
    let coturn = rows.iter().find(|row| row.who == Who::Coturn);
    let coturn = coturn.context("coturn was not measured")?;
    let theirs = middle(&coturn.full, Run::microseconds_a_packet)?;
    let mut figures = Vec::new();
    for row in rows.iter().filter(|row| row.who != Who::Coturn) {
        let role = match row.who {
            Who::Entry => "an entry",
            Who::Exit | Who::Coturn => "an exit",
        };
        let mut add = |what: String, target, measured, unit, digits| {
            figures.push(Figure {
                what,
                target,
                measured,
                unit,
                digits,
            });
        };
        let ours = middle(&row.full, Run::microseconds_a_packet)?;
        add(
            format!("{role}: packets a second and core, beside coturn's"),
            Target::AtLeast(SHARE),
            theirs / ours,
            "×",
            2,
        );
        add(
            format!("{role}: of {FLOWS} calls on one core, packets lost"),
            Target::AtMost(0.0),
            middle(&row.full, Run::lost_percent)?,
            "%",
            3,
        );
        add(
            format!("{role}: delay that it adds at half its load, median, the slower way"),
            Target::AtMost(1.0),
            row.half.added_delay(&row.direct),
            "ms",
            2,
        );
        add(
            format!("{role}: memory of a call (PSS)"),
            Target::AtMost(30.0),
            middle(&row.full, Run::kibibytes_a_flow)?,
            "KiB",
            1,
        );
        add(
            format!("{role}: bytes that a packet grows by, on its way there"),
            Target::AtMost(OVERHEAD),
            row.half.overhead,
            "bytes",
            0,
        );
    }
    Ok(figures)
}

fn details(rows: &[Row]) -> Result<String> {
    let mut table = "| server | processor a packet | packets a second and core | lost, of that by the loader | memory of a call | delay at half load: out, back | the same without it |\n| --- | --- | --- | --- | --- | --- | --- |\n".to_owned();
    for row in rows {
        let cost = middle(&row.full, Run::microseconds_a_packet)?;
        let delay = |run: &Run| {
            let back = run.back.delay_ms;
            let back = back.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.2}"));
            format!("{:.2}, {back} ms", run.out.delay_ms.unwrap_or(f64::NAN))
        };
        table.push_str(&format!(
            "| {} | {cost:.2} µs | {:.0} | {:.3} %, {:.3} % | {:.1} KiB | {} | {} |\n",
            row.who.name(),
            1e6 / cost,
            middle(&row.full, Run::lost_percent)?,
            middle(&row.full, Run::own_percent)?,
            middle(&row.full, Run::kibibytes_a_flow)?,
            delay(&row.half),
            delay(&row.direct),
        ));
    }
    Ok(table)
}
