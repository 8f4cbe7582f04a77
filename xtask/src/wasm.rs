//! Builds the PURE crates for wasm32: proof that they need no clock, thread, file or socket of an operating system.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::layering::PURE;
use crate::shell;
use crate::workspace::Workspace;

const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's Rust for the web builds its own std with unstable flags, so it needs its own cargo, sources and linker.
pub(crate) const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// What can compile for wasm32 here.
pub(crate) enum Compiler {
    /// The compiler in use has the target installed.
    InstalledTarget,
    /// Debian's `rustc-web` and `cargo-web`, which build std from source.
    Debian { rustc: PathBuf, cargo: PathBuf },
}

impl Compiler {
    /// The installed target where there is one, else Debian's compiler.
    pub(crate) fn find() -> Option<Self> {
        let sysroot = shell::output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let std = Path::new(&sysroot)
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib");
        if std.is_dir() {
            return Some(Self::InstalledTarget);
        }
        let rustc = PathBuf::from("/usr/bin/rustc");
        let cargo = PathBuf::from("/usr/bin/cargo");
        let sources = shell::output(Command::new(&rustc).args(["--print", "sysroot"]))
            .map(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library"));
        let linker = shell::succeeds(Command::new("wasm-ld").arg("--version"));
        (cargo.is_file() && linker && sources.is_some_and(|path| path.is_dir()))
            .then_some(Self::Debian { rustc, cargo })
    }
}

/// Builds every PURE crate for wasm32.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let compiler = Compiler::find().context(
        "no compiler for wasm32: run `cargo xtask setup` or `rustup target add wasm32-unknown-unknown`",
    )?;
    let mut command = match &compiler {
        Compiler::InstalledTarget => workspace.cargo(),
        Compiler::Debian { rustc, cargo } => {
            let mut command = workspace.command(cargo);
            command
                .env("RUSTC", rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld")
                .env_remove("RUSTUP_TOOLCHAIN");
            command
        }
    };
    // A directory of its own: another compiler than the workspace's would rebuild everything in turn.
    command.args(["build", "--target", TARGET, "--target-dir"]);
    command.arg(workspace.target().join("wasm"));
    if matches!(compiler, Compiler::Debian { .. }) {
        command.arg("-Zbuild-std=std,panic_abort");
    }
    for name in PURE {
        command.args(["--package", name]);
        // Nothing runs it, so there is no use in what is optimised elsewhere.
        let quick = format!("profile.dev.package.{name}.opt-level=0");
        command.args(["--config", &quick]);
    }
    shell::run(&mut command)
}
