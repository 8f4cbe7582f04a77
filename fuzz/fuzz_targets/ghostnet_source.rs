//! Whatever exits send and do, in whatever order: no panic, no waking for ever, no candidate but a relayed one that was bound, each
//! lost at most once, and paths are tried only so often.

#![no_main]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use securecall_fuzz::{START, VirtualTime, address};
use securecall_relay::{
    Candidate, CandidateKind, CandidateSource as _, Datagram, GhostNetSource, Hop, HopProof,
    HopRole, SourceOutput, TunnelEvent, TunnelFailure, TunnelFailureKind, TunnelId, TunnelOrder,
    TunnelPath,
};
use web_time::Instant;

const MAX_ACTS: usize = 48;

struct World {
    now: Instant,
    source: GhostNetSource,
    deadline: Option<Instant>,
    told: BTreeSet<Candidate>,
    opened: u32,
    gathered: u32,
}

impl World {
    fn new() -> Self {
        let hop = |text| Hop {
            address: address(text),
            name: "relay.example".to_owned(),
            proof: HopProof::Authorities,
            authorization: None,
        };
        let path = TunnelPath {
            entry: hop("192.0.2.50:443"),
            exit: hop("198.51.100.7:443"),
        };
        let mut world = Self {
            now: *START,
            source: GhostNetSource::new(move |_| Some(path.clone())),
            deadline: None,
            told: BTreeSet::new(),
            opened: 0,
            gathered: 0,
        };
        world.gather();
        world
    }

    fn gather(&mut self) {
        self.gathered += 1;
        self.source.gather(self.now, &[]);
        self.drain();
    }

    fn tell(&mut self, tunnel: TunnelId, event: TunnelEvent<'_>) {
        self.source.handle_tunnel(self.now, tunnel, event);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.source.poll_output() {
                SourceOutput::Candidate(candidate) => {
                    assert_eq!(candidate.kind, CandidateKind::Relayed);
                    assert!(self.told.insert(candidate), "told twice");
                }
                SourceOutput::Lost(candidate) => {
                    assert!(self.told.remove(&candidate), "lost without being told");
                }
                SourceOutput::Tunnel(TunnelOrder::Open { .. }) => self.opened += 1,
                SourceOutput::Timeout(at) => {
                    assert!(at.is_none_or(|at| at > self.now), "woken for nothing");
                    self.deadline = at;
                    return;
                }
                SourceOutput::Tunnel(_)
                | SourceOutput::Packet(_)
                | SourceOutput::RelayFailed(_)
                | SourceOutput::Answered => {}
                other => panic!("not what goes through tunnels: {other:?}"),
            }
        }
    }
}

impl VirtualTime for World {
    fn now(&mut self) -> &mut Instant {
        &mut self.now
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn wake(&mut self) {
        self.source.handle_timeout(self.now);
        self.drain();
    }
}

fuzz_target!(|data: &[u8]| {
    let mut world = World::new();
    let mut rest = data;
    let mut acts = 0;
    while let [act, value, more @ ..] = rest {
        acts += 1;
        if acts > MAX_ACTS {
            break;
        }
        rest = more;
        let tunnel = TunnelId(world.opened.saturating_sub(1 + u32::from(value & 1)));
        let peer = SocketAddr::from(([203, 0, 113, value % 8], 7000));
        let public = SocketAddr::from(([198, 51, 100, value % 8], 40_000));
        let (bytes, after) = more.split_at(more.len().min(usize::from(*value)));
        match act % 12 {
            0 | 1 => world.tell(tunnel, TunnelEvent::Opened { public: &[public] }),
            2 => {
                rest = after;
                world.tell(tunnel, TunnelEvent::Capsules(bytes));
            }
            3 => {
                rest = after;
                world.tell(tunnel, TunnelEvent::Datagram(bytes));
            }
            4 => {
                let hop = [HopRole::Entry, HopRole::Exit][usize::from(value >> 1 & 1)];
                let kind = TunnelFailureKind::Silent;
                let failure = TunnelFailure { hop, kind };
                world.tell(tunnel, TunnelEvent::Closed(failure));
            }
            5 => world.gather(),
            6 => {
                world.source.check(world.now);
                world.drain();
            }
            7 => {
                world.source.allow_peer(world.now, peer);
                world.drain();
            }
            8 => {
                world.source.prefer_peer(world.now, public, peer);
                world.drain();
            }
            9 => {
                let datagram = Datagram {
                    source: public,
                    destination: peer,
                    contents: b"check".to_vec(),
                };
                let _ = world.source.send(world.now, datagram);
                world.drain();
            }
            10 => world.pass(Duration::from_millis(u64::from(*value) * 10)),
            _ => world.pass(Duration::from_millis(u64::from(*value) * 100)),
        }
    }
    // A minute with an exit is a fresh start: the time that passes here has room for few.
    let minutes = (world.now - *START).as_secs() / 60;
    let bound = 8 * (world.gathered + minutes as u32);
    assert!(world.opened <= bound, "{} paths were tried", world.opened);
    world.source.close(world.now);
    world.drain();
    world.pass(Duration::from_secs(600));
    assert_eq!(world.deadline, None);
});
