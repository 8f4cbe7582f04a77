//! What a process costs: processor time and memory, as the kernel counts them.

use std::fs;
use std::time::{Duration, Instant};

use crate::call::conversation::Observer;
use crate::call::record::{Record, Side};

/// When counting begins and ends, after the caller's `connected`.
const FROM: Duration = Duration::from_secs(5);
const TO: Duration = Duration::from_secs(20);

/// Watches both processes of a call.
#[derive(Default)]
pub(super) struct Meter {
    connected: Option<Instant>,
    begin: Option<(Instant, [f64; 2])>,
    /// Percent of a core, caller first.
    pub(super) processor: Option<[f64; 2]>,
    /// Proportional set size in MB, caller first.
    pub(super) memory: Option<[f64; 2]>,
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
        if self.begin.is_none() && since >= FROM {
            self.begin = seconds_of(processes).map(|seconds| (Instant::now(), seconds));
        }
        if self.processor.is_none()
            && since >= TO
            && let Some((begin, before)) = self.begin
            && let Some(after) = seconds_of(processes)
        {
            let wall = begin.elapsed().as_secs_f64();
            self.processor = Some([0, 1].map(|side| (after[side] - before[side]) / wall * 100.0));
            let memory = processes.map(pss_megabytes);
            self.memory = memory[0]
                .zip(memory[1])
                .map(|(caller, callee)| [caller, callee]);
        }
    }
}

fn seconds_of(processes: [u32; 2]) -> Option<[f64; 2]> {
    let [caller, callee] = processes.map(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some(ticks(&stat)? / ticks_per_second())
    });
    Some([caller?, callee?])
}

/// User and system time in a line of `/proc/ID/stat`.
fn ticks(stat: &str) -> Option<f64> {
    // The name in parentheses may hold spaces; what follows is counted from its end.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let user: f64 = fields.get(11)?.parse().ok()?;
    let system: f64 = fields.get(12)?.parse().ok()?;
    Some(user + system)
}

#[expect(clippy::cast_precision_loss, reason = "it is 100")]
fn ticks_per_second() -> f64 {
    // SAFETY: sysconf reads a constant.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    ticks.max(1) as f64
}

/// The command does not let others look into its memory, and so only root reads the proportional figure. For everybody else the
/// resident set stands for it, which counts what is shared with other processes in full.
fn pss_megabytes(id: u32) -> Option<f64> {
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
        assert_eq!(ticks(stat), Some(150.0));
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
        assert!(pss_megabytes(id).unwrap() > 0.1);
        assert!(resident_megabytes(id).unwrap() > 0.1);
    }
}
