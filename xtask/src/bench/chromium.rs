//! Calls between two pages in Chromium, whose libwebrtc is the bar.

pub(super) mod browser;
pub(super) mod signaling;
