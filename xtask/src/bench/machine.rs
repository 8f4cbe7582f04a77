//! What the figures were measured on.

use std::fs;
use std::process::Command;
use std::thread;

use crate::shell;

/// Processor, cores, compiler and date, in one line.
pub(super) fn describe() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|cpuinfo| model(&cpuinfo))
        .unwrap_or_else(|| "unknown processor".to_owned());
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let compiler = shell::output(Command::new("rustc").arg("--version")).unwrap_or_default();
    let compiler = compiler.split(" (").next().unwrap_or_default().to_owned();
    let date = shell::output(Command::new("date").args(["-u", "+%Y-%m-%d"])).unwrap_or_default();
    format!("{processor}, {cores} cores, {compiler}, {date}")
}

fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    let (_, model) = line.split_once(':')?;
    Some(model.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A Fine CPU @ 3 GHz\nflags\t: fpu\n";
        assert_eq!(model(cpuinfo).as_deref(), Some("A Fine CPU @ 3 GHz"));
    }
}
