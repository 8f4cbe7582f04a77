//! Line charts as inline SVG: no script, colours by CSS class so that they follow light and dark.

use std::fmt::Write as _;

use super::html::escape;

/// Width of every picture, in its own units; the page scales it.
pub(super) const WIDTH: f64 = 960.0;
/// Room for the vertical axis's labels.
pub(super) const LEFT: f64 = 58.0;
/// Room at the right for the lines' names.
pub(super) const RIGHT: f64 = 18.0;

const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;

/// A named line.
pub(super) struct Series<'a> {
    /// What it shows.
    pub(super) label: &'a str,
    /// CSS class that gives the colour (and dashes).
    pub(super) class: &'a str,
    /// Points from left to right; a value that is not finite breaks the line.
    pub(super) points: &'a [(f64, f64)],
    /// Whether each point is marked.
    pub(super) dots: bool,
}

/// A picture of lines over time.
pub(super) struct Chart<'a> {
    /// What the picture tells, for those who cannot see it.
    pub(super) description: &'a str,
    /// Height in the picture's own units.
    pub(super) height: f64,
    /// First and last second shown.
    pub(super) seconds: (f64, f64),
    /// The least range shown; it grows to hold every point.
    pub(super) range: (f64, f64),
    /// The vertical axis's unit, behind each number.
    pub(super) unit: &'a str,
    /// The lines.
    pub(super) series: &'a [Series<'a>],
}

impl Chart<'_> {
    /// The picture as SVG.
    pub(super) fn svg(&self) -> String {
        let (low, high, ticks) = self.vertical();
        let plot = Plot {
            x: (LEFT, WIDTH - RIGHT),
            y: (self.height - BOTTOM, TOP),
            seconds: self.seconds,
            values: (low, high),
        };
        let mut svg = open(self.height, self.description);
        for tick in &ticks {
            let y = plot.y(*tick);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{:.1}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text class="tick end" x="{:.1}" y="{:.1}">{} {}</text>"#,
                plot.x.0,
                plot.x.1,
                plot.x.0 - 8.0,
                y + 4.0,
                number(*tick),
                escape(self.unit)
            );
        }
        svg.push_str(&seconds_axis(&plot, self.height - BOTTOM));
        for series in self.series {
            let _ = write!(
                svg,
                r#"<path class="line {}" d="{}"/>"#,
                series.class,
                plot.path(series.points)
            );
            if series.dots {
                for &(x, y) in series.points.iter().filter(|point| point.1.is_finite()) {
                    let _ = write!(
                        svg,
                        r#"<circle class="dot {}" cx="{:.1}" cy="{:.1}" r="2.6"/>"#,
                        series.class,
                        plot.x(x),
                        plot.y(y)
                    );
                }
            }
        }
        svg.push_str("</svg>");
        svg
    }

    /// The names of the lines with their colours, as HTML.
    pub(super) fn legend(&self) -> String {
        let mut html = String::from(r#"<p class="legend">"#);
        for series in self.series {
            let _ = write!(
                html,
                r#"<span><svg viewBox="0 0 26 10" aria-hidden="true"><path class="line {}" d="M1 5H25"/></svg>{}</span>"#,
                series.class,
                escape(series.label)
            );
        }
        html.push_str("</p>");
        html
    }

    fn vertical(&self) -> (f64, f64, Vec<f64>) {
        let values = self
            .series
            .iter()
            .flat_map(|series| series.points)
            .map(|point| point.1);
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold(self.range, |(low, high), value| {
                (low.min(value), high.max(value))
            });
        let step = nice_step((high - low) / 4.0);
        let low = (low / step).floor() * step;
        let high = (high / step).ceil() * step;
        let mut ticks = Vec::new();
        let mut tick = low;
        while tick <= high + step / 2.0 {
            ticks.push(tick);
            tick += step;
        }
        (low, high, ticks)
    }
}

/// How values become places in the picture.
pub(super) struct Plot {
    pub(super) x: (f64, f64),
    /// Bottom and top.
    pub(super) y: (f64, f64),
    pub(super) seconds: (f64, f64),
    pub(super) values: (f64, f64),
}

impl Plot {
    pub(super) fn x(&self, seconds: f64) -> f64 {
        interpolate(seconds, self.seconds, self.x)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        interpolate(value, self.values, self.y)
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        let mut pen_down = false;
        for &(seconds, value) in points {
            if !value.is_finite() {
                pen_down = false;
                continue;
            }
            let letter = if pen_down { 'L' } else { 'M' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(seconds), self.y(value));
            pen_down = true;
        }
        path
    }
}

/// The opening tag of a picture.
pub(super) fn open(height: f64, description: &str) -> String {
    format!(
        r#"<svg class="picture" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">"#,
        escape(description)
    )
}

/// The time axis, in seconds.
pub(super) fn seconds_axis(plot: &Plot, y: f64) -> String {
    let (first, last) = plot.seconds;
    let step = nice_step((last - first) / 8.0);
    let mut svg = format!(
        r#"<line class="axis" x1="{:.1}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/>"#,
        plot.x.0, plot.x.1
    );
    let mut tick = (first / step).ceil() * step;
    while tick <= last + step * 1e-6 {
        let _ = write!(
            svg,
            r#"<text class="tick middle" x="{:.1}" y="{:.1}">{} s</text>"#,
            plot.x(tick),
            y + 18.0,
            number(tick)
        );
        tick += step;
    }
    svg
}

/// 1, 2 or 5 times a power of ten, not below `least`.
pub(super) fn nice_step(least: f64) -> f64 {
    if !least.is_finite() || least <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= least * 0.999);
    factor.unwrap_or(10.0) * power
}

/// A number as short as it can be.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.replace('-', "−")
    }
}

fn interpolate(value: f64, from: (f64, f64), to: (f64, f64)) -> f64 {
    let span = from.1 - from.0;
    let share = if span == 0.0 {
        0.0
    } else {
        (value - from.0) / span
    };
    to.0 + share.clamp(-0.05, 1.05) * (to.1 - to.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart<'a>(series: &'a [Series<'a>]) -> Chart<'a> {
        Chart {
            description: "a test",
            height: 200.0,
            seconds: (0.0, 10.0),
            range: (0.0, 1.0),
            unit: "ms",
            series,
        }
    }

    #[test]
    fn steps_are_one_two_or_five() {
        assert_eq!(nice_step(0.7), 1.0);
        assert_eq!(nice_step(1.2), 2.0);
        assert_eq!(nice_step(30.0), 50.0);
        assert_eq!(nice_step(0.0), 1.0);
    }

    #[test]
    fn the_axis_grows_to_hold_every_point() {
        let points = [(0.0, 3.0), (5.0, 47.0)];
        let series = [Series {
            label: "delay",
            class: "one",
            points: &points,
            dots: false,
        }];
        let (low, high, ticks) = chart(&series).vertical();
        assert_eq!((low, high), (0.0, 60.0));
        assert_eq!(ticks, [0.0, 20.0, 40.0, 60.0]);
    }

    #[test]
    fn a_missing_value_breaks_the_line() {
        let points = [(0.0, 0.0), (1.0, f64::NAN), (2.0, 1.0)];
        let series = [Series {
            label: "x",
            class: "one",
            points: &points,
            dots: true,
        }];
        let svg = chart(&series).svg();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn labels_cannot_break_the_page() {
        let series = [Series {
            label: "<b>&",
            class: "one",
            points: &[],
            dots: false,
        }];
        assert!(chart(&series).legend().contains("&lt;b&gt;&amp;"));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(20.0), "20");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(-60.0), "−60");
        assert_eq!(number(-0.0), "0");
    }
}
