//! The two standard streams: the only place where this program writes to them.
//!
//! They take [`Printable`]s, so that no text gets past what makes it harmless. A test looks through the sources for other
//! ways out. Two remain: the voice (`--speaker -`, written by the audio device), and the screens, which draw by escape
//! sequences of their own and whose cells are cleaned (`screen::cells`).
//!
//! Nothing is buffered here: what was written has left the process, and what could not be written is known.

use std::io::{self, IsTerminal, Stderr};
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use crate::harmless::Printable;

mod descriptor;

pub(crate) use descriptor::Stream;

/// A line to standard output or standard error was written in part, so that the next one begins with a line break.
static TORN: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

impl Stream {
    /// Whether a person looks at it.
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Err => io::stderr().is_terminal(),
        }
    }

    /// Whether colours may be used on it (<https://no-color.org>).
    pub(crate) fn takes_colours(self) -> bool {
        self.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// Whether whoever started this program had closed it.
    pub(crate) fn was_closed_at_start(self) -> bool {
        self == Self::Out && descriptor::stdout_was_closed_at_start()
    }

    /// Writes it and ends the line.
    ///
    /// # Errors
    ///
    /// Nobody reads any more, the stream was closed from the start, or the disk is full.
    pub(crate) fn line(self, text: &Printable) -> io::Result<()> {
        self.write(text, "\n")
    }

    /// Writes it and stays on the line.
    ///
    /// # Errors
    ///
    /// As [`line`](Self::line).
    pub(crate) fn start_of_line(self, text: &Printable) -> io::Result<()> {
        self.write(text, "")
    }

    /// Has what was written to a file reach the disk.
    ///
    /// # Errors
    ///
    /// The disk is full or fails.
    pub(crate) fn sync(self) -> io::Result<()> {
        descriptor::sync(self)
    }

    fn write(self, text: &Printable, end: &str) -> io::Result<()> {
        if self.was_closed_at_start() {
            return Err(io::Error::other("it was closed when the program started"));
        }
        let text = text.as_str();
        let torn = &TORN[self as usize];
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() + end.len() + 1));
        if torn.load(Ordering::Acquire) {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(end.as_bytes());
        let mut written = 0;
        let result = descriptor::write_all(self, &bytes, &mut written);
        if written > 0 {
            torn.store(result.is_err(), Ordering::Release);
        }
        result
    }
}

/// Where the screens are drawn, by sequences of their own.
pub(crate) fn of_screens() -> Stderr {
    io::stderr()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Ways to a standard stream, and the files that may go them.
    const WAYS: [(&[&str], &[&str]); 3] = [
        (
            &[
                "print!(",
                "println!(",
                "dbg!(",
                "stdout()",
                "stderr()",
                "STDERR_FILENO",
                "error.print()",
                ".exit()",
            ],
            // The voice goes to standard output.
            &[
                "apps/cli/src/output/stream.rs",
                "apps/cli/src/output/stream/descriptor.rs",
                "crates/audio-device/src/open.rs",
            ],
        ),
        (
            &["of_screens("],
            &[
                "apps/cli/src/output/stream.rs",
                "apps/cli/src/screen/frames.rs",
                "apps/cli/src/screen/terminal.rs",
            ],
        ),
        // Asks whether it is closed.
        (
            &["STDOUT_FILENO"],
            &[
                "apps/cli/src/output.rs",
                "apps/cli/src/output/stream.rs",
                "apps/cli/src/output/stream/descriptor.rs",
            ],
        ),
    ];

    fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn nothing_is_written_past_the_two_streams() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        sources(&root.join("apps/cli/src"), &mut files);
        for library in fs::read_dir(root.join("crates")).unwrap() {
            let library = library.unwrap();
            // What the daemons print with is no part of this program.
            if library.file_name() != "daemon" {
                sources(&library.path().join("src"), &mut files);
            }
        }
        assert!(files.len() > 100, "{}", files.len());
        let mut seen = 0;
        for file in files {
            let path = file.strip_prefix(&root).unwrap();
            let text = fs::read_to_string(&file).unwrap();
            for (line, code) in text.lines().enumerate() {
                if code.trim_start().starts_with("//") {
                    continue;
                }
                // A question that clap answers.
                let code = code.replace("use_stderr()", "");
                for (ways, may) in WAYS {
                    let goes = ways.iter().any(|way| code.contains(way));
                    let may = may.iter().any(|may| path == Path::new(may));
                    assert!(!goes || may, "{}:{}: {code}", path.display(), line + 1);
                    seen += usize::from(goes && may);
                }
            }
        }
        assert!(seen > 0, "the ways are looked for by their names");
    }
}
