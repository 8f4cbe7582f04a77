//! The figures for the terminal, for programs, and for the documentation.

use anyhow::{Context, Result};
use serde_json::json;

use super::figure::Figure;

/// What encloses a table in the documentation.
pub(super) struct Marks {
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
}

/// Those of the main table.
pub(super) const MARKS: Marks = Marks {
    begin: "<!-- cargo xtask bench --write: begin -->",
    end: "<!-- cargo xtask bench --write: end -->",
};

/// A part of the page with a table of its own, and details below.
pub(super) struct Section {
    pub(super) marks: &'static Marks,
    pub(super) figures: Vec<Figure>,
    /// For the documentation: a table.
    pub(super) details: String,
    /// For the terminal.
    pub(super) details_in_columns: String,
}

impl Section {
    /// What stands between the marks.
    pub(super) fn markdown(&self, machine: &str) -> String {
        let table = markdown(&self.figures, machine);
        format!("{table}\n{}", self.details)
    }
}

/// Aligned columns.
pub(super) fn terminal(figures: &[Figure]) -> String {
    let width = |column: fn(&Figure) -> String| {
        figures
            .iter()
            .map(|figure| column(figure).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (what, target) = (
        width(|figure| figure.what.clone()),
        width(Figure::target_shown),
    );
    let lines: Vec<String> = figures
        .iter()
        .map(|figure| {
            format!(
                "{} {:<what$}  {:<target$}  {}",
                mark(figure),
                figure.what,
                figure.target_shown(),
                figure.shown()
            )
        })
        .collect();
    lines.join("\n")
}

/// `target/bench.json`.
pub(super) fn json(figures: &[Figure], machine: &str) -> String {
    let figures: Vec<_> = figures
        .iter()
        .map(|figure| {
            json!({
                "what": figure.what,
                "target": figure.target_shown(),
                "measured": figure.measured,
                "unit": figure.unit,
                "kept": figure.kept(),
            })
        })
        .collect();
    format!("{:#}\n", json!({"machine": machine, "figures": figures}))
}

/// The page with something new between its marks.
pub(super) fn replace_in(page: &str, marks: &Marks, text: &str) -> Result<String> {
    let Marks { begin, end } = marks;
    let (before, rest) = page
        .split_once(begin)
        .with_context(|| format!("the page has no {begin}"))?;
    let (_, after) = rest
        .split_once(end)
        .with_context(|| format!("the page has no {end}"))?;
    Ok(format!("{before}{begin}\n\n{text}\n{end}{after}"))
}

/// The table for the documentation.
pub(super) fn markdown(figures: &[Figure], machine: &str) -> String {
    let rows: String = figures.iter().map(row).collect();
    format!("| what | target | measured |\n| --- | --- | --- |\n{rows}\nMeasured on: {machine}.\n")
}

fn row(figure: &Figure) -> String {
    format!(
        "{}{} | {} {} |\n",
        row_start(figure),
        figure.target_shown(),
        figure.shown(),
        mark(figure)
    )
}

/// What a figure's row begins with, whatever was measured.
fn row_start(figure: &Figure) -> String {
    format!("| {} | ", figure.what)
}

/// The page with the rows of these figures anew, where only a part of the table was measured.
pub(super) fn replace_rows(page: &str, figures: &[Figure]) -> Result<String> {
    let mut page = page.to_owned();
    for figure in figures {
        let start = row_start(figure);
        let missing = || format!("the page has no row for {}: measure all", figure.what);
        let at = page.find(&start).with_context(missing)?;
        let end = page[at..].find('\n').with_context(missing)?;
        page.replace_range(at..=at + end, &row(figure));
    }
    Ok(page)
}

fn mark(figure: &Figure) -> &'static str {
    if figure.kept() { "✓" } else { "✗" }
}

#[cfg(test)]
mod tests {
    use super::super::figure::Target;
    use super::*;

    fn figures() -> [Figure; 2] {
        [
            Figure {
                what: "mouth to ear".to_owned(),
                target: Target::AtMost(55.0),
                measured: 47.26,
                unit: "ms",
                digits: 1,
            },
            Figure {
                what: "STOI".to_owned(),
                target: Target::AtLeast(0.85),
                measured: 0.8,
                unit: "",
                digits: 2,
            },
        ]
    }

    #[test]
    fn the_table_is_replaced_and_the_rest_of_the_page_stays() {
        let Marks { begin, end } = MARKS;
        let page = format!("# Performance\n\n{begin}\nold\n{end}\n\nHow it is measured.\n");
        let new = markdown(&figures(), "A Fine CPU, 2 cores");
        let page = replace_in(&page, &MARKS, &new).unwrap();
        assert!(page.starts_with("# Performance\n"));
        assert!(page.ends_with("How it is measured.\n"));
        assert!(!page.contains("old"));
        assert!(
            page.contains("| mouth to ear | ≤ 55 ms | 47.3 ms ✓ |"),
            "{page}"
        );
        assert!(page.contains("| STOI | ≥ 0.85 | 0.80 ✗ |"), "{page}");
        assert_eq!(replace_in(&page, &MARKS, &new).unwrap(), page);
    }

    #[test]
    fn a_part_replaces_its_own_rows() {
        let [one, mut other] = figures();
        let page = markdown(&[one, other.clone()], "A Fine CPU");
        other.measured = 0.9;
        let new = replace_rows(&page, &[other.clone()]).unwrap();
        assert_eq!(new, page.replace("0.80 ✗", "0.90 ✓"));
        other.what = "something else".to_owned();
        assert!(replace_rows(&page, &[other]).is_err());
    }

    #[test]
    fn a_page_without_marks_is_refused() {
        assert!(replace_in("# Performance\n", &MARKS, "").is_err());
    }

    #[test]
    fn a_target_that_is_missed_is_marked() {
        let text = terminal(&figures());
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with('✓') && lines[0].ends_with("47.3 ms"),
            "{text}"
        );
        assert!(lines[1].starts_with('✗'), "{text}");
    }
}
