//! Figures and tables of what was measured.

use anyhow::{Context, Result};

use super::condition::Condition;
use crate::bench::figure::{Figure, Target, median};

/// What of Chromium's delay ours may have.
const DELAY_SHARE: f64 = 0.75;
/// What of Chromium's processor time ours may take.
const PROCESSOR_SHARE: f64 = 0.25;
/// How much better PESQ has to be where losses are hard.
const HARD_PESQ_SHARE: f64 = 1.1;
/// The longest gap at 20 % loss, in ms.
const LONGEST_GAP: f64 = 40.0;
const COLUMNS: &str =
    "| network | STOI | PESQ-WB | PLCMOS | delay, ms | longest gap, ms | processor, % of a core |";

/// What came out of one program's call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) stoi: f64,
    pub(super) pesq: f64,
    pub(super) plcmos: f64,
    /// From mouth to ear.
    pub(super) delay_ms: f64,
    pub(super) gap_ms: f64,
    /// Percent of a core, of the dearer client.
    pub(super) processor: f64,
}

impl Outcome {
    /// Of several recordings: the mean of the scores, the median of the rest.
    fn of(recordings: &[Self]) -> Result<Self> {
        let all = |(_, value): Measure| recordings.iter().map(value).collect::<Vec<f64>>();
        let middle = |measure| median(&all(measure)).context("nothing was recorded");
        Ok(Self {
            stoi: middle(STOI)?,
            pesq: mean(&all(PESQ)),
            plcmos: mean(&all(PLCMOS)),
            delay_ms: middle(DELAY)?,
            gap_ms: middle(GAP)?,
            processor: middle(PROCESSOR)?,
        })
    }
}

/// The mean; of nothing it is none.
#[expect(clippy::cast_precision_loss, reason = "a handful of values")]
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Calls in one condition: ours, Chromium's as it comes, and Chromium's at our bit rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) condition: Condition,
    pub(super) outcomes: [Outcome; 3],
}

/// What a figure is of, and how it is taken from an outcome.
type Measure = (&'static str, fn(&Outcome) -> f64);

const STOI: Measure = ("STOI", |outcome| outcome.stoi);
const PESQ: Measure = ("PESQ-WB", |outcome| outcome.pesq);
const PLCMOS: Measure = ("PLCMOS", |outcome| outcome.plcmos);
const DELAY: Measure = ("mouth to ear", |outcome| outcome.delay_ms);
const GAP: Measure = ("longest gap", |outcome| outcome.gap_ms);
const PROCESSOR: Measure = ("processor of one client", |outcome| outcome.processor);

/// The figures of all rows; ratios are to Chromium as it comes.
pub(super) fn figures(rows: &[Row]) -> Result<Vec<Figure>> {
    let mut figures: Vec<Figure> = rows.iter().flat_map(Row::figures).collect();
    let shares: Vec<f64> = rows
        .iter()
        .map(|row| row.by_chromiums(PROCESSOR.1))
        .collect();
    figures.push(Figure {
        what: format!("{} by Chromium's, median of all networks", PROCESSOR.0),
        target: Target::AtMost(PROCESSOR_SHARE),
        measured: median(&shares).context("nothing was measured")?,
        unit: "×",
        digits: 3,
    });
    Ok(figures)
}

/// The rows, as a table.
pub(super) fn details(rows: &[Row], recordings: u8) -> String {
    let border = "| --- ".repeat(COLUMNS.matches('|').count() - 1);
    let rows: String = rows.iter().map(Row::markdown).collect();
    let recordings = match recordings {
        1 => "one recording".to_owned(),
        several => format!("{several} recordings"),
    };
    format!(
        "Each: SecureCall / Chromium as it comes / Chromium at 32 kbit/s CBR; {recordings} of each network.\n\n{COLUMNS}\n{border}|\n{rows}"
    )
}

/// The rows, in columns.
pub(super) fn details_in_columns(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(Row::in_columns).collect();
    lines.join("\n")
}

impl Row {
    /// Out of what each program's calls gave in each recording.
    pub(super) fn of(condition: Condition, recordings: &[[Outcome; 3]]) -> Result<Self> {
        let program = |index: usize| {
            let of_one: Vec<Outcome> = recordings.iter().map(|all| all[index]).collect();
            Outcome::of(&of_one)
        };
        Ok(Self {
            condition,
            outcomes: [program(0)?, program(1)?, program(2)?],
        })
    }

    fn figures(&self) -> Vec<Figure> {
        let hard = matches!(self.condition, Condition::Loss20 | Condition::Bursts);
        let pesq = if hard { HARD_PESQ_SHARE } else { 1.0 };
        let mut figures = Vec::new();
        if self.condition.loses() {
            figures.push(self.ratio(STOI, Target::AtLeast(1.0)));
        }
        figures.push(self.ratio(PESQ, Target::AtLeast(pesq)));
        figures.push(self.ratio(PLCMOS, Target::AtLeast(1.0)));
        figures.push(self.ratio(DELAY, Target::AtMost(DELAY_SHARE)));
        if self.condition == Condition::Loss20 {
            figures.push(Figure {
                what: format!("{}: {}", self.condition.name(), GAP.0),
                target: Target::AtMost(LONGEST_GAP),
                measured: GAP.1(&self.outcomes[0]),
                unit: "ms",
                digits: 0,
            });
        }
        figures
    }

    fn ratio(&self, (name, value): Measure, target: Target) -> Figure {
        Figure {
            what: format!("{}: {name} by Chromium's", self.condition.name()),
            target,
            measured: self.by_chromiums(value),
            unit: "×",
            digits: 3,
        }
    }

    fn by_chromiums(&self, value: fn(&Outcome) -> f64) -> f64 {
        value(&self.outcomes[0]) / value(&self.outcomes[1])
    }

    fn markdown(&self) -> String {
        format!(
            "| {} | {} |\n",
            self.condition.name(),
            self.cells().join(" | ")
        )
    }

    /// Network and figures for the terminal.
    pub(super) fn in_columns(&self) -> String {
        let [stoi, pesq, plcmos, delay, gap, processor] = self.cells();
        format!(
            "  {:<24} STOI {stoi}, PESQ-WB {pesq}, PLCMOS {plcmos}, delay {delay} ms, longest gap {gap} ms, processor {processor} %",
            self.condition.name()
        )
    }

    /// One column after the other, each of all programs.
    fn cells(&self) -> [String; 6] {
        let columns: [(Measure, usize); 6] = [
            (STOI, 3),
            (PESQ, 2),
            (PLCMOS, 2),
            (DELAY, 0),
            (GAP, 0),
            (PROCESSOR, 1),
        ];
        columns.map(|((_, value), digits)| {
            let cells = self.outcomes.each_ref();
            cells
                .map(|outcome| format!("{:.digits$}", value(outcome)))
                .join(" / ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(condition: Condition) -> Row {
        let outcome = |factor: f64| Outcome {
            stoi: 0.9 * factor,
            pesq: 2.0 * factor,
            plcmos: 3.6 * factor,
            delay_ms: 56.0,
            gap_ms: 60.0,
            processor: 3.0,
        };
        Row {
            condition,
            outcomes: [outcome(1.05), outcome(1.0), outcome(0.9)],
        }
    }

    #[test]
    fn hard_losses_ask_for_more_than_chromiums() {
        let missed = |condition| {
            let figures = figures(&[row(condition)]).unwrap();
            let missed = figures.iter().filter(|figure| !figure.kept());
            missed.map(|figure| figure.what.clone()).collect::<Vec<_>>()
        };
        let processor = "processor of one client by Chromium's, median of all networks";
        assert_eq!(
            missed(Condition::Clear),
            ["clear: mouth to ear by Chromium's", processor]
        );
        assert_eq!(
            missed(Condition::Loss20),
            [
                "20 % loss: PESQ-WB by Chromium's",
                "20 % loss: mouth to ear by Chromium's",
                "20 % loss: longest gap",
                processor
            ]
        );
    }

    #[test]
    fn several_recordings_have_the_mean_of_scores_and_the_median_of_the_rest() {
        let recordings: Vec<Outcome> = [1.0, 2.0, 6.0]
            .map(|value| Outcome {
                stoi: value,
                pesq: value,
                plcmos: value,
                delay_ms: value,
                gap_ms: value,
                processor: value,
            })
            .to_vec();
        let Outcome {
            stoi,
            pesq,
            plcmos,
            delay_ms,
            gap_ms,
            processor,
        } = Outcome::of(&recordings).unwrap();
        assert_eq!([pesq, plcmos], [3.0; 2]);
        assert_eq!([stoi, delay_ms, gap_ms, processor], [2.0; 4]);
        assert!(Outcome::of(&[]).is_err());
    }

    #[test]
    fn a_row_shows_all_programs() {
        assert_eq!(
            row(Condition::Loss20).markdown(),
            "| 20 % loss | 0.945 / 0.900 / 0.810 | 2.10 / 2.00 / 1.80 | 3.78 / 3.60 / 3.24 | 56 / 56 / 56 | 60 / 60 / 60 | 3.0 / 3.0 / 3.0 |\n"
        );
        let details = details(&[row(Condition::Clear)], 3);
        assert!(details.contains("CBR; 3 recordings of each network"));
        assert!(
            details.contains("|\n| --- | --- | --- | --- | --- | --- | --- |\n| clear |"),
            "{details}"
        );
    }
}
