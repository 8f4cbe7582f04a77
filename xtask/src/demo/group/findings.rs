//! What the demo found out about its group call, and whether that is what we promise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use securecall_quality::{Comparison, SAMPLE_RATE, read_wav};
use serde_json::{Value, json};

use super::turns::{Turns, samples};
use crate::call::group::{Cost, GroupConversation, Member, all_hear_all_ms, heard_by, said_by};
use crate::call::record::Record;
use crate::demo::findings::{Check, RecordLeft};

/// Below this listeners start to miss words; a clean path gives 0.95 and more.
const LEAST_STOI: f64 = 0.8;
/// How much longer than its turn what was heard of somebody is looked for, at both ends, in seconds.
const AROUND: f64 = 0.4;

/// Everything the report and the summary show.
pub(super) struct Findings {
    pub(super) names: Vec<String>,
    /// How alike what one has said and another has heard are: a row for each who heard, a column for each who spoke. None where
    /// nothing was found; of oneself nothing is looked for.
    pub(super) stoi: Vec<Vec<Option<f64>>>,
    /// From mouth to ear, in ms, in the same way.
    pub(super) delay_ms: Vec<Vec<Option<f64>>>,
    /// From the first `dialing` until everybody has heard everybody.
    pub(super) all_hear_all_ms: Option<f64>,
    /// The words of the group that each has seen while all were there.
    pub(super) words: Vec<Option<String>>,
    /// The tiers of all legs.
    pub(super) tiers: BTreeSet<String>,
    /// How many frames were refused, in all.
    pub(super) frames_refused: f64,
    pub(super) exit_codes: Vec<Option<i32>>,
    pub(super) costs: Vec<Option<Cost>>,
    /// What the call left in the homeserver's database.
    pub(super) left: RecordLeft,
}

impl Findings {
    /// Of a call that is over, whose files are in this directory.
    pub(super) fn of(
        turns: &Turns,
        members: &[Member],
        call: &GroupConversation,
        directory: &Path,
        left: RecordLeft,
    ) -> Result<Self> {
        let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
        let mut findings = Self {
            stoi: vec![vec![None; names.len()]; names.len()],
            delay_ms: vec![vec![None; names.len()]; names.len()],
            all_hear_all_ms: all_hear_all_ms(&call.records),
            words: call
                .records
                .iter()
                .map(|it| group_words(it, names.len()))
                .collect(),
            tiers: call.records.iter().flatten().filter_map(tier).collect(),
            frames_refused: call.records.iter().map(|it| refused(it)).sum(),
            exit_codes: call.exit_codes.clone(),
            costs: call.costs.clone(),
            left,
            names,
        };
        for (listener, heard) in findings.names.clone().iter().enumerate() {
            let path = heard_by(directory, heard);
            let speaker_at = started(&call.records[listener], "speaker_at_unix_us");
            let (Some(speaker_at), true) = (speaker_at, path.is_file()) else {
                continue;
            };
            let recording = read_wav(&path).context("a recording cannot be read")?;
            for (speaker, said) in findings.names.clone().iter().enumerate() {
                let microphone_at = started(&call.records[speaker], "microphone_at_unix_us");
                let Some(microphone_at) = microphone_at.filter(|_| speaker != listener) else {
                    continue;
                };
                let said = read_wav(said_by(directory, said))?;
                let [begin, end] = turns.turn(speaker);
                let said = &said[samples(begin)..samples(end).min(said.len())];
                // Where the turn is in the recording, were there no delay.
                let offset = begin + microphone_at - speaker_at;
                let from = samples(offset - AROUND).min(recording.len());
                let to = samples(offset + end - begin + AROUND).min(recording.len());
                let Some(comparison) = Comparison::of(said, &recording[from..to]) else {
                    continue;
                };
                findings.stoi[listener][speaker] = Some(comparison.stoi);
                let cut_ms = (offset - seconds(from)) * 1000.0;
                findings.delay_ms[listener][speaker] = Some(comparison.median_delay_ms - cut_ms);
            }
        }
        Ok(findings)
    }

    /// What does not hold, with what was found in its place.
    pub(super) fn failed(&self) -> Vec<String> {
        let checks = self.checks().into_iter().filter(|check| !check.holds);
        checks
            .map(|check| format!("{} ({})", check.what, check.found))
            .collect()
    }

    /// What must hold, and whether it does.
    pub(super) fn checks(&self) -> Vec<Check> {
        let worst = self.worst_stoi();
        let first = self.words.first().cloned().flatten();
        vec![
            Check {
                what: "everybody ended as they should",
                holds: self.exit_codes.iter().all(|code| *code == Some(0)),
                found: self.exits(),
            },
            Check {
                what: "every leg is of tier securecall",
                holds: self.tiers == BTreeSet::from(["securecall".to_owned()]),
                found: self.tiers.iter().cloned().collect::<Vec<_>>().join(", "),
            },
            Check {
                what: "everybody heard everybody",
                holds: self.all_hear_all_ms.is_some(),
                found: self
                    .all_hear_all_ms
                    .map_or_else(|| "not all".to_owned(), |ms| format!("after {ms:.0} ms")),
            },
            Check {
                what: "speech arrived as it was sent, of everybody at everybody (STOI 0.8 or more)",
                holds: worst.is_some_and(|stoi| stoi >= LEAST_STOI),
                found: worst.map_or_else(
                    || "somebody was not heard at all".to_owned(),
                    |stoi| format!("at least {stoi:.3}"),
                ),
            },
            Check {
                what: "the words of the group are the same for all",
                holds: first.is_some() && self.words.iter().all(|words| *words == first),
                found: first.unwrap_or_else(|| "none".to_owned()),
            },
            Check {
                what: "no frame was refused",
                holds: self.frames_refused == 0.0,
                found: format!("{}", self.frames_refused),
            },
            Check {
                what: "the homeserver keeps no record of the call",
                holds: self.left.outside.is_empty(),
                found: format!("{} rows outside the allowed list", self.left.outside.len()),
            },
        ]
    }

    /// How all processes ended, in a few words.
    fn exits(&self) -> String {
        let codes = self.exit_codes.iter().map(|code| match code {
            Some(code) => format!("exit {code}"),
            None => "no exit code".to_owned(),
        });
        let different: BTreeSet<String> = codes.collect();
        different.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// The least of all pairs; none if one of them was not found.
    fn worst_stoi(&self) -> Option<f64> {
        let pairs = pairs(&self.stoi).collect::<Option<Vec<f64>>>()?;
        pairs.into_iter().reduce(f64::min)
    }

    /// The same as `summary.json`.
    pub(super) fn json(&self) -> Value {
        let checks = self.checks();
        let checks = checks
            .iter()
            .map(|check| json!({"what": check.what, "holds": check.holds, "found": check.found}));
        json!({
            "people": self.names,
            "stoi": self.stoi,
            "mouth_to_ear_ms": self.delay_ms,
            "all_hear_all_ms": self.all_hear_all_ms,
            "group_words": self.words.first(),
            "processor_percent": self.costs.iter().map(|it| it.map(|it| it.processor)).collect::<Vec<_>>(),
            "memory_mb": self.costs.iter().map(|it| it.map(|it| it.megabytes)).collect::<Vec<_>>(),
            "rows_left": self.left.outside,
            "rows_allowed": self.left.allowed.len(),
            "checks": checks.collect::<Vec<_>>(),
        })
    }

    /// The closing summary.
    pub(super) fn summary(&self) -> String {
        let mut lines = vec![format!(
            "  {:<14} who heard whom (STOI; 1 = heard exactly as said)",
            ""
        )];
        let width = self.names.iter().map(String::len).max().unwrap_or(0) + 2;
        let columns: String = self
            .names
            .iter()
            .map(|name| format!("{name:>width$}"))
            .collect();
        lines.push(format!("  {:<14}{columns}", "heard by"));
        for (name, row) in self.names.iter().zip(&self.stoi) {
            let cells: String = row
                .iter()
                .map(|stoi| format!("{:>width$}", figure(*stoi, 3)))
                .collect();
            lines.push(format!("  {name:<14}{cells}"));
        }
        let delays: Vec<f64> = pairs(&self.delay_ms).flatten().collect();
        let range = |values: &[f64], unit: &str| {
            let least = values.iter().copied().fold(f64::MAX, f64::min);
            let most = values.iter().copied().fold(f64::MIN, f64::max);
            match values {
                [] => "–".to_owned(),
                _ => format!("{least:.1} to {most:.1} {unit}"),
            }
        };
        let costs: Vec<Cost> = self.costs.iter().flatten().copied().collect();
        let processor: Vec<f64> = costs.iter().map(|cost| cost.processor).collect();
        let memory: Vec<f64> = costs.iter().map(|cost| cost.megabytes).collect();
        let all_hear_all = self.all_hear_all_ms;
        let words = self.words.first().cloned().flatten();
        for (what, found) in [
            (
                "all hear all",
                all_hear_all
                    .map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms after dialing")),
            ),
            ("mouth to ear", range(&delays, "ms")),
            ("group words", words.unwrap_or_else(|| "–".to_owned())),
            ("processor", range(&processor, "% of a core each")),
            ("memory", range(&memory, "MB each")),
            (
                "homeserver",
                format!(
                    "{} rows left outside the allowed list ({} allowed)",
                    self.left.outside.len(),
                    self.left.allowed.len()
                ),
            ),
        ] {
            lines.push(format!("  {what:<14} {found}"));
        }
        let outside = self.left.outside.iter();
        lines.extend(outside.map(|row| format!("  {:<14} left: {row}", "")));
        let checks = self.checks();
        let failed = checks.iter().filter(|check| !check.holds);
        lines.extend(failed.map(|check| format!("  ✗ not so: {} ({})", check.what, check.found)));
        lines.join("\n")
    }
}

/// A figure as it is shown.
pub(super) fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// All pairs of two different people.
fn pairs(matrix: &[Vec<Option<f64>>]) -> impl Iterator<Item = Option<f64>> {
    let rows = matrix.iter().enumerate();
    rows.flat_map(|(listener, row)| {
        let others = row.iter().enumerate();
        others.filter_map(move |(speaker, value)| (speaker != listener).then_some(*value))
    })
}

/// When the first sample of a microphone was captured, or of a speaker played, in seconds since the Unix epoch.
fn started(records: &[Record], field: &str) -> Option<f64> {
    let mut records = records.iter();
    let record = records.find(|record| record.name() == "audio_started")?;
    Some(record.number(field)? / 1e6)
}

/// The words that somebody has seen while they were connected with all the others.
fn group_words(records: &[Record], people: usize) -> Option<String> {
    let mut there = BTreeSet::new();
    let mut words = None;
    for record in records {
        let peer = record.event["peer"]["id"].as_str().unwrap_or_default();
        match record.name() {
            "member_joined" => {
                there.insert(peer);
            }
            // From here on fewer see each other.
            "member_left" if there.len() + 1 == people => return words,
            "member_left" => {
                there.remove(peer);
            }
            "group_words" => {
                let list = record.event["words"].as_array()?;
                let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                words = Some(list.join(" "));
            }
            _ => {}
        }
    }
    words.filter(|_| there.len() + 1 == people)
}

fn tier(record: &Record) -> Option<String> {
    (record.name() == "connected").then(|| record.text("tier").to_owned())
}

/// Frames that somebody has refused: each leg tells each second how many there were so far.
fn refused(records: &[Record]) -> f64 {
    let mut by_leg = BTreeMap::new();
    for record in records.iter().filter(|record| record.name() == "stats") {
        let refused = record.number("frames_refused").unwrap_or(0.0);
        by_leg.insert(record.text("call_id"), refused);
    }
    by_leg.into_values().sum()
}

#[expect(clippy::cast_precision_loss, reason = "fewer samples than 2^52")]
fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::call::record::Side;

    pub(in crate::demo::group) fn sample() -> Findings {
        let names = ["member-1", "member-2", "member-3"].map(str::to_owned);
        let matrix = |value: f64| -> Vec<Vec<Option<f64>>> {
            let row = |own: usize| {
                (0..3)
                    .map(|place| (place != own).then_some(value))
                    .collect()
            };
            (0..3).map(row).collect()
        };
        Findings {
            names: names.to_vec(),
            stoi: matrix(0.97),
            delay_ms: matrix(46.5),
            all_hear_all_ms: Some(431.2),
            words: vec![Some("orbit velvet glance ladder".to_owned()); 3],
            tiers: BTreeSet::from(["securecall".to_owned()]),
            frames_refused: 0.0,
            exit_codes: vec![Some(0); 3],
            costs: vec![
                Some(Cost {
                    processor: 4.2,
                    megabytes: 38.0
                });
                3
            ],
            left: RecordLeft::default(),
        }
    }

    #[test]
    fn the_summary_names_every_figure_and_every_pair() {
        let text = sample().summary();
        for part in [
            "0.970",
            "431 ms",
            "46.5 to 46.5 ms",
            "orbit velvet",
            "4.2 to 4.2 %",
            "0 rows",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert_eq!(text.matches("0.970").count(), 6);
        assert!(!text.contains('✗'), "{text}");
    }

    #[test]
    fn one_pair_that_did_not_hear_each_other_is_a_fault() {
        let mut findings = sample();
        findings.stoi[2][0] = None;
        assert!(findings.failed()[0].contains("somebody was not heard"));
        findings.stoi[2][0] = Some(0.5);
        assert!(findings.failed()[0].contains("at least 0.500"));
        findings.words[1] = Some("other words than theirs".to_owned());
        assert_eq!(findings.failed().len(), 2);
    }

    #[test]
    fn words_count_while_all_are_there() {
        let record = |text: &str| Record::read_now(Side::Caller, text).unwrap();
        let joined = |id: &str| {
            record(&format!(
                r#"{{"event":"member_joined","peer":{{"id":"{id}"}}}}"#
            ))
        };
        let words =
            |word: &str| record(&format!(r#"{{"event":"group_words","words":["{word}"]}}"#));
        let left = record(r#"{"event":"member_left","peer":{"id":"b"}}"#);
        let records = [
            joined("b"),
            words("two"),
            joined("c"),
            words("three"),
            left,
            words("less"),
        ];
        assert_eq!(group_words(&records, 3).as_deref(), Some("three"));
        assert_eq!(group_words(&records[..2], 3), None);
    }
}
