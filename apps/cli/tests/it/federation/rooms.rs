//! Standard Matrix calls, in rooms that several servers have.

use super::Servers;
use crate::ordinary::Ordinary;
use crate::standard_calls::call_hold_resume_and_hang_up;

fn two_who_know_no_key_call_each_other(servers: Servers) {
    let [here, there] = servers.shared();
    let (ada, bo) = (Ordinary::of(here, "ada"), Ordinary::of(there, "bo"));
    call_hold_resume_and_hang_up(&ada, &bo);
}

#[test]
fn a_call_in_a_room_of_synapse_and_dendrite_rings_on_two_devices_and_one_takes_it() {
    let [here, there] = Servers::SynapseToDendrite.shared();
    let (ada, bo) = (Ordinary::of(here, "ada"), Ordinary::of(there, "bo"));
    let bo_again = bo.another_device();
    let mut first = bo.talk(&["listen"], "tone:1000");
    let mut second = bo_again.talk(&["listen"], "tone:1000");
    first.wait_for("ready");
    second.wait_for("ready");
    let call = ["call", &bo.account.matrix_id, "--require", "any"];
    let mut caller = ada.talk(&call, "tone:440");
    first.wait_for("incoming");
    second.wait_for("incoming");
    second.order("answer");
    caller.wait_for("connected");
    second.wait_for("connected");
    assert_eq!(first.wait_for("ended")["reason"], "answered_elsewhere");
    caller.order("hangup");
    assert_eq!(second.wait_for("ended")["reason"], "remote_hangup");
}

#[test]
fn two_who_know_no_key_call_each_other_over_two_synapses() {
    two_who_know_no_key_call_each_other(Servers::Synapses);
}

#[test]
fn two_who_know_no_key_call_each_other_from_synapse_to_dendrite() {
    two_who_know_no_key_call_each_other(Servers::SynapseToDendrite);
}

#[test]
fn two_who_know_no_key_call_each_other_from_dendrite_to_synapse() {
    two_who_know_no_key_call_each_other(Servers::DendriteToSynapse);
}

#[test]
fn two_who_know_no_key_call_each_other_over_one_dendrite() {
    two_who_know_no_key_call_each_other(Servers::OneDendrite);
}
