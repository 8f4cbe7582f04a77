//! The network of this machine changes under a call.

use std::time::Duration;

use securecall_media::{SelectedPair, Transport};
use securecall_session::MediaEvent;
use web_time::Instant;

use super::PeerConnection;
use crate::host_addresses::source_towards;
use crate::network_watch::NetworkState;

/// For so long a path may show that it still works when packets to elsewhere have begun to leave another way, and nobody knows
/// which its own take. Its checks are a second apart, and an answer is under way for a while.
const DOUBTED_FOR: Duration = Duration::from_millis(1500);

/// A path that may be dead.
pub(super) struct Doubt {
    since: Instant,
}

impl Doubt {
    /// When it is over.
    pub(super) fn until(&self) -> Instant {
        self.since + DOUBTED_FOR
    }
}

impl PeerConnection {
    /// This machine is connected so from now on.
    pub(crate) fn network_changed(&mut self, now: Instant, state: &NetworkState) {
        let before = self.network.replace(state.clone());
        // Before there are sockets there is nothing to move, and what is bound later is bound to what is there then.
        if !self.has_gathered || self.transport.is_none() {
            return;
        }
        let before = before.unwrap_or_else(|| state.clone());
        let slept = state.slept != before.slept;

        // First, so that nothing below is asked for by a way that is gone.
        let closed = self.sockets.close_all_but(&state.addresses);
        if !closed.is_empty() {
            self.gathering.sockets_closed(now, &closed);
        }
        let gone = state.gone_since(&before);
        let mut ended = Vec::new();
        if !gone.is_empty() {
            ended = self.streams.addresses_gone(&gone);
            self.tunnels.addresses_gone(&gone);
        }
        if state.default_sources != before.default_sources {
            ended.extend(self.streams.routes_changed(|to| source_towards(to).ok()));
            self.tunnels.routes_changed(|to| source_towards(to).ok());
        }
        for news in ended {
            self.gathering.handle_stream(now, news.stream, news.event());
        }

        // Then what there is instead: the candidates are told to the peer before it is told that the path is dead, so that they
        // stand in the description of a restart.
        let bound = self.bind_for_sources();
        // A socket that could reach no server until now may do so since packets leave another way.
        let leaves_otherwise = state.default_sources != before.default_sources;
        let is_new = !(closed.is_empty() && gone.is_empty() && bound.is_empty());
        if is_new || leaves_otherwise || slept {
            self.gathering.begin(now, &bound);
        }
        self.follow_sources(now);

        if slept {
            // Whatever was between us and the peer has forgotten us, or is elsewhere.
            self.drive(|transport| transport.distrust_path(now));
        } else if leaves_otherwise {
            self.doubt_path(now, state);
        }
        // A restart from before these addresses does not name them.
        if self.path_lost && !bound.is_empty() {
            self.outputs.event(MediaEvent::PathLost);
        }
        self.drain();
    }

    /// The path of the call is dead.
    pub(super) fn path_is_lost(&mut self) {
        tracing::debug!("the path of the call is lost");
        self.path_lost = true;
        self.doubt = None;
        // So that the first packet that comes is told at once.
        self.told.forget_authenticated();
        self.outputs.event(MediaEvent::PathLost);
    }

    /// The peer is silent for longer than it should be. A NAT may have forgotten us, so servers are asked how they see us now: what is
    /// another address than before is told to the peer without waiting until the path counts as dead.
    pub(super) fn path_is_silent(&mut self, now: Instant) {
        self.outputs.event(MediaEvent::PathSilent);
        self.gathering.check(now);
        self.follow_sources(now);
    }

    /// The time of a doubt is over.
    pub(super) fn decide_doubt(&mut self, now: Instant) {
        let Some(doubt) = self.doubt.take() else {
            return;
        };
        let last_answer = self.transport.as_ref().and_then(Transport::last_answer);
        if last_answer.is_none_or(|at| at < doubt.since) {
            self.drive(|transport| transport.distrust_path(now));
        }
    }

    /// Packets leave another way than before, perhaps also those of a socket whose address is still there: to where nobody takes
    /// them from this address. A system may have a rule of its own for it. Then the checks are answered, and nothing is lost but
    /// a restart.
    fn doubt_path(&mut self, now: Instant, state: &NetworkState) {
        let gathering = &self.gathering;
        let leaves_as_before = |pair: SelectedPair| {
            let (from, to) = match state.addresses.contains(&pair.local.ip()) {
                true => (pair.local, pair.remote),
                false => gathering.way_of(pair.local)?,
            };
            Some(source_towards(to).ok()? == from.ip())
        };
        let in_use = self.transport.as_ref().and_then(Transport::selected_pair);
        let is_known = in_use.map(|pair| leaves_as_before(pair).is_some());
        if let Some(transport) = &mut self.transport {
            let is_dead = |pair| leaves_as_before(pair) == Some(false);
            if let Err(error) = transport.distrust_pairs(now, is_dead) {
                self.fail(&error);
            }
        }
        if self.is_path_up() && !self.path_lost && is_known == Some(false) {
            self.doubt = Some(Doubt { since: now });
            // A relay is asked, too.
            self.gathering.check(now);
            self.follow_sources(now);
        }
    }
}
