//! We are behind two relays of GhostNet, and they, who know nothing of such, see an ordinary candidate of the exit.

use securecall_interop::{GhostNetRelays, Manner};

use super::Pair;
use crate::ghostnet::daemon;

fn behind_relays(manner: Manner) -> (Pair, GhostNetRelays) {
    let relays = GhostNetRelays::start(&daemon(), 2).unwrap();
    let pair = Pair::with(manner, "ghostnet", |command| {
        command.envs(relays.environment());
    });
    (pair, relays)
}

#[test]
fn nheko_calls_hears_us_through_two_relays_and_is_heard() {
    let (mut pair, _relays) = behind_relays(Manner::Nheko);
    pair.they_call();
    pair.answer();
    assert_eq!(pair.route, "ghostnet");
    pair.peer.tell("hang_up").unwrap();
    pair.is_over("remote_hangup", "user_hangup");
    pair.we_have_heard_them();
}

#[test]
fn dart_is_called_hears_us_through_two_relays_and_is_heard() {
    let (mut pair, _relays) = behind_relays(Manner::Dart);
    pair.we_call();
    pair.they_answer();
    assert_eq!(pair.route, "ghostnet");
    pair.listener.order("hangup");
    pair.is_over("local_hangup", "remote_hangup");
    pair.we_have_heard_them();
}
