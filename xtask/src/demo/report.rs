//! `report.html`: one page, nothing loaded, no script, light and dark.

mod chart;
mod html;
mod timeline;
mod waveform;

use std::fmt::Write as _;

use chart::{Chart, Series};
pub(super) use html::escape;

use crate::demo::findings::{Check, Direction, Findings, RecordLeft};

const STYLE: &str = include_str!("report/style.css");

/// The whole page.
pub(crate) fn page(findings: &Findings) -> String {
    let mut body = String::new();
    header(&mut body, findings);
    tiles(&mut body, findings);
    set_up(&mut body, findings);
    voices(&mut body, findings);
    curves(&mut body, findings);
    homeserver(&mut body, &findings.left);
    setting(&mut body, findings);
    whole(&body)
}

/// A page with this on it.
pub(super) fn whole(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>SecureCall demo</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn header(html: &mut String, findings: &Findings) {
    let verdict = verdict(&findings.checks());
    let words = findings.views[0]
        .safety_words
        .iter()
        .map(|word| format!("<span>{}</span>", escape(word)));
    let _ = write!(
        html,
        r#"<header><p class="kicker">SecureCall demo</p><h1>One encrypted call between two new users</h1><p class="lead">Both were made a minute ago, swapped contact links, and talked for {:.0} seconds over a homeserver that learned nothing of it.</p>{verdict}<p class="words" aria-label="safety words">{}</p><p class="note">The four safety words, {} on both sides.</p></header>"#,
        findings.seconds,
        words.collect::<String>(),
        if findings.summary()["safety_words_equal"] == true {
            "equal"
        } else {
            "<strong>not equal</strong>"
        },
    );
}

/// Whether everything holds, and what does not.
pub(super) fn verdict(checks: &[Check]) -> String {
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| !check.holds)
        .map(|check| {
            format!(
                "<li>not so: {} ({})</li>",
                escape(check.what),
                escape(&check.found)
            )
        })
        .collect();
    match failed.is_empty() {
        true => r#"<p class="verdict good">Everything holds.</p>"#.to_owned(),
        false => format!(
            r#"<div class="verdict bad"><ul>{}</ul></div>"#,
            failed.concat()
        ),
    }
}

fn tiles(html: &mut String, findings: &Findings) {
    let caller = &findings.views[0];
    let ms =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0} ms"));
    let worst = |value: fn(&Direction) -> Option<f64>, fold: fn(f64, f64) -> f64| {
        findings.directions.iter().filter_map(value).reduce(fold)
    };
    let tiles = [
        (
            "tier",
            caller.tier.clone(),
            format!("route {}", caller.route),
        ),
        (
            "set-up, to first audio",
            ms(caller.first_audio_ms),
            format!("connected after {}", ms(caller.connected_ms)),
        ),
        (
            "mouth to ear",
            ms(findings.mouth_to_ear_ms()),
            findings.both_ways(
                |direction| direction.mouth_to_ear_ms,
                |ms| format!("{ms:.1} ms"),
            ),
        ),
        (
            "packets lost",
            worst(|direction| direction.loss_total, f64::max)
                .map_or_else(|| "–".to_owned(), |loss| format!("{:.1} %", loss * 100.0)),
            format!(
                "{:.0} ms concealed",
                findings
                    .directions
                    .iter()
                    .map(|direction| direction.concealed_ms)
                    .sum::<f64>()
            ),
        ),
        (
            "speech likeness (STOI)",
            worst(|direction| direction.stoi, f64::min)
                .map_or_else(|| "–".to_owned(), |stoi| format!("{stoi:.2}")),
            findings.both_ways(|direction| direction.stoi, |stoi| format!("{stoi:.3}")),
        ),
        (
            "rows left at the homeserver",
            findings.left.outside.len().to_string(),
            "outside the allowed list".to_owned(),
        ),
    ];
    html.push_str(r#"<section class="tiles" aria-label="Figures">"#);
    for (name, value, detail) in tiles {
        let _ = write!(
            html,
            r#"<div class="tile"><p class="name">{}</p><p class="value">{}</p><p class="detail">{}</p></div>"#,
            escape(name),
            escape(&value),
            escape(&detail)
        );
    }
    html.push_str("</section>\n");
}

fn set_up(html: &mut String, findings: &Findings) {
    let startup = findings.views[0].startup_ms.map_or_else(String::new, |ms| {
        format!(" The caller's process had started {ms:.0} ms before it dialed.")
    });
    let _ = write!(
        html,
        r#"<section><h2>From dialing to the first audio</h2><p>Every step as each process reported it, in milliseconds after the caller dialed.{startup}</p><div class="scroll">{}</div></section>"#,
        timeline::svg(&findings.marks)
    );
}

fn voices(html: &mut String, findings: &Findings) {
    html.push_str("<section><h2>What was said and what was heard</h2><p>Each side speaks with its own synthetic voice. Both waveforms of a pair share one clock, so the delay is in the picture.</p>");
    for direction in &findings.directions {
        let (from, to) = (direction.from, direction.from.peer());
        let _ = write!(
            html,
            r#"<h3>{} → {}</h3><div class="scroll">{}</div>"#,
            from.name(),
            to.name(),
            waveform::svg(
                span(findings),
                ("sent", "muted", &direction.sent),
                ("heard", from.name(), &direction.received)
            )
        );
        let seconds = span(findings);
        let (sent, heard) = (
            waveform::levels(&direction.sent, seconds),
            waveform::levels(&direction.received, seconds),
        );
        let chart = Chart {
            description: "Level of sent and heard sound over time",
            height: 170.0,
            seconds,
            range: (-70.0, 0.0),
            unit: "dB",
            series: &[
                Series {
                    label: "level sent",
                    class: "muted",
                    points: &sent,
                    dots: false,
                },
                Series {
                    label: "level heard",
                    class: from.name(),
                    points: &heard,
                    dots: false,
                },
            ],
        };
        let _ = write!(
            html,
            r#"{}<div class="scroll">{}</div>"#,
            chart.legend(),
            chart.svg()
        );
    }
    html.push_str("</section>\n");
}

fn curves(html: &mut String, findings: &Findings) {
    html.push_str("<section><h2>Delay, jitter and loss</h2>");
    let [out, back] = &findings.directions;
    let name = |what: &str, direction: &Direction| {
        format!(
            "{what}, {} → {}",
            direction.from.name(),
            direction.from.peer().name()
        )
    };
    let pictures: [Picture<'_>; 3] = [
        (
            "Delay",
            "From mouth to ear, measured by aligning what was heard with what was sent, and the part of it that the jitter buffer adds.",
            "ms",
            (0.0, 60.0),
            vec![
                (name("mouth to ear", out), "caller", &out.delay, true),
                (name("mouth to ear", back), "callee", &back.delay, true),
                (
                    name("jitter buffer", out),
                    "caller dashed",
                    &out.playout_delay,
                    false,
                ),
                (
                    name("jitter buffer", back),
                    "callee dashed",
                    &back.playout_delay,
                    false,
                ),
            ],
        ),
        (
            "Jitter",
            "Spread of the packets' arrival times, as the receiver sees it.",
            "ms",
            (0.0, 5.0),
            vec![
                (name("jitter", out), "caller", &out.jitter, true),
                (name("jitter", back), "callee", &back.jitter, true),
            ],
        ),
        (
            "Loss",
            "Packets that never came, since the call began.",
            "%",
            (0.0, 2.0),
            vec![
                (name("loss", out), "caller", &out.loss, true),
                (name("loss", back), "callee", &back.loss, true),
            ],
        ),
    ];
    for (title, text, unit, range, lines) in &pictures {
        let series: Vec<Series<'_>> = lines
            .iter()
            .map(|(label, class, points, dots)| Series {
                label,
                class,
                points,
                dots: *dots,
            })
            .collect();
        let chart = Chart {
            description: title,
            height: 210.0,
            seconds: span(findings),
            range: *range,
            unit,
            series: &series,
        };
        let _ = write!(
            html,
            r#"<h3>{title}</h3><p>{text}</p>{}<div class="scroll">{}</div>"#,
            chart.legend(),
            chart.svg()
        );
    }
    html.push_str("</section>\n");
}

/// Title, what it shows, unit, least range, lines.
type Picture<'a> = (
    &'static str,
    &'static str,
    &'static str,
    (f64, f64),
    Vec<Curve<'a>>,
);

/// A line of a picture: name, class, points, dots.
type Curve<'a> = (String, &'static str, &'a [(f64, f64)], bool);

/// What the homeserver keeps of the call.
pub(super) fn homeserver(html: &mut String, left: &RecordLeft) {
    let rows = |list: &[String]| -> String {
        if list.is_empty() {
            return "<p>None.</p>".to_owned();
        }
        let items: Vec<String> = list
            .iter()
            .map(|row| format!("<li><code>{}</code></li>", escape(row)))
            .collect();
        format!("<ul class=\"rows\">{}</ul>", items.concat())
    };
    let _ = write!(
        html,
        r#"<section><h2>What the homeserver keeps</h2><p>All tables of its database, compared before the call and after all clients had ended.</p><h3>Rows outside the allowed list: {}</h3>{}<details><summary>Rows the written list allows: {}</summary>{}</details></section>"#,
        left.outside.len(),
        rows(&left.outside),
        left.allowed.len(),
        rows(&left.allowed)
    );
}

/// All checks, in a section that is still open.
pub(super) fn checks(html: &mut String, checks: &[Check]) {
    html.push_str("<section><h2>All checks</h2><table><tbody>");
    for check in checks {
        let (class, mark) = if check.holds {
            ("good", "✓")
        } else {
            ("bad", "✗")
        };
        let _ = write!(
            html,
            r#"<tr><td class="{class}">{mark}</td><td>{}</td><td>{}</td></tr>"#,
            escape(check.what),
            escape(&check.found)
        );
    }
    html.push_str("</tbody></table>");
}

fn setting(html: &mut String, findings: &Findings) {
    checks(html, &findings.checks());
    html.push_str("<h2>Setting</h2><table><tbody>");
    for (name, value) in &findings.setting {
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td></tr>",
            escape(name),
            escape(value)
        );
    }
    html.push_str("</tbody></table><p class=\"note\">Beside this page: the two recordings that were heard, <code>events.jsonl</code> and <code>summary.json</code>.</p></section>\n");
}

/// What the pictures show: the call, with a little after it.
fn span(findings: &Findings) -> (f64, f64) {
    (0.0, findings.seconds.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::record::Side;
    use crate::demo::findings::tests::sample;

    #[test]
    fn the_page_shows_what_was_found_and_loads_nothing() {
        let page = page(&sample());
        for text in [
            "orbit",
            "47 ms",
            "194 ms",
            "0.98",
            "Everything holds",
            "caller → callee",
            "last seen and IP",
        ] {
            assert!(page.contains(text), "{text}");
        }
        for outside in ["<script", "http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        for side in Side::BOTH {
            assert!(page.contains(&format!("class=\"line {}\"", side.name())));
        }
    }

    #[test]
    fn a_fault_is_said_at_the_top() {
        let mut findings = sample();
        findings.left.outside.push("events: 1 row added".to_owned());
        let page = page(&findings);
        let fault = page.find("not so: the homeserver keeps no record").unwrap();
        assert!(fault < page.find("From dialing").unwrap());
        assert!(page.contains("events: 1 row added"));
    }

    #[test]
    fn what_others_wrote_cannot_become_markup() {
        let mut findings = sample();
        findings.views[0].route = "<img src=x>".to_owned();
        assert!(!page(&findings).contains("<img"));
    }
}
