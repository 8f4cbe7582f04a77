//! What the command says: sentences, or one JSON object a line.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::failure::Failure;

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
        // Nobody is there to be told that nobody reads.
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// A text that is the same for both.
    pub fn text(self, text: &str) {
        let _ = writeln!(io::stdout(), "{text}");
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
            let _ = writeln!(io::stdout(), "{event}");
            return;
        }
        let mut text = format!("error: {}", failure.message);
        if let Some(help) = &failure.help {
            text.push_str(&format!("\n  help: {help}"));
        }
        let _ = writeln!(io::stderr(), "{text}");
    }
}
