//! What goes to standard output: one JSON object a line with `--json`, plain lines without.

use crate::error::{ErrorKind, Failure};
use crate::harmless::Printable;

mod contact_table;
mod event;
#[cfg(test)]
mod foreign_text;
mod json_line;
mod output_error;
mod queue;
pub(crate) mod stream;
mod writer;

pub(crate) use contact_table::contact_list;
pub(crate) use event::{
    Event, GroupEvent, IN_CLEAR_WORDS, IncomingGroup, LegEvent, NO_SIGN_WORDS, Peer,
    ROOM_KEEPS_WORDS, RoomCallEvent, SettingSource, Stats, group_reason_words, inviting_words,
    left_reason_words, member_in_clear_words, missed_words, reason_words, refused_words,
    sealed_instead_words, tier_words, with_words, words_for_calls_of_others,
};
pub(crate) use output_error::OutputError;
pub(crate) use queue::{Queue, Weight};
pub(crate) use stream::Stream;
pub(crate) use writer::note;

use json_line::json_line;

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

    /// From now on a reader that stalls holds nothing up: lines wait for it, and what is too much is left out.
    pub(crate) fn write_behind(self) {
        writer::OUT.start(self.json);
        writer::ERR.start(false);
    }

    /// Waits a moment for a slow reader to take the last lines.
    pub(crate) fn drain(self) {
        writer::OUT.drain();
        writer::ERR.drain();
    }

    /// Why lines that waited for standard output are lost, if any are.
    pub(crate) fn lost_lines(self) -> Option<Failure> {
        let failed = writer::OUT.failed()?;
        Some(Failure::new(ErrorKind::StorageFailed, failed).help(
            "make room on the disk, or send it elsewhere; the call was not held up, but some of its events are missing",
        ))
    }

    /// Writes an event, at once.
    ///
    /// # Errors
    ///
    /// Nobody reads any more; or, where lines do not wait, it cannot be written.
    pub(crate) fn event(self, event: &Event) -> Result<(), OutputError> {
        let weight = event.weight();
        if self.json {
            return writer::OUT.line(weight, json_line(event));
        }
        match event.plain(self.is_terminal()) {
            Some(lines) if self.stdout_is_audio => {
                let _ = writer::ERR.line(weight, lines);
                Ok(())
            }
            Some(lines) => writer::OUT.line(weight, lines),
            None => Ok(()),
        }
    }

    /// Writes an event that must not be lost: to a file, it is on the disk afterwards.
    ///
    /// # Errors
    ///
    /// It may be lost.
    pub(crate) fn event_for_good(self, event: &Event) -> Result<(), OutputError> {
        self.event(event)?;
        Ok(Stream::Out.sync()?)
    }

    /// Writes lines for a person.
    ///
    /// # Errors
    ///
    /// As [`event`](Self::event).
    pub(crate) fn lines(self, lines: &str) -> Result<(), OutputError> {
        self.painted_lines(Printable::text(lines))
    }

    /// Writes lines for a person that have colours already.
    ///
    /// # Errors
    ///
    /// As [`event`](Self::event).
    pub(crate) fn painted_lines(self, lines: Printable) -> Result<(), OutputError> {
        writer::OUT.line(Weight::Outcome, lines)
    }

    /// Tells of a failure: on standard error for people, and as an event for scripts.
    pub(crate) fn failure(self, failure: &Failure) {
        self.tell_failure(Weight::Outcome, failure);
    }

    /// Tells of an order that did not work: a script may give many.
    pub(crate) fn order_failed(self, failure: &Failure) {
        self.tell_failure(Weight::Remark, failure);
    }

    fn tell_failure(self, weight: Weight, failure: &Failure) {
        if self.json {
            let _ = writer::OUT.line(weight, json_line(&Event::from(failure)));
        }
        let _ = writer::ERR.line(weight, Printable::text(&failure.to_string()));
    }

    /// A word to the person at the terminal that is no event.
    pub(crate) fn note(self, text: &str) {
        note(Printable::text(text));
    }

    /// Whether whoever read standard output has stopped. A file or a terminal never has.
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "poll has no safe form")]
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
