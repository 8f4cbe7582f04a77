//! The thread that a conversation's media have for themselves.
//!
//! Ticks of 10 ms wait for nothing else of the program there: not for the homeserver's answers, nor for what is computed for a
//! message. Where the system lets a program say so, they do not wait for other programs either. That goes for this thread alone:
//! those that begin in it, to open a device or to write a recording, come when everything else does.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::Builder;

/// Before what can wait, and behind what the system itself does at once. As much as sound servers ask for.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NICE: i32 = -11;

/// Runs a task to its end on a thread of its own; among the others of the program, if the system has no thread for it.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    spawn_by(task, |run| {
        let named = thread::Builder::new().name("voice".to_owned());
        named.spawn(run).map(drop)
    });
}

/// The same with a thread that `start` begins.
fn spawn_by<T, S>(task: T, start: S)
where
    T: Future<Output = ()> + Send + 'static,
    S: FnOnce(Box<dyn FnOnce() + Send>) -> io::Result<()>,
{
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return spawn_among_others(task, &error),
    };
    // The thread has it, or who finds that there is none.
    let here = Arc::new(Mutex::new(Some((runtime, task))));
    let there = Arc::clone(&here);
    let run = move || {
        if let Some((runtime, task)) = take(&there) {
            come_first();
            runtime.block_on(task);
            // A device that does not open keeps nobody here.
            runtime.shutdown_background();
        }
    };
    if let Err(error) = start(Box::new(run))
        && let Some((runtime, task)) = take(&here)
    {
        // It may not be waited for here.
        runtime.shutdown_background();
        spawn_among_others(task, &error);
    }
}

fn spawn_among_others(task: impl Future<Output = ()> + Send + 'static, error: &io::Error) {
    tracing::warn!(%error, "no thread for the voice alone");
    tokio::spawn(task);
}

fn take<T>(from: &Mutex<Option<T>>) -> Option<T> {
    from.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Allowed to root, to who has the right (`RLIMIT_NICE`, as those who make music often have), and to every app on Android.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn come_first() {
    let alone = keep_priority_for_this_thread();
    let first = alone.and_then(|()| Ok(rustix::process::setpriority_process(None, NICE)?));
    if let Err(error) = first {
        tracing::debug!(%error, "the voice has the priority of everything else");
    }
}

/// Threads that begin in this one have a nice value of 0, whatever its own is (sched(7), "Resetting scheduling policy for child
/// processes").
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(unsafe_code, reason = "rustix does not know of it")]
fn keep_priority_for_this_thread() -> io::Result<()> {
    let none = libc::sched_param { sched_priority: 0 };
    let policy = libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK;
    // SAFETY: it reads the parameters, which live longer, and changes nothing but how this thread is scheduled.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const none) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
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

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn threads_that_begin_in_the_voice_thread_do_not_come_first() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let ours = nice();
        let [here, begun] = thread::spawn(move || {
            come_first();
            [nice(), thread::spawn(nice).join().unwrap()]
        })
        .join()
        .unwrap();
        // Whether it may is the system's matter.
        let expected = if here == ours { ours } else { 0 };
        assert!([ours, NICE].contains(&here), "{here}");
        assert_eq!(begun, expected, "beside {here}");
    }

    #[tokio::test]
    async fn a_system_without_threads_to_spare_takes_no_voice_away() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let task = async move { tell.send(()).unwrap() };
        spawn_by(task, |_| Err(io::ErrorKind::WouldBlock.into()));
        told.await.unwrap();
    }
}
