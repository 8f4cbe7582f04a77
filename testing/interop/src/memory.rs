//! How much memory a process has, as Linux says it.

use std::{fs, io};

/// What it has had at most, in KiB (`VmHWM`).
///
/// # Errors
///
/// There is no such process.
pub fn peak_kib(process: u32) -> io::Result<u64> {
    figure(process, "status", "VmHWM:")
}

/// What it has now, in KiB, with all that it shares with others (`VmRSS`).
///
/// # Errors
///
/// There is no such process.
pub fn resident_kib(process: u32) -> io::Result<u64> {
    figure(process, "status", "VmRSS:")
}

/// What it has now, in KiB, with its share of that (PSS).
///
/// # Errors
///
/// There is no such process, or it lets nobody look who is not root.
pub fn proportional_kib(process: u32) -> io::Result<u64> {
    figure(process, "smaps_rollup", "Pss:")
}

fn figure(process: u32, table: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/{table}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    figure.ok_or_else(|| io::Error::other(format!("no {name} of process {process}")))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_what_it_uses_and_has_had_what_it_used() {
        const PIECE: usize = 64 << 20;
        // Others of this process come and go meanwhile, and Linux counts in batches.
        const AT_LEAST: u64 = 48 << 10;
        let own = std::process::id();
        let piece = std::hint::black_box(vec![1_u8; PIECE]);
        assert!(resident_kib(own).unwrap() > AT_LEAST);
        assert!(proportional_kib(own).unwrap() > AT_LEAST);
        drop(piece);
        assert!(peak_kib(own).unwrap() > AT_LEAST);
        assert!(peak_kib(u32::MAX).is_err());
    }
}
