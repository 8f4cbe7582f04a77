//! A program of a place.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::error::PlaceError;
use crate::http;

/// On a busy machine a start takes its time.
const PATIENCE: Duration = Duration::from_secs(120);
/// An orderly stop waits for open requests.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Runs a program for as long as our end of its standard input is open, so that it ends with us however that comes. A line asks for
/// an orderly end.
const LIFELINE: &str = r#"
"$@" </dev/null & program=$!
echo $program >"$0.pid"
exec 3<&0
(read -r word <&3; [ "$word" = stop ] && kill -TERM $program && read -r word <&3; kill -KILL $program) & watcher=$!
exec 3<&-
wait $program; status=$?
kill $watcher 2>/dev/null
exit $status
"#;

/// A program that ends with this value, and also when the whole process dies without dropping it.
#[derive(Debug)]
pub struct RunningProgram {
    name: String,
    folder: PathBuf,
    child: Child,
    lifeline: Option<ChildStdin>,
}

impl RunningProgram {
    /// Starts a command in a folder; what it writes is put there.
    ///
    /// # Errors
    ///
    /// When there is no such folder.
    pub fn start(folder: &Path, name: &str, command: &[&str]) -> io::Result<Self> {
        let file = fs::File::create(output_path(folder, name))?;
        let mut child = Command::new("sh")
            .args(["-c", LIFELINE, name])
            .args(command)
            .current_dir(folder)
            // Whatever the surroundings have set for their own Python is not for this one.
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME")
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let lifeline = child.stdin.take();
        Ok(Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            child,
            lifeline,
        })
    }

    /// What it was called when it was started.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All that it has written so far, on both streams.
    #[must_use]
    pub fn said(&self) -> String {
        let said = fs::read(output_path(&self.folder, &self.name)).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The id of its process; `None` before it has one.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        let path = self.folder.join(format!("{}.pid", self.name));
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    /// Waits until something is so.
    ///
    /// # Errors
    ///
    /// When it takes too long, or the program has ended.
    pub fn wait_until(&mut self, mut is_so: impl FnMut() -> bool) -> Result<(), PlaceError> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let ended = self.child.try_wait()?.is_some();
            if ended || Instant::now() > deadline {
                let what = if ended { "ended" } else { "is not ready" };
                return Err(PlaceError::NotReady {
                    name: self.name.clone(),
                    what,
                    said: self.said(),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits until a server without TLS answers there with status 200.
    ///
    /// # Errors
    ///
    /// When it takes too long, or the program has ended.
    pub fn wait_for(&mut self, address: SocketAddr, path: &str) -> Result<(), PlaceError> {
        self.wait_until(|| {
            let answer = http::get_status(address, path, Duration::from_secs(5));
            matches!(answer, Ok(200))
        })
    }

    /// The same for a homeserver.
    ///
    /// # Errors
    ///
    /// When it takes too long, or the program has ended.
    pub fn wait_for_homeserver(&mut self, address: SocketAddr) -> Result<(), PlaceError> {
        self.wait_for(address, "/_matrix/client/versions")
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn stop(&mut self) -> Result<(), PlaceError> {
        if let Some(lifeline) = &mut self.lifeline {
            // It may have ended already; waiting tells.
            let _ = lifeline.write_all(b"stop\n");
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(PlaceError::NotReady {
                    name: self.name.clone(),
                    what: "does not end",
                    said: self.said(),
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // Nothing more can be done about a process that will not be waited for.
        let _ = self.child.wait();
    }
}

fn output_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that says how it was asked to end, if it was.
    fn started(folder: &Path) -> RunningProgram {
        let script = "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.05; done";
        let mut program = RunningProgram::start(folder, "program", &["sh", "-c", script]).unwrap();
        let output = output_path(folder, "program");
        let is_ready = || fs::read_to_string(&output).is_ok_and(|said| said == "ready\n");
        program.wait_until(is_ready).unwrap();
        program
    }

    fn is_there(process: u32) -> bool {
        let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    }

    #[test]
    fn a_program_ends_with_its_value_or_as_it_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let program = started(folder.path());
        let process = program.process_id().unwrap();
        assert!(is_there(process));
        drop(program);
        assert!(!is_there(process));

        let mut program = started(folder.path());
        program.stop().unwrap();
        assert_eq!(program.said(), "ready\nasked\n");
    }

    #[test]
    fn one_that_ends_before_it_is_ready_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let command = ["sh", "-c", "echo cannot; exit 3"];
        let mut program = RunningProgram::start(folder.path(), "program", &command).unwrap();
        let error = program.wait_until(|| false).unwrap_err();
        assert!(error.to_string().contains("cannot"), "{error}");
    }
}
