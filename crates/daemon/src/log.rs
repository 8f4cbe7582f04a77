//! The log on standard error: what this program says, and nothing of the crates below it.
//!
//! hyper, quinn, rustls, h3, reqwest and sqlx log addresses, connection IDs, header fields and queries. A filter by level would let
//! them through to whoever asks for more, so only targets of the program itself pass, in every build and at every level; and those
//! lines hold neither addresses nor user names nor tokens, because no line names them.

use std::io::{self, IsTerminal as _};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts it: `info`, or more with `-v`.
pub(crate) fn start(target: &str, verbose: u8) {
    let level = match verbose {
        0 => Level::INFO,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let started = tracing_subscriber::registry()
        .with(only(target, level))
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(io::stderr)
                .with_ansi(io::stderr().is_terminal())
                .with_target(false),
        )
        .try_init();
    debug_assert!(started.is_ok(), "the log is started once");
}

/// Lines of this target up to this level, and of nobody else.
fn only(target: &str, level: Level) -> Targets {
    Targets::new().with_target(target, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_another_crate_passes_whatever_is_asked_for() {
        let filter = only("securecall_server", Level::TRACE);
        assert!(filter.would_enable("securecall_server::run", &Level::TRACE));
        for crate_below in ["hyper", "reqwest::connect", "sqlx::query", ""] {
            assert!(
                !filter.would_enable(crate_below, &Level::ERROR),
                "{crate_below}"
            );
        }
    }
}
