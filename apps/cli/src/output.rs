//! What goes to standard output: one JSON object a line with `--json`, plain lines without.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::error::Failure;

mod contact_table;
mod event;
#[cfg(test)]
mod foreign_text;
mod line;
mod printable;
pub(crate) mod stream;
mod writer;

pub(crate) use contact_table::contact_list;
pub(crate) use event::{Event, Peer, Stats, reason_words};
pub(crate) use line::Line;
pub(crate) use printable::Printable;
pub(crate) use stream::{Stream, note};

/// Standard output is gone: whoever read it has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// Where events go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    /// Standard output carries the peer's voice, so that plain lines go to standard error.
    stdout_is_audio: bool,
}

impl Output {
    /// Output to standard output.
    pub(crate) const fn new(json: bool) -> Self {
        Self {
            json,
            stdout_is_audio: false,
        }
    }

    /// Output while standard output carries audio.
    #[must_use]
    pub(crate) const fn beside_audio(self) -> Self {
        Self {
            stdout_is_audio: true,
            ..self
        }
    }

    /// Whether events are JSON objects.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person looks at standard output.
    pub(crate) fn is_terminal(self) -> bool {
        !self.json && !self.stdout_is_audio && Stream::Out.is_terminal()
    }

    /// Whether what a person looks at may have colours.
    pub(crate) fn takes_colours(self) -> bool {
        self.is_terminal() && Stream::Out.takes_colours()
    }

    /// From now on a reader that stalls holds nothing up: lines wait for it, and figures are left out.
    pub(crate) fn write_behind(self) {
        writer::start();
    }

    /// Waits a moment for a slow reader to take the last lines.
    pub(crate) fn drain(self) {
        writer::drain();
    }

    /// Writes an event, at once.
    ///
    /// # Errors
    ///
    /// [`Closed`] if nobody reads any more.
    pub(crate) fn event(self, event: &Event) -> Result<(), Closed> {
        let is_figures = matches!(event, Event::Stats(_));
        if self.json {
            return writer::line(json_line(event), is_figures);
        }
        match event.plain(self.is_terminal()) {
            Some(lines) if self.stdout_is_audio => {
                note(&lines);
                Ok(())
            }
            Some(lines) => writer::line(lines, is_figures),
            None => Ok(()),
        }
    }

    /// Writes lines for a person.
    ///
    /// # Errors
    ///
    /// [`Closed`] if nobody reads any more.
    pub(crate) fn lines(self, lines: &str) -> Result<(), Closed> {
        writer::line(Printable::text(lines), false)
    }

    /// Tells of a failure: on standard error for people, and as an event for scripts.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let _ = writer::line(json_line(&Event::from(failure)), false);
        }
        note(&Printable::text(&failure.to_string()));
    }

    /// A word to the person at the terminal that is no event.
    pub(crate) fn note(self, text: &str) {
        note(&Printable::text(text));
    }

    /// Whether whoever read standard output has stopped. A file or a terminal never has.
    #[cfg(unix)]
    pub(crate) fn is_closed(self) -> bool {
        let mut descriptor = libc::pollfd {
            fd: libc::STDOUT_FILENO,
            events: 0,
            revents: 0,
        };
        // SAFETY: one valid pollfd, and the call only writes its `revents`.
        let ready = unsafe { libc::poll(&raw mut descriptor, 1, 0) };
        ready == 1 && descriptor.revents & (libc::POLLERR | libc::POLLNVAL) != 0
    }

    /// Whether whoever read standard output has stopped. Noticed at the next line.
    #[cfg(not(unix))]
    pub(crate) fn is_closed(self) -> bool {
        false
    }
}

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "events carry the time of day")]
pub(crate) fn wallclock_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn json_line(event: &Event) -> Printable {
    let mut value = serde_json::to_value(event).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        fields.insert("at_ms".to_owned(), wallclock_ms().into());
    }
    Printable::json(&value)
}

fn write_line_now(line: &Printable) -> Result<(), Closed> {
    Stream::Out.line(line).map_err(|_| Closed)
}
