//! A program that is stopped in the middle of a call, as near to a machine that sleeps as can be had in a test: all that it waits for
//! comes late, nothing leaves, and by the time it goes on its NAT has forgotten it, with its connections to the homeserver.

use std::thread;
use std::time::Duration;

use securecall_interop::network::{Nat, Segment};

use super::roaming::missing_after;
use super::{Homeserver, InCall, Place, TURN, Talker, Way, World, acquainted_at, last};

/// Much longer than until a path counts as dead, and much shorter than a call waits for its peer (30 s): a busy machine takes seconds to
/// come back. And longer than that.
const HELD: Duration = Duration::from_secs(12);
const GIVEN_UP: Duration = Duration::from_secs(40);

/// So much sound may be missing beside the time in which it was stopped: far more than it is, for a machine that has other work.
const SOON_MS: u64 = 15_000;

#[expect(
    clippy::disallowed_methods,
    reason = "what is stopped does not say when it may go on"
)]
fn is_stopped(talker: &Talker, home: &Segment, time: Duration) {
    talker.signal(libc::SIGSTOP);
    thread::sleep(time);
    home.forget_mappings().unwrap();
    talker.signal(libc::SIGCONT);
}

#[test]
fn who_was_stopped_for_a_while_is_back_in_the_call_and_for_too_long_knows_that_it_is_over() {
    let world = World::new();
    let homeserver = Homeserver::start(&world.network);
    let homes = ["ada", "bo"].map(|name| world.behind(name, Nat::port_restricted()));
    let hosts = homes.each_ref().map(|home| home.host("host").unwrap());
    let users = acquainted_at(&homeserver, &hosts);
    let [ada, bo] = Place::through_network(&world, hosts, &users, &homeserver);
    let held_ms = u64::try_from(HELD.as_millis()).unwrap();
    for options in [&[][..], &["--route", "relay"]] {
        let mut call = InCall::begin(&ada, &bo, Way::of_contacts(TURN).with(options));
        call.hear_each_other();
        for who in ["caller", "callee"] {
            let (talker, home) = match who {
                "caller" => (&call.caller, &homes[0]),
                _ => (&call.callee, &homes[1]),
            };
            is_stopped(talker, home, HELD);
            let (missing, _) = missing_after(&mut call);
            let beside = missing.map(|missing| missing.saturating_sub(held_ms));
            eprintln!("{options:?}, the {who} was stopped: {beside:?} ms more were missing");
            assert!(beside.iter().all(|ms| *ms < SOON_MS), "{beside:?}");
        }
        is_stopped(&call.callee, &homes[1], GIVEN_UP);
        for talker in [call.caller, call.callee] {
            let (code, rest) = talker.end();
            let ended = last(&rest, "ended");
            eprintln!("{options:?}: {code} {ended}");
            assert_eq!((code, &ended["reason"]), (5, &"ice_timeout".into()));
        }
    }
}
