//! What orders and keys do.

use securecall_contact::SecureCallId;
use securecall_driver::Tier;

use super::Run;
use crate::calling::clock::now;
use crate::calling::ending::Ending;
use crate::calling::followed_call::Current;
use crate::calling::guests;
use crate::calling::order::Order;
use crate::calling::signals;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Event;
use crate::screen::Action;

impl Run {
    pub(super) async fn act(&mut self, action: Action) -> Result<(), Ending> {
        match action {
            Action::Answer => self.carry_out(Order::Answer).await,
            Action::Reject => self.carry_out(Order::Reject).await,
            Action::Hangup if !self.followed.is_busy() => Err(Ending::Done(ExitCode::Done)),
            Action::Hangup => self.carry_out(Order::Hangup).await,
            Action::Interrupt => Err(Ending::Signal(signals::INTERRUPT)),
            Action::SetMuted(true) => self.carry_out(Order::Mute).await,
            Action::SetMuted(false) => self.carry_out(Order::Unmute).await,
            Action::SetHeld(true) => self.carry_out(Order::Hold).await,
            Action::SetHeld(false) => self.carry_out(Order::Resume).await,
            Action::Verify => self.carry_out(Order::Verify).await,
            Action::Add(who) => self.carry_out(Order::Add(who)).await,
            Action::LookForDevices => {
                self.devices.find_devices();
                Ok(())
            }
            Action::Exchange(wish) => self.carry_out(Order::Exchange(wish)).await,
            Action::VerifyMember(id) => {
                let verified = self.verify_member(id);
                self.tell_if_refused(verified)
            }
            Action::SetVolume(call, volume) => {
                let set = self.set_volume(call, volume).await;
                self.tell_if_refused(set)
            }
            Action::Wish(wish) => self.grant(wish).await,
            Action::Redraw => {
                self.shown.disturb();
                self.shown.draw(now());
                Ok(())
            }
        }
    }

    pub(super) async fn carry_out(&mut self, order: Order) -> Result<(), Ending> {
        if order == Order::Quit {
            return Err(Ending::Done(ExitCode::Done));
        }
        let done = match self.followed.group() {
            Some(_) => self.carry_out_in_group(order).await,
            None => self.carry_out_in_call(order).await,
        };
        self.tell_if_refused(done)
    }

    /// What does not work is told, and ends nothing.
    fn tell_if_refused(&mut self, done: Result<(), Failure>) -> Result<(), Ending> {
        if let Err(failure) = done {
            self.tell_failure(&failure);
        }
        Ok(())
    }

    /// Does what is ordered while there is a call of two, or none.
    async fn carry_out_in_call(&mut self, order: Order) -> Result<(), Failure> {
        let handle = self.client.handle();
        let current = self.followed.current().cloned();
        if matches!(order, Order::Answer | Order::Reject) && current.is_some() {
            // Before the call: it may want the sound card that rings.
            self.alerts.decided();
        }
        match (order, current) {
            // Before it comes here.
            (Order::Quit, _) => Ok(()),
            (Order::Call(who), _) => self.place(&who).await,
            (order, None) => Err(not_now(&order, "there is no call")),
            (Order::Answer, Some(current)) => {
                let answered = handle.answer(current.call).await;
                if let (Ok(()), Some(screen)) = (&answered, self.shown.screen()) {
                    screen.accepted();
                }
                answered.map_err(|error| not_now(&Order::Answer, &error.to_string()))
            }
            (Order::Reject, Some(current)) => handle
                .reject(current.call)
                .await
                .map_err(|error| not_now(&Order::Reject, &error.to_string())),
            (Order::Hangup, Some(current)) => handle
                .hangup(current.call)
                .await
                .map_err(|error| not_now(&Order::Hangup, &error.to_string())),
            (Order::Verify, Some(current)) => self.verify(&current),
            (Order::VerifyMember(who), Some(current)) => {
                let person = self.people.resolve(&who)?;
                match guests::identity(&person) == current.peer.id {
                    true => self.verify(&current),
                    false => Err(not_now(
                        &Order::VerifyMember(who),
                        "the call is not with them",
                    )),
                }
            }
            (Order::Add(who), Some(current)) => match (current.tier, current.was_connected) {
                (Tier::Matrix, _) => Err(not_now(
                    &Order::Add(who),
                    "a standard Matrix call is between two",
                )),
                (Tier::SecureCall, false) => {
                    Err(not_now(&Order::Add(who), "the call is not connected"))
                }
                (Tier::SecureCall, true) => self.add(current.call, &who).await,
            },
            (order @ Order::Volume(..), Some(_)) => {
                Err(not_now(&order, "it is for members of group calls"))
            }
            (Order::Exchange(wish), Some(current)) => {
                let exchanged = handle.exchange(current.call, wish.clone()).await;
                exchanged.map_err(|_| not_now(&Order::Exchange(wish), "the call has no sound yet"))
            }
            (order @ (Order::Hold | Order::Resume), Some(current)) => {
                let held = handle
                    .set_held(current.call, matches!(order, Order::Hold))
                    .await;
                held.map_err(|error| not_now(&order, &error.to_string()))
            }
            (order @ (Order::Mute | Order::Unmute), Some(current)) => {
                let muted = handle
                    .set_muted(current.call, matches!(order, Order::Mute))
                    .await;
                muted.map_err(|error| not_now(&order, &error.to_string()))
            }
        }
    }

    /// The person has compared the safety words with the peer's.
    fn verify(&mut self, current: &Current) -> Result<(), Failure> {
        if current.tier == Tier::Matrix {
            return Err(not_now(
                &Order::Verify,
                "a standard Matrix call has no safety words to compare",
            ));
        }
        let peer = current
            .peer
            .id
            .filter(|_| current.was_connected)
            .ok_or_else(|| not_now(&Order::Verify, "the safety words are not known yet"))?;
        self.mark_verified(peer, &Order::Verify)
    }

    /// The contact with this key is who it says: in the contact list, on the screen and for scripts.
    pub(super) fn mark_verified(&mut self, id: SecureCallId, order: &Order) -> Result<(), Failure> {
        let contact = self.people.verify_key(id, || {
            not_now(order, "the other person is not one of your contacts")
                .help("add them first with `securecall contact add`")
        })?;
        self.show_contacts();
        if let Some(screen) = self.shown.screen() {
            screen.verified(&contact);
        }
        // A reader that has gone is noticed at the next tick.
        let _ = self
            .teller
            .tell(Event::contact(&contact, self.people.has_blocked(&contact)));
        Ok(())
    }

    async fn place(&mut self, who: &str) -> Result<(), Failure> {
        if self.followed.is_busy() {
            return Err(not_now(
                &Order::Call(who.to_owned()),
                "there is a call already",
            ));
        }
        let person = self.people.resolve(who)?;
        self.call(&person).await
    }
}

pub(super) fn not_now(order: &Order, why: &str) -> Failure {
    Failure::new(
        ErrorKind::NotNow,
        format!("`{}` does not fit now: {why}", order.name()),
    )
}
