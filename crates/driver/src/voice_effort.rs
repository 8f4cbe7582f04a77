//! How hard this machine works on voice: as hard as it was measured to hold before the first tick, then by how late ticks come.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use securecall_media::{Effort, EffortControl, measured_effort};
use tokio::sync::oneshot;
use web_time::Instant;

use crate::clock;

/// What the last conversation of a client had come to when it ended; clones share it. Before the first it limits nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastEffort(Arc<Mutex<Effort>>);

impl LastEffort {
    fn effort(&self) -> Effort {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, effort: Effort) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = effort;
    }
}

/// The effort of one conversation.
pub(crate) struct VoiceEffort {
    control: EffortControl,
    last: LastEffort,
    /// What the measurement will say, once it has begun.
    measured: Option<oneshot::Receiver<Effort>>,
}

impl VoiceEffort {
    /// As much as the last conversation ended with.
    pub(crate) fn new(last: LastEffort) -> Self {
        Self {
            control: EffortControl::starting_with(last.effort()),
            last,
            measured: None,
        }
    }

    /// Begins to measure what this machine holds, once in a conversation, on a thread of its own: whatever is done here meanwhile does
    /// not wait. That thread does not come first, as ticks may; but the least of what it measures counts.
    pub(crate) fn measure(&mut self) {
        if self.measured.is_some() {
            return;
        }
        let (tell, told) = oneshot::channel();
        self.measured = Some(told);
        tokio::task::spawn_blocking(move || match measured_effort(clock::now) {
            Ok(effort) => {
                tracing::debug!(?effort, "measured");
                // A conversation that has ended meanwhile does not need it.
                let _ = tell.send(effort);
            }
            Err(error) => tracing::error!(%error, "the cost of a frame was not measured"),
        });
    }

    /// Takes note of a tick that came `late` after it was due, and of the measurement, once it is through.
    pub(crate) fn handle_tick(&mut self, now: Instant, late: Duration) {
        // Where it has been taken, the channel is closed.
        if let Some(Ok(effort)) = self.measured.as_mut().map(oneshot::Receiver::try_recv) {
            self.control.limit(effort);
        }
        self.control.handle_tick(now, late);
    }

    /// How hard encoder and decoders should work.
    pub(crate) fn effort(&self) -> Effort {
        self.control.effort()
    }

    /// Lets the next conversation begin with what this one has come to.
    pub(crate) fn remember(&self) {
        self.last.remember(self.effort());
    }
}

/// What tests need no measurement for.
#[cfg(test)]
impl VoiceEffort {
    /// As when the measurement says so.
    pub(crate) fn set_measured(&mut self, effort: Effort) {
        let (tell, told) = oneshot::channel();
        tell.send(effort).unwrap();
        self.measured = Some(told);
    }

    /// Whether the measurement has begun.
    pub(crate) const fn is_measured(&self) -> bool {
        self.measured.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_is_measured_once_in_a_conversation_and_says_something() {
        let mut effort = VoiceEffort::new(LastEffort::default());
        effort.measure();
        effort.measured.as_mut().unwrap().await.unwrap();
        effort.set_measured(Effort::Low);
        effort.measure();
        let now = clock::now();
        effort.handle_tick(now, Duration::ZERO);
        assert_eq!(effort.effort(), Effort::Low);
        // It limits what a conversation begins with, and not what ticks make of it.
        let tick = Duration::from_millis(10);
        (1..7_000).for_each(|number| effort.handle_tick(now + tick * number, Duration::ZERO));
        assert_eq!(effort.effort(), Effort::High);
    }
}
