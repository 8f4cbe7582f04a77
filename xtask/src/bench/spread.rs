//! How long the calls of different programs took: median, 90th percentile, and both ends.

use anyhow::{Context as _, Result};

use super::figure::{median, percentile};

/// The calls of one program at one place, in ms.
pub(super) struct Row {
    pub(super) place: &'static str,
    pub(super) program: &'static str,
    pub(super) times: Vec<f64>,
}

impl Row {
    fn summary(&self) -> Result<[f64; 4]> {
        let at = |share| percentile(&self.times, share);
        median(&self.times)
            .and_then(|middle| Some([middle, at(0.9)?, at(0.0)?, at(1.0)?]))
            .context("there were no calls")
    }
}

/// The rows, as a table whose first column is of this name.
pub(super) fn markdown(first: &str, rows: &[Row]) -> Result<String> {
    let mut text = format!(
        "| {first} | program | median | 90th percentile | fastest | slowest |\n| --- | --- | --- | --- | --- | --- |\n"
    );
    for row in rows {
        let [middle, slow, least, most] = row.summary()?;
        text += &format!(
            "| {} | {} | {middle:.0} ms | {slow:.0} ms | {least:.0} ms | {most:.0} ms |\n",
            row.place, row.program
        );
    }
    Ok(text)
}

/// The rows, in columns.
pub(super) fn columns(rows: &[Row]) -> Result<String> {
    let width = |column: fn(&Row) -> &str| {
        let widths = rows.iter().map(|row| column(row).chars().count());
        widths.max().unwrap_or(0)
    };
    let (place, program) = (width(|row| row.place), width(|row| row.program));
    let mut text = String::new();
    for row in rows {
        let [middle, slow, least, most] = row.summary()?;
        text += &format!(
            "  {:<place$}  {:<program$}  median {middle:.0} ms, 90th percentile {slow:.0} ms, {least:.0} to {most:.0} ms\n",
            row.place, row.program
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_median_and_percentile_and_both_ends() {
        let row = Row {
            place: "behind NATs",
            program: "SecureCall",
            times: (1..=20).map(|call| f64::from(call) * 10.0).collect(),
        };
        let expected = "| behind NATs | SecureCall | 105 ms | 180 ms | 10 ms | 200 ms |\n";
        let table = markdown("network", &[row]).unwrap();
        assert!(table.starts_with("| network | program |"), "{table}");
        assert!(table.ends_with(expected), "{table}");
    }

    #[test]
    fn nothing_is_said_of_calls_that_were_not_made() {
        let row = Row {
            place: "behind NATs",
            program: "SecureCall",
            times: Vec::new(),
        };
        assert!(columns(&[row]).is_err());
    }
}
