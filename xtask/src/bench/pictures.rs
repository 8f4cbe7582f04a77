//! How well QR codes are read from pictures as people send them, beside zxing-cpp, and how fast.

use std::fs;

use anyhow::{Context, Result, ensure};
use securecall_interop::texts_by_zxing_cpp;
use serde_json::Value;

use super::figure::{Figure, Target, median};
use super::table;
use crate::shell;
use crate::workspace::Workspace;

/// Seeds of the pictures. Nothing was ever tuned on them; take others for that.
const SEEDS: [&str; 3] = ["9001", "9002", "9003"];
/// Where the section is, in the page of performance.
const MARKS: table::Marks = table::Marks {
    begin: "<!-- cargo xtask bench --write: pictures begin -->",
    end: "<!-- cargo xtask bench --write: pictures end -->",
};
/// Pixels of a picture that counts as a phone's screen, and of one that counts as a photo.
const SCREEN: u64 = 1_100_000;
const PHOTO: u64 = 11_000_000;

/// Pictures of one kind that were read, all codes of each.
#[derive(Clone, Debug, PartialEq)]
struct Score {
    kind: String,
    pictures: usize,
    ours: usize,
    theirs: usize,
}

/// A picture as the example says it.
#[derive(Debug)]
struct Reading {
    name: String,
    kind: String,
    pixels: u64,
    texts: Vec<String>,
    read: bool,
    milliseconds: f64,
}

/// Draws the pictures, reads them with both, and counts.
pub(super) fn measure(workspace: &Workspace) -> Result<table::Section> {
    let directory = workspace.target().join("bench-pictures");
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let mut command = workspace.cargo();
    command.args([
        "run",
        "--locked",
        "--quiet",
        "--release",
        "--package",
        "securecall-contact-qr",
        "--example",
        "pictures",
        "--",
        "--write",
    ]);
    command.arg(&directory).args(SEEDS);
    println!("$ {}", shell::line(&command));
    let printed = shell::output(&mut command).context("the pictures cannot be read")?;
    let readings: Vec<Reading> = printed.lines().map(reading).collect::<Result<_>>()?;
    println!("the same with zxing-cpp");
    let theirs = texts_by_zxing_cpp(&directory)?;
    let kinds = scores(&readings, |reading| {
        theirs
            .get(&reading.name)
            .is_some_and(|found| reading.texts.iter().all(|text| found.contains(text)))
    });
    Ok(table::Section {
        marks: &MARKS,
        figures: figures(&readings, &kinds)?,
        details: details(&kinds),
        details_in_columns: details_in_columns(&kinds),
    })
}

/// The kinds, as a table.
fn details(kinds: &[Score]) -> String {
    let kinds: String = kinds
        .iter()
        .map(|score| {
            let Score {
                kind,
                pictures,
                ours,
                theirs,
            } = score;
            format!("| {kind} | {pictures} | {ours} | {theirs} |\n")
        })
        .collect();
    format!("| kind | pictures | read | read by zxing-cpp |\n| --- | --- | --- | --- |\n{kinds}")
}

/// The kinds, in columns.
fn details_in_columns(kinds: &[Score]) -> String {
    let lines: Vec<String> = kinds
        .iter()
        .map(|score| {
            format!(
                "  {:<18} {:>2} of {}, zxing-cpp {:>2}",
                score.kind, score.ours, score.pictures, score.theirs
            )
        })
        .collect();
    lines.join("\n")
}

fn reading(line: &str) -> Result<Reading> {
    let value: Value = serde_json::from_str(line).context("the example prints no JSON")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let field = |name| text(&value[name]).with_context(|| format!("no {name} in {line}"));
    ensure!(
        value["wrong"] == 0,
        "a text was read that is not there: {line}"
    );
    Ok(Reading {
        name: field("name")?,
        kind: field("kind")?,
        pixels: value["pixels"].as_u64().context("no pixels")?,
        texts: value["texts"]
            .as_array()
            .context("no texts")?
            .iter()
            .filter_map(text)
            .collect(),
        read: value["read"] == true,
        milliseconds: value["ms"].as_f64().context("no time")?,
    })
}

/// Counts by kind, in the order in which kinds come.
fn scores(readings: &[Reading], read_by_them: impl Fn(&Reading) -> bool) -> Vec<Score> {
    let mut scores: Vec<Score> = Vec::new();
    for reading in readings.iter().filter(|reading| !reading.texts.is_empty()) {
        let index = scores
            .iter()
            .position(|score| score.kind == reading.kind)
            .unwrap_or_else(|| {
                scores.push(Score {
                    kind: reading.kind.clone(),
                    pictures: 0,
                    ours: 0,
                    theirs: 0,
                });
                scores.len() - 1
            });
        let score = &mut scores[index];
        score.pictures += 1;
        score.ours += usize::from(reading.read);
        score.theirs += usize::from(read_by_them(reading));
    }
    scores
}

fn figures(readings: &[Reading], kinds: &[Score]) -> Result<Vec<Figure>> {
    let sum = |of: fn(&Score) -> usize| kinds.iter().map(of).sum::<usize>();
    let (pictures, theirs) = (sum(|score| score.pictures), sum(|score| score.theirs));
    let mut figures = vec![Figure {
        what: format!("pictures read, of {pictures} (zxing-cpp: {theirs})"),
        target: Target::AtLeast(theirs as f64),
        measured: sum(|score| score.ours) as f64,
        unit: "",
        digits: 0,
    }];
    let is_screen =
        |reading: &Reading| reading.name.contains("screenshot") && reading.pixels >= SCREEN;
    let is_photo = |reading: &Reading| reading.pixels >= PHOTO;
    for (what, most, with_code, of_size) in [
        (
            "a screenshot",
            50.0,
            true,
            &is_screen as &dyn Fn(&Reading) -> bool,
        ),
        ("a photo of 12 megapixels", 300.0, true, &is_photo),
        ("a screenshot without a code", 150.0, false, &is_screen),
        (
            "a photo of 12 megapixels without a code",
            900.0,
            false,
            &is_photo,
        ),
    ] {
        let times: Vec<f64> = readings
            .iter()
            .filter(|reading| reading.texts.is_empty() != with_code && of_size(reading))
            .map(|reading| reading.milliseconds)
            .collect();
        figures.push(Figure {
            what: format!("{what}, from file to text, median of {}", times.len()),
            target: Target::AtMost(most),
            measured: median(&times).with_context(|| format!("there is no {what}"))?,
            unit: "ms",
            digits: 0,
        });
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, kind: &str, pixels: u64, texts: &str, read: bool, wrong: u32) -> String {
        format!(
            r#"{{"name":"{name}","kind":"{kind}","pixels":{pixels},"texts":[{texts}],"read":{read},"wrong":{wrong},"ms":12.5}}"#
        )
    }

    #[test]
    fn pictures_are_counted_by_kind_and_those_without_a_code_are_not() {
        let readings: Vec<Reading> = [
            line("a.png", "blurred", 10, r#""x""#, true, 0),
            line("b.png", "noisy", 10, r#""x","y""#, false, 0),
            line("c.png", "blurred", 10, r#""x""#, false, 0),
            line("d.png", "noisy", 10, "", true, 0),
        ]
        .iter()
        .map(|line| reading(line).unwrap())
        .collect();
        let scores = scores(&readings, |reading| reading.name == "c.png");
        let counts: Vec<_> = scores
            .iter()
            .map(|score| {
                (
                    score.kind.as_str(),
                    score.pictures,
                    score.ours,
                    score.theirs,
                )
            })
            .collect();
        assert_eq!(counts, [("blurred", 2, 1, 1), ("noisy", 1, 0, 0)]);
    }

    #[test]
    fn a_text_that_is_not_in_the_picture_fails_the_bench() {
        assert!(reading(&line("a.png", "blurred", 10, r#""x""#, true, 1)).is_err());
        assert!(reading("nonsense").is_err());
    }

    #[test]
    fn times_are_sorted_by_size_and_by_whether_there_is_a_code() {
        let readings: Vec<Reading> = [
            line(
                "1-screenshot-dark-0.png",
                "screenshot-dark",
                2_592_000,
                r#""x""#,
                true,
                0,
            ),
            line(
                "1-screenshot-dark-1.jpg",
                "screenshot-dark",
                200_000,
                r#""x""#,
                true,
                0,
            ),
            line(
                "1-photo-small-0.jpg",
                "photo-small",
                12_000_000,
                r#""x""#,
                true,
                0,
            ),
            line(
                "1-no-code-screenshot-0.png",
                "screenshot-light",
                2_592_000,
                "",
                true,
                0,
            ),
            line(
                "1-no-code-photo-0.jpg",
                "photo-large",
                12_000_000,
                "",
                true,
                0,
            ),
        ]
        .iter()
        .map(|line| reading(line).unwrap())
        .collect();
        let figures = figures(&readings, &scores(&readings, |_| false)).unwrap();
        assert_eq!(figures.len(), 5);
        assert!(
            figures
                .iter()
                .skip(1)
                .all(|figure| figure.what.ends_with("median of 1"))
        );
    }
}
