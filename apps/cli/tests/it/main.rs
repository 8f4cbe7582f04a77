//! The `securecall` command as scripts see it: the real program, run in a profile of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
#[cfg(unix)]
mod account_profile;
mod calls;
#[cfg(target_os = "linux")]
mod changes;
mod command;
mod config;
mod config_command;
mod contacts;
#[cfg(target_os = "linux")]
mod desktop;
mod discovery;
#[cfg(target_os = "linux")]
mod doctor;
mod endings;
mod enrolment;
mod failing_output;
mod faults;
mod federation;
mod foreign_answers;
#[cfg(target_os = "linux")]
mod ghostnet;
#[cfg(unix)]
mod groups;
#[cfg(target_os = "linux")]
mod hostile;
mod hostile_text;
mod identity;
#[cfg(target_os = "linux")]
mod links;
#[cfg(unix)]
mod main_screen;
mod manual;
#[cfg(target_os = "linux")]
mod networks;
mod notification;
mod ordinary;
mod peers;
mod pictures;
mod policy;
#[cfg(unix)]
mod private;
mod profile;
mod profile_key;
#[cfg(unix)]
mod pseudo_terminal;
mod recording;
#[cfg(unix)]
mod relays;
#[cfg(unix)]
mod room_calls;
mod round_trips;
#[cfg(unix)]
mod screen;
#[cfg(target_os = "linux")]
mod session_bus;
mod standard_calls;
mod standard_streams;
mod talker;
#[cfg(unix)]
mod texts;
mod usage;
#[cfg(unix)]
mod verification;
mod waiting;
mod web_names;
#[cfg(target_os = "linux")]
mod webrtcbin;
