//! Two browsers, and a call of theirs, recorded in their pages.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use securecall_interop::network::{Impairment, Link};
use securecall_quality::{SAMPLE_RATE, resample};
use serde_json::{Value, json};

use super::speech::Speech;
use super::{COUNTED, Call, Direction, Recording, wait_until};
use crate::bench::chromium::browser::{self, Browser};
use crate::bench::chromium::signaling::Signaling;
use crate::bench::resources::ProcessorTime;
use crate::bench::world::World;
use crate::call::record::Side;

/// For a page to send what it has recorded.
const SEND_PATIENCE: Duration = Duration::from_secs(30);

/// Two browsers, each at a host of its own.
pub(super) struct Chromium {
    name: &'static str,
    /// What Opus is asked for.
    codec: &'static str,
    browsers: [Browser; 2],
    signaling: Signaling,
    /// The callee's, over which all packets of the call go.
    link: Arc<Link>,
}

impl Chromium {
    /// Starts both. Their profiles are in a directory of this name.
    pub(super) fn start(
        name: &'static str,
        codec: &'static str,
        world: &World,
        speech: &Speech,
        directory: &Path,
    ) -> Result<Self> {
        let directory = directory.join(name);
        std::fs::create_dir_all(&directory)?;
        let signaling = Signaling::start(&world.host(&format!("{name}-signaling"))?)?;
        let start = |side: Side| {
            let host = world.host(&format!("{name}-{}", side.name()))?;
            let browser = Browser::start(&host, side, &signaling, Some(&speech.path), &directory)?;
            anyhow::Ok((browser, host.link()))
        };
        let [(caller, _), (callee, link)] = [start(Side::Caller)?, start(Side::Callee)?];
        // The line that loses and delays is there before any call.
        link.impair_udp(None)?;
        Ok(Self {
            name,
            codec,
            browsers: [caller, callee],
            signaling,
            link,
        })
    }

    /// Holds a call in which all of the speech is said by both.
    pub(super) fn call(&mut self, impairment: Impairment, speech: &Speech) -> Result<Call> {
        let call = self.hold(impairment, speech);
        call.with_context(|| format!("no call of {}", self.name))
    }

    fn hold(&self, impairment: Impairment, speech: &Speech) -> Result<Call> {
        let prepare = json!({
            "configuration": {"iceServers": []},
            "codec": self.codec,
            "records": true,
        });
        browser::call(&self.signaling, &prepare)?;
        let connected = Instant::now();
        self.link.impair_udp(Some(impairment))?;
        let [from, to] = COUNTED;
        wait_until(connected, from)?;
        let counting = ProcessorTime::begin(self.browsers.each_ref().map(Browser::id));
        wait_until(connected, to)?;
        let processor = counting.and_then(|counting| counting.percent());
        wait_until(connected, Duration::from_secs(speech.seconds().into()))?;
        self.link.impair_udp(None)?;
        let [[said, heard], [said_back, heard_back]] = [
            self.recordings(Side::Caller)?,
            self.recordings(Side::Callee)?,
        ];
        browser::hang_up(&self.signaling)?;
        Ok(Call {
            directions: [
                Direction {
                    said,
                    heard: heard_back,
                },
                Direction {
                    said: said_back,
                    heard,
                },
            ],
            processor: processor.context("its processes are gone")?,
        })
    }

    /// What one side said, and what it heard.
    fn recordings(&self, side: Side) -> Result<[Recording; 2]> {
        let order = json!({"sendRecordings": true});
        self.signaling.tell(side, &order)?;
        let report = self.signaling.report(side, "recorded", SEND_PATIENCE)?;
        let told = &report["recorded"];
        // Where the delay comes from, and how exactly it can be told: a busy page takes blocks late.
        println!(
            "{}: {}: {:.0} ms in the jitter buffer; blocks said and heard within {:.0} and {:.0} ms",
            self.name,
            side.name(),
            told["jitterBuffer"].as_f64().unwrap_or(f64::NAN),
            told["said"]["spread"].as_f64().unwrap_or(f64::NAN),
            told["heard"]["spread"].as_f64().unwrap_or(f64::NAN),
        );
        let recording = |name: &str| {
            let of = format!("{}-{name}", side.name());
            Recording::of_page(&self.signaling.take_recording(&of)?, &told[name])
        };
        Ok([recording("said")?, recording("heard")?])
    }
}

impl Recording {
    /// Samples of a page, with what it tells of them.
    fn of_page(samples: &[i16], told: &Value) -> Result<Self> {
        let number = |name: &str| {
            let number = told[name].as_f64();
            number.with_context(|| format!("the page tells no {name} of a recording: {told}"))
        };
        let samples: Vec<f32> = samples
            .iter()
            .map(|sample| f32::from(*sample) / 32_768.0)
            .collect();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sample rate"
        )]
        let rate = number("rate")? as u32;
        Ok(Self {
            at_ms: number("at")?,
            samples: resample(&samples, rate, SAMPLE_RATE),
        })
    }
}
