//! The call screen: what a person at a terminal sees of a call, and the keys that work.

mod draw;
mod palette;
mod state;
mod terminal;

pub(crate) use state::{Action, CallScreen};
pub(crate) use terminal::ScreenTerminal;
