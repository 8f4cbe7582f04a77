//! Loads a server with calls, and reads what came of it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::server::Server;
use crate::shell;
use crate::workspace::Workspace;

/// The core of the loader; servers have the other.
const CORE: &str = "1";

/// The program that does it.
pub(super) struct Loader(PathBuf);

/// Whose packets go which way.
#[derive(Clone, Copy)]
pub(super) enum Way<'a> {
    Direct,
    Entry(&'a Server),
    Exit(&'a Server),
    Turn(&'a Server),
}

/// Packets of one direction.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    sent: f64,
    arrived: f64,
    /// The median; none where the loader does not look at once.
    pub(super) delay_ms: Option<f64>,
}

/// What came of one run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    flows: f64,
    pub(super) out: Direction,
    pub(super) back: Direction,
    own_drops: f64,
    late_ms: f64,
    process_seconds: f64,
    memory: [f64; 2],
    /// Bytes that a packet grows by towards the server.
    pub(super) overhead: f64,
}

impl Loader {
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        shell::run(workspace.cargo().args([
            "build",
            "--locked",
            "--package",
            "securecall-relay-daemon",
            "--example",
            "relay_load",
            "--release",
        ]))?;
        let program = workspace.target().join("release/examples/relay_load");
        Ok(Self(program))
    }

    /// So many calls of so many packets a second each way, for ten seconds. Time and memory are those of a process.
    pub(super) fn run(
        &self,
        way: Way<'_>,
        flows: u32,
        rate: u32,
        process: Option<u32>,
    ) -> Result<Run> {
        let mut command = Command::new("taskset");
        command.args(["-c", CORE]).arg(&self.0);
        let masque = |command: &mut Command, role: &str, server: &Server| {
            command
                .args([role, &server.address.to_string()])
                .args(["--authorization", &server.authorization]);
        };
        match way {
            Way::Direct => {
                command.arg("direct");
            }
            Way::Entry(server) => masque(&mut command, "entry", server),
            Way::Exit(server) => masque(&mut command, "exit", server),
            Way::Turn(server) => {
                command.args(["turn", &server.address.to_string()]);
            }
        }
        if let Way::Entry(server) | Way::Exit(server) | Way::Turn(server) = way {
            command.args(["--peer", &server.peer.to_string()]);
        }
        command.args(["--flows", &flows.to_string(), "--rate", &rate.to_string()]);
        if let Some(process) = process {
            command.args(["--process", &process.to_string()]);
        }
        let printed = shell::output(&mut command).context("the loader fails")?;
        let said: Value = serde_json::from_str(&printed)
            .with_context(|| format!("the loader says no JSON: {printed}"))?;
        Run::read(&said)
    }
}

impl Run {
    fn read(said: &Value) -> Result<Self> {
        let number = |value: &Value| value.as_f64().context("the loader leaves out a number");
        let direction = |said: &Value| -> Result<Direction> {
            Ok(Direction {
                sent: number(&said["sent"])?,
                arrived: number(&said["arrived"])?,
                delay_ms: said["delay_ms"].as_f64(),
            })
        };
        Ok(Self {
            flows: number(&said["flows"])?,
            out: direction(&said["out"])?,
            back: direction(&said["back"])?,
            own_drops: number(&said["own_drops"])?,
            late_ms: number(&said["late_ms"])?,
            process_seconds: said["process_seconds"].as_f64().unwrap_or_default(),
            memory: [&said["memory_before"], &said["memory_open"]]
                .map(|bytes| bytes.as_f64().unwrap_or_default()),
            overhead: number(&said["overhead"])?,
        })
    }

    fn sent(&self) -> f64 {
        self.out.sent + self.back.sent
    }

    /// The time of the server, in microseconds, for each packet that it was to carry.
    pub(super) fn microseconds_a_packet(&self) -> f64 {
        self.process_seconds * 1e6 / self.sent()
    }

    /// Packets that did not arrive, whoever lost them.
    pub(super) fn lost_percent(&self) -> f64 {
        let arrived = self.out.arrived + self.back.arrived;
        (self.sent() - arrived) / self.sent() * 100.0
    }

    /// Those that the loader's own sockets lost.
    pub(super) fn own_percent(&self) -> f64 {
        self.own_drops / self.sent() * 100.0
    }

    pub(super) fn kibibytes_a_flow(&self) -> f64 {
        let [before, open] = self.memory;
        (open - before) / self.flows / 1024.0
    }

    /// What the server adds to a packet's way, in ms: the slower of both directions.
    pub(super) fn added_delay(&self, direct: &Self) -> f64 {
        let added = |ours: &Direction, direct: &Direction| {
            let [ours, direct] = [ours.delay_ms, direct.delay_ms];
            ours.zip(direct).map_or(0.0, |(ours, direct)| ours - direct)
        };
        f64::max(
            added(&self.out, &direct.out),
            added(&self.back, &direct.back),
        )
    }

    /// For the terminal.
    pub(super) fn words(&self) -> String {
        let delay = |direction: &Direction| direction.delay_ms.unwrap_or(f64::NAN);
        format!(
            "{:.2} µs a packet, {:.3} % lost ({:.3} % by the loader, which was late by {:.1} ms at most), {:.1} KiB a call, {:.2} and {:.2} ms on the way",
            self.microseconds_a_packet(),
            self.lost_percent(),
            self.own_percent(),
            self.late_ms,
            self.kibibytes_a_flow(),
            delay(&self.out),
            delay(&self.back),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run() -> Run {
        let direction =
            |arrived: u32, delay: f64| json!({"sent": 500, "arrived": arrived, "delay_ms": delay});
        let said = json!({
            "flows": 10, "out": direction(500, 0.5), "back": direction(490, 0.25), "own_drops": 5,
            "late_ms": 0.1, "process_seconds": 0.005, "memory_before": 1024, "memory_open": 103_424,
            "overhead": 32,
        });
        Run::read(&said).unwrap()
    }

    #[test]
    fn a_run_is_read() {
        let run = run();
        assert!((run.microseconds_a_packet() - 5.0).abs() < 1e-9);
        assert!((run.lost_percent() - 1.0).abs() < 1e-9);
        assert!((run.own_percent() - 0.5).abs() < 1e-9);
        assert!((run.kibibytes_a_flow() - 10.0).abs() < 1e-9);
        let mut direct = run.clone();
        direct.out.delay_ms = Some(0.4);
        direct.back.delay_ms = Some(0.05);
        assert!((run.added_delay(&direct) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn where_no_delay_was_seen_none_is_added() {
        let mut run = run();
        let direct = run.clone();
        run.back.delay_ms = None;
        assert!(run.added_delay(&direct).abs() < 1e-9);
    }
}
