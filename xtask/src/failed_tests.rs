//! Which tests failed, and with what words, read from what `cargo test` prints: a long run is judged by its last lines.

use std::collections::BTreeMap;
use std::fmt;

/// The longest part of a test's words that is repeated, in characters.
const MAX_WORDS: usize = 800;
/// The most tests that are named.
const MAX_NAMED: usize = 12;

/// The tests that failed.
#[derive(Default)]
pub(crate) struct FailedTests {
    /// Names, and what each said first.
    words: BTreeMap<String, String>,
    /// The test whose output is being printed.
    current: Option<String>,
}

impl FailedTests {
    /// Reads a line of what `cargo test` prints.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.words.entry(name.to_owned()).or_default();
        } else if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.words.entry(name.to_owned()).or_default();
            self.current = Some(name.to_owned());
        } else if line == "failures:" {
            self.current = None;
        } else if let Some(words) = self
            .current
            .as_ref()
            .and_then(|name| self.words.get_mut(name))
            && words.chars().count() < MAX_WORDS
        {
            let space = if words.is_empty() || line.is_empty() {
                ""
            } else {
                " "
            };
            words.push_str(space);
            words.push_str(line.trim());
        }
    }
}

impl fmt::Display for FailedTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.words.is_empty() {
            return f.write_str("no test failed");
        }
        write!(f, "{} failed: ", self.words.len())?;
        for (index, (name, words)) in self.words.iter().take(MAX_NAMED).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let words: String = words.chars().take(MAX_WORDS).collect();
            write!(f, "{separator}{name} ({words})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_each_test_that_failed_and_what_it_said() {
        let mut failed = FailedTests::default();
        for line in [
            "test calls::it_rings ... ok",
            "test calls::it_connects ... FAILED",
            "",
            "failures:",
            "",
            "---- calls::it_connects stdout ----",
            "",
            "thread 'calls::it_connects' panicked at tests/it/calls.rs:7:5:",
            "no answer",
            "",
            "failures:",
            "    calls::it_connects",
        ] {
            failed.read(line);
        }
        assert_eq!(
            failed.to_string(),
            "1 failed: calls::it_connects (thread 'calls::it_connects' panicked at \
             tests/it/calls.rs:7:5: no answer)"
        );
    }

    #[test]
    fn a_build_that_fails_is_no_failed_test() {
        let mut failed = FailedTests::default();
        failed.read("error[E0432]: unresolved import `super::FRAME`");
        assert_eq!(failed.to_string(), "no test failed");
    }
}
