//! Sound as pictures: waveforms and levels.

use std::fmt::Write as _;

use securecall_quality::level_dbfs;

use super::chart::{self, LEFT, Plot, RIGHT, WIDTH};
use super::html::escape;
use crate::demo::findings::Sound;

/// Height of one waveform.
const HEIGHT: f64 = 74.0;
/// Columns of a waveform.
const COLUMNS: usize = 860;
/// Levels below this are shown as this, in dB of full scale.
const QUIET: f64 = -70.0;

/// Two waveforms, one above the other, on the same time axis.
pub(super) fn svg(
    seconds: (f64, f64),
    upper: (&str, &str, &Sound),
    lower: (&str, &str, &Sound),
) -> String {
    let height = 2.0 * HEIGHT + 40.0;
    let mut svg = chart::open(
        height,
        &format!("Waveforms: {} above, {} below", upper.0, lower.0),
    );
    let mut axis_y = 0.0;
    for (index, (label, class, sound)) in [upper, lower].into_iter().enumerate() {
        let top = if index == 0 { 4.0 } else { HEIGHT + 10.0 };
        let plot = Plot {
            x: (LEFT, WIDTH - RIGHT),
            y: (top + HEIGHT, top),
            seconds,
            values: (-1.0, 1.0),
        };
        let _ = write!(
            svg,
            r#"<rect class="well" x="{:.1}" y="{top:.1}" width="{:.1}" height="{HEIGHT:.1}" rx="4"/><path class="wave {class}" d="{}"/><text class="tick end" x="{:.1}" y="{:.1}">{}</text>"#,
            plot.x.0,
            plot.x.1 - plot.x.0,
            outline(sound, seconds, &plot),
            LEFT - 8.0,
            top + HEIGHT / 2.0 + 4.0,
            escape(label)
        );
        axis_y = top + HEIGHT + 4.0;
        if index == 1 {
            svg.push_str(&chart::seconds_axis(&plot, axis_y));
        }
    }
    debug_assert!(axis_y < height);
    svg.push_str("</svg>");
    svg
}

/// One vertical stroke a column, from the lowest to the highest sample in it.
fn outline(sound: &Sound, seconds: (f64, f64), plot: &Plot) -> String {
    let mut path = String::new();
    // A voice seldom fills the scale: the picture is scaled to the loudest sample.
    let loudest = sound
        .samples
        .iter()
        .fold(0.05_f32, |loudest, sample| loudest.max(sample.abs()));
    #[expect(clippy::cast_precision_loss, reason = "fewer columns than 2^52")]
    let width = (seconds.1 - seconds.0) / COLUMNS as f64;
    for column in 0..COLUMNS {
        #[expect(clippy::cast_precision_loss, reason = "fewer columns than 2^52")]
        let from = seconds.0 + width * column as f64;
        let slice = sound.between(from, from + width);
        if slice.is_empty() {
            continue;
        }
        let (low, high) = slice
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), &sample| {
                (low.min(sample), high.max(sample))
            });
        let x = plot.x(from + width / 2.0);
        let (bottom, top) = (
            plot.y(f64::from(low / loudest)),
            plot.y(f64::from(high / loudest)),
        );
        let _ = write!(path, "M{x:.1} {:.1}V{:.1}", top - 0.4, bottom + 0.4);
    }
    path
}

/// The level every 50 ms, in dB of full scale.
pub(super) fn levels(sound: &Sound, seconds: (f64, f64)) -> Vec<(f64, f64)> {
    const STEP: f64 = 0.05;
    let mut points = Vec::new();
    let mut from = seconds.0;
    while from < seconds.1 {
        let slice = sound.between(from, from + STEP);
        if !slice.is_empty() {
            points.push((from + STEP / 2.0, f64::from(level_dbfs(slice)).max(QUIET)));
        }
        from += STEP;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_where_the_sound_is() {
        let sound = Sound {
            starts_at: 1.0,
            samples: vec![0.5; 48_000],
        };
        let points = levels(&sound, (0.0, 3.0));
        assert!(
            points.iter().all(|(at, _)| (1.0..2.0).contains(at)),
            "{points:?}"
        );
        assert_eq!(points.len(), 20);
    }

    #[test]
    fn a_waveform_fills_its_columns() {
        let sound = Sound {
            starts_at: 0.0,
            samples: vec![0.5; 96_000],
        };
        let svg = svg(
            (0.0, 2.0),
            ("sent", "muted", &sound),
            ("received", "caller", &sound),
        );
        assert!(svg.matches('M').count() >= 2 * COLUMNS, "{}", svg.len());
    }
}
