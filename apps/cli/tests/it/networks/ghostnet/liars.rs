//! Relays that lie, in whole calls: what they can do is to end a call, or to have it go by others.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use securecall_interop::network::{Capture, Host};
use securecall_interop::{
    Flow, LyingRelay, PacketClass, RelayManner, RelayNotes, RelayPlan, RelayRole, peak_kib,
};
use serde_json::Value;

use super::super::InCall;
use super::{Listed, Person, Realm, addresses, partners};
use crate::talker::last;

/// Ada, who calls through relays of which some lie, and Bo, who is reached directly.
struct Stage {
    realm: Realm,
    people: [Person; 2],
    listed: Listed,
    entries: Vec<Arc<Host>>,
    /// By their operators.
    liars: Vec<(String, LyingRelay)>,
    /// All that goes in and out where Ada is.
    link: Capture,
}

/// A relay of the stage: honest, or with the manner in which it lies.
type Part = Option<RelayManner>;

impl Stage {
    /// Operators are counted: those of entries first, then those of exits.
    fn new<const N: usize, const M: usize>(entries: [Part; N], exits: [Part; M]) -> Self {
        Self::within(Realm::new(), entries, exits)
    }

    fn within<const N: usize, const M: usize>(
        realm: Realm,
        entries: [Part; N],
        exits: [Part; M],
    ) -> Self {
        let (mut hosts, mut plans, mut liars) = (Vec::new(), Vec::new(), Vec::new());
        let entries = entries
            .into_iter()
            .map(|part| (RelayRole::Entry, 192, part));
        let exits = exits.into_iter().map(|part| (RelayRole::Exit, 198, part));
        for (number, (role, network, part)) in (1_u8..).zip(entries.chain(exits)) {
            let ip = Ipv4Addr::new(network, 10 * number, 0, 10);
            let host = realm.server(&format!("relay{number}"), ip);
            let at = SocketAddr::from((ip, 443));
            plans.push(match part {
                None => RelayPlan::at(&host, ip.into(), role),
                Some(manner) => {
                    let liar = host.enter(|| LyingRelay::start(at, manner));
                    let liar = liar.unwrap().unwrap();
                    let plan = RelayPlan::of_somebody(role, at, liar.pin());
                    liars.push((format!("Operator {number}"), liar));
                    plan
                }
            });
            if role == RelayRole::Entry {
                hosts.push(host);
            }
        }
        let people = realm.acquainted();
        Self {
            listed: Listed::new(&realm, "relays", plans),
            link: people[0].host.capture().unwrap(),
            realm,
            people,
            entries: hosts,
            liars,
        }
    }

    /// Calls, and waits until both hear each other; gives who carries it, entry and exit.
    fn call(&self) -> (InCall, [String; 2]) {
        let Dialing { mut caller, callee } = self.dial();
        let [relays, connected] = caller.wait_for_each(["relays", "connected"]);
        let carriers = carriers(&relays);
        let mut call = InCall::connected_at_caller(&connected, caller, callee);
        assert_eq!(call.route, "ghostnet");
        assert_eq!(call.hear_each_other(), [""; 0]);
        (call, carriers)
    }

    /// Whichever of the two entries is used first lies.
    #[track_caller]
    fn goes_by_another_entry(self) -> Self {
        let (call, [entry, _]) = self.call();
        // Both had to do with it; the one that lied does not carry it.
        let notes = self.notes();
        assert!(notes.iter().all(|notes| !notes.clients.is_empty()));
        let first = self.liars[0].1.lies();
        assert_ne!(entry, self.liars[usize::from(!first)].0);
        call.hang_up();
        self
    }

    fn dial(&self) -> Dialing {
        let listen = [
            "listen", "--answer", "contacts", "--once", "--mic", "tone:300",
        ];
        let listen = [&listen[..], &["--route", "direct"]].concat();
        let mut callee = self.people[1].talk(&self.realm, None, &listen);
        callee.wait_for("ready");
        let dial = ["call", "peer", "--route", "ghostnet", "--mic", "tone:440"];
        let caller = self.people[0].talk(&self.realm, Some(&self.listed), &dial);
        Dialing { caller, callee }
    }

    fn liar(&self, operator: &str) -> &LyingRelay {
        let found = self.liars.iter().find(|(name, _)| name == operator);
        &found.unwrap_or_else(|| panic!("{operator} is honest")).1
    }

    fn notes(&self) -> Vec<RelayNotes> {
        self.liars.iter().map(|(_, liar)| liar.notes()).collect()
    }

    /// Until now Ada's device has had packets with entries, the homeserver and the shop, and with nobody else; nor has anything
    /// that it sent named where it is to be found, but to those.
    fn no_other_way(self) {
        let own: BTreeSet<IpAddr> = self.people[0].host.addresses().into_iter().collect();
        let mut met = partners(&self.link.stop().unwrap(), &own);
        for known in [
            self.realm.at_homeserver,
            addresses(&self.entries),
            addresses([&self.listed.shop]),
        ] {
            met.retain(|ip| !known.contains(ip));
        }
        assert_eq!(met, BTreeSet::new());
    }
}

struct Dialing {
    caller: crate::talker::Talker,
    callee: crate::talker::Talker,
}

/// Who runs entry and exit, as an event says.
fn carriers(event: &Value) -> [String; 2] {
    ["entry", "exit"].map(|hop| event[hop].as_str().unwrap().to_owned())
}

/// Waits until others carry the call than before.
#[track_caller]
fn others_carry(call: &mut InCall, before: &[String; 2]) -> [String; 2] {
    loop {
        let now = carriers(&call.caller.wait_for("relays"));
        if now != *before {
            return now;
        }
    }
}

/// A manner in which a relay lies if it is the first of its kind that is used.
fn if_first(manner: &RelayManner) -> [Part; 2] {
    let first = Arc::new(OnceLock::new());
    [(); 2].map(|()| {
        Some(RelayManner {
            first: Some(Arc::clone(&first)),
            ..manner.clone()
        })
    })
}

/// What becomes of each packet.
fn handling(
    handle: impl Fn(Flow, &[u8]) -> Vec<(Duration, Vec<u8>)> + Send + Sync + 'static,
) -> RelayManner {
    RelayManner {
        handling: Some(Arc::new(handle)),
        ..RelayManner::default()
    }
}

fn at_once(packet: &[u8]) -> (Duration, Vec<u8>) {
    (Duration::ZERO, packet.to_vec())
}

/// A call that begins with an entry that lies in this manner goes through another one.
#[track_caller]
fn goes_by_another_entry(manner: &RelayManner) -> Stage {
    Stage::new(if_first(manner), [None, None]).goes_by_another_entry()
}

#[test]
fn an_entry_that_loses_everything_is_left_for_another() {
    goes_by_another_entry(&handling(|_, _| Vec::new())).no_other_way();
}

#[test]
fn an_entry_that_answers_and_talks_rubbish_is_left_for_another() {
    let rubbish = RelayManner {
        garbage: Some(b"\0no packet of QUIC".to_vec()),
        ..RelayManner::default()
    };
    goes_by_another_entry(&rubbish).no_other_way();
}

/// It reads what is meant for the exit, if anybody lets it.
#[test]
fn an_entry_that_puts_a_relay_of_its_own_in_the_place_of_the_exit_learns_nothing_and_is_left() {
    let ip = Ipv4Addr::new(193, 0, 0, 10);
    let at = SocketAddr::from((ip, 443));
    let network = Realm::new();
    let host = network.server("impostor", ip);
    let impostor = host.enter(|| LyingRelay::start(at, RelayManner::default()));
    let impostor = impostor.unwrap().unwrap();
    let leads_astray = RelayManner {
        leads_to: Some(at),
        ..RelayManner::default()
    };
    let stage = Stage::within(network, if_first(&leads_astray), [None, None]);
    let stage = stage.goes_by_another_entry();
    let notes = impostor.notes();
    assert!(notes.handshakes >= 2, "{notes:?}");
    // No request was made of it, so no token was shown, and nobody was named.
    assert_eq!(notes.paths, [""; 0]);
    stage.no_other_way();
}

#[test]
fn an_entry_that_leads_to_another_exit_than_was_chosen_carries_only_calls_that_chose_that() {
    let last = SocketAddr::from(([198, 30, 0, 10], 443));
    let leads_astray = RelayManner {
        leads_to: Some(last),
        ..RelayManner::default()
    };
    let stage = Stage::new([Some(leads_astray)], [None, None]);
    let (call, carriers) = stage.call();
    assert_eq!(carriers, ["Operator 1", "Operator 3"]);
    call.hang_up();
    stage.no_other_way();
}

#[test]
fn an_entry_that_goes_dumb_in_a_call_is_left_for_another() {
    let honest = || Some(RelayManner::default());
    let stage = Stage::new([honest(), honest()], [None, None]);
    let (mut call, before) = stage.call();
    stage.liar(&before[0]).behave(handling(|_, _| Vec::new()));
    let mut now = others_carry(&mut call, &before);
    while now[0] == before[0] {
        now = others_carry(&mut call, &now);
    }
    assert_eq!(call.hear_each_other(), [""; 0]);
    call.hang_up();
    stage.no_other_way();
}

#[test]
fn an_entry_that_loses_delays_repeats_and_swaps_packets_is_no_other_than_a_bad_network() {
    let count = Arc::new(AtomicU32::new(0));
    let bad = handling(
        move |_, packet| match count.fetch_add(1, Ordering::Relaxed) % 16 {
            0 => Vec::new(),
            1 | 5 => vec![(Duration::from_millis(45), packet.to_vec())],
            2 => vec![at_once(packet), at_once(packet)],
            3 => vec![
                at_once(packet),
                (Duration::from_millis(90), packet.to_vec()),
            ],
            _ => vec![at_once(packet)],
        },
    );
    let stage = Stage::new([Some(bad)], [None]);
    let (mut call, before) = stage.call();
    for _ in 0..3 {
        assert_eq!(call.hear_each_other(), [""; 0]);
    }
    // The same relays carry it to the end.
    call.caller.order("hangup");
    let (code, rest) = call.caller.end();
    assert_eq!(code, 0);
    let others = rest.iter().filter(|event| event["event"] == "relays");
    assert!(
        others.clone().all(|event| carriers(event) == before),
        "{rest:#?}"
    );
    assert_eq!(call.callee.end().0, 0);
    stage.no_other_way();
}

#[test]
fn what_an_entry_makes_up_does_no_harm() {
    let stage = Stage::new([Some(RelayManner::default())], [None]);
    let (mut call, _) = stage.call();
    let entry = &stage.liars[0].1;
    let anywhere: SocketAddr = "192.0.2.1:9".parse().unwrap();
    let notes = entry.notes();
    let seen = notes
        .packets
        .iter()
        .filter(|(_, way, _)| *way == Flow::FromTarget);
    let seen: Vec<&Vec<u8>> = seen.map(|(_, _, packet)| packet).collect();
    for packet in seen.iter().take(300) {
        // As it was, cut off, and changed.
        entry.make_up(anywhere, packet);
        entry.make_up(anywhere, &packet[..packet.len() / 2]);
        let mut changed = packet.to_vec();
        changed.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55);
        entry.make_up(anywhere, &changed);
    }
    for packet in rubbish() {
        entry.make_up(anywhere, &packet);
    }
    assert_eq!(call.hear_each_other(), [""; 0]);
    call.hang_up();
    stage.no_other_way();
}

/// What peers of WebRTC say, in no call: a check of ICE, an answer, a hello of DTLS, voice, a report; and nothing at all.
fn rubbish() -> Vec<Vec<u8>> {
    let stun = |kind: u8| {
        let header = [0, kind, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        [&header[..], &[7; 12]].concat()
    };
    vec![
        stun(1),
        [stun(1), vec![0; 40]].concat(),
        [&[1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat(),
        vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0],
        [&[0x80, 111][..], &[9; 180]].concat(),
        [&[0x80, 201, 0, 1][..], &[9; 40]].concat(),
        vec![0xff; 1200],
        Vec::new(),
    ]
}

#[test]
fn an_exit_that_makes_up_packets_of_the_peer_is_heard_by_nobody() {
    let stage = Stage::new([None], [Some(RelayManner::default())]);
    let (mut call, _) = stage.call();
    let exit = &stage.liars[0].1;
    let notes = exit.notes();
    let peer = *notes.peers.last().unwrap();
    let stranger: SocketAddr = "203.0.113.77:7777".parse().unwrap();
    let of_peer = |way: &Flow| *way == Flow::FromTarget;
    let voice = notes
        .packets
        .iter()
        .filter(|(_, way, packet)| of_peer(way) && PacketClass::of(packet) == PacketClass::Rtp);
    let voice: Vec<&Vec<u8>> = voice.map(|(_, _, packet)| packet).collect();
    assert!(voice.len() > 20, "{}", voice.len());
    for packet in &voice {
        // Once more; as the next of the stream, which it never was; with another voice in it.
        exit.make_up(peer, packet);
        let mut later = packet.to_vec();
        later[2] = later[2].wrapping_add(0x10);
        exit.make_up(peer, &later);
        let mut changed = packet.to_vec();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        exit.make_up(peer, &changed);
    }
    for packet in rubbish() {
        exit.make_up(peer, &packet);
        exit.make_up(stranger, &packet);
    }
    let heard = call.heard;
    assert_eq!(call.hear_each_other(), [""; 0]);
    assert!(call.heard[0].frames > heard[0].frames);
    call.hang_up();
    // Whatever else it is told to, the exit has sent to Bo, and to nobody.
    let peers: BTreeSet<IpAddr> = exit.notes().peers.iter().map(SocketAddr::ip).collect();
    let bos = stage.people[1].addresses();
    assert!(peers.is_subset(&bos), "{peers:?}");
    stage.no_other_way();
}

#[test]
fn an_exit_that_changes_every_packet_is_heard_by_nobody_and_what_it_leaves_alone_is() {
    let stage = Stage::new([None], [Some(RelayManner::default())]);
    let (mut call, _) = stage.call();
    let exit = &stage.liars[0].1;
    exit.behave(handling(|_, packet| {
        let mut changed = packet.to_vec();
        if PacketClass::of(packet) == PacketClass::Rtp
            && let Some(byte) = changed.last_mut()
        {
            *byte ^= 1;
        }
        vec![at_once(&changed)]
    }));
    // What comes by now was sent before.
    call.caller.so_far();
    call.caller.wait_for("stats");
    let frames = |event: Value| event["frames_received"].as_u64().unwrap();
    let before = frames(call.caller.wait_for("stats"));
    let then = frames(call.caller.wait_for("stats"));
    assert_eq!(then, before);
    exit.behave(RelayManner::default());
    assert_eq!(call.hear_each_other(), [""; 0]);
    call.hang_up();
    stage.no_other_way();
}

/// An exit says that it has bound this.
#[track_caller]
fn goes_by_another_exit(public: &str) {
    let lie = RelayManner {
        public: Some(public.to_owned()),
        ..RelayManner::default()
    };
    let stage = Stage::new([None], if_first(&lie));
    let (call, [_, exit]) = stage.call();
    let first = stage.liars[0].1.lies();
    assert_ne!(exit, stage.liars[usize::from(!first)].0);
    call.hang_up();
    stage.no_other_way();
}

#[test]
fn an_exit_that_says_to_have_bound_a_private_address_is_left_for_another() {
    goes_by_another_exit("\"192.168.1.10:4444\"");
}

#[test]
fn an_exit_that_says_to_have_bound_what_is_no_address_is_left_for_another() {
    goes_by_another_exit("\"exit.example.org:4444\"");
}

/// A quarter of a megabyte in one capsule that nobody knows, then one that must not be.
#[test]
fn an_exit_that_writes_giant_capsules_fills_nothing_and_one_that_breaks_the_rules_is_left() {
    let stage = Stage::new(
        [None],
        [Some(RelayManner::default()), Some(RelayManner::default())],
    );
    let (mut call, before) = stage.call();
    let exit = stage.liar(&before[1]);
    let giant = [&[0x2f, 0x80, 4, 0, 0][..], &vec![0; 0x0004_0000]].concat();
    exit.write(&giant);
    assert_eq!(call.hear_each_other(), [""; 0]);
    let memory = peak_kib(call.caller.process_id()).unwrap();
    // A context that only the client could have registered.
    exit.write(&[0x11, 2, 2, 0]);
    let now = others_carry(&mut call, &before);
    assert_eq!(now[0], before[0]);
    assert_eq!(call.hear_each_other(), [""; 0]);
    assert!(memory < 400 * 1024, "{memory} KiB");
    call.hang_up();
    stage.no_other_way();
}

#[test]
fn an_exit_that_closes_the_contexts_of_a_call_does_not_end_it() {
    let stage = Stage::new(
        [None],
        [Some(RelayManner::default()), Some(RelayManner::default())],
    );
    let (mut call, before) = stage.call();
    stage.liar(&before[1]).close_contexts();
    assert_eq!(call.hear_each_other(), [""; 0]);
    stage.liar(&before[1]).close_contexts();
    assert_eq!(call.hear_each_other(), [""; 0]);
    call.hang_up();
    stage.no_other_way();
}

/// What both relays of a call have, if they tell each other.
#[test]
fn both_together_know_who_talks_with_whom_by_times_and_hear_nothing() {
    let stage = Stage::new(
        [Some(RelayManner::default())],
        [Some(RelayManner::default())],
    );
    let (mut call, _) = stage.call();
    call.hear_each_other();
    call.hang_up();
    let notes = stage.notes();
    let [entry, exit] = &notes[..] else {
        panic!("of two relays");
    };
    // One knows the caller, and the other the callee.
    let [caller, callee] = stage.people.each_ref().map(Person::addresses);
    assert!(
        entry
            .clients
            .iter()
            .all(|client| caller.contains(&client.ip()))
    );
    assert!(exit.peers.iter().all(|peer| callee.contains(&peer.ip())));
    // Each packet of the voice leaves the exit right after one of its size came to the entry.
    let voice: Vec<_> = exit
        .packets
        .iter()
        .filter(|(_, way, packet)| {
            *way == Flow::ToTarget && PacketClass::of(packet) == PacketClass::Rtp
        })
        .collect();
    let passed = |at: std::time::Instant, size: usize| {
        entry.packets.iter().any(|(came, way, packet)| {
            let ago = at.checked_duration_since(*came);
            *way == Flow::ToTarget
                && packet.len() > size
                && packet.len() < size + 120
                && ago.is_some_and(|ago| ago < Duration::from_millis(20))
        })
    };
    let found = voice
        .iter()
        .filter(|(at, _, packet)| passed(*at, packet.len()))
        .count();
    assert!(
        voice.len() > 50 && found * 10 > voice.len() * 9,
        "{found} of {}",
        voice.len()
    );
    // What passes through them is sealed: no eight bytes of the voice are there twice.
    let mut blocks = BTreeSet::new();
    for (_, _, packet) in &voice {
        // Behind the header, in which the stream is named.
        for block in packet[24..].chunks_exact(8) {
            assert!(blocks.insert(block.to_vec()), "{block:?} in {packet:?}");
        }
    }
    assert!(blocks.len() > 1000);
    stage.no_other_way();
}

/// An exit that nobody can be found at: the call comes to a clear end, and takes no other way.
#[test]
fn an_exit_that_names_somebody_elses_address_carries_no_call() {
    let somebody = RelayManner {
        public: Some("\"203.0.113.200:4444\"".to_owned()),
        ..RelayManner::default()
    };
    let stage = Stage::new([None], [Some(somebody)]);
    let call = stage.dial();
    let (code, rest) = call.caller.end();
    let ended = last(&rest, "ended");
    assert_eq!(
        (code, &ended["reason"]),
        (5, &Value::from("ice_failed")),
        "{rest:#?}"
    );
    stage.no_other_way();
}
