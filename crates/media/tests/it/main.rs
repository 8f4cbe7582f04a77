//! The media crate from outside, on virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chromium;
mod group;
mod mute;
mod network_adaptation;
mod optimum;
mod refusal;
mod rtp_voice;
mod simulated_call;
mod simulated_group;
mod simulated_leg;
mod transport;
mod voice;
