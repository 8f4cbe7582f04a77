//! The thread that a conversation's media have for themselves.
//!
//! Ticks of 10 ms wait for nothing else of the program there: not for the homeserver's answers, nor for what is computed for a
//! message. Where the system lets a program say so, they do not wait for other programs either.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::Builder;

/// Before what can wait, and behind what the system itself does at once. As much as sound servers ask for.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NICE: i32 = -11;

/// Runs a task to its end on a thread of its own; among the others of the program, if the system has no thread for it.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    let task = Arc::new(Mutex::new(Some(task)));
    let take = |task: &Mutex<Option<_>>| {
        let mut task = task.lock().unwrap_or_else(PoisonError::into_inner);
        task.take()
    };
    let taken = Arc::clone(&task);
    let begun = start(move || take(&taken));
    if let Err(error) = begun {
        tracing::warn!(%error, "no thread for the voice alone");
        if let Some(task) = take(&task) {
            tokio::spawn(task);
        }
    }
}

fn start<T: Future<Output = ()> + Send + 'static>(
    task: impl FnOnce() -> Option<T> + Send + 'static,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        come_first();
        if let Some(task) = task() {
            runtime.block_on(task);
        }
        // A device that does not open keeps nobody here.
        runtime.shutdown_background();
    };
    let named = thread::Builder::new().name("voice".to_owned());
    named.spawn(run).map(drop)
}

/// Allowed to root, to who has the right (`RLIMIT_NICE`, as those who make music often have), and to every app on Android.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn come_first() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the voice has the priority of everything else");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn come_first() {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_voice_goes_on_while_all_else_in_the_program_is_held_up() {
        let (tell, told) = mpsc::channel();
        let (order, mut ordered) = tokio::sync::mpsc::channel(1);
        spawn(async move {
            while ordered.recv().await.is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let name = thread::current().name().map(str::to_owned);
                tell.send(name).unwrap();
            }
        });
        for _ in 0..3 {
            order.send(()).await.unwrap();
            // The only thread of this runtime does nothing else meanwhile.
            let name = told.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(name.as_deref(), Some("voice"));
        }
        drop(order);
        // The task has ended, and with it its thread.
        let over = told.recv_timeout(Duration::from_secs(60));
        assert_eq!(over, Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
