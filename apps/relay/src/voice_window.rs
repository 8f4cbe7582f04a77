//! The congestion controller of a relay's connections: a window that does not move.
//!
//! Voice has one rate, whatever the network does; it cannot slow down, it can only come late. A controller that halves its window
//! after a loss holds frames back until they are worthless, and where two connections are nested the inner one would do so for
//! each queue of the outer one. What keeps a relay from flooding a network is the rate of its flows (`limits`), which is below what one
//! call of video takes, and the window, which bounds what is under way to somebody who does not answer.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn_proto::congestion::{Controller, ControllerFactory};

/// What may be under way: three quarters of a second of the rate that a flow may have, so that no path on Earth is held back.
const WINDOW: u64 = 72 * 1024;

/// The one state of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VoiceWindow;

impl Controller for VoiceWindow {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}

    fn on_mtu_update(&mut self, _: u16) {}

    fn window(&self) -> u64 {
        WINDOW
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(*self)
    }

    fn initial_window(&self) -> u64 {
        WINDOW
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl ControllerFactory for VoiceWindow {
    fn build(self: Arc<Self>, _: Instant, _: u16) -> Box<dyn Controller> {
        Box::new(*self)
    }
}
