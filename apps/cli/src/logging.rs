//! Logs on standard error, with the addresses of people shortened.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::harmless::Printable;
use crate::output::{Stream, note};

/// Crates of ICE, DTLS and SRTP. From `debug` on their logs hold what protects a call: ICE passwords (`is::agent`), the names
/// under which they are used (`is::agent`, `str0m`), and packets (`str0m`).
const MEDIA_CRATES: &[&str] = &[
    "dimpl",
    "is",
    "sctp_proto",
    "str0m",
    "str0m_aws_lc_rs",
    "str0m_proto",
];

/// The most that they may say, whatever is asked for.
const MEDIA_CRATES_LEVEL: LevelFilter = LevelFilter::INFO;

/// While the call screen is up, a log line on the same terminal would tear it.
static SCREEN_IS_UP: AtomicBool = AtomicBool::new(false);

/// Characters of an address that a log keeps.
const KEPT: usize = 8;

/// The longest line, in characters.
const MAX_LENGTH: usize = 4096;

/// The shortest run of characters that is taken for a key or an ID.
const LONG: usize = 43;

/// Starts logging: `SECURECALL_LOG` if it is set, else as often as `-v` was given.
pub(crate) fn start(verbose: u8) {
    let by_option = match verbose {
        0 => "error,matrix_sdk_crypto=off,matrix_sdk_sqlite=off",
        1 => {
            "warn,matrix_sdk_crypto=error,matrix_sdk_sqlite=error,securecall=info,securecall_driver=info,securecall_session=info,securecall_matrix=info,securecall_media=info,securecall_profile=info"
        }
        _ => {
            "warn,securecall=debug,securecall_driver=debug,securecall_session=debug,securecall_matrix=debug,securecall_media=debug,securecall_profile=debug,securecall_audio_device=debug"
        }
    };
    let filter = match std::env::var("SECURECALL_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::new(directives),
        _ => EnvFilter::new(by_option),
    };
    let started = subscriber(filter, Stream::Err.takes_colours(), Log).try_init();
    debug_assert!(started.is_ok(), "logging is started once");
}

fn subscriber<W>(filter: EnvFilter, colours: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(writer)
        .finish()
        .with(filter_fn(holds_no_secret))
}

/// Whether a log line of this kind is free of secrets. People send logs to each other, and do not read them first.
fn holds_no_secret(metadata: &Metadata<'_>) -> bool {
    let krate = metadata.target().split("::").next().unwrap_or_default();
    !MEDIA_CRATES.contains(&krate) || *metadata.level() <= MEDIA_CRATES_LEVEL
}

/// Keeps logs off the terminal while the call screen is up.
pub(crate) fn screen_is_up(up: bool) {
    SCREEN_IS_UP.store(up, Ordering::Relaxed);
}

struct Log;

impl<'a> MakeWriter<'a> for Log {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine
    }
}

/// One formatted line on its way out.
struct LogLine;

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let hidden = SCREEN_IS_UP.load(Ordering::Relaxed) && Stream::Err.is_terminal();
        if !hidden {
            note(printable(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line without addresses, and with no more of a field that somebody else wrote than a person would read.
pub(crate) fn printable(line: &[u8]) -> Printable {
    let line = String::from_utf8_lossy(line);
    let end = line.char_indices().nth(MAX_LENGTH);
    match end {
        Some((end, _)) => Printable::painted(&format!("{}…", shortened(&line[..end]))),
        None => Printable::painted(shortened(&line).trim_end_matches('\n')),
    }
}

/// Shortens what looks like an ID, a key, a token or a Matrix ID.
fn shortened(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_address_character) {
        let (before, word) = rest.split_at(start);
        let end = word
            .find(|c| !is_address_character(c))
            .unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        out.push_str(before);
        push_shortened(&mut out, word);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn push_shortened(out: &mut String, word: &str) {
    // A Matrix ID starts at its sigil, wherever in the word that is: `user=@alice:example.org`.
    let (before, word) = word.split_at(word.find('@').unwrap_or(0));
    push_long_runs_shortened(out, before);
    match word.strip_prefix('@').and_then(|rest| rest.split_once(':')) {
        Some((localpart, server)) => {
            let kept: String = localpart.chars().take(KEPT).collect();
            out.push_str(&format!("@{kept}…:{server}"));
        }
        None => push_long_runs_shortened(out, word),
    }
}

fn push_long_runs_shortened(out: &mut String, word: &str) {
    for part in word.split_inclusive(['=', ':', '/', '.', '@']) {
        if part.len() >= LONG {
            out.push_str(&part[..KEPT]);
            out.push('…');
        } else {
            out.push_str(part);
        }
    }
}

fn is_address_character(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '@' | ':' | '.' | '_' | '-' | '=' | '/' | '+')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const PASSWORD: &str = "7wPbk0Xc5m2Zq9Lr4TfU8dJs";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged under these directives.
    fn logged(directives: &str, log: impl FnOnce()) -> String {
        let written = Written::default();
        let shared = written.clone();
        let subscriber = subscriber(EnvFilter::new(directives), false, move || shared.clone());
        tracing::subscriber::with_default(subscriber, log);
        let written = written.0.lock().unwrap();
        String::from_utf8(written.clone()).unwrap()
    }

    #[test]
    fn no_directive_brings_out_the_passwords_of_a_call() {
        let log = || {
            tracing::debug!(target: "is::agent", "Set local credentials: {PASSWORD}");
            tracing::trace!(target: "is", PASSWORD);
            tracing::trace!(target: "str0m", "OUT {PASSWORD}");
            tracing::debug!(target: "str0m::sctp", PASSWORD);
            tracing::debug!(target: "dimpl::engine", PASSWORD);
            let span = tracing::debug_span!(target: "is::agent", "agent", password = PASSWORD);
            span.in_scope(|| tracing::info!(target: "securecall", "this program says"));
        };
        for directives in [
            "trace",
            "debug",
            "securecall=info,is=debug,str0m=trace,dimpl=trace",
            "securecall=info,is::agent=trace",
            "securecall=info,[agent]=trace",
            "securecall=info,[agent{password}]=trace",
            "info,is[]=trace",
        ] {
            let logged = logged(directives, log);
            assert!(
                logged.contains("this program says"),
                "{directives}: {logged}"
            );
            assert!(!logged.contains(PASSWORD), "{directives}: {logged}");
        }
    }

    #[test]
    fn what_else_is_asked_for_is_logged() {
        let logged = logged("trace", || {
            tracing::warn!(target: "is::agent", "too many pairs");
            tracing::trace!(target: "isolated", "of another crate");
            tracing::trace!(target: "securecall_media", "of ours");
        });
        for part in ["too many pairs", "of another crate", "of ours"] {
            assert!(logged.contains(part), "{part} in {logged}");
        }
    }

    #[test]
    fn addresses_ids_and_tokens_are_shortened() {
        let id = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
        let line =
            format!("user=@sc_{id}:example.org id {id}; @alice_wonderland:example.org, syt_{id}");
        assert_eq!(
            shortened(&line),
            "user=@sc_dwh7y…:example.org id dwh7yhpe…; @alice_wo…:example.org, syt_dwh7…"
        );
    }

    #[test]
    fn other_words_stay() {
        for line in [
            "2026-01-01T00:00:00Z  INFO securecall: ready in 12 ms\n",
            "path /a/b.c == x:y",
            "",
            "ä@ü",
        ] {
            assert_eq!(shortened(line), line);
        }
    }
}
