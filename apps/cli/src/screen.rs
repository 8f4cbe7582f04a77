//! The screens: what a person at a terminal sees, and the keys that work.

mod cells;
mod draw;
mod fitting;
mod foot;
mod frames;
mod group;
mod main_screen;
mod palette;
mod state;
mod terminal;
mod whole;

pub(crate) use fitting::{fit, wrap};
pub(crate) use main_screen::{Wanted, Wish};
pub(crate) use state::Action;
pub(crate) use terminal::ScreenTerminal;
pub(crate) use whole::Screen;
