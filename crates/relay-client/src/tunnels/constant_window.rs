//! Congestion control for connections that carry a voice.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory};

/// A window that stays as it is, whatever gets lost.
///
/// What is sent through a tunnel is a call, whose rate is constant, some 100 kbit/s, and follows the network above (frames get smaller
/// on a narrow path, at the start of an epoch only). A controller below would hold frames back, and so make of a loss a delay, and
/// tell by their pace what the network is like; and the inner of two nested ones would take the queue of the outer for congestion
/// (RFC 9298 section 6 leaves to implementations what to do about that).
///
/// It is safe because of its bound: no more than the window is ever under way without having been acknowledged, and nothing is sent
/// that nobody has said. Set-up, the only thing that is not constant, is a few kilobytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConstantWindow(pub(super) u64);

impl ControllerFactory for ConstantWindow {
    fn build(self: Arc<Self>, _now: Instant, _current_mtu: u16) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for ConstantWindow {
    fn on_congestion_event(
        &mut self,
        _now: Instant,
        _sent: Instant,
        _is_persistent_congestion: bool,
        _lost_bytes: u64,
    ) {
    }

    fn on_mtu_update(&mut self, _new_mtu: u16) {}

    fn window(&self) -> u64 {
        self.0
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(*self)
    }

    fn initial_window(&self) -> u64 {
        self.0
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
