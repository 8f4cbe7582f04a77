//! What the command says: sentences, or one JSON object a line.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::failure::Failure;

/// Why a line did not get out. A process has one standard output.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

fn print(line: &str) {
    match writeln!(io::stdout(), "{line}") {
        // Nobody is there to be told that nobody reads.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            // The first says why.
            let _ = UNWRITTEN.set(error.to_string());
        }
        _ => {}
    }
}

/// How to say it.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// For scripts, or for people.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A result: an object for scripts, a sentence for people.
    pub fn result(self, event: &Value, sentence: &str) {
        let line = if self.json {
            event.to_string()
        } else {
            sentence.to_owned()
        };
        print(&line);
    }

    /// What people would miss, and scripts see by what is not there.
    pub fn remark(self, sentence: &str) {
        if !self.json {
            print(sentence);
        }
    }

    /// A text that is the same for both.
    pub fn text(self, text: &str) {
        print(text);
    }

    /// Why what the command said did not get out, if it did not.
    pub(crate) fn unwritten() -> Option<Failure> {
        let why = UNWRITTEN.get()?;
        Some(
            Failure::machine(format!("standard output cannot be written: {why}")).help(
                "make room on the disk, or send it elsewhere; what the command did is done, only its output is missing",
            ),
        )
    }

    /// Why the command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let event = json!({
                "type": "error",
                "kind": failure.kind.word(),
                "message": failure.message,
                "help": failure.help,
            });
            if writeln!(io::stdout(), "{event}").is_ok() {
                return;
            }
        }
        let mut text = format!("error: {}", failure.message);
        if let Some(help) = &failure.help {
            text.push_str(&format!("\n  help: {help}"));
        }
        let _ = writeln!(io::stderr(), "{text}");
    }
}
