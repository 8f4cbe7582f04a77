//! What orders and keys do in a group call, and how a call of two becomes one.

use securecall_contact::SecureCallId;
use securecall_driver::CallHandle;

use super::Run;
use super::orders::not_now;
use crate::calling::guests;
use crate::calling::order::{Order, Volume};
use crate::calling::plan::{call_options, callee};
use crate::error::Failure;

impl Run {
    /// Does what is ordered while there is a group call.
    pub(super) async fn carry_out_in_group(&mut self, order: Order) -> Result<(), Failure> {
        let handle = self.client.handle();
        let Some(group) = self.followed.group() else {
            return Err(not_now(&order, "there is no group call"));
        };
        let (conference, leg) = (group.conference, group.any_leg());
        let leg = |order: &Order| leg.ok_or_else(|| not_now(order, "nobody else is there yet"));
        match order {
            Order::Hangup => {
                let left = handle.leave(conference).await;
                left.map_err(|error| not_now(&Order::Hangup, &error.to_string()))
            }
            Order::Mute | Order::Unmute => {
                let muted = order == Order::Mute;
                let muted = handle.set_conference_muted(conference, muted).await;
                muted.map_err(|error| not_now(&order, &error.to_string()))
            }
            Order::Exchange(ref wish) => {
                let exchanged = handle.exchange(leg(&order)?, wish.clone()).await;
                exchanged.map_err(|_| not_now(&order, "the call has no sound yet"))
            }
            Order::Add(_) if group.is_of_room => {
                let why = "whoever is in the room comes into its group call by themselves";
                Err(not_now(&order, why).help("invite them to the room, in an app that does that"))
            }
            Order::Add(ref who) => {
                let leg = leg(&order)?;
                self.add(leg, who).await
            }
            Order::Volume(ref who, volume) if group.is_of_room => {
                let legs = self.devices(who, &order)?;
                for leg in legs {
                    self.set_volume(leg, volume).await?;
                }
                Ok(())
            }
            Order::Volume(ref who, volume) => {
                let (_, leg) = self.member(who, &order)?;
                self.set_volume(leg, volume).await
            }
            Order::VerifyMember(ref who) => {
                let (id, _) = self.member(who, &order)?;
                self.verify_member(id)
            }
            Order::Verify => Err(not_now(&order, "there are several people to verify")
                .help("say whose safety words are the same: verify WHO")),
            Order::Answer | Order::Reject => {
                Err(not_now(&order, "you are in the group call already"))
            }
            Order::Hold | Order::Resume => {
                Err(not_now(&order, "a group call is not held").help("`mute` keeps you silent"))
            }
            Order::Call(_) => Err(not_now(&order, "there is a call already")
                .help("`add WHO` brings somebody into this one")),
            // Before it comes here.
            Order::Quit => Ok(()),
        }
    }

    /// Brings somebody into a call that is connected.
    pub(super) async fn add(&self, call: CallHandle, who: &str) -> Result<(), Failure> {
        let person = self.people.resolve(who)?;
        if guests::identity(&person).is_none() {
            return Err(guests::no_key(&person));
        }
        let callee = callee(&person, &self.plan.media, &self.people.known())?;
        let options = call_options(&self.plan.media);
        self.client.handle().add(call, callee, options).await?;
        Ok(())
    }

    /// How loud a member is to be heard.
    pub(super) async fn set_volume(
        &mut self,
        call: CallHandle,
        volume: Volume,
    ) -> Result<(), Failure> {
        let set = self.client.handle().set_volume(call, volume.gain()).await;
        set.map_err(|_| {
            let order = Order::Volume(String::new(), volume);
            not_now(&order, "nothing can be heard of them yet")
        })?;
        if let Some(screen) = self.shown.screen() {
            screen.set_volume(call, volume);
        }
        Ok(())
    }

    /// The member is who their key says: the safety words of the leg with them are the same on both sides.
    pub(super) fn verify_member(&mut self, id: SecureCallId) -> Result<(), Failure> {
        let order = Order::VerifyMember(id.to_string());
        // The group call may be connected with others while the words of this leg are not known yet.
        if !self
            .followed
            .group()
            .is_some_and(|it| it.is_connected_with(id))
        {
            return Err(not_now(&order, "the safety words are not known yet"));
        }
        self.mark_verified(id, &order)
    }

    /// The legs with the devices of somebody in the group call of a room.
    fn devices(&self, who: &str, order: &Order) -> Result<Vec<CallHandle>, Failure> {
        let person = self.people.resolve(who)?;
        let group = self.followed.group();
        let legs = group.map(|group| group.legs_with_account(&person.matrix_id));
        let legs = legs.filter(|legs| !legs.is_empty());
        legs.ok_or_else(|| not_now(order, "this person is not in the group call"))
    }

    /// The leg with somebody in the group call, and their key.
    fn member(&self, who: &str, order: &Order) -> Result<(SecureCallId, CallHandle), Failure> {
        let person = self.people.resolve(who)?;
        let id = guests::identity(&person).ok_or_else(|| guests::no_key(&person))?;
        let leg = self.followed.group().and_then(|group| group.leg_with(id));
        let leg = leg.ok_or_else(|| not_now(order, "this person is not in the group call"))?;
        Ok((id, leg))
    }
}
