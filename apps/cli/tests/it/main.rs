//! The `securecall` command as scripts see it: the real program, run in a profile of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod calls;
mod command;
mod config;
mod contacts;
mod endings;
mod faults;
mod identity;
#[cfg(unix)]
mod main_screen;
mod manual;
mod profile;
#[cfg(unix)]
mod pseudo_terminal;
#[cfg(unix)]
mod screen;
mod standard_streams;
mod talker;
mod usage;
