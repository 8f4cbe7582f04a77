//! The peers themselves, before anything of ours meets them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dendrite;
mod federation;
mod group_calls;
mod js_sdk;
mod matrix_client;
#[cfg(target_os = "linux")]
mod network;
mod synapse;
mod tls_front;
mod udp_forwarder;
mod web_server;
#[cfg(unix)]
mod webrtcbin;
