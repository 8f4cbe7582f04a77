//! What tells a daemon to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Failure;

/// SIGTERM of whoever supervises it, SIGINT of whoever has started it in a terminal.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on they are heard, and end nothing by themselves.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Failure::machine)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::machine)?,
        })
    }

    /// Waits for the next one. None is lost if the wait is given up.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
