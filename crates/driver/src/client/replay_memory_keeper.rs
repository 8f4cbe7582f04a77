//! Brings the memory of taken invites to disk, beside the tasks that may not wait for a disk.

use tokio::task::spawn_blocking;

use crate::replay_memory::{ReplayMemory, ReplayMemoryError};

/// The memory on disk, and whether the program knows that it fails.
#[derive(Debug)]
pub(super) struct ReplayMemoryKeeper {
    memory: ReplayMemory,
    /// The last write failed.
    fails: bool,
}

impl ReplayMemoryKeeper {
    pub(super) fn of(memory: ReplayMemory) -> Self {
        let fails = false;
        Self { memory, fails }
    }

    /// Waits until the disk has it.
    ///
    /// # Errors
    ///
    /// It has not. The reason comes once, until it works again.
    pub(super) async fn keep(&mut self, bytes: Vec<u8>) -> Result<(), Option<ReplayMemoryError>> {
        let memory = self.memory.clone();
        match spawn_blocking(move || memory.store(&bytes)).await {
            Ok(Ok(())) => {
                self.fails = false;
                self.settle();
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the memory of taken calls is not on disk");
                let is_news = !std::mem::replace(&mut self.fails, true);
                Err(is_news.then_some(error))
            }
            Err(error) => {
                tracing::error!(%error, "the memory of taken calls was not written");
                Err(None)
            }
        }
    }

    /// Nobody waits for this: until it is through, a power cut brings back what was there before.
    fn settle(&self) {
        let memory = self.memory.clone();
        spawn_blocking(move || {
            if let Err(error) = memory.settle() {
                tracing::warn!(%error, "the memory of taken calls may not outlive a power cut");
            }
        });
    }
}
