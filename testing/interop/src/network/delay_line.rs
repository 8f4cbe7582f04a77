//! Delay, jitter and seeded loss where the kernel has no `tc netem`: a program between two TAP devices.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use super::{NetworkError, namespace::Namespace};

const SCRIPT: &str = include_str!("delay_line.py");

/// How long packets are on their way, each way for itself. None overtakes another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// Every packet takes at least this long.
    pub least: Duration,
    /// Each takes up to so much longer, evenly distributed.
    pub jitter: Duration,
}

/// What happens to UDP alone, each way for itself. Packets may overtake each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairment {
    /// Every packet takes at least `least`, and each up to `jitter` longer, evenly distributed.
    pub delay: Delay,
    /// The share of packets that is lost by chance, 0 to 1.
    pub loss: f64,
    /// Stretches of time in which everything is lost.
    pub outages: Option<Outages>,
    /// Decides what is lost by chance and how long the rest takes: packet by packet from the moment it is set, the same for the
    /// same seed.
    pub seed: u64,
}

/// Outages that come again and again, the first at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outages {
    /// How long each lasts.
    pub length: Duration,
    /// From the beginning of one to the beginning of the next.
    pub every: Duration,
}

/// A running program with its two devices, which are gone as soon as it is.
#[derive(Debug)]
pub(super) struct DelayLine {
    program: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl DelayLine {
    /// Makes two devices of these names in the namespace, which are down so far.
    pub(super) fn start(
        namespace: &Namespace,
        devices: [&str; 2],
        seed: u64,
    ) -> Result<Self, NetworkError> {
        let mut command = Command::new("python3");
        command
            .args(["-c", SCRIPT])
            .args(devices)
            .arg(seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut program = namespace.enter(|| command.spawn())?.map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return NetworkError::Missing {
                    program: "python3",
                    package: "python3",
                };
            }
            NetworkError::io("python3")(error)
        })?;
        let (Some(orders), Some(answers)) = (program.stdin.take(), program.stdout.take()) else {
            return Err(NetworkError::io("python3")(
                io::ErrorKind::BrokenPipe.into(),
            ));
        };
        let mut line = Self {
            program,
            orders,
            answers: BufReader::new(answers),
        };
        line.expect_answer()?;
        Ok(line)
    }

    /// From now on packets take as long as this.
    pub(super) fn set(&mut self, delay: Delay) -> Result<(), NetworkError> {
        let Delay { least, jitter } = delay;
        self.order(&format!(
            "all {} {}\n",
            least.as_secs_f64(),
            jitter.as_secs_f64()
        ))
    }

    /// From now on this happens to UDP, or nothing that does not happen to all.
    pub(super) fn impair_udp(
        &mut self,
        impairment: Option<Impairment>,
    ) -> Result<(), NetworkError> {
        let Some(impairment) = impairment else {
            return self.order("udp\n");
        };
        let Impairment {
            delay: Delay { least, jitter },
            loss,
            outages,
            seed,
        } = impairment;
        let [gone, every] = outages.map_or([0.0; 2], |outages| {
            [outages.length, outages.every].map(|time| time.as_secs_f64())
        });
        self.order(&format!(
            "udp {seed} {} {} {loss} {gone} {every}\n",
            least.as_secs_f64(),
            jitter.as_secs_f64()
        ))
    }

    fn order(&mut self, line: &str) -> Result<(), NetworkError> {
        // If it is gone there is no answer either, and its last words say more than a broken pipe.
        let _ = self.orders.write_all(line.as_bytes());
        self.expect_answer()
    }

    fn expect_answer(&mut self) -> Result<(), NetworkError> {
        let mut answer = String::new();
        let read = self.answers.read_line(&mut answer);
        if read.is_ok_and(|length| length > 0) {
            return Ok(());
        }
        let mut said = String::new();
        if let Some(mut stderr) = self.program.stderr.take() {
            let _ = stderr.read_to_string(&mut said);
        }
        Err(NetworkError::Command {
            command: "python3 delay_line.py".to_owned(),
            said,
        })
    }
}

impl Drop for DelayLine {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
