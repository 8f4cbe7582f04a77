//! Element and the command at two homeservers, of one kind and of two.

use super::{Pair, element_at, end_of};
use crate::federation::Servers;
use crate::ordinary::Ordinary;

/// Whoever calls, in an encrypted room that they have made.
fn each_calls_and_hears_the_other(servers: Servers) {
    let [here, there] = servers.shared();
    let (ours, theirs) = (Ordinary::of(here, "ada"), element_at(there, false));
    let options = ["--answer", "auto", "--route", "direct"];
    let mut pair = Pair::of(ours, theirs, true, &options);
    let call = pair.talk();
    call.hang_up().unwrap();
    assert_eq!(pair.listener.wait_for("ended")["reason"], "remote_hangup");
    let call = pair.call_them();
    call.answer(false).unwrap();
    pair.is_up(&call);
    pair.listener.order("hangup");
    assert_eq!(
        end_of(&call),
        ("remote".to_owned(), "user_hangup".to_owned())
    );
    pair.ended(&call, "local_hangup");
}

#[test]
fn element_and_we_hear_each_other_over_two_synapses() {
    each_calls_and_hears_the_other(Servers::Synapses);
}

#[test]
fn element_at_a_dendrite_and_we_at_a_synapse_hear_each_other() {
    each_calls_and_hears_the_other(Servers::SynapseToDendrite);
}

#[test]
fn element_at_a_synapse_and_we_at_a_dendrite_hear_each_other() {
    each_calls_and_hears_the_other(Servers::DendriteToSynapse);
}
