//! One network namespace: made, entered, removed; and what killed runs left behind.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    os::fd::AsFd as _,
    panic,
    path::{Path, PathBuf},
    process::{self, Command, Output, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::NetworkError;

/// What the names of our namespaces begin with; the process ID of who made them follows.
const PREFIX: &str = "securecall-";

/// Where iproute2 keeps namespaces, as files that are mounted on each.
const NAMESPACES: &str = "/run/netns";

/// Counts the namespaces of this process, so that no two have the same name.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace under a name that no other process uses.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
    /// Keeps the namespace open for those who enter it; nothing once it is removed.
    door: Mutex<Option<Arc<File>>>,
}

impl Namespace {
    /// Makes a namespace whose loopback interface is up. The label is for people who read `ip netns list`.
    pub(super) fn new(label: &str) -> Result<Self, NetworkError> {
        let label: String = label
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .take(32)
            .collect();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{count}-{label}", process::id());
        call(Command::new("ip").args(["netns", "add", &name]), "")?;
        let namespace = Self {
            name,
            door: Mutex::new(None),
        };
        let door = File::open(namespace.path())
            .map_err(NetworkError::io(namespace.path().display().to_string()))?;
        *lock(&namespace.door) = Some(Arc::new(door));
        // Nor is anybody asked whether he has the addresses of the link, which takes a second or two.
        namespace.set("net/ipv6/conf/all/accept_dad", "0")?;
        namespace.set("net/ipv6/conf/default/accept_dad", "0")?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// What `ip netns list` calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs the job on a thread of its own inside the namespace. Sockets that it opens stay in there, whoever uses them;
    /// so do processes that it starts.
    pub(super) fn enter<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T, NetworkError> {
        let door = lock(&self.door).clone().ok_or(NetworkError::TornDown)?;
        let inside = thread::scope(|scope| {
            scope
                .spawn(|| {
                    move_into_link_name_space(door.as_fd(), Some(LinkNameSpaceType::Network))
                        .map(|()| job())
                })
                .join()
        });
        match inside {
            Ok(done) => done
                .map_err(|error| NetworkError::io(format!("entering {}", self.name))(error.into())),
            Err(panic) => panic::resume_unwind(panic),
        }
    }

    /// Does the lines of `ip` commands, all with one process.
    pub(super) fn ip(&self, lines: &str) -> Result<(), NetworkError> {
        let mut ip = Command::new("ip");
        ip.args(["-n", &self.name, "-batch", "-"]);
        call(&mut ip, lines).map(|_| ())
    }

    /// Loads a file of nftables rules, as a whole or not at all.
    pub(super) fn nft(&self, rules: &str) -> Result<(), NetworkError> {
        let mut nft = nft();
        nft.args(["-f", "-"]);
        self.enter(|| call(&mut nft, rules))?.map(|_| ())
    }

    /// Writes a setting below `/proc/sys`.
    pub(super) fn set(&self, setting: &str, value: &str) -> Result<(), NetworkError> {
        let path = Path::new("/proc/sys").join(setting);
        self.enter(|| fs::write(&path, value))?
            .map_err(NetworkError::io(path.display().to_string()))
    }

    /// Whether the kernel has a setting below `/proc/sys`.
    pub(super) fn has_setting(&self, setting: &str) -> Result<bool, NetworkError> {
        self.enter(|| Path::new("/proc/sys").join(setting).exists())
    }

    /// Kills what still runs in the namespace, and removes it; the second time there is nothing to do.
    pub(super) fn remove(&self) {
        if lock(&self.door).take().is_some() {
            remove(&self.name);
        }
    }

    fn path(&self) -> PathBuf {
        Path::new(NAMESPACES).join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes the namespaces of processes that were killed before they could do so.
pub(super) fn remove_leftovers() {
    // No directory: nobody has made a namespace so far.
    let Ok(entries) = fs::read_dir(NAMESPACES) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if let Some(name) = name.to_str()
            && let Some(owner) = owner_of(name)
            && !Path::new("/proc").join(owner.to_string()).exists()
        {
            remove(name);
        }
    }
}

/// The ID of the process that made a namespace, if it is one of ours.
fn owner_of(name: &str) -> Option<u32> {
    let (owner, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    owner.parse().ok()
}

/// Whatever fails here has been done already, or by somebody else at the same time.
fn remove(name: &str) {
    if let Ok(listed) = call(Command::new("ip").args(["netns", "pids", name]), "") {
        for id in String::from_utf8_lossy(&listed.stdout).lines() {
            if let Some(process) = id.trim().parse().ok().and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
        }
    }
    let _ = call(Command::new("ip").args(["netns", "del", name]), "");
}

/// Runs a program to its end, with a text to read.
fn call(command: &mut Command, input: &str) -> Result<Output, NetworkError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match (error.kind(), program.as_str()) {
            (io::ErrorKind::NotFound, "nft") => NetworkError::Missing {
                program: "nft",
                package: "nftables",
            },
            (io::ErrorKind::NotFound, "ip") => NetworkError::Missing {
                program: "ip",
                package: "iproute2",
            },
            _ => NetworkError::io(program.clone())(error),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends before it has read all says why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(NetworkError::io(program.clone()))?;
    if output.status.success() {
        return Ok(output);
    }
    let written = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let is_refused = ["Operation not permitted", "Permission denied"]
        .iter()
        .any(|refusal| written.contains(refusal));
    if is_refused {
        return Err(NetworkError::NotPermitted(written));
    }
    let arguments = command
        .get_args()
        .map(|argument| format!(" {}", argument.to_string_lossy()));
    Err(NetworkError::Command {
        command: format!("{program}{}", arguments.collect::<String>()),
        said: format!("{written}\n{input}"),
    })
}

/// Nothing is left half done under a lock: a panic of another thread does no harm.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees that the programs are there before anything is made.
pub(super) fn look_for_programs() -> Result<(), NetworkError> {
    call(Command::new("ip").arg("-V"), "")?;
    call(nft().arg("--version"), "").map(|_| ())
}

fn nft() -> Command {
    let mut nft = Command::new("nft");
    nft.env("PATH", path_of_root());
    nft
}

/// With the directory in which Debian has programs for root alone.
pub(super) fn path_of_root() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_tell_whose_they_are() {
        assert_eq!(owner_of("securecall-4711-0-internet"), Some(4711));
        for name in ["securecall-", "securecall-x-1", "securecall-4711", "blue"] {
            assert_eq!(owner_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_package() {
        let missing = call(Command::new("nft").env("PATH", "/nowhere"), "").unwrap_err();
        assert!(
            missing.to_string().contains("apt-get install nftables"),
            "{missing}"
        );
    }
}
