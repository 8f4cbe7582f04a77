//! Hosts behind one NAT that know each other's addresses outside.

use securecall_interop::network::{Nat, Network};

use super::{next, one_home, seen, send, socket};

#[test]
fn without_hairpin_no_host_reaches_another_by_its_address_outside() {
    let network = Network::new().unwrap();
    let ([(ada, _), (ben, of_ben)], server) = one_home(&network, Nat::full_cone());
    send(&ada, "by the hairpin", of_ben);
    send(&server, "nothing before this", of_ben);
    assert_eq!(next(&ben).0, "nothing before this");
}

#[test]
fn with_hairpin_a_host_reaches_another_under_its_address_outside() {
    let network = Network::new().unwrap();
    let ([(ada, of_ada), (ben, of_ben)], _) = one_home(&network, Nat::full_cone().with_hairpin());
    send(&ada, "by the hairpin", of_ben);
    assert_eq!(next(&ben), ("by the hairpin".to_owned(), of_ada));
    send(&ben, "back", of_ada);
    assert_eq!(next(&ada), ("back".to_owned(), of_ben));
}

#[test]
fn a_hairpin_is_filtered_as_what_comes_from_outside() {
    let network = Network::new().unwrap();
    let ([(ada, of_ada), (ben, of_ben)], server) =
        one_home(&network, Nat::port_restricted().with_hairpin());
    send(&ada, "too early", of_ben);
    seen(&ada, &server); // and by then it has been turned away
    send(&server, "nothing before this", of_ben);
    assert_eq!(next(&ben).0, "nothing before this");
    send(&ben, "through the hole", of_ada);
    assert_eq!(next(&ada), ("through the hole".to_owned(), of_ben));
    send(&ada, "back", of_ben);
    assert_eq!(next(&ben), ("back".to_owned(), of_ada));
}

#[test]
fn two_homes_of_one_carrier_meet_by_its_hairpin() {
    let network = Network::new().unwrap();
    let server = socket(&network.internet().host("server").unwrap());
    let nat = Nat::port_restricted().with_hairpin();
    let carrier = network.internet().nat("carrier", nat).unwrap();
    let [(ada, of_ada), (ben, of_ben)] = ["ada", "ben"].map(|name| {
        let home = carrier.nat("home", Nat::port_restricted()).unwrap();
        let socket = socket(&home.host(name).unwrap());
        let outside = seen(&socket, &server);
        (socket, outside)
    });
    send(&ada, "too early", of_ben);
    seen(&ada, &server); // and by then it has been turned away
    send(&ben, "through the hole", of_ada);
    assert_eq!(next(&ada), ("through the hole".to_owned(), of_ben));
    send(&ada, "back", of_ben);
    assert_eq!(next(&ben), ("back".to_owned(), of_ada));
}
