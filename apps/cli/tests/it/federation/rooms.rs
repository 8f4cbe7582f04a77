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
