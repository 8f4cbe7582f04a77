//! What a script or a person may give while a client runs.

use crossterm::event::KeyEvent;

use super::order::Order;
use crate::error::Failure;

/// Something a script or a person wants.
#[derive(Debug)]
pub(super) enum Input {
    /// An order.
    Order(Order),
    /// A line that is none.
    NotUnderstood(Failure),
    /// A key.
    Key(KeyEvent),
    /// A text that was pasted at the terminal.
    Paste(String),
}
