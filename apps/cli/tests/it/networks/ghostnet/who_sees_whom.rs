//! Whose address is on which link, and what relays keep of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use securecall_interop::network::{Capture, Host, Packet};

use super::super::InCall;
use super::traces::{Memory, Traces};
use super::{ENTRY, EXIT, Person, Realm, Relays, addresses, ends, packets_of, partners};

/// All that goes over the links of a call.
struct Links {
    people: [Vec<Capture>; 2],
    relays: Vec<[Capture; 3]>,
    between: Capture,
}

/// What went over them.
struct Recorded {
    people: [Vec<Packet>; 2],
    /// Of entry, exit and shop of each who has some.
    relays: Vec<[Vec<Packet>; 3]>,
    homeserver: Vec<Packet>,
}

impl Links {
    fn watch(realm: &Realm, people: &[Person; 2], relays: &[&Relays]) -> Self {
        let of_host = |host: &Arc<Host>| host.capture().unwrap();
        Self {
            people: people.each_ref().map(|person| {
                vec![
                    person.host.capture().unwrap(),
                    person.home.capture().unwrap(),
                ]
            }),
            relays: relays
                .iter()
                .map(|relays| [&relays.entry, &relays.exit, &relays.listed.shop].map(of_host))
                .collect(),
            between: realm.network.internet().capture().unwrap(),
        }
    }

    fn stop(self, realm: &Realm) -> Recorded {
        let homeserver = self.between.stop().unwrap().into_iter().filter(|packet| {
            let ends = [packet.source.ip(), packet.destination.ip()];
            ends.iter().any(|end| realm.at_homeserver.contains(end))
        });
        let recorded = Recorded {
            people: self.people.map(packets_of),
            relays: self
                .relays
                .into_iter()
                .map(|links| links.map(|link| link.stop().unwrap()))
                .collect(),
            homeserver: homeserver.collect(),
        };
        let all = recorded
            .people
            .iter()
            .chain(recorded.relays.iter().flatten());
        for packets in all.chain([&recorded.homeserver]) {
            assert!(packets.len() > 20, "nothing was recorded");
        }
        recorded
    }
}

fn nothing() -> BTreeSet<String> {
    BTreeSet::new()
}

/// Whether anybody with one of these addresses has sent or got something here.
fn meet(packets: &[Packet], whom: &BTreeSet<IpAddr>) -> bool {
    !partners(packets, &BTreeSet::new()).is_disjoint(whom)
}

/// Nobody with one of these addresses has sent or got anything here.
#[track_caller]
fn nobody_of(packets: &[Packet], hidden: &BTreeSet<IpAddr>) {
    let met = partners(packets, &BTreeSet::new());
    let met: Vec<_> = met.intersection(hidden).collect();
    assert!(met.is_empty(), "{met:?} are here");
}

/// Nothing that can be read here names somebody.
#[track_caller]
fn nothing_says(packets: &[Packet], traces: &Traces) {
    for packet in packets {
        let said = traces.within(&packet.contents);
        assert!(said.is_empty(), "{said:?} in {packet:?}");
    }
}

/// What the daemons of somebody's entry or exit hold that they could be asked for, once the call is over.
#[track_caller]
fn nothing_is_kept(relays: &Relays, operator: &str, traces: &Traces) {
    let log = relays.listed.all.log(operator);
    let figures = relays.listed.all.figures(operator).unwrap();
    assert!(figures.contains("securecall_relay_flows"), "{figures}");
    let said = String::from_utf8_lossy(&log);
    assert!(said.contains("ready"), "{said}");
    assert_eq!(traces.within(&log), nothing(), "in the log of {operator}");
    assert_eq!(traces.within(figures.as_bytes()), nothing(), "in figures");
    let home = relays.listed.all.home(operator).unwrap();
    assert_eq!(traces.in_folder(&home), nothing(), "on the disk");
}

/// Waits until the relays have noticed that the call is over.
#[expect(
    clippy::disallowed_methods,
    reason = "a real process, which is asked again and again"
)]
fn until_no_flow_is_left(relays: &Relays) {
    for operator in [ENTRY, EXIT] {
        let is_idle = || {
            let figures = relays.listed.all.figures(operator).unwrap();
            let none = [
                "flows{role=\"entry\"} 0",
                "flows{role=\"exit\"} 0",
                "connections 0",
            ];
            none.iter().all(|it| figures.contains(it))
        };
        while !is_idle() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// In a call of a few seconds the caller takes GhostNet, and the callee does too, or goes directly.
fn call(
    realm: &Realm,
    people: &[Person; 2],
    caller: &Relays,
    callee: Option<&Relays>,
    during: impl FnOnce(),
) {
    let listen = [
        "listen", "--answer", "contacts", "--once", "--mic", "tone:300",
    ];
    let route = if callee.is_some() {
        "ghostnet"
    } else {
        "direct"
    };
    let listen = [&listen[..], &["--route", route]].concat();
    let mut listening = people[1].talk(realm, callee.map(|it| &it.listed), &listen);
    listening.wait_for("ready");
    let dial = ["call", "peer", "--route", "ghostnet", "--mic", "tone:440"];
    let calling = people[0].talk(realm, Some(&caller.listed), &dial);
    let mut call = InCall::connected(calling, listening);
    assert_eq!(call.route, "ghostnet");
    assert_eq!(call.hear_each_other(), [""; 0]);
    during();
    call.hang_up();
}

/// The memories of entry and exit at this moment.
fn memories(relays: &Relays) -> [Memory; 2] {
    [ENTRY, EXIT].map(|operator| Memory::of(relays.listed.all.process_id(operator).unwrap()))
}

/// After a call, as in it: nothing of the peer in the memory of an entry, and nothing of the caller in that of an exit. Of those whom they
/// have had packets with, something may still be in what was never given back (stacks, buffers that are kept), until others send.
#[track_caller]
fn neither_has_the_other([entry, exit]: &[Memory; 2], of_self: &Traces, of_peer: &Traces) {
    assert_eq!(of_peer.in_memory(entry), nothing());
    assert_eq!(of_self.in_memory(exit), nothing());
}

/// All ends at these addresses that any link has shown.
fn all_ends(recorded: &Recorded, of: &BTreeSet<IpAddr>) -> BTreeSet<SocketAddr> {
    let links = recorded
        .people
        .iter()
        .chain(recorded.relays.iter().flatten());
    links.flat_map(|packets| ends(packets, of)).collect()
}

#[test]
fn where_both_take_ghostnet_no_link_and_no_relay_knows_both() {
    let realm = Realm::new();
    let people = realm.acquainted();
    let relays = [
        Relays::new(&realm, "ada", 192),
        Relays::new(&realm, "bo", 198),
    ];
    let links = Links::watch(&realm, &people, &relays.each_ref());
    let mut in_call = Vec::new();
    call(&realm, &people, &relays[0], Some(&relays[1]), || {
        in_call.extend(relays.iter().map(memories));
    });
    relays.iter().for_each(until_no_flow_is_left);
    let behind: Vec<_> = relays.iter().map(memories).collect();
    let recorded = links.stop(&realm);
    let own = people.each_ref().map(Person::addresses);
    for (index, other) in [(0, 1), (1, 0)] {
        let theirs = &relays[other];
        let [entry, exit, shop] = &recorded.relays[index];
        // What each must not see: whoever is at the other end, and whom they use.
        let hidden_from_entry: BTreeSet<IpAddr> = own[other]
            .iter()
            .copied()
            .chain(addresses([&theirs.entry, &theirs.exit]))
            .collect();
        let hidden_from_exit: BTreeSet<IpAddr> = own[index]
            .iter()
            .chain(&own[other])
            .copied()
            .chain(addresses([&theirs.entry]))
            .collect();
        let hidden_from_caller: BTreeSet<IpAddr> = own[other]
            .iter()
            .copied()
            .chain(addresses([&theirs.entry]))
            .collect();
        nobody_of(entry, &hidden_from_entry);
        nobody_of(exit, &hidden_from_exit);
        nobody_of(shop, &hidden_from_entry);
        // A device has packets with its entry, and not even with the exits.
        let exits = addresses([&relays[index].exit, &theirs.exit]);
        nobody_of(
            &recorded.people[index],
            &hidden_from_caller.union(&exits).copied().collect(),
        );
        // It was the way that this call took.
        assert!(meet(entry, &addresses([&relays[index].exit])));
        assert!(meet(exit, &addresses([&theirs.exit])));

        let names = people[other].names();
        let of_peer = Traces::of(&all_ends(&recorded, &own[other]), &names);
        let of_self = Traces::of(&all_ends(&recorded, &own[index]), &people[index].names());
        for link in [entry, exit, shop, &recorded.people[index]] {
            nothing_says(link, &of_peer);
        }
        nothing_says(exit, &of_self);
        for operator in [ENTRY, EXIT] {
            nothing_is_kept(&relays[index], operator, &of_peer);
            nothing_is_kept(&relays[index], operator, &of_self);
        }
        // While it lasts, an entry has of the two only the one whom it serves, and an exit nobody.
        let [at_entry, at_exit] = &in_call[index];
        assert_ne!(of_self.in_memory(at_entry), nothing());
        assert_eq!(of_peer.in_memory(at_entry), nothing());
        assert_eq!(of_self.in_memory(at_exit), nothing());
        assert_eq!(of_peer.in_memory(at_exit), nothing());
        neither_has_the_other(&behind[index], &of_self, &of_peer);
    }
    // The homeserver sees who is there, as always, and no relay.
    let hops = addresses(relays.iter().flat_map(|it| [&it.entry, &it.exit]));
    nobody_of(&recorded.homeserver, &hops);
}

#[test]
fn where_one_takes_ghostnet_the_other_side_sees_the_exit_and_neither_relay_knows_both() {
    let realm = Realm::new();
    let people = realm.acquainted();
    let relays = Relays::new(&realm, "ada", 192);
    let links = Links::watch(&realm, &people, &[&relays]);
    let mut in_call = Vec::new();
    call(&realm, &people, &relays, None, || {
        in_call.extend(memories(&relays));
    });
    until_no_flow_is_left(&relays);
    let behind = memories(&relays);
    let recorded = links.stop(&realm);
    let [caller, callee] = people.each_ref().map(Person::addresses);
    let [entry, exit, shop] = &recorded.relays[0];
    nobody_of(entry, &callee);
    nobody_of(shop, &callee);
    nobody_of(exit, &caller);
    let of_callee: BTreeSet<IpAddr> = callee
        .iter()
        .copied()
        .chain(addresses([&relays.exit]))
        .collect();
    nobody_of(&recorded.people[0], &of_callee);
    let of_caller: BTreeSet<IpAddr> = caller
        .iter()
        .copied()
        .chain(addresses([&relays.entry]))
        .collect();
    nobody_of(&recorded.people[1], &of_caller);
    // Beside the homeserver, the callee has met the exit, and nobody else.
    let mut met: BTreeSet<IpAddr> = partners(&recorded.people[1], &callee);
    met.retain(|ip| !realm.at_homeserver.contains(ip));
    assert!(met.is_subset(&addresses([&relays.exit])), "{met:?}");

    let of_peer = Traces::of(&all_ends(&recorded, &callee), &people[1].names());
    let of_self = Traces::of(&all_ends(&recorded, &caller), &people[0].names());
    nothing_says(entry, &of_peer);
    nothing_says(exit, &of_self);
    nothing_says(&recorded.people[1], &of_self);
    for operator in [ENTRY, EXIT] {
        nothing_is_kept(&relays, operator, &of_peer);
        nothing_is_kept(&relays, operator, &of_self);
    }
    let [at_entry, at_exit] = &in_call[..] else {
        panic!("of two relays");
    };
    assert_ne!(of_self.in_memory(at_entry), nothing());
    assert_eq!(of_peer.in_memory(at_entry), nothing());
    assert_eq!(of_self.in_memory(at_exit), nothing());
    assert_ne!(of_peer.in_memory(at_exit), nothing());
    neither_has_the_other(&behind, &of_self, &of_peer);
}
