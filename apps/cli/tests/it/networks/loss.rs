//! Networks that lose packets and hold them up.

use std::time::Duration;

use securecall_interop::network::{Delay, Nat};

use super::{InCall, Place, TURN, Way, World};
use crate::talker::User;

#[test]
fn where_one_packet_of_twenty_is_lost_and_the_others_are_held_up_a_call_connects_and_ends_as_ever()
{
    let world = World::new();
    let (ada, bo) = User::acquainted();
    let places = [("ada", &ada), ("bo", &bo)].map(|(name, user)| {
        let home = world.behind(name, Nat::port_restricted());
        let delay = Delay {
            least: Duration::from_millis(10),
            jitter: Duration::from_millis(30),
        };
        home.uplink().unwrap().set_delay(delay, 1).unwrap();
        home.uplink().unwrap().set_loss(5).unwrap();
        Place::new(&world, &home, user, name)
    });
    let [ada, bo] = &places;
    let mut call = InCall::begin(ada, bo, Way::of_contacts(TURN));
    call.caller.wait_for("first_audio");
    call.callee.wait_for("first_audio");
    call.hear_each_other();
    call.hang_up();
}
