//! Scenarios: devices of several users, a homeserver that may be evil, a network that may be cut, all on virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admission;
mod attacks;
mod call_names;
mod clocks;
mod connecting;
mod delivery;
mod device_list;
mod end_reasons;
mod endings;
mod forgetting;
mod frames;
mod glare;
mod hand_made_callee;
mod hand_made_caller;
mod happy_path;
mod held_back;
mod idle;
mod in_call;
mod last_words;
mod many_invites;
mod media_orders;
mod mute;
mod out_of_turn;
mod paths;
mod promised;
mod random_faults;
mod relabelled;
mod replay_memory;
mod reports;
mod retries;
mod routes;
mod tiers;
mod two_devices;
mod who_may_have_candidates;
mod withheld;
