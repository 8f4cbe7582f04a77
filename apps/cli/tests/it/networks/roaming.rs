//! Machines that change networks, in a call and before it. The homeserver is in the internet, and reached as all else.

use std::net::IpAddr;

use securecall_interop::network::Nat;
use serde_json::Value;

use super::{Homeserver, InCall, Place, Way, World, acquainted_at};

/// Sooner than it is found out that a connection is dead, by whoever is not told that it must be (19 s).
const RUNG_SOON_MS: u64 = 12_000;
/// How long a frame is.
const FRAME_MS: u64 = 20;

fn at_ms(event: &Value) -> u64 {
    event["at_ms"].as_u64().unwrap()
}

/// Something happens in a call in which both hear each other; then they do again. Prints how much sound was missing, at the
/// caller and at the callee.
pub(super) fn goes_on(call: &mut InCall, what: &str, happens: impl FnOnce()) {
    happens();
    let (missing, _) = missing_after(call);
    eprintln!("{what}: {missing:?} ms of sound were missing");
}

/// Both hear each other again. Gives how much sound has been missing since they did before, in milliseconds, at the caller and at
/// the callee, and the routes that the call has taken meanwhile.
pub(super) fn missing_after(call: &mut InCall) -> ([u64; 2], Vec<String>) {
    let before = call.heard;
    let routes = call.hear_each_other();
    let missing = [0, 1].map(|end| {
        let (before, after) = (before[end], call.heard[end]);
        let time = after.at_ms - before.at_ms;
        time.saturating_sub(FRAME_MS * (after.frames - before.frames))
    });
    (missing, routes)
}

#[test]
fn who_moves_is_rung_and_a_call_goes_on_when_either_or_both_move_to_another_network_or_address() {
    let world = World::dual_stack();
    let homeserver = Homeserver::start(&world.network);
    let [home, office, cafe, hotel] =
        ["home", "office", "cafe", "hotel"].map(|name| world.behind(name, Nat::port_restricted()));
    let internet = world.network.internet();
    let mobile = internet.nat64("mobile", Nat::port_restricted()).unwrap();
    let hosts = [home.host("ada").unwrap(), office.host("bo").unwrap()];
    let users = acquainted_at(&homeserver, &hosts);
    let turn = format!("turn:SERVER turn:[{}]:443", world.turn_ipv6);
    let [ada, bo] = Place::through_network(&world, hosts, &users, &homeserver);
    let way = Way::of_contacts(&turn);
    let mut listening = way.listen(&bo);
    bo.host.move_to(&hotel).unwrap();
    let mut calling = way.call(&ada);
    let dialing = at_ms(&calling.wait_for("dialing"));
    let rung = at_ms(&listening.wait_for("incoming"));
    eprintln!("who has moved is rung after {} ms", rung - dialing);
    assert!(rung - dialing < RUNG_SOON_MS);

    let mut call = InCall::connected(calling, listening);
    call.hear_each_other();
    goes_on(&mut call, "the caller moves", || {
        ada.host.move_to(&cafe).unwrap();
    });
    goes_on(&mut call, "the callee moves", || {
        bo.host.move_to(&office).unwrap();
    });
    goes_on(&mut call, "both move", || {
        ada.host.move_to(&home).unwrap();
        bo.host.move_to(&hotel).unwrap();
    });
    goes_on(&mut call, "the caller gets another address", || {
        ada.host.change_addresses().unwrap();
    });
    goes_on(
        &mut call,
        "the callee moves to where there is only IPv6",
        || {
            bo.host.move_to(&mobile).unwrap();
        },
    );
    assert!(bo.host.addresses().iter().all(IpAddr::is_ipv6));
    goes_on(&mut call, "and back", || bo.host.move_to(&office).unwrap());
    call.hang_up();
}
