//! A client that runs: what happens is followed, shown and told, and what is ordered is done.

use std::time::{Duration, Instant};

use securecall_driver::{
    CallEvent, CallHandle, Client, EndReason, Event as ClientEvent, RoomCallOrder, sleep_until,
};
use securecall_profile::who::Person;

use super::clock::now;
use super::consent;
use super::ending::Ending;
use super::followed_call::{FollowedCall, Overdue};
use super::input::Input;
use super::narrator::Narrator;
use super::order::Order;
use super::orders_in::Inputs;
use super::people::People;
use super::plan::{Goal, Plan, RoomCall, call_options, callee};
use super::reading::Reading;
use super::shown::Shown;
use super::signals::Signals;
use super::standard_streams::input_is_free;
use super::teller::Teller;
use crate::alerts::{Alerts, Pressed};
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::output::{Event, Output};
use crate::screen::ScreenTerminal;

mod group_orders;
mod orders;
mod wishes;

/// How long a stopping client may take before the process ends without it.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// The same after a call in a room, from which the client removes what it has said there.
const ROOM_STOP_TIMEOUT: Duration = Duration::from_secs(7);
/// How often the screen is drawn, and how soon a closed standard output is noticed.
const TICK: Duration = Duration::from_millis(100);
/// How often the contact list is looked at, which another process may have changed.
const CONTACTS_EVERY_TICKS: u32 = 10;

/// A client and everybody who has to do with it.
pub(super) struct Run {
    plan: Plan,
    client: Client,
    /// What rings.
    alerts: Alerts,
    inputs: Inputs,
    /// What the person has given to look for contacts in.
    reading: Reading,
    /// The sound devices that the person wants to choose from.
    devices: Reading,
    people: People,
    followed: FollowedCall,
    shown: Shown,
    teller: Teller,
    /// The homeserver has signed this device out.
    signed_out: bool,
    ticks: u32,
}

impl Run {
    /// A run of a process that started at `started_at`.
    ///
    /// # Errors
    ///
    /// There is no account, or the terminal cannot be used.
    pub(super) fn new(
        plan: Plan,
        client: Client,
        alerts: Alerts,
        people: People,
        output: Output,
        started_at: Instant,
        with_screen: bool,
    ) -> Result<Self, Failure> {
        let inputs = if with_screen {
            Inputs::keys()
        } else if output.is_json() && input_is_free(&plan.media) {
            Inputs::lines()
        } else {
            Inputs::none()
        };
        let own_address = people.own_address()?;
        let shown = if with_screen {
            Shown::open(&plan.goal, own_address)?
        } else {
            Shown::default()
        };
        let narrator = Narrator::new(started_at, own_address.to_string());
        let mut run = Self {
            plan,
            client,
            alerts,
            inputs,
            reading: Reading::default(),
            devices: Reading::default(),
            people,
            followed: FollowedCall::default(),
            shown,
            teller: Teller::new(output, narrator, with_screen),
            signed_out: false,
            ticks: 0,
        };
        run.show_contacts();
        Ok(run)
    }

    /// Runs until the goal is reached, a signal comes, or the account is gone.
    ///
    /// # Errors
    ///
    /// The client was signed out; a call could not be placed.
    pub(super) async fn go(&mut self, mut signals: Signals) -> Result<ExitCode, Failure> {
        self.shown.draw(now());
        // To join a room of another server takes a while, and who interrupts that is heard.
        let placed = tokio::select! {
            placed = self.place_first_call() => placed.map_err(Ending::Failed),
            number = signals.next() => Err(Ending::Signal(number)),
        };
        let ending = match placed {
            Ok(()) => self.until_ending(&mut signals).await,
            Err(ending) => ending,
        };
        let was_connected = self.followed.was_connected();
        self.stop(&mut signals).await;
        tokio::select! {
            () = self.alerts.finish() => {}
            number = signals.next() => tracing::info!(number, "a tone is cut short"),
        }
        ending.outcome(was_connected)
    }

    /// Gives the terminal back and tells what happened meanwhile.
    pub(super) fn close(self) {
        drop(self.shown);
        self.teller.catch_up();
    }

    async fn place_first_call(&self) -> Result<(), Failure> {
        match &self.plan.goal {
            Goal::Call(person) => self.call(person).await,
            Goal::Group(people) => self.call_group(people).await,
            Goal::Room(room_call) => self.join_room_call(room_call).await,
            Goal::Listen { .. } => Ok(()),
        }
    }

    async fn call(&self, person: &Person) -> Result<(), Failure> {
        let callee = callee(person, &self.plan.media, &self.people.known())?;
        if self.people.lacks_consent(person, self.plan.asked) {
            return Err(consent::failure(person));
        }
        let options = call_options(&self.plan.media);
        let handle = self.client.handle();
        let call = handle.call(callee, options).await?;
        if self.plan.muted {
            // One that is over already is heard by nobody.
            let _ = handle.set_muted(call.handle, true).await;
        }
        Ok(())
    }

    async fn call_group(&self, people: &[Person]) -> Result<(), Failure> {
        let known = self.people.known();
        let callees = people.iter();
        let callees = callees.map(|person| callee(person, &self.plan.media, &known));
        let callees = callees.collect::<Result<Vec<_>, _>>()?;
        let options = call_options(&self.plan.media);
        let handle = self.client.handle();
        let conference = handle.call_group(callees, options).await?;
        if self.plan.muted {
            let _ = handle.set_conference_muted(conference.handle, true).await;
        }
        Ok(())
    }

    async fn join_room_call(&self, room_call: &RoomCall) -> Result<(), Failure> {
        let order = RoomCallOrder {
            room: room_call.room.clone(),
            in_clear: room_call.in_clear,
            muted: self.plan.muted,
            options: call_options(&self.plan.media),
        };
        self.client.handle().join_room_call(order).await?;
        Ok(())
    }

    /// Whether a call that may be placed has to be agreed to first.
    fn has_to_ask(&self, person: &Person) -> bool {
        callee(person, &self.plan.media, &self.people.known()).is_ok()
            && self.people.lacks_consent(person, self.plan.asked)
    }

    async fn until_ending(&mut self, signals: &mut Signals) -> Ending {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let hang_up_at = self.followed.deadline(self.plan.media.duration);
            let step = tokio::select! {
                event = self.client.next_event() => match event {
                    Some(event) => self.handle_event(&event),
                    None => Err(Ending::Failed(Failure::bug("the client stopped by itself"))),
                },
                number = signals.next() => Err(Ending::Signal(number)),
                input = self.inputs.next() => self.handle_input(input).await,
                read = self.reading.next() => self.handle_read(read).await,
                read = self.devices.next() => self.handle_read(read).await,
                (call, pressed) = self.alerts.pressed() => self.handle_pressed(call, pressed).await,
                _ = ticks.tick() => self.handle_tick().await,
                () = sleep_until(hang_up_at) => self.hang_up().await,
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    async fn hang_up(&mut self) -> Result<(), Ending> {
        let handle = self.client.handle();
        let _ = match self.followed.take_overdue() {
            Some(Overdue::Call(call)) => handle.hangup(call).await,
            Some(Overdue::Group(conference)) => handle.leave(conference).await,
            None => Ok(()),
        };
        Ok(())
    }

    fn handle_event(&mut self, event: &ClientEvent) -> Result<(), Ending> {
        if let Some(screen) = self.shown.screen() {
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
        let step = self.follow(event);
        self.teller.tell_of(event)?;
        self.shown.draw(now());
        step
    }

    /// Keeps up with what happened; it may be the end of the run.
    fn follow(&mut self, event: &ClientEvent) -> Result<(), Ending> {
        match event {
            ClientEvent::Call(event) => match self.followed.follow(now(), event) {
                Some(reason) => self.over(reason),
                None => Ok(()),
            },
            // A connected call needs no homeserver: it goes on, and its end is the end of the run.
            ClientEvent::SessionEnded => {
                self.signed_out = true;
                match self.followed.is_connected() {
                    true => Ok(()),
                    false => Err(Ending::signed_out()),
                }
            }
            ClientEvent::NoRandomness(error) => Err(Ending::Failed(Failure::no_randomness(error))),
            _ => Ok(()),
        }
    }

    fn over(&self, reason: EndReason) -> Result<(), Ending> {
        match self.plan.goal {
            Goal::Listen { once: false } if self.signed_out => Err(Ending::signed_out()),
            Goal::Listen { once: false } => Ok(()),
            Goal::Listen { once: true } | Goal::Call(_) | Goal::Group(_) | Goal::Room(_) => {
                Err(Ending::of_call(reason))
            }
        }
    }

    /// A button of the notification was pressed: what an order does, for the call that it is about.
    async fn handle_pressed(&mut self, call: CallHandle, pressed: Pressed) -> Result<(), Ending> {
        if !self.followed.is(call) {
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
                let screen = self.shown.screen();
                let action = screen.and_then(|screen| screen.key(now(), key));
                let step = match action {
                    Some(action) => self.act(action).await,
                    None => Ok(()),
                };
                self.shown.draw(now());
                step
            }
            Input::Paste(text) => {
                if let Some(screen) = self.shown.screen() {
                    screen.paste(&text);
                }
                self.shown.draw(now());
                Ok(())
            }
        }
    }

    async fn handle_tick(&mut self) -> Result<(), Ending> {
        self.teller.check_reader()?;
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(CONTACTS_EVERY_TICKS) && self.people.refresh() {
            self.know_contacts().await;
        }
        let told = match (self.alerts.take_notice(), self.followed.any_call()) {
            (Some(text), Some(call)) => self.handle_event(&ClientEvent::Notice { call, text }),
            (Some(text), None) => self.teller.tell(Event::Notice {
                message: text.into(),
            }),
            (None, _) => Ok(()),
        };
        self.shown.draw(now());
        told
    }

    /// Tells of something that did not work, where it can be seen.
    fn tell_failure(&mut self, failure: &Failure) {
        match self.shown.screen() {
            Some(screen) => screen.failed(failure),
            None => self.teller.order_failed(failure),
        }
    }

    /// Tells the peer and the homeserver, and what they still have to say; a second signal ends at once.
    async fn stop(&mut self, signals: &mut Signals) {
        let handle = self.client.handle();
        let give_up_at = now()
            + match self.followed.was_any_standard() {
                true => ROOM_STOP_TIMEOUT,
                false => STOP_TIMEOUT,
            };
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
                    ScreenTerminal::restore_if_open();
                    std::process::exit(i32::from(ExitCode::Signal(number).number()));
                }
                () = tokio::time::sleep_until(give_up_at.into()) => {
                    tracing::warn!("the client did not stop in time");
                    return;
                }
            }
        }
    }
}
