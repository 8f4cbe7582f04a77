//! Reads the pictures of seeds and prints a line of JSON for each: what it was, whether it was read, how long that took.
//!
//! `cargo run --release -p securecall-contact-qr --example pictures -- [--write DIRECTORY] SEED…`; with `--write` it also leaves the
//! files and their texts in a directory, for other readers to try.

use std::{error::Error, fs, path::PathBuf, time::Instant};

use securecall_contact_qr::read_texts;
use securecall_pictures::Picture;

#[expect(clippy::disallowed_methods, reason = "this measures")]
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
        for picture in Picture::of_seed(seed.parse()?) {
            let start = Instant::now();
            let read = read_texts(&picture.file).unwrap_or_default();
            let milliseconds = start.elapsed().as_secs_f64() * 1e3;
            let found = picture
                .texts
                .iter()
                .filter(|text| read.contains(text))
                .count();
            let wrong = read
                .iter()
                .filter(|text| !picture.texts.contains(text))
                .count();
            println!(
                r#"{{"name":"{}","kind":"{}","codes":{},"found":{found},"wrong":{wrong},"ms":{milliseconds:.1}}}"#,
                picture.name,
                picture.kind,
                picture.texts.len()
            );
            if let Some(directory) = &directory {
                fs::write(directory.join(&picture.name), &picture.file)?;
                let texts = directory.join(format!("{}.txt", picture.name));
                fs::write(texts, picture.texts.join("\n"))?;
            }
        }
    }
    Ok(())
}
