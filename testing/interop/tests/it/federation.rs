use securecall_interop::{Federation, HomeserverKind};

use crate::matrix_client::Client;

#[test]
fn two_synapses_carry_messages_to_devices_and_in_rooms() {
    carries_messages([HomeserverKind::Synapse, HomeserverKind::Synapse]);
}

#[test]
fn synapse_and_dendrite_carry_messages_to_devices_and_in_rooms() {
    carries_messages([HomeserverKind::Synapse, HomeserverKind::Dendrite]);
}

fn carries_messages(kinds: [HomeserverKind; 2]) {
    let mut federation = Federation::start(kinds).unwrap();
    {
        let [here, there] = federation.servers();
        assert_ne!(here.server_name(), there.server_name());
        let (ada, bo) = (Client::new(here, "ada"), Client::new(there, "bo"));
        let at = |name: &str| format!("@bo:{name}");
        assert_eq!(bo.matrix_id, at(there.server_name()));

        ada.send_to_device(&bo, "to the device there");
        assert_eq!(bo.message_from(&ada), "to the device there");
        bo.send_to_device(&ada, "and back");
        assert_eq!(ada.message_from(&bo), "and back");

        for (inviting, invited) in [(&ada, &bo), (&bo, &ada)] {
            let room = inviting.make_room(invited);
            invited.join(&room);
            invited.say(&room, "from the invited");
            assert_eq!(inviting.heard_from(&room, invited), "from the invited");
            inviting.say(&room, "to the invited");
            assert_eq!(invited.heard_from(&room, inviting), "to the invited");
        }
    }
    // Who was away is caught up with.
    let [_, there] = federation.servers_mut();
    let name = there.server_name().to_owned();
    there.kill().unwrap();
    there.restart().unwrap();
    assert_eq!(there.server_name(), name);
    let [here, there] = federation.servers();
    let (cy, dora) = (Client::new(here, "cy"), Client::new(there, "dora"));
    dora.send_to_device(&cy, "up again");
    assert_eq!(cy.message_from(&dora), "up again");
}
