//! What runs the asynchronous part of a command.

use tokio::runtime::{Builder, Runtime};

use crate::error::{ErrorKind, Failure};

/// The tokio runtime of a command: a call needs no more than two threads.
///
/// # Errors
///
/// The operating system gives no threads.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                ErrorKind::StorageFailed,
                format!("the operating system gives no threads: {error}"),
            )
        })
}
