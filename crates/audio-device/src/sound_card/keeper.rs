//! Keeps one stream of a sound card open: its thread, its errors, and what follows it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::outage::{Outage, Words};
use crate::fault::DeviceFault;

/// So long the stream that was there before is kept: the other one starts, and this one plays what it has.
const DRAIN: Duration = Duration::from_millis(800);

/// Why a stream is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// None is open. Attempts count from 0 in an outage.
    Alone { attempt: u32 },
    /// To take over from the one that is open.
    Beside,
}

/// Opens a stream; called on the stream's thread, again after each failure.
pub(super) trait OpenStream: Send + 'static {
    /// What is open as long as it is kept.
    type Stream;

    /// The device, as the user named it: `microphone "USB"`.
    fn device(&self) -> String;

    /// Opens a stream with a buffer of so many milliseconds, or the nearest there is, and hands the tick's end of its
    /// ring over.
    fn open(
        &mut self,
        buffer_ms: u32,
        occasion: Occasion,
        errors: &StreamErrors,
    ) -> Result<Opened<Self::Stream>, cpal::Error>;
}

/// A stream that was opened.
pub(super) struct Opened<S> {
    pub(super) stream: S,
    /// The device that takes the place of the one that was named.
    pub(super) replacement: Option<String>,
}

/// What reaches the stream's thread.
enum Message {
    /// The stream of this number failed.
    Failed(u64, cpal::Error),
    Reopen {
        buffer_ms: u32,
        only_if_seamless: bool,
    },
    /// The stream neither fails nor works.
    Stalled,
    /// The device is dropped.
    Stop,
}

/// Where a stream's errors go.
#[derive(Clone)]
pub(super) struct StreamErrors {
    number: u64,
    messages: Sender<Message>,
}

impl StreamErrors {
    pub(super) fn tell(&self, error: cpal::Error) {
        let _ = self.messages.send(Message::Failed(self.number, error));
    }
}

/// What there is to say about a card.
pub(super) enum News {
    Fault(DeviceFault),
    Notice(String),
}

/// A thread that keeps a stream open until it is dropped.
pub(super) struct KeptOpen {
    messages: Sender<Message>,
    news: Receiver<News>,
}

impl KeptOpen {
    pub(super) fn start(role: &'static str, opener: impl OpenStream, buffer_ms: u32) -> Self {
        let (messages, inbox) = channel();
        let (news_sender, news) = channel();
        let keeper = Keeper {
            role,
            opener,
            buffer_ms,
            messages: messages.clone(),
            inbox,
            news: news_sender.clone(),
            number: 0,
        };
        let thread = thread::Builder::new()
            .name(role.to_owned())
            .spawn(move || keeper.run());
        if let Err(error) = thread {
            let _ = news_sender.send(News::Fault(DeviceFault::Lost {
                device: role.to_owned(),
                detail: error.to_string(),
            }));
        }
        Self { messages, news }
    }

    /// What there is to say, if anything.
    pub(super) fn news(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// Opens another stream, before the one that is open is closed if the device allows two.
    pub(super) fn reopen(&self, buffer_ms: u32) {
        let _ = self.messages.send(Message::Reopen {
            buffer_ms,
            only_if_seamless: false,
        });
    }

    /// The stream neither fails nor works: it is opened again.
    pub(super) fn report_stall(&self) {
        let _ = self.messages.send(Message::Stalled);
    }

    /// The same as [`reopen`](Self::reopen), only if the device allows two.
    pub(super) fn reopen_if_seamless(&self, buffer_ms: u32) {
        let _ = self.messages.send(Message::Reopen {
            buffer_ms,
            only_if_seamless: true,
        });
    }
}

impl Drop for KeptOpen {
    fn drop(&mut self) {
        // The thread closes the stream on its own time: closing may wait for the card.
        let _ = self.messages.send(Message::Stop);
    }
}

struct Keeper<O> {
    role: &'static str,
    opener: O,
    buffer_ms: u32,
    messages: Sender<Message>,
    inbox: Receiver<Message>,
    news: Sender<News>,
    /// Of the stream that was opened last.
    number: u64,
}

/// Why a stream is no longer there.
enum Closed {
    Stopped,
    Failed(cpal::Error),
    /// It did nothing.
    Stalled,
    /// It has to make room for one with another buffer.
    MakesRoom,
}

impl<O: OpenStream> Keeper<O> {
    fn run(mut self) {
        let mut outage = Outage::default();
        let mut replacement = None;
        loop {
            let attempt = outage.attempts();
            let (error, held) = match self.open(Occasion::Alone { attempt }) {
                Ok(opened) => {
                    // Another device is news even where an outage has been told to be over.
                    if outage.opened() || opened.replacement != replacement {
                        self.tell_back(opened.replacement.as_deref());
                    }
                    replacement = opened.replacement;
                    let since = now();
                    match self.hold(opened.stream) {
                        Closed::Stopped => return,
                        Closed::MakesRoom => continue,
                        Closed::Failed(error) => (error, now().saturating_duration_since(since)),
                        Closed::Stalled => (no_sound(), Duration::ZERO),
                    }
                }
                Err(error) => (error, Duration::ZERO),
            };
            let pause = outage.failed(held);
            if let Some(words) = outage.take_words() {
                self.tell_fault(words, &error);
            }
            if self.is_stopped_within(pause) {
                return;
            }
        }
    }

    fn open(&mut self, occasion: Occasion) -> Result<Opened<O::Stream>, cpal::Error> {
        self.number += 1;
        let errors = StreamErrors {
            number: self.number,
            messages: self.messages.clone(),
        };
        self.opener.open(self.buffer_ms, occasion, &errors)
    }

    /// Waits until the stream fails or is no longer needed.
    fn hold(&mut self, mut stream: O::Stream) -> Closed {
        use cpal::ErrorKind::{DeviceChanged, RealtimeDenied};
        // Plays on for a moment beside the one that took its place.
        let mut draining: Option<(O::Stream, Instant)> = None;
        loop {
            let message = match &draining {
                None => self
                    .inbox
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some((_, until)) => {
                    let left = until.saturating_duration_since(now());
                    self.inbox.recv_timeout(left)
                }
            };
            match message {
                Ok(Message::Failed(number, _)) if number != self.number => {}
                Ok(Message::Failed(_, error)) => match error.kind() {
                    RealtimeDenied => tracing::debug!(%error, "sound card"),
                    DeviceChanged => self.tell_moved(),
                    _ => return Closed::Failed(error),
                },
                Ok(Message::Reopen {
                    buffer_ms,
                    only_if_seamless,
                }) => {
                    let before = std::mem::replace(&mut self.buffer_ms, buffer_ms);
                    let number = self.number;
                    match self.open(Occasion::Beside) {
                        Ok(opened) => {
                            let old = std::mem::replace(&mut stream, opened.stream);
                            draining = Some((old, now() + DRAIN));
                        }
                        Err(error) if only_if_seamless => {
                            tracing::debug!(%error, "the card's buffer stays");
                            (self.number, self.buffer_ms) = (number, before);
                        }
                        Err(_) => return Closed::MakesRoom,
                    }
                }
                Ok(Message::Stalled) => return Closed::Stalled,
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Closed::Stopped,
                Err(RecvTimeoutError::Timeout) => draining = None,
            }
        }
    }

    /// Waits for the next attempt; says whether the device was dropped meanwhile.
    fn is_stopped_within(&mut self, pause: Duration) -> bool {
        let until = now() + pause;
        loop {
            let left = until.saturating_duration_since(now());
            match self.inbox.recv_timeout(left) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
                // A stream that fails says so many times.
                Ok(Message::Failed(..) | Message::Stalled) => {}
                Ok(Message::Reopen { buffer_ms, .. }) => self.buffer_ms = buffer_ms,
            }
        }
    }

    fn tell_fault(&self, words: Words, error: &cpal::Error) {
        let device = self.opener.device();
        let detail = error.to_string().trim_end_matches('.').to_owned();
        self.tell(News::Fault(match words {
            Words::Interrupted => DeviceFault::Interrupted { device, detail },
            Words::Lost => DeviceFault::Lost { device, detail },
        }));
    }

    fn tell_back(&self, replacement: Option<&str>) {
        let device = self.opener.device();
        self.tell(News::Notice(match replacement {
            None => format!("the {device} works again"),
            Some(name) => format!("the {device} is gone; {name:?} is used in its place"),
        }));
    }

    fn tell_moved(&self) {
        let role = self.role;
        self.tell(News::Notice(format!(
            "the system has moved the {role} to another device"
        )));
    }

    fn tell(&self, news: News) {
        let _ = self.news.send(news);
    }
}

fn no_sound() -> cpal::Error {
    let kind = cpal::ErrorKind::DeviceNotAvailable;
    cpal::Error::with_message(kind, "nothing came and nothing went for seconds")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a card fails and comes back at a time of its own"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
