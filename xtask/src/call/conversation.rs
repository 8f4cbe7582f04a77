//! One call from the first process to the last, with files for microphones and speakers.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::call::client::Client;
use crate::call::interrupt;
use crate::call::record::{Record, Side};
use crate::call::user::User;

/// A first sync and the upload of keys on a busy machine.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// From dialing to the end of the call, over its length.
const CALL_PATIENCE: Duration = Duration::from_secs(60);

/// Looks on while the call runs.
pub(crate) trait Observer {
    /// An event came.
    fn event(&mut self, record: &Record);

    /// Some time passed; the processes of caller and callee, while they run.
    fn tick(&mut self, _processes: [u32; 2]) {}

    /// The call is over.
    fn over(&mut self) {}
}

/// What was heard of a call.
pub(crate) struct Conversation {
    /// Both processes' events, as they came.
    pub(crate) records: Vec<Record>,
    /// Exit codes, caller first; none where a signal ended the process.
    pub(crate) exit_codes: [Option<i32>; 2],
}

/// The file a side speaks from.
pub(crate) fn said_by(directory: &Path, side: Side) -> PathBuf {
    directory.join(format!("said-by-{}.wav", side.name()))
}

/// The file a side's speaker is recorded in.
pub(crate) fn heard_by(directory: &Path, side: Side) -> PathBuf {
    directory.join(format!("heard-by-{}.wav", side.name()))
}

/// Holds a call of `seconds` between two people who have each other as contacts, the caller first, and stops both processes
/// whatever happens.
pub(crate) fn hold(
    [caller, callee]: [&User; 2],
    directory: &Path,
    seconds: u32,
    observer: &mut dyn Observer,
) -> Result<Conversation> {
    let (sender, receiver) = mpsc::channel();
    let log = |side: Side| directory.join(format!("{}.log", side.name()));
    let audio = |side: Side| {
        let path = |path: PathBuf| path.display().to_string();
        [
            "--mic".to_owned(),
            path(said_by(directory, side)),
            "--speaker".to_owned(),
            path(heard_by(directory, side)),
        ]
    };
    let mut watch = Watch {
        records: Vec::new(),
        receiver,
        observer,
    };

    let listen = ["listen", "--answer", "contacts", "--once"].map(str::to_owned);
    let mut listening = callee.start(
        listen.into_iter().chain(audio(Side::Callee)),
        Side::Callee,
        sender.clone(),
        &log(Side::Callee),
    )?;
    watch
        .until(READY_PATIENCE, &mut [&mut listening], |records| {
            records
                .iter()
                .any(|record| record.side == Side::Callee && record.name() == "ready")
        })
        .with_context(|| {
            format!(
                "the callee did not get ready; its log is {}",
                log(Side::Callee).display()
            )
        })?;

    let length = seconds.to_string();
    let dial = ["call", Side::Callee.name(), "--duration", &length].map(str::to_owned);
    let mut dialing = caller.start(
        dial.into_iter().chain(audio(Side::Caller)),
        Side::Caller,
        sender,
        &log(Side::Caller),
    )?;
    let patience = CALL_PATIENCE + Duration::from_secs(seconds.into());
    let ended = watch.until(patience, &mut [&mut dialing, &mut listening], |_| false);
    watch.observer.over();
    if interrupt::came() {
        bail!("interrupted; what was started is stopped");
    }
    ended.with_context(|| {
        let [caller, callee] = Side::BOTH.map(|side| log(side).display().to_string());
        format!("the call did not come to its end; the logs are {caller} and {callee}")
    })?;
    let exit_codes =
        [dialing.stop()?, listening.stop()?].map(|status| status.and_then(|status| status.code()));
    watch.drain();
    Ok(Conversation {
        records: watch.records,
        exit_codes,
    })
}

/// Gathers events while processes run.
struct Watch<'a> {
    records: Vec<Record>,
    receiver: Receiver<Record>,
    observer: &'a mut dyn Observer,
}

impl Watch<'_> {
    /// Until `done` says so or every one of the processes has ended.
    fn until(
        &mut self,
        patience: Duration,
        processes: &mut [&mut Client],
        done: impl Fn(&[Record]) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !done(&self.records) {
            if interrupt::came() {
                bail!("interrupted");
            }
            if Instant::now() > deadline {
                bail!("it took more than {} s", patience.as_secs());
            }
            match self.receiver.recv_timeout(Duration::from_millis(20)) {
                Ok(record) => self.take(record),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let mut ended = 0;
                    for process in processes.iter_mut() {
                        ended += usize::from(process.ended()?.is_some());
                    }
                    if ended == processes.len() {
                        self.drain();
                        // With one process to wait for, its end comes before what was waited for.
                        if processes.len() == 1 && !done(&self.records) {
                            bail!("its process ended: {}", self.last_words());
                        }
                        break;
                    }
                }
            }
            if let [caller, callee] = processes {
                self.observer.tick([caller.id(), callee.id()]);
            }
        }
        Ok(())
    }

    fn drain(&mut self) {
        while let Ok(record) = self.receiver.recv_timeout(Duration::from_millis(50)) {
            self.take(record);
        }
    }

    fn take(&mut self, record: Record) {
        self.observer.event(&record);
        self.records.push(record);
    }

    fn last_words(&self) -> String {
        self.records.last().map_or_else(
            || "it said nothing".to_owned(),
            |record| record.event.to_string(),
        )
    }
}
