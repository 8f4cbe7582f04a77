//! What a process costs: processor time and memory, as the kernel counts them.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::call::conversation::Observer;
use crate::call::record::{Record, Side};

/// Watches both processes of a call.
pub(super) struct Meter {
    /// When counting begins and ends, after the caller's `connected`.
    window: [Duration; 2],
    connected: Option<Instant>,
    begin: Option<ProcessorTime>,
    /// Percent of a core, caller first.
    pub(super) processor: Option<[f64; 2]>,
    /// Proportional set size in MB, caller first.
    pub(super) memory: Option<[f64; 2]>,
}

impl Meter {
    pub(super) const fn new(window: [Duration; 2]) -> Self {
        Self {
            window,
            connected: None,
            begin: None,
            processor: None,
            memory: None,
        }
    }
}

impl Observer for Meter {
    fn event(&mut self, record: &Record) {
        if record.side == Side::Caller && record.name() == "connected" {
            self.connected = Some(Instant::now());
        }
    }

    fn tick(&mut self, processes: [u32; 2]) {
        let Some(since) = self.connected.map(|connected| connected.elapsed()) else {
            return;
        };
        let [from, to] = self.window;
        if self.begin.is_none() && since >= from {
            self.begin = ProcessorTime::begin(processes);
        }
        if self.processor.is_none()
            && since >= to
            && let Some(begin) = &self.begin
        {
            self.processor = begin.percent();
            let memory = processes.map(memory_megabytes);
            self.memory = memory[0]
                .zip(memory[1])
                .map(|(caller, callee)| [caller, callee]);
        }
    }
}

/// Processor time of two processes, each with all that descend from it, from one moment on.
pub(super) struct ProcessorTime {
    since: Instant,
    processes: [u32; 2],
    seconds: [f64; 2],
}

impl ProcessorTime {
    /// Begins to count; nothing if there is no such process.
    pub(super) fn begin(processes: [u32; 2]) -> Option<Self> {
        Some(Self {
            since: Instant::now(),
            processes,
            seconds: seconds_of(processes)?,
        })
    }

    /// Percent of a core so far.
    pub(super) fn percent(&self) -> Option<[f64; 2]> {
        let now = seconds_of(self.processes)?;
        let wall = self.since.elapsed().as_secs_f64();
        Some([0, 1].map(|side| (now[side] - self.seconds[side]) / wall * 100.0))
    }
}

/// Processor time of a process so far, with all that descend from it, in seconds.
pub(crate) fn processor_seconds(id: u32) -> Option<f64> {
    let [seconds, _] = seconds_of([id, id])?;
    Some(seconds)
}

fn seconds_of(processes: [u32; 2]) -> Option<[f64; 2]> {
    let all = all_processes();
    let [one, other] = processes.map(|id| {
        all.contains_key(&id)
            .then(|| ticks_of_family(id, &all) / ticks_per_second())
    });
    Some([one?, other?])
}

/// A process in `/proc`.
struct Process {
    parent: u32,
    ticks: f64,
}

fn all_processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            // What ends meanwhile is none any more.
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((id, Process::read(&stat)?))
        })
        .collect()
}

/// The time of a process and of all that descend from it.
fn ticks_of_family(id: u32, all: &HashMap<u32, Process>) -> f64 {
    let own = all.get(&id).map_or(0.0, |process| process.ticks);
    let children = all
        .iter()
        .filter(|(child, process)| process.parent == id && **child != id);
    own + children
        .map(|(child, _)| ticks_of_family(*child, all))
        .sum::<f64>()
}

impl Process {
    /// Parent, user and system time in a line of `/proc/ID/stat`.
    fn read(stat: &str) -> Option<Self> {
        // The name in parentheses may hold spaces; what follows is counted from its end.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let user: f64 = fields.get(11)?.parse().ok()?;
        let system: f64 = fields.get(12)?.parse().ok()?;
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            ticks: user + system,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is 100")]
fn ticks_per_second() -> f64 {
    // SAFETY: sysconf reads a constant.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    ticks.max(1) as f64
}

/// The command does not let others look into its memory, and so only root reads the proportional figure. For everybody else the
/// resident set stands for it, which counts what is shared with other processes in full.
pub(crate) fn memory_megabytes(id: u32) -> Option<f64> {
    fs::read_to_string(format!("/proc/{id}/smaps_rollup"))
        .ok()
        .and_then(|rollup| megabytes("Pss:", &rollup))
        .or_else(|| resident_megabytes(id))
}

fn resident_megabytes(id: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    megabytes("VmRSS:", &status)
}

/// A figure of `/proc/ID/smaps_rollup` or `/proc/ID/status`, in MB.
fn megabytes(name: &str, table: &str) -> Option<f64> {
    let line = table.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_does_not_shift_the_fields() {
        let stat = "77 (secure call) S 1 77 77 0 -1 4194560 500 0 0 0 120 30 0 0 20 0 7 0 1 1 1";
        let process = Process::read(stat).unwrap();
        assert_eq!((process.parent, process.ticks), (1, 150.0));
    }

    #[test]
    fn all_that_descend_from_a_process_count_with_it() {
        let all = [(1, 0), (10, 1), (11, 10), (12, 11), (20, 1)].map(|(id, parent)| {
            let ticks = f64::from(id);
            (id, Process { parent, ticks })
        });
        assert_eq!(ticks_of_family(10, &HashMap::from(all)), 33.0);
    }

    #[test]
    fn the_proportional_set_size_is_read_in_megabytes() {
        let rollup = "55-7f ---p 00000000 00:00 0 [rollup]\nRss:  50000 kB\nPss:  46875 kB\nPss_Anon: 1 kB\n";
        assert_eq!(megabytes("Pss:", rollup), Some(48.0));
    }

    #[test]
    fn our_own_process_can_be_read() {
        let id = std::process::id();
        assert!(seconds_of([id, id]).is_some());
        assert!(memory_megabytes(id).unwrap() > 0.1);
        assert!(resident_megabytes(id).unwrap() > 0.1);
    }
}
