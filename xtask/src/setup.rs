//! Installs what is missing: Debian or Ubuntu packages with root or sudo, cargo tools with `cargo install`.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bench;
use crate::shell;
use crate::wasm;
use crate::workspace::Workspace;

/// Something a chore cannot do without.
struct Need {
    /// What it is and what it is for.
    what: &'static str,
    /// Debian packages that bring it.
    packages: &'static [&'static str],
    /// Whether it is there.
    present: fn() -> bool,
}

/// To compile the workspace: Opus is built by cmake, OpenSSL by perl and make, cpal links ALSA.
const BUILD: &[Need] = &[
    Need {
        what: "a C compiler and make (aws-lc, SQLite, Opus, OpenSSL)",
        packages: &["gcc", "libc6-dev", "make"],
        present: || starts("cc") && starts("make"),
    },
    Need {
        what: "perl with its modules (OpenSSL)",
        packages: &["perl"],
        present: || {
            shell::succeeds(Command::new("perl").args(["-MIPC::Cmd", "-MFile::Compare", "-e1"]))
        },
    },
    Need {
        what: "cmake (Opus)",
        packages: &["cmake"],
        present: || starts("cmake"),
    },
    Need {
        what: "ALSA's development files (sound cards)",
        packages: &["pkg-config", "libasound2-dev"],
        present: || shell::succeeds(Command::new("pkg-config").args(["--exists", "alsa"])),
    },
];

/// To run Synapse in a virtual environment.
const SYNAPSE: &[Need] = &[Need {
    what: "Python with venv (Synapse, the homeserver of the tests)",
    packages: &["python3", "python3-venv"],
    present: || {
        shell::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip, sqlite3"]))
    },
}];

/// What tests run beside the program.
const TEST: &[Need] = &[
    Need {
        what: "faketime (a test of clocks that differ)",
        packages: &["faketime"],
        present: || starts("faketime"),
    },
    Need {
        what: "dbus-daemon (tests of notifications on a desktop)",
        packages: &["dbus"],
        present: || starts("dbus-daemon"),
    },
    Need {
        what: "PulseAudio and ALSA's way to it (tests of sound cards: its sinks need none)",
        packages: &["pulseaudio", "pulseaudio-utils", "libasound2-plugins"],
        present: || starts("pulseaudio") && starts("pactl") && alsa_plays_to_pulseaudio(),
    },
    Need {
        what: "coturn (tests against a TURN server that operators run)",
        packages: &["coturn"],
        present: || starts("turnserver"),
    },
    Need {
        what: "PostgreSQL (tests of a server of one's own)",
        packages: &["postgresql"],
        present: || Path::new("/usr/lib/postgresql").is_dir(),
    },
    Need {
        what: "nginx (tests of its settings before a server of one's own)",
        packages: &["nginx"],
        // Debian's users have no /usr/sbin in their PATH.
        present: || starts("nginx") || Path::new("/usr/sbin/nginx").is_file(),
    },
    Need {
        what: "Caddy (tests of its settings before a server of one's own)",
        packages: &["caddy"],
        present: || starts("caddy"),
    },
    Need {
        what: "systemd-analyze (tests of the units around a server of one's own)",
        packages: &["systemd"],
        present: || starts("systemd-analyze"),
    },
    Need {
        what: "xdg-open and xdg-mime (tests of links that are opened from a desktop)",
        packages: &["xdg-utils"],
        present: || starts("xdg-open") && starts("xdg-mime"),
    },
    Need {
        what: "ip and nft (networks with NATs, of namespaces; the tests in them need root too)",
        packages: &["iproute2", "nftables"],
        // Debian's users have no /usr/sbin in their PATH.
        present: || starts("ip") && (starts("nft") || Path::new("/usr/sbin/nft").is_file()),
    },
    Need {
        what: "tayga (networks with IPv6 only, from which IPv4 is reached by NAT64)",
        packages: &["tayga"],
        present: || starts("tayga") || Path::new("/usr/sbin/tayga").is_file(),
    },
    Need {
        what: "GStreamer's webrtcbin and Python's way to it (tests of calls with Nheko's manners)",
        packages: &[
            "python3-gi",
            "gir1.2-gst-plugins-bad-1.0",
            "gstreamer1.0-nice",
            "gstreamer1.0-plugins-base",
            "gstreamer1.0-plugins-good",
            "gstreamer1.0-plugins-bad",
        ],
        // The system's Python: only that one sees Debian's bindings.
        present: || shell::succeeds(Command::new("/usr/bin/python3").args(["-c", WEBRTCBIN])),
    },
];

/// Packages with a service of the same name. Debian starts it as it is installed and at each boot, for the whole network to use;
/// here tests start the program when they need it.
const SERVICES: &[&str] = &["caddy", "coturn", "nginx", "postgresql", "tayga"];

/// Succeeds if all elements are there that `testing/interop/webrtcbin` is built of.
const WEBRTCBIN: &str = "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstSdp', '1.0'); \
    gi.require_version('GstWebRTC', '1.0'); from gi.repository import Gst, GstSdp, GstWebRTC; Gst.init(None); \
    names = 'webrtcbin nicesrc dtlsdec srtpdec rtpbin opusenc opusdec rtpopuspay audiotestsrc audioresample decodebin appsink'; \
    raise SystemExit(not all(map(Gst.ElementFactory.find, names.split())))";

/// To fuzz: libFuzzer is C++.
const FUZZ: &[Need] = &[Need {
    what: "a C++ compiler (libFuzzer)",
    packages: &["g++"],
    present: || starts("c++"),
}];

/// To build for wasm32 where rustup has no such target installed.
const WASM: &[Need] = &[Need {
    what: "a compiler for wasm32 (`rustup target add wasm32-unknown-unknown` does too)",
    packages: wasm::DEBIAN_PACKAGES,
    present: || wasm::Compiler::find().is_some(),
}];

/// To build the landing page.
const PAGE: &[Need] = &[Need {
    what: "Node.js 18.19 or newer, and npm (the landing page; an older system gets it from https://nodejs.org)",
    packages: &["nodejs", "npm"],
    present: || {
        starts("npm")
            && shell::output(Command::new("node").arg("--version"))
                .is_some_and(|version| is_new_enough_node(&version))
    },
}];

/// To test the landing page, and to measure calls beside a browser's.
const BROWSER: &[Need] = &[Need {
    what: "Chromium (the landing page's tests; calls with its pages, and beside them)",
    packages: &["chromium"],
    present: || {
        std::env::var_os("CHROMIUM").is_some()
            || [
                "chromium",
                "chromium-browser",
                "google-chrome-stable",
                "google-chrome",
            ]
            .into_iter()
            .any(starts)
    },
}];

/// To measure voice: what is said, and what scores it, one of which pip compiles.
const VOICE: &[Need] = &[
    Need {
        what: "pocketsphinx-testdata (recordings of people, for what is said)",
        packages: &["pocketsphinx-testdata"],
        present: || Path::new(bench::RECORDINGS).is_dir(),
    },
    Need {
        what: "Python's headers (PESQ, which scores what is heard)",
        packages: &["python3-dev"],
        present: || {
            let script = "import pathlib, sysconfig, sys; \
                sys.exit(not pathlib.Path(sysconfig.get_path('include'), 'Python.h').is_file())";
            shell::succeeds(Command::new("python3").args(["-c", script]))
        },
    },
];

/// A tool installed by `cargo install`, pinned.
struct Tool {
    name: &'static str,
    version: &'static str,
    /// What it prints its version for.
    asked: &'static [&'static str],
}

const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    asked: &["--version"],
};
const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
    asked: &["--version"],
};
const CARGO_MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    version: "27.1.0",
    // Without its subcommand it knows no `--version`, and would be installed anew each time.
    asked: &["mutants", "--version"],
};

/// What is needed to compile and to run calls over Synapse.
pub(crate) fn calls() -> Result<()> {
    install(&[BUILD, SYNAPSE])
}

/// What is needed to measure calls from behind NATs beside a browser's.
pub(crate) fn networks() -> Result<()> {
    install(&[BUILD, SYNAPSE, TEST, BROWSER])
}

/// What is needed to measure how voice sounds, beside a browser's.
pub(crate) fn voice() -> Result<()> {
    install(&[VOICE])
}

/// What the tests need.
pub(crate) fn tests() -> Result<()> {
    install(&[BUILD, SYNAPSE, TEST])
}

/// What is needed to build the landing page.
pub(crate) fn page() -> Result<()> {
    install(&[PAGE])
}

/// What is needed to build and test the landing page.
pub(crate) fn page_tests() -> Result<()> {
    install(&[PAGE, BROWSER])
}

/// What runs of mutants need; nothing else does, so that [`everything`] does not build it.
pub(crate) fn mutants(workspace: &Workspace) -> Result<()> {
    install(&[BUILD])?;
    cargo_install(workspace, &CARGO_MUTANTS)
}

/// What CI needs, and with it every chore but `mutants`.
pub(crate) fn everything(workspace: &Workspace) -> Result<()> {
    install(&[BUILD, SYNAPSE, TEST, FUZZ, WASM, PAGE, BROWSER, VOICE])?;
    components()?;
    for tool in [CARGO_DENY, CARGO_FUZZ] {
        cargo_install(workspace, &tool)?;
    }
    println!("everything is installed");
    Ok(())
}

/// Installs the packages of the needs that are not met, all at once; asks for nothing if none is missing.
fn install(groups: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> = groups
        .iter()
        .flat_map(|group| group.iter())
        .filter(|need| !(need.present)())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        println!("missing: {}", need.what);
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.packages)
        .copied()
        .collect();
    // None of them was there before, so nobody can be using it.
    let services: Vec<&str> = packages
        .iter()
        .filter(|package| SERVICES.contains(package))
        .copied()
        .collect();
    let by_hand = by_hand(&packages, &services);
    if !starts("apt-get") {
        bail!("this is no Debian or Ubuntu: install by your system's means what is missing above");
    }
    let Some(privilege) = Privilege::find() else {
        bail!("installing packages takes root, and there is no sudo; {by_hand}");
    };
    shell::run(&mut privilege.apt_get(&["update", "-q"])).context(by_hand.clone())?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(&packages);
    shell::run(&mut privilege.apt_get(&arguments)).context(by_hand)?;
    if !services.is_empty() && starts("systemctl") {
        let mut disable = privilege.command("systemctl");
        shell::run(disable.args(["disable", "--quiet"]).args(&services))?;
    }
    for need in missing {
        if !(need.present)() {
            bail!(
                "still missing after installing {}: {}",
                need.packages.join(" "),
                need.what
            );
        }
    }
    Ok(())
}

/// What somebody with root would run.
fn by_hand(packages: &[&str], services: &[&str]) -> String {
    let mut lines = format!(
        "run this, then try again:\n\n    sudo apt-get update && sudo env {OFFLINE} apt-get install --no-install-recommends {}\n",
        packages.join(" ")
    );
    if !services.is_empty() {
        // Where there is no systemd nothing is started.
        lines.push_str(&format!(
            "    sudo systemctl disable {}\n",
            services.join(" ")
        ));
    }
    lines
}

/// Whether ALSA's plugin for PulseAudio is there, wherever this machine's libraries are.
fn alsa_plays_to_pulseaudio() -> bool {
    let Ok(directories) = fs::read_dir("/usr/lib") else {
        return false;
    };
    let plugin = "alsa-lib/libasound_module_pcm_pulse.so";
    directories
        .flatten()
        .map(|entry| entry.path())
        .chain(["/usr/lib".into()])
        .any(|directory| directory.join(plugin).is_file())
}

/// Has packages start no service of theirs.
const OFFLINE: &str = "SYSTEMD_OFFLINE=1";

/// How we may install packages.
enum Privilege {
    Root,
    Sudo,
}

impl Privilege {
    fn find() -> Option<Self> {
        if shell::output(Command::new("id").arg("-u"))? == "0" {
            return Some(Self::Root);
        }
        // Without a terminal sudo must not ask for a password.
        let usable = starts("sudo")
            && (io::stdin().is_terminal()
                || shell::succeeds(Command::new("sudo").args(["-n", "true"])));
        usable.then_some(Self::Sudo)
    }

    fn apt_get(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("env");
        command
            .args(["DEBIAN_FRONTEND=noninteractive", OFFLINE, "apt-get"])
            .args(arguments);
        command
    }

    fn command(&self, program: &str) -> Command {
        match self {
            Self::Root => Command::new(program),
            Self::Sudo => {
                let mut command = Command::new("sudo");
                command.arg(program);
                command
            }
        }
    }
}

/// rustfmt and clippy, which a minimal toolchain lacks.
fn components() -> Result<()> {
    for (program, component) in [("rustfmt", "rustfmt"), ("clippy-driver", "clippy")] {
        if shell::succeeds(Command::new(program).arg("--version")) {
            continue;
        }
        if !starts("rustup") {
            bail!("{component} is missing: install it for the Rust compiler in use");
        }
        shell::run(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}

/// Installs the tool unless that very version is there.
fn cargo_install(workspace: &Workspace, tool: &Tool) -> Result<()> {
    let Tool {
        name,
        version,
        asked,
    } = tool;
    let installed = workspace.tools().join("bin").join(name);
    let printed = shell::output(Command::new(installed).args(*asked));
    if printed.is_some_and(|line| line.split_whitespace().nth(1) == Some(version)) {
        return Ok(());
    }
    // Not --locked: a registry may lack the very patch versions the tool was released with.
    let build = workspace.tools().join("build");
    shell::run(
        workspace
            .cargo()
            .args([
                "install",
                name,
                "--version",
                &format!("={version}"),
                "--force",
                // They run for seconds: to optimise them would take minutes.
                "--debug",
            ])
            .arg("--root")
            .arg(workspace.tools())
            .current_dir(existing(workspace.tools())?)
            .env_remove("RUSTFLAGS")
            .env("CARGO_TARGET_DIR", &build),
    )?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))
}

/// The directory, made if missing. Outside the checkout, so that its `.cargo/config.toml` is not about the tools.
fn existing(directory: &Path) -> Result<&Path> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// Whether Vite and the tests run on it: what Debian 12 and Ubuntu 24.04 have, or newer.
fn is_new_enough_node(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(18), Some(19))
}

/// Whether a program of that name is in `PATH`.
fn starts(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_the_path_is_found_and_another_is_not() {
        assert!(starts("sh"));
        assert!(!starts("no-such-program-of-securecall"));
    }

    #[test]
    fn nodes_of_debian_12_and_later_are_new_enough() {
        for version in ["v18.19.0", "v18.20.4", "v20.0.0", "v24.11.1"] {
            assert!(is_new_enough_node(version), "{version}");
        }
        for version in ["v18.18.2", "v12.22.12", "v9.99.0", "", "node"] {
            assert!(!is_new_enough_node(version), "{version}");
        }
    }

    #[test]
    fn no_service_is_left_to_start() {
        let groups = [BUILD, SYNAPSE, TEST, FUZZ, WASM, PAGE, BROWSER, VOICE];
        let packages: Vec<&str> = groups
            .iter()
            .flat_map(|group| group.iter())
            .flat_map(|need| need.packages)
            .copied()
            .collect();
        for service in SERVICES {
            assert!(packages.contains(service), "{service}");
            // Whoever has one of several programs may be using it.
            let mut needs = groups.iter().flat_map(|group| group.iter());
            let need = needs.find(|need| need.packages.contains(service));
            assert_eq!(need.unwrap().packages, [*service]);
        }
        let told = by_hand(&["nginx", "sox"], &["nginx"]);
        assert!(told.contains("SYSTEMD_OFFLINE=1 apt-get install"), "{told}");
        assert!(told.ends_with("systemctl disable nginx\n"), "{told}");
        assert!(!by_hand(&["sox"], &[]).contains("systemctl"));
    }

    #[test]
    fn nothing_is_installed_when_nothing_is_missing() {
        const THERE: &[Need] = &[Need {
            what: "a shell",
            packages: &["no-such-package-of-securecall"],
            present: || starts("sh"),
        }];
        install(&[THERE]).unwrap();
    }
}
