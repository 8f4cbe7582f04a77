//! A headless Chromium at a host of a network, which opens one page.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use securecall_interop::chromium;
use securecall_interop::network::Host;
use serde_json::{Value, json};

use super::signaling::Signaling;
use crate::call::record::Side;

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
        let mut command = chromium()?;
        command
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
