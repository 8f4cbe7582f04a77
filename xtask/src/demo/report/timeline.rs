//! The way from dialing to the first audio, as a picture of two lanes.

use std::fmt::Write as _;

use super::chart::{self, LEFT, RIGHT, WIDTH, nice_step, number};
use super::html::escape;
use crate::call::record::Side;
use crate::demo::findings::Mark;

/// Height of one row of labels.
const ROW: f64 = 19.0;
/// About how wide a character of a label is.
const CHARACTER: f64 = 6.7;
/// Room at the right, so that the last label fits.
const TAIL: f64 = 178.0;

/// A label's place: which mark, at which x, in which row away from the lane.
struct Label<'a> {
    mark: &'a Mark,
    x: f64,
    row: usize,
}

/// Draws the marks; the caller's labels stand above its lane, the callee's below.
pub(super) fn svg(marks: &[Mark]) -> String {
    let last = marks.iter().map(|mark| mark.at_ms).fold(1.0, f64::max);
    let first = marks.iter().map(|mark| mark.at_ms).fold(0.0, f64::min);
    let width = WIDTH - LEFT - RIGHT - TAIL;
    let x = |at_ms: f64| LEFT + 20.0 + (at_ms - first) / (last - first) * width;

    let above = rows(marks, Side::Caller, x);
    let below = rows(marks, Side::Callee, x);
    let caller_y = 16.0 + ROW * depth(&above);
    let axis_y = caller_y + 34.0;
    let callee_y = axis_y + 46.0;
    let height = callee_y + 16.0 + ROW * depth(&below);

    let mut svg = chart::open(
        height,
        "Set-up from dialing to first audio, caller above, callee below",
    );
    svg.push_str(&axis(first, last, axis_y, x));
    for (side, y, labels, direction) in [
        (Side::Caller, caller_y, above, -1.0),
        (Side::Callee, callee_y, below, 1.0),
    ] {
        let class = side.name();
        let _ = write!(
            svg,
            r#"<text class="lane {class}" x="4" y="{:.1}">{class}</text><line class="track {class}" x1="{:.1}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/>"#,
            y + 4.0,
            x(first),
            x(last)
        );
        for Label { mark, x, row } in labels {
            #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
            let text_y =
                y + direction * (16.0 + ROW * row as f64) + if direction > 0.0 { 4.0 } else { 0.0 };
            let _ = write!(
                svg,
                r#"<path class="leader" d="M{x:.1} {y:.1}V{:.1}h4"/><circle class="dot {class}" cx="{x:.1}" cy="{y:.1}" r="4.5"/><text class="label" x="{:.1}" y="{:.1}">{} <tspan class="time">{} ms</tspan></text>"#,
                text_y - 4.0,
                x + 7.0,
                text_y,
                escape(&mark.label),
                number(mark.at_ms.round())
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Gives each label the row nearest to its lane where it overlaps nothing; later marks first, so that leaders do not cross labels.
fn rows<'a>(marks: &'a [Mark], side: Side, x: impl Fn(f64) -> f64) -> Vec<Label<'a>> {
    let mut mine: Vec<&Mark> = marks.iter().filter(|mark| mark.side == side).collect();
    mine.sort_by(|a, b| b.at_ms.total_cmp(&a.at_ms));
    // The leftmost x taken so far in each row.
    let mut taken: Vec<f64> = Vec::new();
    let mut labels = Vec::new();
    for mark in mine {
        let x = x(mark.at_ms);
        let end = x + 14.0 + CHARACTER * text_length(mark);
        let row = taken
            .iter()
            .position(|&left| end < left)
            .unwrap_or(taken.len());
        // The leader passes through the rows nearer to the lane, so they are taken up to here too.
        if row == taken.len() {
            taken.push(x);
        }
        for left in taken.iter_mut().take(row + 1) {
            *left = left.min(x - 4.0);
        }
        labels.push(Label { mark, x, row });
    }
    labels
}

#[expect(clippy::cast_precision_loss, reason = "labels are short")]
fn text_length(mark: &Mark) -> f64 {
    (mark.label.chars().count() + 7) as f64
}

#[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
fn depth(labels: &[Label<'_>]) -> f64 {
    labels.iter().map(|label| label.row + 1).max().unwrap_or(1) as f64
}

fn axis(first: f64, last: f64, y: f64, x: impl Fn(f64) -> f64) -> String {
    let step = nice_step((last - first) / 8.0);
    let mut svg = format!(
        r#"<line class="axis" x1="{:.1}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/>"#,
        x(first),
        x(last)
    );
    let mut tick = (first / step).ceil() * step;
    while tick <= last {
        let _ = write!(
            svg,
            r#"<line class="axis" x1="{0:.1}" x2="{0:.1}" y1="{1:.1}" y2="{2:.1}"/><text class="tick middle" x="{0:.1}" y="{3:.1}">{4} ms</text>"#,
            x(tick),
            y,
            y + 4.0,
            y + 17.0,
            number(tick)
        );
        tick += step;
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(side: Side, at_ms: f64, label: &str) -> Mark {
        Mark {
            side,
            at_ms,
            label: label.to_owned(),
        }
    }

    #[test]
    fn labels_close_together_get_rows_of_their_own() {
        let marks = [
            mark(Side::Caller, 100.0, "rings"),
            mark(Side::Caller, 104.0, "connected"),
            mark(Side::Caller, 900.0, "first audio"),
        ];
        let labels = rows(&marks, Side::Caller, |at| at);
        let row = |text: &str| {
            labels
                .iter()
                .find(|label| label.mark.label == text)
                .unwrap()
                .row
        };
        assert_eq!(row("first audio"), 0);
        assert_ne!(row("rings"), row("connected"));
    }

    #[test]
    fn every_mark_of_both_sides_is_drawn() {
        let marks = [
            mark(Side::Caller, 0.0, "dials"),
            mark(Side::Callee, 60.0, "rings & rings"),
            mark(Side::Caller, 190.0, "first audio"),
        ];
        let svg = svg(&marks);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("rings &amp; rings"), "{svg}");
    }
}
