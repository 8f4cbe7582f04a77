//! Running a client until what was asked for is done: the part that `call` and `listen` share.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use securecall_audio_device::ProcessingChoice;
use securecall_contact::SecureCallId;
use securecall_driver::{
    AudioSpec, CallEvent, CallHandle, CallOptions, Callee, Client, ClientConfig, Contact,
    EndReason, Event as ClientEvent, MicrophoneSpec, PlaceError, Require, Route, SpeakerSpec,
    sleep_until,
};
use securecall_matrix::Account;
use tokio::runtime::Runtime;

use crate::alerts::{Alerts, Pressed};
use crate::cli::{Answer, MediaOptions, RequireChoice, RouteChoice};
use crate::commands::Context;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::logging;
use crate::output::{Event, Output, OutputError, Queue};
use crate::profile::Profile;
use crate::screen::{Screen, ScreenTerminal};
use crate::who::Person;

mod burst;
mod carry_out;
mod contacts;
mod narrator;
mod order;
mod orders_in;
mod signals;

use contacts::Reading;
use narrator::Narrator;
use order::Order;
use orders_in::{Input, Inputs};
use signals::Signals;

/// How long a stopping client may take before the process ends without it.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the screen is drawn, and how soon a closed standard output is noticed.
const TICK: Duration = Duration::from_millis(100);
/// How often the contact list is looked at, which another process may have changed.
const CONTACTS_EVERY_TICKS: u32 = 10;

/// The tokio runtime of a command: a call needs no more than two threads.
///
/// # Errors
///
/// The operating system gives no threads.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                ErrorKind::StorageFailed,
                format!("the operating system gives no threads: {error}"),
            )
        })
}

/// Gives the terminal back, if the screen has it.
pub(crate) fn restore_terminal() {
    ScreenTerminal::restore_if_open();
}

/// What is said of a line that is no order.
#[cfg(test)]
pub(crate) fn order_fault(line: &str) -> Option<Failure> {
    Order::parse(line).err()
}

/// What the command is for.
#[derive(Debug)]
pub(crate) enum Goal {
    /// One call, which is placed at the start.
    Call(Person),
    /// Calls that come in: one, or all.
    Listen { once: bool },
}

/// Everything a run is told.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) goal: Goal,
    pub(crate) answer: Answer,
    pub(crate) media: MediaOptions,
}

/// Runs a client with the profile's account until the goal is reached, a signal comes, or the account is gone.
///
/// # Errors
///
/// The client could not be started or was signed out; a call could not be placed.
pub(crate) async fn run(
    context: Context,
    profile: Profile,
    account: Account,
    plan: Plan,
) -> Result<ExitCode, Failure> {
    let with_screen = !context.output.is_json()
        && uses_no_standard_stream(&plan.media)
        && ScreenTerminal::is_possible();
    let alerts = context.settings.alerts(&plan.media);
    let alerts = Alerts::new(alerts, &plan.media.speaker.clone().unwrap_or_default())?;
    let mut signals = Signals::new()?;
    context.output.write_behind();
    let mut config = ClientConfig::new(profile.identity()?.key_pair(), profile.replay_memory());
    config.contacts = known_keys(&profile);
    config.answer = match plan.answer {
        Answer::Ask => securecall_driver::AnswerPolicy::Ask,
        Answer::Contacts => securecall_driver::AnswerPolicy::Contacts,
        Answer::Auto => securecall_driver::AnswerPolicy::Auto,
    };
    config.inbound = call_options(&plan.media);
    config.audio = audio(&plan.media);
    config.network.reach = context.settings.reach();
    config.levels = with_screen;
    // Who waits for calls waits for the homeserver as well; who places one wants to know.
    config.waits_for_homeserver = matches!(plan.goal, Goal::Listen { .. });
    let client = tokio::select! {
        started = Client::start(config, account) => started?,
        number = signals.next() => return Ok(ExitCode::Signal(number)),
    };
    let mut run = Run::new(context, profile, plan, client, alerts, with_screen)?;
    let outcome = run.go(signals).await;
    run.close().await;
    outcome
}

/// Standard input and output are free: no audio goes over them.
fn uses_no_standard_stream(media: &MediaOptions) -> bool {
    media.mic != Some(MicrophoneSpec::Stdin) && media.speaker != Some(SpeakerSpec::Stdout)
}

fn audio(media: &MediaOptions) -> AudioSpec {
    AudioSpec {
        microphone: media.mic.clone().unwrap_or_default(),
        speaker: media.speaker.clone().unwrap_or_default(),
        processing: media
            .processing
            .map_or(ProcessingChoice::Automatic, Into::into),
    }
}

fn call_options(media: &MediaOptions) -> CallOptions {
    CallOptions {
        route: media.route.map(|RouteChoice::Direct| Route::Direct),
        require: media
            .require
            .map_or(Require::Any, |RequireChoice::Securecall| {
                Require::SecureCall
            }),
        ..CallOptions::default()
    }
}

/// The contacts whose key is known: only those can be called, or be known when they call.
fn known_keys(profile: &Profile) -> Vec<Contact> {
    let contacts = profile.content().contacts.iter();
    contacts
        .filter_map(|contact| {
            Some(Contact {
                name: contact.name.clone(),
                identity: contact.id?.identity_key(),
                matrix_id: contact.matrix_id.clone(),
            })
        })
        .collect()
}

/// The keys that have been compared by a way that no server controls.
fn verified_keys(profile: &Profile) -> BTreeSet<SecureCallId> {
    let contacts = profile.content().contacts.iter();
    contacts
        .filter(|contact| contact.verified)
        .filter_map(|contact| contact.id)
        .collect()
}

/// Whom to call, if they can be called at all: said before anything else is begun.
///
/// # Errors
///
/// The person's key is not known.
pub(crate) fn callee(person: &Person, media: &MediaOptions) -> Result<Callee, Failure> {
    let callee = Callee {
        identity: person.id.map(|id| id.identity_key()),
        matrix_id: person.matrix_id.clone(),
    };
    callee
        .identity(call_options(media).require)
        .map_err(PlaceError::Refused)?;
    Ok(callee)
}

/// The call that the run is about.
#[derive(Clone, Copy, Debug)]
struct Current {
    call: CallHandle,
    /// The key proven at the other end.
    peer: Option<SecureCallId>,
    /// Of the timer of `--duration`.
    connected_at: Option<Instant>,
    was_connected: bool,
    muted: bool,
}

/// Why the run is ending.
#[derive(Debug)]
enum Ending {
    /// The goal is reached, or somebody said quit.
    Done(ExitCode),
    /// A signal, or nobody reads standard output any more.
    Signal(u8),
    Failed(Failure),
}

struct Run {
    context: Context,
    profile: Profile,
    plan: Plan,
    client: Client,
    /// What rings.
    alerts: Alerts,
    narrator: Narrator,
    inputs: Inputs,
    screen: Option<(ScreenTerminal, Screen)>,
    /// What the person has given to look for contacts in.
    reading: Reading,
    /// Lines that a person reads when the screen is gone.
    held_back: Queue<Event>,
    current: Option<Current>,
    /// A call was connected in this run.
    any_connected: bool,
    /// The homeserver has signed this device out.
    signed_out: bool,
    ticks: u32,
}

impl Run {
    fn new(
        context: Context,
        profile: Profile,
        plan: Plan,
        client: Client,
        alerts: Alerts,
        with_screen: bool,
    ) -> Result<Self, Failure> {
        let inputs = if with_screen {
            Inputs::keys()
        } else if context.output.is_json() && plan.media.mic != Some(MicrophoneSpec::Stdin) {
            Inputs::lines()
        } else {
            Inputs::none()
        };
        let screen = if with_screen {
            Some((open_screen()?, screen_for(&plan.goal, &profile)?))
        } else {
            None
        };
        let matrix_id = profile.account()?.matrix_id.to_string();
        let narrator = Narrator::new(context.started_at, matrix_id);
        let mut run = Self {
            context,
            profile,
            plan,
            client,
            alerts,
            narrator,
            inputs,
            screen,
            reading: Reading::default(),
            held_back: Queue::new(),
            current: None,
            any_connected: false,
            signed_out: false,
            ticks: 0,
        };
        run.show_contacts();
        Ok(run)
    }

    async fn go(&mut self, mut signals: Signals) -> Result<ExitCode, Failure> {
        let ending = match self.place_first_call().await {
            Ok(()) => self.until_ending(&mut signals).await,
            Err(failure) => Ending::Failed(failure),
        };
        let was_connected = self
            .current
            .map_or(self.any_connected, |current| current.was_connected);
        self.stop(&mut signals).await;
        tokio::select! {
            () = self.alerts.finish() => {}
            number = signals.next() => tracing::info!(number, "a tone is cut short"),
        }
        match ending {
            Ending::Done(code) => Ok(code),
            Ending::Signal(_) if was_connected => Ok(ExitCode::Done),
            Ending::Signal(number) => Ok(ExitCode::Signal(number)),
            Ending::Failed(failure) => Err(failure),
        }
    }

    async fn place_first_call(&mut self) -> Result<(), Failure> {
        match &self.plan.goal {
            Goal::Call(person) => {
                let callee = callee(person, &self.plan.media)?;
                self.client
                    .handle()
                    .call(callee, call_options(&self.plan.media))
                    .await?;
                Ok(())
            }
            Goal::Listen { .. } => Ok(()),
        }
    }

    async fn until_ending(&mut self, signals: &mut Signals) -> Ending {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let hang_up_at = self.hang_up_at();
            let step = tokio::select! {
                event = self.client.next_event() => match event {
                    Some(event) => self.handle_event(&event),
                    None => Err(Ending::Failed(Failure::bug("the client stopped by itself"))),
                },
                number = signals.next() => Err(Ending::Signal(number)),
                input = self.inputs.next() => self.handle_input(input).await,
                read = self.reading.next() => self.handle_read(read).await,
                (call, pressed) = self.alerts.pressed() => self.handle_pressed(call, pressed).await,
                _ = ticks.tick() => self.handle_tick().await,
                () = sleep_until(hang_up_at) => self.hang_up().await,
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    /// When `--duration` is over.
    fn hang_up_at(&self) -> Option<Instant> {
        let connected_at = self.current?.connected_at?;
        Some(connected_at + Duration::from_secs_f64(self.plan.media.duration?))
    }

    async fn hang_up(&mut self) -> Result<(), Ending> {
        if let Some(current) = &mut self.current {
            // Once: the timer must not fire again while the call is being ended.
            current.connected_at = None;
            let _ = self.client.handle().hangup(current.call).await;
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &ClientEvent) -> Result<(), Ending> {
        if let Some((_, screen)) = &mut self.screen {
            if matches!(
                event,
                ClientEvent::Call(CallEvent::Incoming {
                    accepted: false,
                    ..
                })
            ) && self.alerts.may_ring()
            {
                ScreenTerminal::ring();
            }
            screen.handle(now(), event);
        }
        if let ClientEvent::Call(event) = event {
            self.alerts.follow(event);
        }
        let step = match event {
            ClientEvent::Call(event) => self.follow(event),
            // A connected call needs no homeserver: it goes on, and its end is the end of the run.
            ClientEvent::SessionEnded => {
                self.signed_out = true;
                match self.current {
                    Some(current) if current.was_connected => Ok(()),
                    _ => Err(Ending::Failed(signed_out())),
                }
            }
            ClientEvent::NoRandomness(error) => Err(Ending::Failed(Failure::no_randomness(error))),
            _ => Ok(()),
        };
        if let Some(told) = self.narrator.tell(event) {
            self.tell(told)?;
        }
        self.draw();
        step
    }

    /// Keeps up with the call that this run is about; its end may be the end of the run.
    fn follow(&mut self, event: &CallEvent) -> Result<(), Ending> {
        match event {
            CallEvent::Dialing { call, .. } | CallEvent::Incoming { call, .. }
                if self.current.is_none() =>
            {
                self.current = Some(Current {
                    call: call.handle,
                    peer: None,
                    connected_at: None,
                    was_connected: false,
                    muted: false,
                });
            }
            CallEvent::Replaced { call, by } => {
                self.with_current(call.handle, |current| current.call = by.handle);
            }
            CallEvent::Connected { call, peer, .. } => {
                self.any_connected = true;
                self.with_current(call.handle, |current| {
                    current.peer = Some(peer.id);
                    current.connected_at = Some(now());
                    current.was_connected = true;
                });
            }
            CallEvent::Muted {
                call,
                local: true,
                muted,
            } => self.with_current(call.handle, |current| current.muted = *muted),
            CallEvent::Ended { call, reason, .. }
                if self
                    .current
                    .is_some_and(|current| current.call == call.handle) =>
            {
                self.current = None;
                return self.over(*reason);
            }
            _ => {}
        }
        Ok(())
    }

    fn with_current(&mut self, call: CallHandle, change: impl FnOnce(&mut Current)) {
        if let Some(current) = self.current.as_mut().filter(|current| current.call == call) {
            change(current);
        }
    }

    fn over(&mut self, reason: EndReason) -> Result<(), Ending> {
        match self.plan.goal {
            Goal::Listen { once: false } if self.signed_out => Err(Ending::Failed(signed_out())),
            Goal::Listen { once: false } => Ok(()),
            Goal::Listen { once: true } | Goal::Call(_) => Err(Ending::Done(exit_code(reason))),
        }
    }

    /// A button of the notification was pressed: what an order does, for the call that it is about.
    async fn handle_pressed(&mut self, call: CallHandle, pressed: Pressed) -> Result<(), Ending> {
        if self.current.is_none_or(|current| current.call != call) {
            return Ok(());
        }
        self.carry_out(match pressed {
            Pressed::Answer => Order::Answer,
            Pressed::Decline => Order::Reject,
        })
        .await
    }

    async fn handle_input(&mut self, input: Input) -> Result<(), Ending> {
        match input {
            Input::Order(order) => self.carry_out(order).await,
            Input::NotUnderstood(failure) => {
                self.tell_failure(&failure);
                Ok(())
            }
            Input::Key(key) => {
                let screen = self.screen.as_mut();
                let action = screen.and_then(|(_, screen)| screen.key(now(), key));
                let step = match action {
                    Some(action) => self.act(action).await,
                    None => Ok(()),
                };
                self.draw();
                step
            }
            Input::Paste(text) => {
                if let Some((_, screen)) = &mut self.screen {
                    screen.paste(&text);
                }
                self.draw();
                Ok(())
            }
        }
    }

    async fn handle_tick(&mut self) -> Result<(), Ending> {
        if self.context.output.is_closed() {
            return Err(Ending::Signal(signals::PIPE));
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(CONTACTS_EVERY_TICKS) && self.profile.refresh() {
            self.know_contacts().await;
        }
        let told = match (self.alerts.take_notice(), self.current) {
            (Some(text), Some(Current { call, .. })) => {
                self.handle_event(&ClientEvent::Notice { call, text })
            }
            (Some(text), None) => self.tell(Event::Notice {
                message: text.into(),
            }),
            (None, _) => Ok(()),
        };
        self.draw();
        told
    }

    fn tell(&mut self, event: Event) -> Result<(), Ending> {
        if let Event::Error { message, .. } = &event
            && self.screen.is_none()
        {
            self.context.output.note(&format!("warning: {message}"));
        }
        if self.screen.is_some() && self.context.output.is_terminal() {
            // The screen has shown the figures; what happened is worth reading afterwards.
            if !matches!(event, Event::Stats(_)) {
                self.held_back.push(event.weight(), event);
            }
            return Ok(());
        }
        self.context
            .output
            .event(&event)
            .or_else(|error| match error {
                OutputError::Closed => Err(Ending::Signal(signals::PIPE)),
                // Lines wait, and the writer has said so.
                OutputError::Failed(_) => Ok(()),
            })
    }

    /// Tells of something that did not work, where it can be seen.
    fn tell_failure(&mut self, failure: &Failure) {
        match &mut self.screen {
            Some((_, screen)) => screen.failed(failure),
            None => self.context.output.order_failed(failure),
        }
    }

    fn draw(&mut self) {
        if let Some((terminal, screen)) = &mut self.screen {
            let _ = terminal.draw(screen, now());
        }
    }

    /// Tells the peer and the homeserver, and what they still have to say; a second signal ends at once.
    async fn stop(&mut self, signals: &mut Signals) {
        let handle = self.client.handle();
        let give_up_at = now() + STOP_TIMEOUT;
        handle.request_stop().await;
        loop {
            tokio::select! {
                event = self.client.next_event() => match event {
                    Some(event) => {
                        let _ = self.handle_event(&event);
                    }
                    None => return,
                },
                number = signals.next() => {
                    restore_terminal();
                    std::process::exit(i32::from(ExitCode::Signal(number).number()));
                }
                () = tokio::time::sleep_until(give_up_at.into()) => {
                    tracing::warn!("the client did not stop in time");
                    return;
                }
            }
        }
    }

    /// Gives the terminal back and tells what happened meanwhile.
    async fn close(mut self) {
        if self.screen.is_some() {
            drop(self.screen.take());
            logging::screen_is_up(false);
        }
        while let Some((_, event)) = self.held_back.pop() {
            if self.context.output.event(&event).is_err() {
                return;
            }
        }
        if let Some(left_out) = self.held_back.take_left_out() {
            let _ = self.context.output.event(&left_out.into());
        }
    }
}

fn screen_for(goal: &Goal, profile: &Profile) -> Result<Screen, Failure> {
    Ok(match goal {
        Goal::Call(_) => Screen::of_call(),
        Goal::Listen { .. } => Screen::of_listener(profile.account()?.matrix_id.clone()),
    })
}

fn open_screen() -> Result<ScreenTerminal, Failure> {
    let terminal = ScreenTerminal::open().map_err(|error| {
        Failure::new(
            ErrorKind::StorageFailed,
            format!("the terminal cannot be used: {error}"),
        )
    })?;
    logging::screen_is_up(true);
    Ok(terminal)
}

/// The exit code of a command whose call ended so.
fn exit_code(reason: EndReason) -> ExitCode {
    use securecall_driver::ExitClass;
    match reason.exit_class() {
        ExitClass::Done => ExitCode::Done,
        ExitClass::Security => ExitCode::Security,
        ExitClass::Peer => ExitCode::Peer,
        ExitClass::Network => ExitCode::Network,
        ExitClass::Machine => ExitCode::Machine,
    }
}

fn signed_out() -> Failure {
    Failure::new(
        ErrorKind::SignedOut,
        "the homeserver has signed this device out",
    )
    .help("`securecall logout`, then `securecall register` or `securecall login` again")
}

/// The one clock of a run.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where time comes from"
)]
fn now() -> Instant {
    Instant::now()
}

/// Refuses standard streams that would be used twice.
///
/// # Errors
///
/// `--json` and audio both on standard output.
pub(crate) fn check_streams(output: Output, media: &MediaOptions) -> Result<Output, Failure> {
    match (&media.speaker, output.is_json()) {
        (Some(SpeakerSpec::Stdout), true) => Err(Failure::new(
            ErrorKind::Usage,
            "--json and --speaker - both want standard output",
        )
        .help("send the voice to a pipe with --speaker raw:PATH")),
        (Some(SpeakerSpec::Stdout), false) => Ok(output.beside_audio()),
        _ => Ok(output),
    }
}
