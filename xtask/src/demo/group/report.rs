//! `report.html` of a group call: one page, nothing loaded, no script, light and dark.

use std::fmt::Write as _;

use super::findings::{Findings, figure};
use crate::demo::report::{checks, escape, homeserver, verdict, whole};

/// The whole page.
pub(super) fn page(findings: &Findings) -> String {
    let mut body = String::new();
    header(&mut body, findings);
    matrix(
        &mut body,
        "Who heard whom",
        "Speech intelligibility (STOI) of what each has said in what each of the others has heard: 1 is exactly as said.",
        findings,
        &findings.stoi,
        3,
    );
    matrix(
        &mut body,
        "From mouth to ear",
        "Milliseconds, by the clocks of both processes.",
        findings,
        &findings.delay_ms,
        1,
    );
    costs(&mut body, findings);
    homeserver(&mut body, &findings.left);
    checks(&mut body, &findings.checks());
    body.push_str("<p class=\"note\">Beside this page: the recordings that were heard, <code>events.jsonl</code> and <code>summary.json</code>.</p></section>\n");
    whole(&body)
}

fn header(html: &mut String, findings: &Findings) {
    let verdict = verdict(&findings.checks());
    let words = findings
        .words
        .first()
        .cloned()
        .flatten()
        .unwrap_or_default();
    let words = words
        .split_whitespace()
        .map(|word| format!("<span>{}</span>", escape(word)));
    let _ = write!(
        html,
        r#"<header><p class="kicker">SecureCall demo</p><h1>One encrypted call of {} new users</h1><p class="lead">They were made a few minutes ago, and one after the other spoke, in a call that exists at its members only. All heard all {} ms after the first call was on its way.</p>{verdict}<p class="words" aria-label="words of the group">{}</p><p class="note">The words of the group, the same for all who see the same people.</p></header>"#,
        findings.names.len(),
        figure(findings.all_hear_all_ms, 0),
        words.collect::<String>(),
    );
}

fn matrix(
    html: &mut String,
    title: &str,
    text: &str,
    findings: &Findings,
    values: &[Vec<Option<f64>>],
    digits: usize,
) {
    let head = findings
        .names
        .iter()
        .map(|name| format!("<th>{}</th>", escape(name)));
    let head: String = head.collect();
    let mut rows = String::new();
    for (listener, (name, row)) in findings.names.iter().zip(values).enumerate() {
        let cells = row
            .iter()
            .enumerate()
            .map(|(speaker, value)| match speaker == listener {
                true => "<td></td>".to_owned(),
                false => format!("<td>{}</td>", figure(*value, digits)),
            });
        let _ = write!(
            rows,
            "<tr><th>{}</th>{}</tr>",
            escape(name),
            cells.collect::<String>()
        );
    }
    let _ = write!(
        html,
        r#"<section><h2>{title}</h2><p>{text} Rows: who heard; columns: who spoke.</p><div class="scroll"><table class="matrix"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"#
    );
}

fn costs(html: &mut String, findings: &Findings) {
    html.push_str("<section><h2>What each process cost</h2><table class=\"matrix\"><thead><tr><th></th><th>processor, % of a core</th><th>memory (PSS), MB</th></tr></thead><tbody>");
    for (name, cost) in findings.names.iter().zip(&findings.costs) {
        let _ = write!(
            html,
            "<tr><th>{}</th><td>{}</td><td>{}</td></tr>",
            escape(name),
            figure(cost.map(|cost| cost.processor), 1),
            figure(cost.map(|cost| cost.megabytes), 0)
        );
    }
    html.push_str("</tbody></table></section>\n");
}

#[cfg(test)]
mod tests {
    use super::super::findings::tests::sample;
    use super::*;

    #[test]
    fn the_page_shows_every_pair_and_loads_nothing() {
        let page = page(&sample());
        assert_eq!(page.matches("<td>0.970</td>").count(), 6);
        for text in [
            "Everything holds",
            "431 ms",
            "<span>orbit</span>",
            "4.2",
            "38",
        ] {
            assert!(page.contains(text), "{text}");
        }
        for outside in ["<script", "http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_fault_is_said_at_the_top_and_nothing_becomes_markup() {
        let mut findings = sample();
        findings.left.outside.push("<img src=x>".to_owned());
        let page = page(&findings);
        assert!(page.find("not so: the homeserver").unwrap() < page.find("Who heard").unwrap());
        assert!(!page.contains("<img"));
    }
}
