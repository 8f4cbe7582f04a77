//! What happens to a call does not depend on where its people have their accounts.

use std::path::Path;

use serde_json::Value;

use super::Servers;
use crate::command::text;
use crate::endings;
use crate::talker::{Talker, User, last};

/// How loud a tone is among what was heard, as a share of all there is: near 1 if it is all.
fn share_of_tone(recording: &Path, hertz: f64) -> f64 {
    let mut reader = hound::WavReader::open(recording).unwrap();
    let rate = f64::from(reader.spec().sample_rate);
    let samples: Vec<f64> = reader
        .samples::<i16>()
        .map(|sample| f64::from(sample.unwrap()))
        .collect();
    // A tenth of a second at a time: over longer the phase may drift. What is silent is from before or after.
    let window = (rate / 10.0) as usize;
    let step = std::f64::consts::TAU * hertz / rate;
    samples
        .chunks_exact(window)
        .map(|heard| {
            let power: f64 = heard.iter().map(|sample| sample * sample).sum();
            let (sine, cosine) =
                heard
                    .iter()
                    .zip(0u32..)
                    .fold((0.0, 0.0), |(sine, cosine), (sample, index)| {
                        let phase = step * f64::from(index);
                        (sine + sample * phase.sin(), cosine + sample * phase.cos())
                    });
            let is_loud = power > 1000.0 * 1000.0 * heard.len() as f64;
            let tone = (sine * sine + cosine * cosine) * 2.0 / heard.len() as f64;
            if is_loud { tone / power } else { 0.0 }
        })
        .fold(0.0, f64::max)
}

fn end_is(talker: Talker, code: i32, reason: &str) {
    let (found, rest) = talker.end();
    let ended = last(&rest, "ended");
    assert_eq!(
        (found, &ended["reason"]),
        (code, &Value::from(reason)),
        "{rest:#?}"
    );
}

fn two_people_talk(servers: Servers) {
    let [here, there] = servers.shared();
    let (ada, bo) = User::acquainted_at([here, there]);
    assert_eq!(
        bo.matrix_id,
        format!("@sc_{}:{}", bo.id, there.server_name())
    );
    let heard = [&ada, &bo].map(|user| user.machine.file("heard.wav", ""));
    let audio = |tone, heard| ["--mic", tone, "--speaker", text(heard)];
    let mut callee = bo.start(
        &[
            &["listen", "--answer", "contacts", "--once"],
            &audio("tone:500", &heard[1])[..],
        ]
        .concat(),
    );
    assert_eq!(callee.wait_for("ready")["matrix_id"], bo.matrix_id);
    let mut caller = ada.start(&[&["call", "peer"], &audio("tone:300", &heard[0])[..]].concat());

    let incoming = callee.wait_for("incoming");
    assert_eq!(incoming["peer"]["id"], ada.id);
    assert_eq!(incoming["peer"]["matrix_id"], ada.matrix_id);
    let (called, answered) = (caller.wait_for("connected"), callee.wait_for("connected"));
    assert_eq!(called["tier"], "securecall");
    assert_eq!(called["peer"]["id"], bo.id);
    assert_eq!(called["safety_words"], answered["safety_words"]);
    assert_eq!(called["safety_words"].as_array().unwrap().len(), 4);
    for talker in [&mut caller, &mut callee] {
        talker.wait_for("first_audio");
    }
    // Figures come each second: that long is heard between two, and recorded.
    for talker in [&mut caller, &mut callee] {
        talker.so_far();
        talker.wait_for("stats");
        talker.wait_for("stats");
    }
    caller.order("hangup");
    end_is(caller, 0, "local_hangup");
    end_is(callee, 0, "remote_hangup");
    for (recording, own, others) in [(&heard[0], 300.0, 500.0), (&heard[1], 500.0, 300.0)] {
        let (of_peer, of_oneself) = (
            share_of_tone(recording, others),
            share_of_tone(recording, own),
        );
        assert!(of_peer > 0.8, "{of_peer} of what was heard is the peer");
        assert!(of_oneself < 0.2, "{of_oneself} is an echo");
    }
}

/// All the ways in which a call does not come about, but the one that takes a minute and a half.
fn calls_that_are_not_taken_end_as_such(servers: Servers) {
    let [here, there] = servers.shared();
    let (ada, bo) = User::acquainted_at([here, there]);
    let mut callee = bo.talk(&["listen"]);
    callee.wait_for("ready");

    // Declined.
    let caller = ada.talk(&["call", "peer"]);
    callee.wait_for("incoming");
    callee.order("reject");
    end_is(caller, 4, "declined");
    callee.wait_for("ended");

    // Given up.
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("ringing");
    callee.wait_for("incoming");
    caller.order("hangup");
    end_is(caller, 0, "cancelled");
    assert_eq!(callee.wait_for("ended")["reason"], "caller_cancelled");
    assert_eq!(callee.wait_for("missed")["peer"]["id"], ada.id);

    // Busy with somebody else; who hangs up is the callee.
    let cy = User::of(here);
    cy.add(&bo, "peer");
    bo.add(&cy, "cy");
    let mut first = ada.talk(&["call", "peer"]);
    callee.wait_for("incoming");
    callee.order("answer");
    first.wait_for("connected");
    callee.wait_for("connected");
    end_is(cy.talk(&["call", "peer"]), 4, "busy");
    callee.order("hangup");
    assert_eq!(callee.wait_for("ended")["reason"], "local_hangup");
    end_is(first, 0, "remote_hangup");

    // Nobody of this name.
    let stranger = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
    let link = format!(
        "securecall://contact/{stranger}?server={}",
        there.server_name()
    );
    ada.machine
        .json(&["contact", "add", &link, "--name", "ghost"]);
    end_is(ada.talk(&["call", "ghost"]), 4, "unknown");
    callee.order("quit");
    assert_eq!(callee.end().0, 0);
}

fn a_call_rings_on_two_devices_and_one_takes_it(servers: Servers) {
    let [here, there] = servers.shared();
    let (ada, bo) = User::acquainted_at([here, there]);
    let bo_again = bo.second_device(there);
    bo_again.add(&ada, "peer");
    let listeners = [&bo, &bo_again].map(|device| device.talk(&["listen", "--once"]));
    let [mut first, mut second] = listeners;
    first.wait_for("ready");
    second.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    first.wait_for("incoming");
    second.wait_for("incoming");
    second.order("answer");
    caller.wait_for("connected");
    second.wait_for("connected");
    end_is(first, 0, "answered_elsewhere");
    caller.order("hangup");
    end_is(caller, 0, "local_hangup");
    end_is(second, 0, "remote_hangup");
}

/// It rings on for a minute and a half; so that this is waited for but once, all ring at the same time.
#[test]
fn a_device_that_is_off_is_not_reached_and_hears_of_the_call_when_it_is_on() {
    let all = [
        Servers::Synapses,
        Servers::SynapseToDendrite,
        Servers::DendriteToSynapse,
        Servers::OneDendrite,
    ];
    let people = all.map(|servers| User::acquainted_at(servers.shared()));
    let callers = people
        .each_ref()
        .map(|(ada, _)| ada.talk(&["call", "peer"]));
    for caller in callers {
        end_is(caller, 4, "unreachable");
    }
    // Nobody is left to say that it is over, so that it rings as long as it may.
    let late = people.each_ref().map(|(_, bo)| bo.talk(&["listen"]));
    for (mut late, (ada, _)) in late.into_iter().zip(&people) {
        assert_eq!(late.wait_for("incoming")["peer"]["id"], ada.id);
        late.order("quit");
        assert_eq!(late.end().0, 0);
    }
}

/// The calling and the called server are killed while people talk.
fn a_call_outlives_its_servers(servers: Servers) {
    let mut federation = servers.start();
    let (ada, bo) = User::acquainted_at(servers.sides(federation.servers()));
    let mut callee = bo.talk(&["listen", "--answer", "contacts", "--once"]);
    callee.wait_for("ready");
    let mut caller = ada.talk(&["call", "peer"]);
    caller.wait_for("first_audio");
    callee.wait_for("first_audio");
    for server in federation.servers_mut() {
        server.kill().unwrap();
    }
    // Figures come each second; what is heard after the servers' end is in the second ones.
    for talker in [&mut caller, &mut callee] {
        talker.so_far();
        talker.wait_for("stats");
        let stats = talker.wait_for("stats");
        assert!(stats["loss"].as_f64().unwrap() < 0.5, "{stats}");
    }
    caller.order("hangup");
    end_is(caller, 0, "local_hangup");
    end_is(callee, 0, "remote_hangup");
}

#[test]
fn a_call_outlives_two_synapses() {
    a_call_outlives_its_servers(Servers::Synapses);
}

#[test]
fn a_call_outlives_a_dendrite_and_a_synapse() {
    a_call_outlives_its_servers(Servers::DendriteToSynapse);
}

#[test]
fn two_people_of_two_synapses_who_call_each_other_at_once_get_one_call() {
    let (ada, bo) = User::acquainted_at(Servers::Synapses.shared());
    endings::get_one_call(&ada, &bo);
}

#[test]
fn two_people_of_synapse_and_dendrite_who_call_each_other_at_once_get_one_call() {
    let (ada, bo) = User::acquainted_at(Servers::SynapseToDendrite.shared());
    endings::get_one_call(&ada, &bo);
}

#[test]
fn two_people_talk_over_two_synapses() {
    two_people_talk(Servers::Synapses);
}

#[test]
fn two_people_talk_from_synapse_to_dendrite() {
    two_people_talk(Servers::SynapseToDendrite);
}

#[test]
fn two_people_talk_from_dendrite_to_synapse() {
    two_people_talk(Servers::DendriteToSynapse);
}

#[test]
fn two_people_talk_over_one_dendrite() {
    two_people_talk(Servers::OneDendrite);
}

#[test]
fn calls_that_are_not_taken_end_as_such_over_two_synapses() {
    calls_that_are_not_taken_end_as_such(Servers::Synapses);
}

#[test]
fn calls_that_are_not_taken_end_as_such_from_synapse_to_dendrite() {
    calls_that_are_not_taken_end_as_such(Servers::SynapseToDendrite);
}

#[test]
fn calls_that_are_not_taken_end_as_such_from_dendrite_to_synapse() {
    calls_that_are_not_taken_end_as_such(Servers::DendriteToSynapse);
}

#[test]
fn calls_that_are_not_taken_end_as_such_over_one_dendrite() {
    calls_that_are_not_taken_end_as_such(Servers::OneDendrite);
}

#[test]
fn a_call_rings_on_two_devices_over_two_synapses() {
    a_call_rings_on_two_devices_and_one_takes_it(Servers::Synapses);
}

#[test]
fn a_call_rings_on_two_devices_from_synapse_to_dendrite() {
    a_call_rings_on_two_devices_and_one_takes_it(Servers::SynapseToDendrite);
}

#[test]
fn a_call_rings_on_two_devices_from_dendrite_to_synapse() {
    a_call_rings_on_two_devices_and_one_takes_it(Servers::DendriteToSynapse);
}
