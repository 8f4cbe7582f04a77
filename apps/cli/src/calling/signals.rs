//! The signals that end a run: SIGINT, SIGTERM, SIGHUP.

use crate::error::Failure;

/// SIGINT's number.
pub(super) const INTERRUPT: u8 = 2;
/// SIGPIPE's number: what a closed standard output counts as.
pub(super) const PIPE: u8 = 13;

#[cfg(unix)]
mod system {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::{Failure, INTERRUPT};

    /// The signals, as they come.
    #[derive(Debug)]
    pub(in crate::calling) struct Signals {
        interrupt: Signal,
        terminate: Signal,
        hangup: Signal,
    }

    impl Signals {
        /// From now on signals are told here, and do not end the process.
        ///
        /// # Errors
        ///
        /// The operating system refused.
        pub(in crate::calling) fn new() -> Result<Self, Failure> {
            let listen = |kind| signal(kind).map_err(Failure::bug);
            Ok(Self {
                interrupt: listen(SignalKind::interrupt())?,
                terminate: listen(SignalKind::terminate())?,
                hangup: listen(SignalKind::hangup())?,
            })
        }

        /// The number of the next signal.
        pub(in crate::calling) async fn next(&mut self) -> u8 {
            tokio::select! {
                _ = self.interrupt.recv() => INTERRUPT,
                _ = self.terminate.recv() => 15,
                _ = self.hangup.recv() => 1,
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::{Failure, INTERRUPT};

    /// The signals, as they come.
    #[derive(Debug)]
    pub(in crate::calling) struct Signals;

    impl Signals {
        /// From now on Ctrl-C is told here.
        ///
        /// # Errors
        ///
        /// None here.
        pub(in crate::calling) fn new() -> Result<Self, Failure> {
            Ok(Self)
        }

        /// The number of the next signal.
        pub(in crate::calling) async fn next(&mut self) -> u8 {
            match tokio::signal::ctrl_c().await {
                Ok(()) => INTERRUPT,
                Err(_) => std::future::pending().await,
            }
        }
    }
}

pub(super) use system::Signals;
