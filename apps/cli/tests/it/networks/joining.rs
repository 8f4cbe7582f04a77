//! A second network joins the first in the middle of a call, and stays when that is gone: Wi-Fi beside a mobile network.

use securecall_interop::network::{Nat, Standing};

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
    let [ada, bo] = Place::through_network(&world, hosts, &users, &homeserver);
    for servers in ["turn:SERVER", "stun:SERVER"] {
        let mut call = InCall::begin(&ada, &bo, Way::of_contacts(servers));
        call.hear_each_other();
        for (who, place, joined, standing) in [
            ("caller", &ada, &wifi, Standing::Preferred),
            ("callee", &bo, &home, Standing::Preferred),
            ("caller", &ada, &mobile, Standing::Standby),
            ("callee", &bo, &office, Standing::Standby),
        ] {
            // Packets leave by one that is preferred at once, also those of sockets that are bound to the old address.
            let what = format!("{servers}: another joins the {who}'s network ({standing:?})");
            goes_on(&mut call, &what, || {
                place.host.join(joined, standing).unwrap();
            });
            let what = format!("{servers}: what the {who} had leaves, and that is the only one");
            goes_on(&mut call, &what, || {
                place.host.leave_first().unwrap();
            });
        }
        call.hang_up();
    }
}
