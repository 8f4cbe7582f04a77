//! Sizes and times of packets on each link, while somebody speaks, is mute, is silent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use securecall_interop::PacketClass;
use securecall_interop::network::{Capture, Packet};

use super::super::InCall;
use super::{Person, Realm, Relays, addresses};
use crate::command::text;
use crate::talker::User;

/// Seconds of each phase.
const SECONDS: usize = 4;
/// How often all three are looked at, at most.
const ROUNDS: usize = 12;

/// A voice that is not always as loud: syllables of a vowel, four a second, and pauses after every sixth.
fn speech(user: &User, seconds: usize) -> PathBuf {
    let path = user.machine.file("speech.wav", "");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    for index in 0..seconds * 48_000 {
        let time = index as f32 / 48_000.0;
        let syllable = (time * 4.0).floor() as usize % 7;
        let loudness = if syllable == 6 {
            0.0
        } else {
            (std::f32::consts::PI * (time * 4.0).fract()).sin() * 0.3
        };
        let pitch = 110.0 + 15.0 * syllable as f32;
        let vowel: f32 = (1..20)
            .map(|harmonic| {
                let harmonic = harmonic as f32;
                (std::f32::consts::TAU * pitch * harmonic * time).sin() / harmonic
            })
            .sum();
        wav.write_sample((vowel * loudness * 16_000.0) as i16)
            .unwrap();
    }
    wav.finalize().unwrap();
    path
}

/// Sizes of datagrams, and how often each was there.
type Sizes = BTreeMap<usize, usize>;

/// The links of a call, and both ways on each.
struct Links {
    captures: [Capture; 2],
    /// Where each is captured, and between which.
    ways: Vec<(&'static str, usize, BTreeSet<IpAddr>, BTreeSet<IpAddr>)>,
}

impl Links {
    fn watch(people: &[Person; 2], relays: &Relays) -> Self {
        let [caller, callee] = people.each_ref().map(Person::addresses);
        let [entry, exit] = [&relays.entry, &relays.exit].map(|host| addresses([host]));
        Self {
            captures: [&relays.entry, &relays.exit].map(|host| host.capture().unwrap()),
            ways: vec![
                ("caller to entry", 0, caller.clone(), entry.clone()),
                ("entry to caller", 0, entry.clone(), caller),
                ("entry to exit", 0, entry.clone(), exit.clone()),
                ("exit to entry", 0, exit.clone(), entry),
                ("exit to callee", 1, exit.clone(), callee.clone()),
                ("callee to exit", 1, callee, exit),
            ],
        }
    }

    /// What goes over them in the next seconds, way by way. The first does not count: what was ordered takes its time.
    fn listen(&self, call: &mut InCall) -> Vec<Sizes> {
        call.caller.so_far();
        call.caller.wait_for("stats");
        self.captures
            .iter()
            .for_each(|capture| drop(capture.take()));
        for _ in 0..SECONDS {
            call.caller.wait_for("stats");
        }
        let packets = self.captures.each_ref().map(Capture::take);
        let ways = self.ways.iter();
        ways.map(|(_, link, from, to)| sizes(&packets[*link], from, to))
            .collect()
    }
}

/// On the last link, where they can be told apart, only those of the voice count: checks and reports have times of their own.
fn sizes(packets: &[Packet], from: &BTreeSet<IpAddr>, to: &BTreeSet<IpAddr>) -> Sizes {
    let is_quic =
        |packet: &Packet| [packet.source.port(), packet.destination.port()].contains(&443);
    let mut sizes = Sizes::new();
    for packet in packets {
        let is_on_way = from.contains(&packet.source.ip()) && to.contains(&packet.destination.ip());
        let is_voice = PacketClass::of(&packet.contents) == PacketClass::Rtp;
        if packet.is_udp && is_on_way && (is_quic(packet) || is_voice) {
            *sizes.entry(packet.contents.len()).or_default() += 1;
        }
    }
    sizes
}

/// What differs between two phases that an onlooker could tell them apart by; `None` if nothing does. Acknowledgements ride on some of a
/// tunnel's packets, by chance and by the machine's load: so it is shares of the sizes that are compared, not which sizes there are.
fn difference(way: &str, one: &Sizes, other: &Sizes) -> Option<String> {
    let [ours, theirs] = [one, other].map(|sizes| sizes.values().sum::<usize>());
    // A tick that is late by itself moves a few packets out of a phase, and a few into the next.
    let is_as_many = ours.abs_diff(theirs) * 10 <= ours.max(theirs);
    let share = |sizes: &Sizes, size, all: usize| {
        sizes.get(size).copied().unwrap_or(0) as f64 / all.max(1) as f64
    };
    let is_same = one
        .keys()
        .chain(other.keys())
        .all(|size| (share(one, size, ours) - share(other, size, theirs)).abs() < 0.15);
    (!is_as_many || !is_same || ours < SECONDS * 25)
        .then(|| format!("{way}: {one:?} and {other:?}"))
}

/// Frames have one size for an epoch, and a busy machine looks like a bad network, for which the next epoch may have another. So each way
/// is looked at several times; what speech would change on it, it would change each time.
#[test]
fn sizes_and_pace_on_no_link_say_whether_somebody_speaks_is_mute_or_is_silent() {
    let realm = Realm::new();
    let people = realm.acquainted();
    let relays = Relays::new(&realm, "ada", 192);
    let listen = [
        "listen", "--answer", "contacts", "--once", "--mic", "tone:300", "--route", "direct",
    ];
    let mut listening = people[1].talk(&realm, None, &listen);
    listening.wait_for("ready");
    let speech = speech(&people[0].user, 30);
    let speech = text(&speech);
    let dial = ["call", "peer", "--route", "ghostnet", "--mic", speech];
    let calling = people[0].talk(&realm, Some(&relays.listed), &dial);
    let mut call = InCall::connected(calling, listening);
    call.hear_each_other();
    let links = Links::watch(&people, &relays);
    // Each way twice: beside the mute, and beside silence. What was alike once is done.
    let mut unlike = (0..links.ways.len())
        .flat_map(|way| [(way, 0), (way, 1)])
        .map(|pair| (pair, String::new()))
        .collect::<BTreeMap<_, _>>();
    for _ in 0..ROUNDS {
        let speaks = links.listen(&mut call);
        call.caller.order("mute");
        let mute = links.listen(&mut call);
        call.caller.order("microphone null");
        call.caller.order("unmute");
        let silent = links.listen(&mut call);
        // From its beginning: it is longer than a round, and need not be longer.
        call.caller.order(&format!("microphone {speech}"));
        unlike.retain(|&(way, quiet), last| {
            let quiet = &[&mute, &silent][quiet][way];
            let difference = difference(links.ways[way].0, &speaks[way], quiet);
            *last = difference.unwrap_or_default();
            !last.is_empty()
        });
        if unlike.is_empty() {
            return call.hang_up();
        }
    }
    panic!("{unlike:#?}");
}

#[test]
fn packets_that_are_fewer_or_of_other_sizes_would_be_noticed() {
    let steady = Sizes::from([(280, 200), (284, 40), (40, 3)]);
    let late = Sizes::from([(280, 195), (284, 38), (41, 4)]);
    assert_eq!(difference("", &steady, &late), None);
    for leak in [
        Sizes::from([(280, 40), (284, 8)]),
        Sizes::from([(240, 200), (284, 40)]),
        Sizes::from([(280, 150), (240, 50), (284, 40)]),
        Sizes::new(),
    ] {
        assert!(difference("", &steady, &leak).is_some(), "{leak:?}");
    }
}
