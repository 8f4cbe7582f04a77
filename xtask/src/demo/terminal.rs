//! What the demo shows on the terminal: progress while the call runs, a summary at its end.

use std::io::{self, IsTerminal as _, Write as _};

use crate::call::conversation::Observer;
use crate::call::record::{Record, Side};
use crate::call::stage::Build;
use crate::demo::findings::Findings;

/// What is going to happen, and how long it takes: said before anything else, for the first build is long.
pub(crate) fn plan(seconds: u32, build: Build) -> String {
    let first = match build {
        Build::Dev => "5 to 15 minutes",
        Build::Release => "10 to 30 minutes",
    };
    format!(
        "What is going to happen:\n  \
         1. Whatever is missing on this machine is installed (Debian and Ubuntu packages).\n  \
         2. cargo builds securecall ({}). The first time on a machine: {first} on two cores; later: seconds.\n  \
         3. A homeserver (Synapse) of the demo's own starts. Installing it the first time: a minute or two.\n  \
         4. Two new users hold a call of {seconds} s, and a report says how it went. About a minute.",
        build.name()
    )
}

/// Shows events as they come.
pub(crate) struct Progress {
    live: bool,
    /// When the caller dialed, in milliseconds since the Unix epoch.
    dialed_at: Option<f64>,
    /// The last figures of each side, caller first.
    stats: [Option<String>; 2],
    /// Whether the last line is one to write over.
    open_line: bool,
}

impl Progress {
    /// Figures are written over each other on a terminal, and left out elsewhere.
    pub(crate) fn new() -> Self {
        Self {
            live: io::stdout().is_terminal(),
            dialed_at: None,
            stats: [None, None],
            open_line: false,
        }
    }

    /// Ends a line that would be written over.
    fn close_line(&mut self) {
        if self.open_line {
            println!();
            self.open_line = false;
        }
    }

    fn figures(&mut self, record: &Record) {
        let value = |field: &str| record.number(field).unwrap_or(0.0);
        let text = format!(
            "{} hears: buffer {:>3.0} ms, jitter {:>4.1} ms, loss {:>4.1} %",
            record.side.name(),
            value("playout_delay_ms"),
            value("jitter_ms"),
            value("loss") * 100.0
        );
        self.stats[record.side.index()] = Some(text);
        if self.live
            && let [Some(caller), Some(callee)] = &self.stats
        {
            print!("\r  {} {caller}   {callee}  ", self.time(record));
            // A terminal that is gone is noticed elsewhere.
            let _ = io::stdout().flush();
            self.open_line = true;
        }
    }

    fn time(&self, record: &Record) -> String {
        self.dialed_at.map_or_else(
            || " ".repeat(9),
            |zero| format!("{:>7.3} s", (record.at_ms() - zero) / 1000.0),
        )
    }
}

impl Observer for Progress {
    fn event(&mut self, record: &Record) {
        match record.name() {
            "levels" => {}
            "stats" => self.figures(record),
            name => {
                if name == "dialing" && record.side == Side::Caller {
                    self.dialed_at = Some(record.at_ms());
                }
                self.close_line();
                println!(
                    "  {} {:<7} {}",
                    self.time(record),
                    record.side.name(),
                    sentence(record)
                );
            }
        }
    }

    fn over(&mut self) {
        self.close_line();
    }
}

fn sentence(record: &Record) -> String {
    match record.name() {
        "ready" => "is ready for calls".to_owned(),
        "dialing" => "dials".to_owned(),
        "incoming" => "has an incoming call".to_owned(),
        "ringing" => "hears it ring".to_owned(),
        "connected" => format!(
            "is connected: tier {}, route {}",
            record.text("tier"),
            record.text("route")
        ),
        "relays" => format!(
            "goes through {} and {}",
            record.text("entry"),
            record.text("exit")
        ),
        "audio_started" => "opens microphone and speaker".to_owned(),
        "first_audio" => "hears the other".to_owned(),
        "ended" => format!("has ended: {}", record.text("reason")),
        "error" => format!(
            "ERROR {}: {} {}",
            record.text("kind"),
            record.text("message"),
            record.text("help")
        ),
        other => other.replace('_', " "),
    }
}

/// The closing summary.
pub(crate) fn summary(findings: &Findings) -> String {
    let caller = &findings.views[0];
    let ms =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0} ms"));
    let words = if findings.views[0].safety_words == findings.views[1].safety_words {
        format!("{}   (equal on both sides)", caller.safety_words.join(" "))
    } else {
        format!(
            "NOT EQUAL: {} / {}",
            caller.safety_words.join(" "),
            findings.views[1].safety_words.join(" ")
        )
    };
    let rows = [
        ("tier", format!("{}, route {}", caller.tier, caller.route)),
        ("who saw whom", findings.who_saw_whom()),
        ("safety words", words),
        (
            "set-up",
            format!(
                "{} from dialing to connected, {} to first audio",
                ms(caller.connected_ms),
                ms(caller.first_audio_ms)
            ),
        ),
        (
            "mouth to ear",
            format!(
                "{}   (caller → callee / back)",
                findings.both_ways(
                    |direction| direction.mouth_to_ear_ms,
                    |ms| format!("{ms:.1} ms")
                )
            ),
        ),
        (
            "loss",
            findings.both_ways(
                |direction| direction.loss_total,
                |loss| format!("{:.2} %", loss * 100.0),
            ),
        ),
        (
            "STOI",
            format!(
                "{}   (1 = heard exactly as said)",
                findings.both_ways(|direction| direction.stoi, |stoi| format!("{stoi:.3}"))
            ),
        ),
        (
            "homeserver",
            format!(
                "{} rows left outside the allowed list ({} allowed)",
                findings.left.outside.len(),
                findings.left.allowed.len()
            ),
        ),
    ];
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("  {name:<13} {value}"))
        .collect();
    lines.extend(
        findings
            .left
            .outside
            .iter()
            .map(|row| format!("  {:<13} left: {row}", "")),
    );
    for check in findings.checks().iter().filter(|check| !check.holds) {
        lines.push(format!("  ✗ not so: {} ({})", check.what, check.found));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::findings::tests::sample;

    #[test]
    fn the_summary_names_every_figure() {
        let text = summary(&sample());
        for figure in [
            "securecall, route direct",
            "orbit velvet glance ladder",
            "162 ms",
            "194 ms",
            "47.2 ms / 47.2 ms",
            "0.20 %",
            "0.981",
            "0 rows left",
        ] {
            assert!(text.contains(figure), "{figure} is missing in\n{text}");
        }
        assert!(!text.contains('✗'), "{text}");
    }

    #[test]
    fn a_row_that_is_left_is_named() {
        let mut findings = sample();
        findings.left.outside.push("events: 1 row added".to_owned());
        let text = summary(&findings);
        assert!(text.contains("left: events: 1 row added"), "{text}");
        assert!(text.contains("✗ not so: the homeserver"), "{text}");
    }
}
