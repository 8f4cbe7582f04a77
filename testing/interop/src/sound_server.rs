//! A sound server without a sound card: PulseAudio with sinks that nobody hears, and what is played to them as sources.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to start; it takes a tenth of a second on a machine with time.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Ends the server with the process that started it, however that ends.
const LIFELINE: &str =
    r#"pulseaudio "$@" </dev/null & server=$!; read -r _; kill -9 $server; wait $server"#;

/// A running PulseAudio with directories of its own.
///
/// To ALSA each sink is a device of its name, which plays to the sink and captures what is played there, and the default
/// device is the server's. Whoever wants to use it runs with [`environment`](Self::environment).
#[derive(Debug)]
pub struct SoundServer {
    data: TempDir,
    sinks: Vec<String>,
    /// With what keeps it alive.
    process: Option<(Child, ChildStdin)>,
}

impl SoundServer {
    /// Starts it; the first sink is the default. A sink that is unplugged takes its streams along.
    ///
    /// # Errors
    ///
    /// PulseAudio is not installed (`cargo xtask setup` does that), or does not start.
    pub fn start(sinks: &[&str]) -> io::Result<Self> {
        Self::start_with("rescue-streams = no\n", sinks)
    }

    /// The same, but the streams of a sink that is unplugged are moved to the default one, and nobody is told: what
    /// PulseAudio does unless it is told otherwise.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_rescuing(sinks: &[&str]) -> io::Result<Self> {
        Self::start_with("rescue-streams = yes\n", sinks)
    }

    fn start_with(settings: &str, sinks: &[&str]) -> io::Result<Self> {
        let data = TempDir::new()?;
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700))?;
        let mut server = Self {
            data,
            sinks: sinks.iter().map(|name| (*name).to_owned()).collect(),
            process: None,
        };
        fs::write(server.data.path().join(".asoundrc"), server.alsa_devices())?;
        fs::write(server.settings(), settings)?;
        server.launch()?;
        Ok(server)
    }

    /// What a process needs to use it and no other.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let home = self.data.path();
        vec![
            ("HOME", home.to_owned()),
            ("XDG_CONFIG_HOME", home.join("config")),
            ("XDG_RUNTIME_DIR", home.to_owned()),
            ("PULSE_RUNTIME_PATH", home.to_owned()),
            // Where this is set, clients do not start a server of their own.
            (
                "PULSE_SERVER",
                format!("unix:{}", self.socket().display()).into(),
            ),
        ]
    }

    /// Runs `pactl` with these arguments, and gives what it prints.
    ///
    /// # Errors
    ///
    /// It fails.
    pub fn control(&self, arguments: &[&str]) -> io::Result<String> {
        let output = Command::new("pactl")
            .args(arguments)
            .envs(self.environment())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(said));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Takes a sink away, as if it had been unplugged.
    ///
    /// # Errors
    ///
    /// There is none of this name.
    pub fn unplug(&self, sink: &str) -> io::Result<()> {
        let modules = self.control(&["list", "short", "modules"])?;
        let wanted = format!("sink_name={sink} ");
        let line = modules
            .lines()
            .find(|line| format!("{line} ").contains(&wanted))
            .ok_or_else(|| io::Error::other(format!("no sink {sink}")))?;
        let number = line.split_whitespace().next().unwrap_or_default();
        self.control(&["unload-module", number]).map(drop)
    }

    /// Adds a sink again that was unplugged.
    ///
    /// # Errors
    ///
    /// It exists.
    pub fn plug(&self, sink: &str) -> io::Result<()> {
        let name = format!("sink_name={sink}");
        self.control(&[
            "load-module",
            "module-null-sink",
            &name,
            "rate=48000",
            "channels=1",
        ])
        .map(drop)
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub fn stop(&mut self) -> io::Result<()> {
        if let Some((mut child, lifeline)) = self.process.take() {
            drop(lifeline);
            child.wait()?;
        }
        Ok(())
    }

    /// Starts it again, with all sinks.
    ///
    /// # Errors
    ///
    /// It does not come up.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop()?;
        self.launch()
    }

    fn socket(&self) -> PathBuf {
        self.data.path().join("pulse")
    }

    fn settings(&self) -> PathBuf {
        self.data.path().join("daemon.conf")
    }

    fn alsa_devices(&self) -> String {
        let mut text = String::from("pcm.!default { type pulse }\n");
        for sink in &self.sinks {
            // Writing to a text does not fail.
            let _ = writeln!(
                text,
                "pcm.{sink} {{\n type asym\n playback.pcm {{ type pulse device \"{sink}\" }}\n \
                 capture.pcm {{ type pulse device \"{sink}.monitor\" }}\n \
                 hint {{ show on description \"{sink}\" }}\n}}"
            );
        }
        text
    }

    fn launch(&mut self) -> io::Result<()> {
        let _ = fs::remove_file(self.socket());
        let log = fs::File::create(self.data.path().join("log"))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", LIFELINE, "pulseaudio", "-n", "--daemonize=no"])
            .args([
                "--use-pid-file=no",
                "--exit-idle-time=-1",
                "--disable-shm=yes",
            ])
            .args(["--high-priority=no", "--realtime=no", "--log-target=stderr"])
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix socket={} auth-anonymous=1",
                self.socket().display()
            ));
        for sink in &self.sinks {
            command.arg("-L").arg(format!(
                "module-null-sink sink_name={sink} rate=48000 channels=1"
            ));
        }
        command
            .envs(self.environment())
            .env("PULSE_CONFIG", self.settings())
            .env_remove("DISPLAY")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command.spawn()?;
        let lifeline = child.stdin.take();
        let lifeline = lifeline.ok_or_else(|| io::Error::other("the lifeline is not there"))?;
        self.process = Some((child, lifeline));
        let deadline = Instant::now() + START_PATIENCE;
        while UnixStream::connect(self.socket()).is_err() || self.control(&["info"]).is_err() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.data.path().join("log")).unwrap_or_default();
                self.stop()?;
                return Err(io::Error::other(format!(
                    "PulseAudio does not start (`cargo xtask setup` installs it): {log}"
                )));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_has_its_sinks_loses_one_and_ends() {
        let mut server = SoundServer::start(&["one", "two"]).unwrap();
        let sinks = |server: &SoundServer| server.control(&["list", "short", "sinks"]).unwrap();
        let all = sinks(&server);
        assert!(all.contains("one") && all.contains("two"), "{all}");
        server.unplug("one").unwrap();
        assert!(!sinks(&server).contains("one"));
        server.plug("one").unwrap();
        assert!(sinks(&server).contains("one"));
        server.stop().unwrap();
        assert!(server.control(&["info"]).is_err());
        server.restart().unwrap();
        assert!(sinks(&server).contains("two"));
    }
}
