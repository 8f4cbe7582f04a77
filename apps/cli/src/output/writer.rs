//! The standard streams behind threads of their own: a reader that stalls never holds up a call, a signal or the farewell.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::event::Event;
use super::json_line::json_line;
use super::output_error::{OutputError, unwritten};
use super::queue::{LeftOut, Queue, Weight};
use super::stream::Stream;
use crate::harmless::Printable;

/// How long the end of the program waits for its last lines to be read.
const DRAIN: Duration = Duration::from_millis(500);

/// Where lines to standard output go.
pub(super) static OUT: Writer = Writer::new(Stream::Out);
/// Where lines to standard error go.
pub(super) static ERR: Writer = Writer::new(Stream::Err);

/// A word to a person on standard error. What they cannot be told there, they cannot be told.
pub(crate) fn note(text: Printable) {
    let _ = ERR.line(Weight::Remark, text);
}

/// What writes to one stream: at first at once, later by a thread.
#[derive(Debug)]
pub(super) struct Writer {
    stream: Stream,
    state: Mutex<State>,
    /// Something waits, was written, or failed.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Lines wait for the thread.
    is_behind: bool,
    /// What was left out is told as an event, not in words.
    tells_json: bool,
    waiting: Queue<Printable>,
    /// The thread has a line in its hands.
    is_writing: bool,
    /// Nobody reads any more.
    is_closed: bool,
    /// Why lines were lost, if any were.
    failed: Option<String>,
}

/// What the thread is to write.
enum Next {
    Line(Weight, Printable),
    Missing(LeftOut, Printable),
}

impl Writer {
    const fn new(stream: Stream) -> Self {
        Self {
            stream,
            state: Mutex::new(State {
                is_behind: false,
                tells_json: false,
                waiting: Queue::new(),
                is_writing: false,
                is_closed: false,
                failed: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// From now on lines are written by a thread.
    pub(super) fn start(&'static self, json: bool) {
        self.state().tells_json = json;
        let name = match self.stream {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        };
        let started = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || self.write_behind(|line| self.stream.line(line)));
        self.state().is_behind = started.is_ok();
    }

    /// Writes a line, or leaves it to the thread if there is one.
    ///
    /// # Errors
    ///
    /// Nobody reads any more; or, where it is written at once, it could not be.
    pub(super) fn line(&self, weight: Weight, line: Printable) -> Result<(), OutputError> {
        let mut state = self.state();
        if state.is_closed {
            return Err(OutputError::Closed);
        }
        if state.is_behind {
            // Who starts a call with standard output closed wants no events.
            if self.stream.was_closed_at_start() {
                return Ok(());
            }
            state.waiting.push(weight, line);
            self.changed.notify_all();
            return Ok(());
        }
        drop(state);
        Ok(self.stream.line(&line)?)
    }

    /// Waits a moment for the last lines to be read.
    pub(super) fn drain(&self) {
        let state = self.state();
        let waits =
            |state: &mut State| !state.is_closed && (state.is_writing || !state.waiting.is_empty());
        let _ = self.changed.wait_timeout_while(state, DRAIN, waits);
    }

    /// Why lines that were left to the thread are lost.
    pub(super) fn failed(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// What the thread does: it writes what waits, and when it has caught up, how much is missing.
    fn write_behind(&self, mut write: impl FnMut(&Printable) -> io::Result<()>) {
        let mut works = true;
        loop {
            let next = self.next(works);
            let result = match &next {
                Next::Line(_, line) => write(line),
                Next::Missing(_, line) => write(line),
            };
            works = result.is_ok();
            let mut state = self.state();
            state.is_writing = false;
            match result.map_err(OutputError::from) {
                Ok(()) => {}
                Err(OutputError::Closed) => {
                    state.is_closed = true;
                    self.changed.notify_all();
                    return;
                }
                Err(OutputError::Failed(error)) => {
                    match next {
                        Next::Line(weight, _) => state.waiting.count_left_out(weight),
                        Next::Missing(left_out, _) => state.waiting.put_back_left_out(left_out),
                    }
                    let is_first = state.failed.is_none();
                    state.failed = Some(unwritten(&error));
                    // Unlocked: standard error may hang as well, and whoever adds a line must not
                    // hang with it.
                    drop(state);
                    if is_first && self.stream == Stream::Out {
                        let text = format!("warning: {}", unwritten(&error));
                        note(Printable::text(&text));
                    }
                }
            }
            self.changed.notify_all();
        }
    }

    fn next(&self, works: bool) -> Next {
        let mut state = self.state();
        loop {
            if let Some((weight, line)) = state.waiting.pop() {
                state.is_writing = true;
                return Next::Line(weight, line);
            }
            // A disk that was full a moment ago is left alone until there is a line to try it with.
            let left_out = if works {
                state.waiting.take_left_out()
            } else {
                None
            };
            if let Some(left_out) = left_out {
                state.is_writing = true;
                return Next::Missing(left_out, missing(left_out, state.tells_json));
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line that says how much is missing.
fn missing(left_out: LeftOut, json: bool) -> Printable {
    let event = Event::from(left_out);
    match (json, event.plain(false)) {
        (false, Some(words)) => words,
        _ => json_line(&event),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A writer whose thread writes by `write`.
    fn behind(write: impl FnMut(&Printable) -> io::Result<()> + Send + 'static) -> &'static Writer {
        let writer: &'static Writer = Box::leak(Box::new(Writer::new(Stream::Err)));
        writer.state().is_behind = true;
        thread::spawn(move || writer.write_behind(write));
        writer
    }

    #[test]
    fn whoever_catches_up_is_told_how_much_is_missing() {
        let (go, may_go) = mpsc::channel::<()>();
        let (stalls, has_stalled) = mpsc::channel::<()>();
        let (sender, written) = mpsc::channel();
        let writer = behind(move |line| {
            // The reader stalls at the first line.
            if line.as_str() == "0" {
                stalls.send(()).unwrap();
                may_go.recv().unwrap();
            }
            let _ = sender.send(line.as_str().to_owned());
            Ok(())
        });
        let all = 5000;
        for number in 0..all {
            let line = Printable::text(&number.to_string());
            assert_eq!(writer.line(Weight::Remark, line).ok(), Some(()));
            if number == 0 {
                has_stalled.recv().unwrap();
            }
        }
        go.send(()).unwrap();
        let lines: Vec<String> = written
            .iter()
            .take_while(|line| !line.contains("left out"))
            .collect();
        assert!(lines.len() < all && lines.len() > 1000, "{}", lines.len());
        let expected: Vec<String> = (0..lines.len()).map(|number| number.to_string()).collect();
        assert_eq!(lines, expected);
        // It goes on, and says nothing twice.
        writer
            .line(Weight::Remark, Printable::text("again"))
            .unwrap();
        assert_eq!(written.recv().unwrap(), "again");
    }

    #[test]
    fn a_full_disk_is_remembered_and_tried_again() {
        let (sender, written) = mpsc::channel();
        let mut is_full = true;
        let writer = behind(move |line| {
            sender.send(line.as_str().to_owned()).unwrap();
            if std::mem::take(&mut is_full) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        });
        writer.line(Weight::Outcome, Printable::text("a")).unwrap();
        assert_eq!(written.recv().unwrap(), "a");
        writer.line(Weight::Outcome, Printable::text("b")).unwrap();
        assert_eq!(written.recv().unwrap(), "b");
        let missing = written.recv().unwrap();
        assert!(missing.contains("1 line was left out"), "{missing}");
        assert!(writer.failed().is_some());
    }

    #[test]
    fn nobody_writes_to_a_closed_pipe() {
        let writer = behind(|_| Err(io::ErrorKind::BrokenPipe.into()));
        writer.line(Weight::Outcome, Printable::text("a")).unwrap();
        let closed = writer
            .changed
            .wait_while(writer.state(), |state| !state.is_closed);
        drop(closed);
        let result = writer.line(Weight::Outcome, Printable::text("b"));
        assert!(matches!(result, Err(OutputError::Closed)));
        assert!(writer.failed().is_none());
    }
}
