//! A client of other authors at our entry: masque-go.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use securecall_interop::{MasqueGoClient, MasqueGoRequest};

use crate::daemon::{bearer, command, lab, restrict, udp};

#[test]
fn its_client_gets_packets_through_our_entry_and_the_refusals_that_are_due() {
    let exit = udp();
    let target = exit.local_addr().unwrap();
    let lab = lab(target);
    // Its client checks the certificate by the name that it resolves.
    for file in ["cert.pem", "key.pem"] {
        std::fs::remove_file(lab.path(file)).unwrap();
    }
    lab.rename("localhost");
    let made = command()
        .args(["init", "--name", "localhost", "--config"])
        .arg(lab.settings())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    restrict(&lab.path("key.pem"));
    let certificate = CertificateDer::from_pem_file(lab.path("cert.pem")).unwrap();
    let daemon = lab.start();
    let relay = format!("localhost:{}", daemon.address().port());
    let bearer = bearer();
    let ask = |authorization: &str, target| {
        MasqueGoClient::ask(&MasqueGoRequest {
            relay: &relay,
            certificate: &certificate,
            authorization,
            target,
        })
        .unwrap()
    };
    let mut client = ask(&bearer, target);
    assert_eq!(client.status(), 200);
    exit.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    for payload in [&b"hello"[..], &[7; 1000]] {
        client.send(payload).unwrap();
        let mut buffer = [0; 2048];
        let (size, from) = exit.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..size], payload);
        exit.send_to(payload, from).unwrap();
        let back = client.receive(Duration::from_secs(30));
        assert_eq!(back.as_deref(), Some(payload));
    }
    assert_eq!(
        ask("Bearer another-secret-0123456789", target).status(),
        401
    );
    assert_eq!(ask(&bearer, "127.0.0.1:9".parse().unwrap()).status(), 403);
}
