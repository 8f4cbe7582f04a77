//! What scripts and people are told of a run, in order.

use std::collections::BTreeSet;

use securecall_contact::SecureCallId;
use securecall_driver::Event as ClientEvent;

use super::ending::Ending;
use super::narrator::Narrator;
use super::signals;
use crate::error::Failure;
use crate::output::{Event, Output, OutputError, Queue};

/// Tells events at once, or holds them back while a screen is where they would be read.
#[derive(Debug)]
pub(super) struct Teller {
    output: Output,
    narrator: Narrator,
    with_screen: bool,
    /// Lines that a person reads when the screen is gone.
    held_back: Queue<Event>,
}

impl Teller {
    /// A teller to `output`, with a screen up or without.
    pub(super) const fn new(output: Output, narrator: Narrator, with_screen: bool) -> Self {
        Self {
            output,
            narrator,
            with_screen,
            held_back: Queue::new(),
        }
    }

    /// Tells what there is to tell of an event of the client.
    ///
    /// # Errors
    ///
    /// As [`tell`](Self::tell).
    pub(super) fn tell_of(&mut self, event: &ClientEvent) -> Result<(), Ending> {
        match self.narrator.tell(event) {
            Some(event) => self.tell(event),
            None => Ok(()),
        }
    }

    /// Tells an event.
    ///
    /// # Errors
    ///
    /// Nobody reads any more.
    pub(super) fn tell(&mut self, event: Event) -> Result<(), Ending> {
        if let Event::Error { message, .. } = &event
            && !self.with_screen
        {
            self.output.note(&format!("warning: {message}"));
        }
        if self.with_screen && self.output.is_terminal() {
            // The screen has shown the figures; what happened is worth reading afterwards.
            if !matches!(event, Event::Stats(_)) {
                self.held_back.push(event.weight(), event);
            }
            return Ok(());
        }
        self.output.event(&event).or_else(|error| match error {
            OutputError::Closed => Err(Ending::Signal(signals::PIPE)),
            // Lines wait, and the writer has said so.
            OutputError::Failed(_) => Ok(()),
        })
    }

    /// Tells a script that an order did not work.
    pub(super) fn order_failed(&self, failure: &Failure) {
        self.output.order_failed(failure);
    }

    /// Notices that nobody reads any more, also where there is nothing to tell.
    ///
    /// # Errors
    ///
    /// Nobody does.
    pub(super) fn check_reader(&self) -> Result<(), Ending> {
        match self.output.is_closed() {
            true => Err(Ending::Signal(signals::PIPE)),
            false => Ok(()),
        }
    }

    /// From now on these contacts count as verified.
    pub(super) fn know_verified(&mut self, verified: BTreeSet<SecureCallId>) {
        self.narrator.know_verified(verified);
    }

    /// The screen is gone: tells what happened meanwhile.
    pub(super) fn catch_up(mut self) {
        while let Some((_, event)) = self.held_back.pop() {
            if self.output.event(&event).is_err() {
                return;
            }
        }
        if let Some(left_out) = self.held_back.take_left_out() {
            let _ = self.output.event(&left_out.into());
        }
    }
}
