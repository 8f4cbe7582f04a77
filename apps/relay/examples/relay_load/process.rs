//! Time and memory of the relay, as the kernel counts them.

use std::fs;

use securecall_interop::proportional_kib;

/// A process that is looked at.
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Its time so far in nanoseconds, in itself and in the kernel, of all its threads.
    pub(crate) fn time(&self) -> u64 {
        let tasks =
            fs::read_dir(format!("/proc/{}/task", self.0)).expect("there is no such process");
        tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|said| said.split(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Its share of memory (PSS) in bytes. It lets nobody but root look.
    pub(crate) fn memory(&self) -> u64 {
        proportional_kib(self.0).expect("only root sees its memory") * 1024
    }
}

/// Packets that a socket of ours at this port has lost for want of room.
pub(crate) fn drops(port: u16) -> u64 {
    let table = fs::read_to_string("/proc/net/udp").expect("no table of sockets");
    let local = format!(":{port:04X}");
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(1).is_some_and(|field| field.ends_with(&local)))
        .filter_map(|fields| fields.last()?.parse::<u64>().ok())
        .sum()
}
