//! Element in one network and we in another, of which something happens while both talk. The homeserver is reached all the time.

use std::path::Path;

use securecall_interop::network::{Host, Nat, Network, Segment};
use securecall_interop::{JsSdk, JsSdkCall};

use super::{OUR_TONE, Pair, command, element_in};
use crate::ordinary::Ordinary;
use crate::talker::{Talker, homeserver};

/// Two who talk, each at a host of its own.
struct Apart {
    pair: Pair,
    call: JsSdkCall,
    ours: Host,
    theirs: Host,
    _browser: JsSdk,
    network: Network,
}

impl Apart {
    /// Element has called, and both hear each other.
    fn talk() -> Self {
        let network = Network::new().unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| network.internet().host(name).unwrap());
        for host in [&ours, &theirs] {
            let homeserver = homeserver().address();
            host.forward(homeserver, homeserver).unwrap();
        }
        let browser = JsSdk::start_in(&theirs).unwrap();
        let element = element_in(&browser, homeserver(), false);
        let options = ["--answer", "auto", "--route", "direct"];
        let start = |user: &Ordinary, recording: &Path, arguments: &[&str]| {
            let mut command = command(user, recording, arguments);
            command.env_remove("SECURECALL_LOOPBACK");
            Talker::start_by(command, |command| ours.spawn(command).unwrap())
        };
        let mut pair = Pair::by(Ordinary::new("ada"), element, true, &options, start);
        let call = pair.talk();
        Self {
            pair,
            call,
            ours,
            theirs,
            _browser: browser,
            network,
        }
    }

    fn behind_a_nat(&self, name: &str) -> Segment {
        let internet = self.network.internet();
        internet.nat(name, Nat::port_restricted()).unwrap()
    }

    /// Something happens; then ICE was restarted, and both hear each other again, from then on.
    fn goes_on_by_a_restart(&mut self, happens: impl FnOnce(&mut Self)) {
        let before = self.call.status().unwrap();
        happens(self);
        let after = self.call.wait_for_restart(&before).unwrap();
        assert_ne!(after.local_ufrag, before.local_ufrag);
        // Whether we say that we reconnect depends on who is faster: the restart, or the time after which a path counts as dead.
        self.call.wait_for_tone(OUR_TONE).unwrap();
        let packets = self.call.path().unwrap().received;
        self.pair.stay();
        self.call.wait_for_tone(OUR_TONE).unwrap();
        assert!(self.call.path().unwrap().received > packets + 50);
    }

    /// Element hangs up.
    fn ended(self) {
        self.call.hang_up().unwrap();
        self.pair.ended(&self.call, "remote_hangup");
    }
}

#[test]
fn element_moves_to_another_network_and_both_go_on_hearing() {
    let mut apart = Apart::talk();
    let cafe = apart.behind_a_nat("cafe");
    apart.goes_on_by_a_restart(|it| it.theirs.move_to(&cafe).unwrap());
    apart.ended();
}

#[test]
fn we_move_to_another_network_and_both_go_on_hearing() {
    let mut apart = Apart::talk();
    let cafe = apart.behind_a_nat("cafe");
    apart.goes_on_by_a_restart(|it| it.ours.move_to(&cafe).unwrap());
    apart.ended();
}

#[test]
fn a_path_that_is_cut_and_heals_carries_on_after_a_restart() {
    let mut apart = Apart::talk();
    apart.goes_on_by_a_restart(|it| {
        it.theirs.link().set_loss(100).unwrap();
        // Element has noticed before us, and has begun to restart.
        it.pair.listener.wait_for("reconnecting");
        it.theirs.link().set_loss(0).unwrap();
    });
    apart.ended();
}
