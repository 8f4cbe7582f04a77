//! The page with matrix-js-sdk in it: built once under the target directory by npm and esbuild, then re-used.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::JsSdkError;
use crate::venv::target_directory;

/// A version of matrix-js-sdk, and what a page with it is made of.
pub(super) struct Version {
    /// What its directory is called.
    name: &'static str,
    /// What only it has, by path.
    own: [(&'static str, &'static str); 3],
    /// Where the cryptography is in its packages, for `/crypto.wasm` and wherever else the library looks for it.
    wasm: &'static str,
}

/// The newest.
pub(super) const NEWEST: Version = Version {
    name: "matrix-js-sdk-call",
    own: [
        (
            "package.json",
            include_str!("../../matrix-js-sdk-call/package.json"),
        ),
        (
            "package-lock.json",
            include_str!("../../matrix-js-sdk-call/package-lock.json"),
        ),
        (
            "src/crypto.mjs",
            include_str!("../../matrix-js-sdk-call/src/crypto.mjs"),
        ),
    ],
    wasm: "@matrix-org/matrix-sdk-crypto-wasm/pkg/matrix_sdk_crypto_wasm_bg.wasm",
};

/// The last one that encrypts what group calls say.
pub(super) const WITH_OLM: Version = Version {
    name: "matrix-js-sdk-olm",
    own: [
        (
            "package.json",
            include_str!("../../matrix-js-sdk-olm/package.json"),
        ),
        (
            "package-lock.json",
            include_str!("../../matrix-js-sdk-olm/package-lock.json"),
        ),
        (
            "src/crypto.mjs",
            include_str!("../../matrix-js-sdk-olm/src/crypto.mjs"),
        ),
    ],
    wasm: "@matrix-org/olm/olm.wasm",
};

/// What all versions have, by its path in `matrix-js-sdk-call`.
const SOURCES: [(&str, &str); 10] = [
    (".npmrc", include_str!("../../matrix-js-sdk-call/.npmrc")),
    (
        "src/calls.mjs",
        include_str!("../../matrix-js-sdk-call/src/calls.mjs"),
    ),
    (
        "src/ear.mjs",
        include_str!("../../matrix-js-sdk-call/src/ear.mjs"),
    ),
    (
        "src/group_calls.mjs",
        include_str!("../../matrix-js-sdk-call/src/group_calls.mjs"),
    ),
    (
        "src/history.mjs",
        include_str!("../../matrix-js-sdk-call/src/history.mjs"),
    ),
    (
        "src/log.mjs",
        include_str!("../../matrix-js-sdk-call/src/log.mjs"),
    ),
    (
        "src/page.mjs",
        include_str!("../../matrix-js-sdk-call/src/page.mjs"),
    ),
    (
        "src/rooms.mjs",
        include_str!("../../matrix-js-sdk-call/src/rooms.mjs"),
    ),
    (
        "src/voice.mjs",
        include_str!("../../matrix-js-sdk-call/src/voice.mjs"),
    ),
    (
        "src/waiting.mjs",
        include_str!("../../matrix-js-sdk-call/src/waiting.mjs"),
    ),
];
/// What the cryptography is called beside the script.
const WASM: &str = "crypto.wasm";
/// Written last: a build without it was interrupted and is made anew.
const COMPLETE: &str = "securecall-complete";

/// What a browser loads.
pub(super) struct Bundle {
    /// The script.
    pub(super) script: Vec<u8>,
    /// The cryptography.
    pub(super) wasm: Vec<u8>,
}

impl Bundle {
    /// Reads it, and builds it first if need be. Test binaries run side by side, so a file lock lets one of them build while the
    /// others wait.
    pub(super) fn load(version: &Version) -> Result<Self, JsSdkError> {
        let parent = target_directory()?.join("interop");
        fs::create_dir_all(&parent).map_err(at(&parent))?;
        let lock_path = parent.join(format!("{}.lock", version.name));
        let lock = File::create(&lock_path).map_err(at(&lock_path))?;
        lock.lock().map_err(at(&lock_path))?;

        let built = parent.join(format!("{}-{:016x}", version.name, version.fingerprint()));
        if !built.join(COMPLETE).exists() {
            version.build(&built)?;
        }
        let read = |name: &str| {
            let path = built.join(name);
            fs::read(&path).map_err(at(&path))
        };
        Ok(Self {
            script: read("page.js")?,
            wasm: read(WASM)?,
        })
    }
}

impl Version {
    fn build(&self, directory: &Path) -> Result<(), JsSdkError> {
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(at(directory))?;
        }
        for (name, text) in SOURCES.iter().chain(&self.own) {
            write(&directory.join(name), text.as_bytes())?;
        }
        // No package's own scripts run.
        run(Command::new("npm")
            .args([
                "ci",
                "--include=dev",
                "--ignore-scripts",
                "--prefer-offline",
            ])
            .current_dir(directory))?;
        let packages = directory.join("node_modules");
        run(Command::new(packages.join(".bin/esbuild"))
            .args([
                "src/page.mjs",
                "--bundle",
                "--format=esm",
                "--platform=browser",
                "--log-level=warning",
                r#"--define:process.env.NODE_ENV="production""#,
                "--define:global=globalThis",
                // Olm asks for them where it finds itself in Node.js.
                "--external:crypto",
                "--external:fs",
                "--external:path",
                "--outfile=page.js",
            ])
            .current_dir(directory))?;
        let wasm = packages.join(self.wasm);
        let wasm = fs::read(&wasm).map_err(at(&wasm))?;
        write(&directory.join(WASM), &wasm)?;
        // 39 MB that nobody needs any more.
        fs::remove_dir_all(&packages).map_err(at(&packages))?;
        write(&directory.join(COMPLETE), b"")
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        SOURCES.hash(&mut hasher);
        self.own.hash(&mut hasher);
        hasher.finish()
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), JsSdkError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::write(path, content).map_err(at(path))
}

fn run(command: &mut Command) -> Result<(), JsSdkError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        JsSdkError::Build(format!(
            "{program} does not start ({error}): `cargo xtask setup` installs Node.js and npm"
        ))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(JsSdkError::Build(format!(
        "{program}: {}: {}",
        output.status,
        String::from_utf8_lossy(&said).trim()
    )))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> JsSdkError {
    let path: PathBuf = path.to_owned();
    |source| JsSdkError::File { path, source }
}
