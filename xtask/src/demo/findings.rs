//! What the demo found out about its call, and whether that is what we promise.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::call::conversation::Conversation;
use crate::call::record::{Record, Side};
use crate::demo::measure;
use crate::demo::observation::Observation;

/// Samples a second of all our audio.
const RATE: f64 = 48_000.0;
/// Below this listeners start to miss words; a clean path gives 0.95 and more.
const LEAST_STOI: f64 = 0.8;
/// Quieter than this is silence, in dB of full scale.
const SILENCE: f64 = -60.0;

/// Everything the report and the summary show.
pub(crate) struct Findings {
    /// Which way the call was to take.
    pub(crate) route: &'static str,
    /// What was run, in words: versions, build, length.
    pub(crate) setting: Vec<(String, String)>,
    /// Steps of the set-up, in order; time zero is the caller's `dialing`.
    pub(crate) marks: Vec<Mark>,
    /// What each process said of the call, caller first.
    pub(crate) views: [View; 2],
    /// Who had packets with whom.
    pub(crate) observed: Observation,
    /// From caller to callee, then back.
    pub(crate) directions: [Direction; 2],
    /// What the call left in the homeserver's database.
    pub(crate) left: RecordLeft,
    /// Seconds from the caller's `connected` to the end.
    pub(crate) seconds: f64,
}

/// A step of the set-up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// Whose step.
    pub(crate) side: Side,
    /// Milliseconds after the caller's `dialing`.
    pub(crate) at_ms: f64,
    /// What it was.
    pub(crate) label: String,
}

/// One process's own account of the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) tier: String,
    pub(crate) route: String,
    /// Who ran the entry and the exit that carried it, where it went through GhostNet.
    pub(crate) relays: Option<[String; 2]>,
    pub(crate) safety_words: Vec<String>,
    pub(crate) startup_ms: Option<f64>,
    pub(crate) connected_ms: Option<f64>,
    pub(crate) first_audio_ms: Option<f64>,
    pub(crate) end_reason: String,
    pub(crate) exit_code: Option<i32>,
    pub(crate) frames_refused: f64,
}

/// Mono sound at 48 kHz with its place in time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sound {
    /// When its first sample was spoken or heard, in seconds after the caller's `connected`.
    pub(crate) starts_at: f64,
    /// −1 to 1.
    pub(crate) samples: Vec<f32>,
}

impl Sound {
    /// The samples of a stretch of time; fewer where the sound does not reach.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the samples there are"
    )]
    pub(crate) fn between(&self, from: f64, to: f64) -> &[f32] {
        let index = |seconds: f64| {
            let index = ((seconds - self.starts_at) * RATE).round().max(0.0) as usize;
            index.min(self.samples.len())
        };
        &self.samples[index(from)..index(to).max(index(from))]
    }
}

/// The voice in one direction. Curves are (seconds after the caller's `connected`, value).
#[derive(Clone, Debug)]
pub(crate) struct Direction {
    /// Who speaks.
    pub(crate) from: Side,
    pub(crate) sent: Sound,
    pub(crate) received: Sound,
    /// Median over the call, in milliseconds.
    pub(crate) mouth_to_ear_ms: Option<f64>,
    /// Mouth to ear, window by window.
    pub(crate) delay: Vec<(f64, f64)>,
    /// The receiver's jitter buffer.
    pub(crate) playout_delay: Vec<(f64, f64)>,
    pub(crate) jitter: Vec<(f64, f64)>,
    /// In percent.
    pub(crate) loss: Vec<(f64, f64)>,
    /// A fraction, over the whole call.
    pub(crate) loss_total: Option<f64>,
    pub(crate) concealed_ms: f64,
    /// How alike sent and received speech are, 0 to 1, after alignment.
    pub(crate) stoi: Option<f64>,
    /// Level of what was heard, in dB of full scale.
    pub(crate) level: f64,
}

/// What the call left in the homeserver's database.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordLeft {
    /// Rows added or changed that the written list does not allow, named.
    pub(crate) outside: Vec<String>,
    /// Rows added or changed that it allows, named, with the reason.
    pub(crate) allowed: Vec<String>,
}

/// Something that must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    pub(crate) what: &'static str,
    pub(crate) holds: bool,
    /// What was found, in a few words.
    pub(crate) found: String,
}

impl View {
    /// Gathers what one process said.
    pub(crate) fn of(side: Side, records: &[Record], exit_code: Option<i32>) -> Self {
        let mut view = Self {
            exit_code,
            ..Self::default()
        };
        for record in records.iter().filter(|record| record.side == side) {
            match record.name() {
                "dialing" => view.startup_ms = record.number("startup_ms"),
                "connected" => {
                    view.tier = record.text("tier").to_owned();
                    view.route = record.text("route").to_owned();
                    view.connected_ms = record.number("setup_ms");
                    view.safety_words = words(&record.event["safety_words"]);
                }
                "relays" => {
                    view.relays = Some(["entry", "exit"].map(|hop| record.text(hop).to_owned()));
                }
                "first_audio" => view.first_audio_ms = record.number("setup_ms"),
                "stats" => view.frames_refused = record.number("frames_refused").unwrap_or(0.0),
                "ended" => view.end_reason = record.text("reason").to_owned(),
                _ => {}
            }
        }
        view
    }
}

fn words(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

/// The steps between the caller's `dialing` and the last `first_audio`, in order.
pub(crate) fn marks(records: &[Record]) -> Vec<Mark> {
    let at = |name: &str, side: Option<Side>| {
        let of_side = |record: &&Record| side.is_none_or(|side| record.side == side);
        records
            .iter()
            .filter(of_side)
            .filter(|record| record.name() == name)
            .map(Record::at_ms)
            .reduce(f64::max)
    };
    let Some(zero) = at("dialing", Some(Side::Caller)) else {
        return Vec::new();
    };
    let end = at("first_audio", None)
        .or_else(|| at("connected", None))
        .unwrap_or(zero);
    let mut marks: Vec<Mark> = records
        .iter()
        .filter(|record| !["stats", "levels", "ready", "notice"].contains(&record.name()))
        .filter(|record| (zero..=end).contains(&record.at_ms()))
        .map(|record| {
            // The microphone opens a moment before the event that tells of it.
            let opened = record.number("microphone_at_unix_us").map(|at| at / 1000.0);
            Mark {
                side: record.side,
                at_ms: opened.unwrap_or_else(|| record.at_ms()) - zero,
                label: label(record),
            }
        })
        .collect();
    marks.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    marks
}

fn label(record: &Record) -> String {
    match record.name() {
        "dialing" => "dials".to_owned(),
        "incoming" => "call comes in".to_owned(),
        "ringing" => "hears it ring".to_owned(),
        "connected" => "connected".to_owned(),
        "audio_started" => "microphone opens".to_owned(),
        "first_audio" => "first audio".to_owned(),
        other => other.replace('_', " "),
    }
}

impl Findings {
    /// Of a call that is over, whose files are in this directory.
    pub(crate) fn of(
        route: &'static str,
        setting: Vec<(String, String)>,
        call: &Conversation,
        observed: Observation,
        directory: &Path,
        left: RecordLeft,
    ) -> Result<Self> {
        let records = &call.records;
        Ok(Self {
            route,
            setting,
            marks: marks(records),
            views: Side::BOTH.map(|side| View::of(side, records, call.exit_codes[side.index()])),
            observed,
            directions: measure::directions(records, directory)?,
            left,
            seconds: measure::seconds_connected(records),
        })
    }

    /// What does not hold, with what was found in its place.
    pub(crate) fn failed(&self) -> Vec<String> {
        self.checks()
            .iter()
            .filter(|check| !check.holds)
            .map(|check| format!("{} ({})", check.what, check.found))
            .collect()
    }

    /// What must hold, and whether it does.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let [caller, callee] = &self.views;
        let both = |what: fn(&View) -> String| format!("{} / {}", what(caller), what(callee));
        let mut checks = vec![
            Check {
                what: "both sides ended as they should",
                holds: self.views.iter().all(|view| view.exit_code == Some(0)),
                found: both(|view| {
                    view.exit_code
                        .map_or("no exit code".to_owned(), |code| format!("exit {code}"))
                }),
            },
            Check {
                what: "tier is securecall on both sides",
                holds: self.views.iter().all(|view| view.tier == "securecall"),
                found: both(|view| or_none(&view.tier)),
            },
            Check {
                what: "the call took the route that was asked for, on both sides",
                holds: self.views.iter().all(|view| view.route == self.route),
                found: both(|view| or_none(&view.route)),
            },
            Check {
                what: "safety words are equal",
                holds: caller.safety_words.len() == 4 && caller.safety_words == callee.safety_words,
                found: if caller.safety_words == callee.safety_words {
                    or_none(&caller.safety_words.join(" "))
                } else {
                    both(|view| or_none(&view.safety_words.join(" ")))
                },
            },
            Check {
                what: "both sides heard the other",
                holds: self.views.iter().all(|view| view.first_audio_ms.is_some())
                    && self
                        .directions
                        .iter()
                        .all(|direction| direction.level > SILENCE),
                found: format!(
                    "{:.0} / {:.0} dB of full scale",
                    self.directions[0].level, self.directions[1].level
                ),
            },
            Check {
                what: "mouth to ear could be measured",
                holds: self
                    .directions
                    .iter()
                    .all(|direction| direction.mouth_to_ear_ms.is_some()),
                found: self.both_ways(
                    |direction| direction.mouth_to_ear_ms,
                    |ms| format!("{ms:.1} ms"),
                ),
            },
            Check {
                what: "speech arrived as it was sent (STOI 0.8 or more)",
                holds: self
                    .directions
                    .iter()
                    .all(|direction| direction.stoi.is_some_and(|stoi| stoi >= LEAST_STOI)),
                found: self.both_ways(|direction| direction.stoi, |stoi| format!("{stoi:.3}")),
            },
            Check {
                what: "no frame was refused",
                holds: self.views.iter().all(|view| view.frames_refused == 0.0),
                found: both(|view| format!("{}", view.frames_refused)),
            },
        ];
        if let Some(check) = self.nobody_saw_both() {
            checks.push(check);
        }
        checks.push(Check {
            what: "the homeserver keeps no record of the call",
            holds: self.left.outside.is_empty(),
            found: format!("{} rows outside the allowed list", self.left.outside.len()),
        });
        checks
    }

    /// In a call through relays: whether each had packets with those beside it on the way, and with nobody else. `None` where there
    /// are no relays, or nobody could look.
    fn nobody_saw_both(&self) -> Option<Check> {
        self.observed.meetings.as_ref().ok()?;
        let [[own_entry, own_exit], [their_entry, their_exit]] =
            [self.views[0].relays.clone()?, self.views[1].relays.clone()?];
        let [caller, callee] = Side::BOTH.map(|side| side.name().to_owned());
        let way = [caller, own_entry, own_exit, their_exit, their_entry, callee];
        // Two people may have chosen the same relay, which then stands twice on the way.
        let beside = |name: &str| -> BTreeSet<&str> {
            let pairs = way.windows(2);
            let both = pairs.flat_map(|pair| [(&pair[0], &pair[1]), (&pair[1], &pair[0])]);
            let beside = both.filter(|(one, _)| *one == name);
            beside.map(|(_, other)| other.as_str()).collect()
        };
        let wrong = way
            .iter()
            .find(|name| self.observed.met(name) != beside(name));
        Some(Check {
            what: "each had packets with those beside it on the way alone, as observed",
            holds: wrong.is_none(),
            found: wrong.map_or_else(
                || way.join(" – "),
                |name| format!("{name} met {:?}", self.observed.met(name)),
            ),
        })
    }

    /// Who saw whom, in one line.
    pub(crate) fn who_saw_whom(&self) -> String {
        let lines = self.observed.lines();
        let lines: Vec<String> = lines
            .iter()
            .map(|(who, how)| format!("{who}: {how}"))
            .collect();
        if lines.is_empty() {
            "nobody whom this machine could see".to_owned()
        } else {
            lines.join("; ")
        }
    }

    /// A value of both directions, in words.
    pub(crate) fn both_ways(
        &self,
        value: fn(&Direction) -> Option<f64>,
        show: fn(f64) -> String,
    ) -> String {
        let [out, back] = self
            .directions
            .each_ref()
            .map(|direction| value(direction).map_or_else(|| "–".to_owned(), show));
        format!("{out} / {back}")
    }

    /// The larger of both directions' mouth-to-ear delays.
    pub(crate) fn mouth_to_ear_ms(&self) -> Option<f64> {
        self.directions
            .iter()
            .filter_map(|direction| direction.mouth_to_ear_ms)
            .reduce(f64::max)
    }

    /// `summary.json`.
    pub(crate) fn summary(&self) -> Value {
        let checks = self.checks();
        let [caller, callee] = &self.views;
        json!({
            "passed": checks.iter().all(|check| check.holds),
            "failed": checks.iter().filter(|check| !check.holds).map(|check| check.what).collect::<Vec<_>>(),
            "tier": caller.tier,
            "route": caller.route,
            "relays": [&caller.relays, &callee.relays],
            "met": self.observed.meetings.as_ref().ok().map(|meetings| {
                meetings.iter().map(|(pair, packets)| json!([pair, packets])).collect::<Vec<_>>()
            }),
            "safety_words": caller.safety_words,
            "safety_words_equal": !caller.safety_words.is_empty() && caller.safety_words == callee.safety_words,
            "startup_ms": caller.startup_ms,
            "connected_ms": caller.connected_ms,
            "first_audio_ms": caller.first_audio_ms,
            "duration_s": self.seconds,
            "rows_left": self.left.outside.len(),
            "rows_left_named": self.left.outside,
            "rows_allowed": self.left.allowed.len(),
            "exit_codes": [caller.exit_code, callee.exit_code],
            "directions": self.directions.each_ref().map(|direction| json!({
                "from": direction.from.name(),
                "to": direction.from.peer().name(),
                "mouth_to_ear_ms": direction.mouth_to_ear_ms,
                "loss": direction.loss_total,
                "concealed_ms": direction.concealed_ms,
                "stoi": direction.stoi,
                "level_db": direction.level,
            })),
        })
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() {
        "none".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The events of a call as both processes print them.
    pub(crate) fn sample_records() -> Vec<Record> {
        let zero = 1_790_000_000_000.0;
        let words = r#"["orbit","velvet","glance","ladder"]"#;
        let mut lines = vec![
            (Side::Callee, -900.0, r#""event":"ready""#.to_owned()),
            (Side::Caller, 0.0, r#""event":"dialing","startup_ms":412"#.to_owned()),
            (Side::Callee, 58.0, r#""event":"incoming""#.to_owned()),
            (Side::Caller, 97.0, r#""event":"ringing""#.to_owned()),
            (Side::Callee, 121.0, r#""event":"audio_started","microphone_at_unix_us":1790000000121000,"speaker_at_unix_us":1790000000121000"#.to_owned()),
            (Side::Caller, 131.0, r#""event":"audio_started","microphone_at_unix_us":1790000000131000,"speaker_at_unix_us":1790000000131000"#.to_owned()),
            (Side::Callee, 158.0, format!(r#""event":"connected","tier":"securecall","route":"direct","setup_ms":100,"safety_words":{words}"#)),
            (Side::Caller, 162.0, format!(r#""event":"connected","tier":"securecall","route":"direct","setup_ms":162,"safety_words":{words}"#)),
            (Side::Callee, 188.0, r#""event":"first_audio","setup_ms":130"#.to_owned()),
            (Side::Caller, 194.0, r#""event":"first_audio","setup_ms":194"#.to_owned()),
        ];
        for second in 1..=15 {
            let at = 162.0 + f64::from(second) * 1000.0;
            for side in Side::BOTH {
                let wobble = f64::from((second * 7 + if side == Side::Caller { 0 } else { 3 }) % 5);
                lines.push((side, at, format!(
                    r#""event":"stats","rtt_ms":0.4,"loss":{},"jitter_ms":{},"playout_delay_ms":{},"frames_sent":{},"frames_received":{},"frames_refused":0,"concealed_ms":{}"#,
                    if second > 8 { 0.002 } else { 0.0 }, 0.3 + wobble * 0.2, 20.0 + wobble * 1.5, second * 50, second * 50, 0
                )));
            }
        }
        lines.push((
            Side::Caller,
            15_170.0,
            r#""event":"ended","reason":"hangup","duration_ms":15008"#.to_owned(),
        ));
        lines.push((
            Side::Callee,
            15_172.0,
            r#""event":"ended","reason":"hangup","duration_ms":15010"#.to_owned(),
        ));
        lines
            .into_iter()
            .map(|(side, at, fields)| {
                Record::read_now(side, &format!(r#"{{"at_ms":{},{fields}}}"#, zero + at)).unwrap()
            })
            .collect()
    }

    /// A call in which all is well.
    pub(crate) fn sample() -> Findings {
        let records = sample_records();
        let direction = |from: Side, pitch: f32| {
            let voice: Vec<f32> = (0..15 * 48_000)
                .map(|n| {
                    let t = n as f32 / 48_000.0;
                    let syllable = (t * 3.1 + pitch / 300.0).sin().max(0.0) * (t * 0.9).cos().abs();
                    0.3 * syllable * (t * pitch * std::f32::consts::TAU).sin()
                })
                .collect();
            let curve = |base: f64, swing: f64| -> Vec<(f64, f64)> {
                (0..15)
                    .map(|n| (f64::from(n) + 0.5, base + swing * f64::from(n * 7 % 5)))
                    .collect()
            };
            Direction {
                from,
                sent: Sound {
                    starts_at: 0.0,
                    samples: voice.clone(),
                },
                received: Sound {
                    starts_at: 0.047,
                    samples: voice.iter().map(|sample| sample * 0.97).collect(),
                },
                mouth_to_ear_ms: Some(47.2),
                delay: curve(46.0, 0.6),
                playout_delay: curve(20.0, 1.5),
                jitter: curve(0.3, 0.2),
                loss: curve(0.0, 0.05),
                loss_total: Some(0.002),
                concealed_ms: 20.0,
                stoi: Some(0.981),
                level: -24.0,
            }
        };
        Findings {
            route: "direct",
            setting: vec![
                (
                    "homeserver".to_owned(),
                    "Synapse 1.140.0, SQLite, loopback".to_owned(),
                ),
                ("build".to_owned(), "dev".to_owned()),
            ],
            marks: marks(&records),
            views: Side::BOTH.map(|side| View::of(side, &records, Some(0))),
            observed: Observation {
                meetings: Ok([(["callee".to_owned(), "caller".to_owned()], 1500)].into()),
                owners: std::collections::BTreeMap::new(),
            },
            directions: [
                direction(Side::Caller, 140.0),
                direction(Side::Callee, 220.0),
            ],
            left: RecordLeft {
                outside: Vec::new(),
                allowed: vec!["devices: 2 rows changed (a device's last seen and IP)".to_owned()],
            },
            seconds: 15.0,
        }
    }

    #[test]
    fn the_set_up_is_counted_from_dialing_to_the_last_first_audio() {
        let marks = marks(&sample_records());
        assert_eq!(marks.first().unwrap().label, "dials");
        assert_eq!(marks.last().unwrap().at_ms, 194.0);
        assert_eq!(marks.len(), 9);
    }

    #[test]
    fn a_good_call_passes() {
        let findings = sample();
        let failed: Vec<_> = findings
            .checks()
            .into_iter()
            .filter(|check| !check.holds)
            .collect();
        assert_eq!(failed, []);
        assert_eq!(findings.summary()["passed"], true);
    }

    #[test]
    fn every_fault_fails_the_demo() {
        type Spoil = fn(&mut Findings);
        let faults: [(&str, Spoil); 8] = [
            ("both sides ended", |findings| {
                findings.views[1].exit_code = Some(5);
            }),
            ("tier is", |findings| {
                findings.views[0].tier = "matrix".to_owned();
            }),
            ("safety words", |findings| {
                findings.views[1].safety_words[3] = "other".to_owned();
            }),
            ("both sides heard", |findings| {
                findings.directions[1].level = -70.0;
            }),
            ("mouth to ear", |findings| {
                findings.directions[0].mouth_to_ear_ms = None;
            }),
            ("speech arrived", |findings| {
                findings.directions[0].stoi = Some(0.4);
            }),
            ("no frame", |findings| {
                findings.views[0].frames_refused = 3.0;
            }),
            ("the homeserver", |findings| {
                findings.left.outside.push("events: 1 row added".to_owned());
            }),
        ];
        for (what, spoil) in faults {
            let mut findings = sample();
            spoil(&mut findings);
            let summary = findings.summary();
            assert_eq!(summary["passed"], false, "{what}");
            assert_eq!(summary["failed"].as_array().unwrap().len(), 1, "{what}");
            assert!(
                summary["failed"][0].as_str().unwrap().starts_with(what),
                "{what}"
            );
        }
    }

    #[test]
    fn through_relays_it_is_compared_who_met_whom_and_one_who_met_both_fails_the_demo() {
        let mut findings = sample();
        assert_eq!(findings.nobody_saw_both(), None);
        let names = |names: [&str; 2]| Some(names.map(str::to_owned));
        findings.views[0].relays = names(["E", "X"]);
        findings.views[1].relays = names(["e", "x"]);
        let pairs = [
            ("E", "caller"),
            ("E", "X"),
            ("X", "x"),
            ("e", "x"),
            ("callee", "e"),
        ];
        let meet = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(one, other)| ([(*one).to_owned(), (*other).to_owned()], 9));
            Ok(pairs.collect())
        };
        findings.observed.meetings = meet(&pairs);
        assert!(findings.nobody_saw_both().unwrap().holds);
        findings.observed.meetings = meet(&[&pairs[..], &[("E", "callee")]].concat());
        assert!(!findings.nobody_saw_both().unwrap().holds);
        findings.observed.meetings = meet(&pairs[1..]);
        assert!(!findings.nobody_saw_both().unwrap().holds);
        findings.observed.meetings = Err("nobody may look".to_owned());
        assert_eq!(findings.nobody_saw_both(), None);

        // Both have the same.
        findings.views[1].relays = names(["E", "X"]);
        let shared = [("E", "caller"), ("E", "X"), ("X", "X"), ("E", "callee")];
        findings.observed.meetings = meet(&shared);
        assert!(findings.nobody_saw_both().unwrap().holds);
        findings.observed.meetings = meet(&[&shared[..], &[("X", "caller")]].concat());
        assert!(!findings.nobody_saw_both().unwrap().holds);
    }

    #[test]
    fn words_that_nobody_showed_are_not_equal() {
        let mut findings = sample();
        for view in &mut findings.views {
            view.safety_words.clear();
        }
        assert_eq!(findings.summary()["safety_words_equal"], false);
        assert_eq!(findings.summary()["passed"], false);
    }

    #[test]
    fn a_sound_is_cut_where_it_ends() {
        let sound = Sound {
            starts_at: 1.0,
            samples: vec![0.0; 48_000],
        };
        assert_eq!(sound.between(0.0, 0.5).len(), 0);
        assert_eq!(sound.between(0.5, 1.5).len(), 24_000);
        assert_eq!(sound.between(1.9, 7.0).len(), 4_800);
    }
}
