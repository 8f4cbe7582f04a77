//! `doctor`.

use std::path::Path;

use securecall_driver::{MicrophoneSpec, SpeakerSpec};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::cli::{DoctorOptions, MediaOptions};
use crate::config::Settings;
use crate::context::told;
use crate::doctor::{
    Check, Found, GhostNetChecks, Homeserver, Relays, Report, Session, TOTAL, Teller, Told, ipv6,
    link_handler, look_at_profile, microphone, speaker, teller,
};
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::output::{Output, OutputError};
use crate::runtime::runtime;

pub(super) fn run(
    directory: &Path,
    options: DoctorOptions,
    output: Output,
) -> Result<ExitCode, Failure> {
    let mut report = Report::new(output);
    // A passphrase may have to be typed: nothing is shown meanwhile, and nothing runs.
    let found = match look_at_profile(directory, &mut report) {
        Ok(found) => found,
        Err(error) => return Ok(told(Err(error))),
    };
    let runtime = runtime()?;
    let outcome = runtime.block_on(check_all(options, found, report));
    // A sound card may still be busy.
    runtime.shutdown_background();
    Ok(outcome.unwrap_or_else(|error| told(Err(error))))
}

async fn check_all(
    options: DoctorOptions,
    found: Found,
    mut report: Report,
) -> Result<ExitCode, OutputError> {
    let (mut checks, coming) = start(options, found);
    report.tell_all(coming).await?;
    let mut broke_off = false;
    while let Some(ended) = checks.join_next().await {
        broke_off |= ended.is_err();
    }
    report.complete(broke_off)?;
    report.end()
}

/// Starts all checks that can run at the same time. None takes longer than [`TOTAL`].
fn start(options: DoctorOptions, found: Found) -> (JoinSet<()>, UnboundedReceiver<Told>) {
    let (teller, coming) = teller();
    let Found {
        settings,
        session,
        ghostnet,
    } = found;
    let (mic, sink) = devices(settings.as_ref(), options);
    let (tell_account, account) = oneshot::channel();
    let mut checks = Checks {
        running: JoinSet::new(),
        deadline: Instant::now() + TOTAL,
    };
    match session {
        Session::Of(stored) => {
            let homeserver = Homeserver::new(stored, teller.clone(), tell_account);
            checks.start(homeserver.run());
        }
        Session::None { why } => {
            drop(tell_account);
            Homeserver::cannot_be_asked(&teller, why);
        }
    }
    let ghostnet = GhostNetChecks::new(settings.as_ref(), ghostnet, teller.clone());
    checks.start(ghostnet.run());
    let relays = Relays::new(settings, account, teller.clone());
    checks.start(relays.run());
    checks.start_one(&teller, async { ipv6() });
    checks.start_one(&teller, microphone(mic));
    checks.start_one(&teller, speaker(sink));
    checks.start_one(&teller, link_handler());
    (checks.running, coming)
}

/// The checks that run.
struct Checks {
    running: JoinSet<()>,
    deadline: Instant,
}

impl Checks {
    /// Starts one that tells itself what comes of it.
    fn start(&mut self, check: impl Future<Output = ()> + Send + 'static) {
        let deadline = self.deadline;
        self.running.spawn(async move {
            // What it has not told by then is told to be left.
            let _ = timeout_at(deadline, check).await;
        });
    }

    fn start_one(&mut self, teller: &Teller, check: impl Future<Output = Check> + Send + 'static) {
        let teller = teller.clone();
        self.start(async move { teller.tell(check.await) });
    }
}

/// The microphone and the speaker that a call would have.
fn devices(settings: Option<&Settings>, options: DoctorOptions) -> (MicrophoneSpec, SpeakerSpec) {
    let options = MediaOptions {
        mic: options.mic,
        speaker: options.speaker,
        ..MediaOptions::default()
    };
    let media = match settings {
        Some(settings) => settings.media(&options),
        None => options,
    };
    (
        media.mic.unwrap_or_default(),
        media.speaker.unwrap_or_default(),
    )
}
