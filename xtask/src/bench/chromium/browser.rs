//! A headless Chromium at a host of a network, which opens one page.

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use securecall_interop::network::Host;
use serde_json::{Value, json};

use super::signaling::Signaling;
use crate::call::record::Side;

/// Under these names distributions install it.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];
/// A first start on a busy machine makes a profile.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// From dialing to connected; Chromium itself gives up after 15 s.
const CALL_PATIENCE: Duration = Duration::from_secs(30);

/// A running browser. It ends when this value is dropped.
pub(crate) struct Browser {
    process: Child,
}

impl Browser {
    /// Starts one at a host, and waits until its page is there. It hears a file as its microphone, once each time that the page
    /// opens it; beeps without one. Profile and log are in the directory.
    pub(crate) fn start(
        host: &Host,
        side: Side,
        signaling: &Signaling,
        microphone: Option<&Path>,
        directory: &Path,
    ) -> Result<Self> {
        let profile = directory.join(format!("chromium-{}", side.name()));
        let log = directory.join(format!("chromium-{}.log", side.name()));
        let output = File::create(&log)?;
        let mut command = program()?;
        command
            .args([
                "--headless=new",
                // Root has no sandbox, and the page is ours.
                "--no-sandbox",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                // A page that nobody sees is not to be slowed down.
                "--disable-background-timer-throttling",
                "--disable-renderer-backgrounding",
                "--disable-backgrounding-occluded-windows",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                // The addresses themselves: nobody in these networks resolves a name.
                "--disable-features=WebRtcHideLocalIpsWithMdns",
                "--no-proxy-server",
                // What comes is played, though nobody has clicked.
                "--autoplay-policy=no-user-gesture-required",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!(
                "--unsafely-treat-insecure-origin-as-secure={}",
                signaling.origin()
            ))
            .args(microphone.map(|file| {
                format!(
                    "--use-file-for-fake-audio-capture={}%noloop",
                    file.display()
                )
            }))
            .arg(signaling.page(side))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let browser = Self {
            process: host.spawn(&mut command)?,
        };
        signaling
            .report(side, "ready", START_PATIENCE)
            .with_context(|| format!("Chromium's log is {}", log.display()))?;
        Ok(browser)
    }

    /// The process that all its others descend from.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Best effort: what is left of it goes with the network.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a call between two pages came about.
pub(crate) struct Connected {
    /// From `createOffer()` to the `connectionState` of that name, in ms.
    pub(crate) connected_ms: f64,
    /// From `createOffer()` to the first packet of the other side's voice, in ms.
    pub(crate) heard_ms: f64,
    /// The kind of path.
    pub(crate) route: String,
}

/// Calls from one page to the other, prepared as the page understands it.
pub(crate) fn call(signaling: &Signaling, prepare: &Value) -> Result<Connected> {
    for side in Side::BOTH {
        signaling.tell(side, &json!({"prepare": prepare}))?;
        signaling.report(side, "prepared", CALL_PATIENCE)?;
    }
    signaling.tell(Side::Caller, &json!({"dial": true}))?;
    let report = signaling.report(Side::Caller, "connected", CALL_PATIENCE)?;
    let time = |name: &str| report[name].as_f64().context("the page reports no time");
    Ok(Connected {
        connected_ms: time("connected")?,
        heard_ms: time("heard")?,
        route: report["route"].as_str().unwrap_or_default().to_owned(),
    })
}

/// Ends the call.
pub(crate) fn hang_up(signaling: &Signaling) -> Result<()> {
    let hang_up = |side| signaling.tell(side, &json!({"hangUp": true}));
    Side::BOTH.into_iter().try_for_each(hang_up)
}

/// `$CHROMIUM`, or the first that is installed; past the shell script that Debian has in front of it, which a signal would
/// end in place of the browser.
fn program() -> Result<Command> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Ok(Command::new(named));
    }
    let debians = Path::new("/usr/lib/chromium/chromium");
    if debians.is_file() {
        return Ok(Command::new(debians));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .flat_map(|directory| NAMES.map(|name| directory.join(name)))
        .find(|program| fs::metadata(program).is_ok_and(|found| found.is_file()));
    found.map(Command::new).context(
        "there is no Chromium: `cargo xtask setup` installs it, and $CHROMIUM may name one",
    )
}
