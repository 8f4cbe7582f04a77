//! Python virtual environments for peers that are Python programs: made once under the target directory, then re-used.

use std::{
    ffi::OsStr,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Packages of exact versions in an environment of their own.
#[derive(Debug)]
pub(crate) struct Venv {
    /// What the directory is called.
    name: &'static str,
    /// The interpreter that it is made with.
    made_with: &'static str,
    requirements: &'static str,
}

/// The first in the `PATH`.
const PYTHON: &str = "python3";

/// Debian's, which has GStreamer's bindings: another one in the `PATH` has not.
pub(crate) const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// Synapse and all it needs.
pub(crate) const SYNAPSE: Venv = Venv {
    name: "synapse",
    made_with: PYTHON,
    requirements: include_str!("../synapse-requirements.txt"),
};

/// The QR reader that ours is compared with.
pub(crate) const ZXING_CPP: Venv = Venv {
    name: "zxing-cpp",
    made_with: PYTHON,
    requirements: include_str!("../zxing-cpp-requirements.txt"),
};

/// Models of listeners.
pub(crate) const SPEECH_SCORES: Venv = Venv {
    name: "speech-scores",
    made_with: PYTHON,
    requirements: include_str!("../speech-scores-requirements.txt"),
};

/// Go, where this machine has none, or an old one.
pub(crate) const GO: Venv = Venv {
    name: "go",
    made_with: PYTHON,
    requirements: include_str!("../go-requirements.txt"),
};

/// Olm and Megolm, for the peers that GStreamer speaks for.
pub(crate) const VODOZEMAC: Venv = Venv {
    name: "vodozemac",
    made_with: SYSTEM_PYTHON,
    requirements: include_str!("../vodozemac-requirements.txt"),
};

/// Written last: an environment without it was interrupted and is made anew.
const COMPLETE: &str = "securecall-complete";

/// Why there is no Python environment.
#[derive(Debug, thiserror::Error)]
pub enum VenvError {
    /// Neither `CARGO_TARGET_DIR` nor the running program says where build products go.
    #[error("cannot tell where the target directory is; set CARGO_TARGET_DIR")]
    NoTargetDirectory,
    /// There is no usable `python3`.
    #[error(
        "Python 3.10 or later is needed as `python3` ({0}); on Debian and Ubuntu: apt-get install python3 python3-venv"
    )]
    NoPython(String),
    /// `python3 -m venv` failed, usually because Debian packages it apart.
    #[error("`python3 -m venv` failed: {0}; on Debian and Ubuntu: apt-get install python3-venv")]
    NoVenv(String),
    /// `pip install` failed, usually because PyPI cannot be reached.
    #[error("installing {name} of a pinned version from PyPI failed: {said}")]
    Install {
        /// The name of the environment, which is that of what is installed in it.
        name: &'static str,
        /// How `pip` ended, and all that it wrote.
        said: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a script in such an environment did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// There is no environment for it.
    #[error(transparent)]
    Venv(#[from] VenvError),
    /// The interpreter does not start.
    #[error("Python does not start: {0}")]
    Start(#[from] io::Error),
    /// The interpreter ended with an error, or printed what was not to be expected.
    #[error("{name} failed: {said}")]
    Failed {
        /// The name of the environment, which is that of what is installed in it.
        name: &'static str,
        /// What it wrote, or what is wrong with that.
        said: String,
    },
}

impl Venv {
    /// Runs a script with these arguments, and gives what it prints.
    pub(crate) fn run(
        &self,
        script: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Vec<u8>, ScriptError> {
        let output = Command::new(self.python()?)
            .args(["-c", script])
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(self.failed(said.trim().to_owned()));
        }
        Ok(output.stdout)
    }

    /// What a script wrote, or what is wrong with that.
    pub(crate) fn failed(&self, said: String) -> ScriptError {
        let name = self.name;
        ScriptError::Failed { name, said }
    }

    /// The interpreter of the environment, which is made first if need be.
    ///
    /// Test binaries run side by side, so a file lock lets one of them install while the others wait.
    pub(crate) fn python(&self) -> Result<PathBuf, VenvError> {
        let parent = target_directory()?.join("interop");
        fs::create_dir_all(&parent).map_err(|source| io_error(&parent, source))?;

        let lock_path = parent.join(format!("{}.lock", self.name));
        let lock = File::create(&lock_path).map_err(|source| io_error(&lock_path, source))?;
        lock.lock().map_err(|source| io_error(&lock_path, source))?;

        let venv = parent.join(format!("{}-{:016x}", self.name, self.fingerprint()));
        let python = venv.join("bin").join("python3");
        if !venv.join(COMPLETE).exists() {
            self.install(&venv, &python)?;
        }
        Ok(python)
    }

    /// Where its packages are, for an interpreter of the same version beside it.
    pub(crate) fn packages(&self) -> Result<PathBuf, ScriptError> {
        let where_to = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let output = self.run(where_to, [] as [&str; 0])?;
        Ok(PathBuf::from(String::from_utf8_lossy(&output).trim()))
    }

    fn install(&self, venv: &Path, python: &Path) -> Result<(), VenvError> {
        let version = run(Command::new(self.made_with).args([
            "-c",
            "import sys; sys.exit(0 if sys.version_info >= (3, 10) else 'this is ' + sys.version)",
        ]));
        version.map_err(VenvError::NoPython)?;

        if venv.exists() {
            fs::remove_dir_all(venv).map_err(|source| io_error(venv, source))?;
        }
        run(Command::new(self.made_with).args(["-m", "venv"]).arg(venv))
            .map_err(VenvError::NoVenv)?;

        let requirements = venv.join("requirements.txt");
        fs::write(&requirements, self.requirements)
            .map_err(|source| io_error(&requirements, source))?;
        run(Command::new(python)
            .args([
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--quiet",
                "--prefer-binary",
                "-r",
            ])
            .arg(&requirements))
        .map_err(|said| VenvError::Install {
            name: self.name,
            said,
        })?;

        let complete = venv.join(COMPLETE);
        fs::write(&complete, "").map_err(|source| io_error(&complete, source))
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.requirements.hash(&mut hasher);
        hasher.finish()
    }
}

/// Where build products go: `CARGO_TARGET_DIR`, else the directory above the running program that cargo has marked: with
/// `CACHEDIR.TAG` where it made the directory itself, and always with what it knows of the compiler.
pub(crate) fn target_directory() -> Result<PathBuf, VenvError> {
    if let Some(directory) = std::env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty())
    {
        return std::path::absolute(&directory)
            .map_err(|source| io_error(Path::new(&directory), source));
    }
    let program = std::env::current_exe().map_err(|_| VenvError::NoTargetDirectory)?;
    program
        .ancestors()
        .find(|directory| {
            let marked = |name| directory.join(name).exists();
            marked("CACHEDIR.TAG") || marked(".rustc_info.json")
        })
        .map(Path::to_path_buf)
        .ok_or(VenvError::NoTargetDirectory)
}

fn run(command: &mut Command) -> Result<(), String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let said = [stdout, stderr].concat();
    Err(format!(
        "{status}: {}",
        String::from_utf8_lossy(&said).trim()
    ))
}

fn io_error(path: &Path, source: io::Error) -> VenvError {
    VenvError::Io {
        path: path.to_path_buf(),
        source,
    }
}
