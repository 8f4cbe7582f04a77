//! A second network joins the first in the middle of a call, and stays when that is gone: Wi-Fi beside a mobile network.

use securecall_interop::network::{Host, Nat, Standing};

use super::roaming::goes_on;
use super::{Homeserver, InCall, Place, Way, World, acquainted_at};

#[test]
fn a_call_goes_on_when_a_second_network_joins_and_when_the_first_leaves() {
    let world = World::new();
    let homeserver = Homeserver::start(&world.network);
    let [home, office, wifi, mobile] =
        ["home", "office", "wifi", "mobile"].map(|name| world.behind(name, Nat::port_restricted()));
    let hosts = [mobile.host("ada").unwrap(), office.host("bo").unwrap()];
    let users = acquainted_at(&homeserver, &hosts);
    let [ada, bo] = hosts;
    let at = |host: Host, user| Place::through_network(&world, host, user, homeserver.names());
    let (ada, bo) = (at(ada, &users[0]), at(bo, &users[1]));
    for servers in ["turn:SERVER", "stun:SERVER"] {
        let mut call = InCall::begin(&ada, &bo, Way::of_contacts(servers));
        call.hear_each_other();
        for (who, place, joined) in [("caller", &ada, &wifi), ("callee", &bo, &home)] {
            // Packets leave by the new one at once, also those of sockets that are bound to the old address.
            goes_on(
                &mut call,
                &format!("{servers}: Wi-Fi joins the {who}'s network"),
                || {
                    place.host.join(joined, Standing::Preferred).unwrap();
                },
            );
            goes_on(
                &mut call,
                &format!("{servers}: what the {who} had leaves"),
                || {
                    place.host.leave_first().unwrap();
                },
            );
        }
        for (who, place, joined) in [("caller", &ada, &mobile), ("callee", &bo, &office)] {
            goes_on(
                &mut call,
                &format!("{servers}: another stands by at the {who}"),
                || {
                    place.host.join(joined, Standing::Standby).unwrap();
                },
            );
            goes_on(
                &mut call,
                &format!("{servers}: it is the {who}'s only one"),
                || {
                    place.host.leave_first().unwrap();
                },
            );
        }
        call.hang_up();
    }
}
