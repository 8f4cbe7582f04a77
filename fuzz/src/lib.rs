//! What several targets need: a clock that they turn, and an engine that goes by it.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use web_time::Instant;

/// More wakings than any engine has a reason for within one stretch of time.
const MAX_WAKEUPS: u32 = 1000;

/// When every run begins.
#[allow(clippy::disallowed_methods)]
pub static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A socket address that the target has written itself.
pub fn address(text: &str) -> SocketAddr {
    text.parse()
        .expect("a target knows how to write an address")
}

/// An engine on virtual time.
pub trait VirtualTime {
    /// What time it is.
    fn now(&mut self) -> &mut Instant;

    /// When it wants to be woken, if it does.
    fn deadline(&self) -> Option<Instant>;

    /// Wakes it, and takes what it says.
    fn wake(&mut self);

    /// Lets time pass.
    ///
    /// # Panics
    ///
    /// The engine asks to be woken for ever.
    fn pass(&mut self, time: Duration) {
        let end = *self.now() + time;
        let mut wakeups = 0;
        while let Some(at) = self.deadline().filter(|at| *at <= end) {
            let now = self.now();
            *now = at.max(*now);
            self.wake();
            wakeups += 1;
            assert!(wakeups < MAX_WAKEUPS, "it asks to be woken for ever");
        }
        *self.now() = end;
    }
}
