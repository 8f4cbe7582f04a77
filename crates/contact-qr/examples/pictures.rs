//! Reads the pictures of seeds and prints a line of JSON for each: what it was, whether it was read, how long that took.
//!
//! `cargo run --release -p securecall-contact-qr --example pictures -- [--write DIRECTORY] SEED…`. With `--write` it also leaves the
//! files in a directory, for other readers to try. Pictures without a code come last, for their times.

use std::{error::Error, fs, path::PathBuf, time::Instant};

use securecall_contact_qr::read_texts;
use securecall_pictures::{PER_KIND, Picture};

/// Each picture is read so many times; the median counts.
const TIMES: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut directory = None;
    if arguments
        .next_if(|argument| argument == "--write")
        .is_some()
    {
        directory = Some(PathBuf::from(arguments.next().ok_or("which directory?")?));
    }
    for seed in arguments {
        let seed = seed.parse()?;
        let without = (0..PER_KIND).flat_map(|number| {
            [
                Picture::screenshot_without_code(seed, number),
                Picture::photo_without_code(seed, number),
            ]
        });
        for picture in Picture::of_seed(seed).chain(without) {
            if let Some(directory) = &directory {
                fs::write(directory.join(&picture.name), &picture.file)?;
            }
            println!("{}", line(&picture));
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this measures")]
fn line(picture: &Picture) -> String {
    let mut times = [0.0; TIMES];
    let mut read = Vec::new();
    for time in &mut times {
        let start = Instant::now();
        read = read_texts(&picture.file).unwrap_or_default();
        *time = start.elapsed().as_secs_f64() * 1e3;
    }
    times.sort_by(f64::total_cmp);
    let is_read = picture.texts.iter().all(|text| read.contains(text));
    let wrong = read.iter().filter(|text| !picture.texts.contains(text));
    // Contact links hold nothing that JSON would have to escape.
    let texts: Vec<String> = picture
        .texts
        .iter()
        .map(|text| format!("\"{text}\""))
        .collect();
    format!(
        r#"{{"name":"{}","kind":"{}","pixels":{},"texts":[{}],"read":{is_read},"wrong":{},"ms":{:.2}}}"#,
        picture.name,
        picture.kind,
        picture.pixels,
        texts.join(","),
        wrong.count(),
        times[TIMES / 2],
    )
}
