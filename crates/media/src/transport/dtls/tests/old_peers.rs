//! Peers of DTLS 1.2: OpenSSL with certificates of all kinds, as GStreamer has it, and dimpl where packets get lost.

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslContextBuilder, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use securecall_netem::virtual_start;

use super::super::openssl_server::Datagrams;
use super::super::records::CLIENT_HELLO;
use super::*;

/// A client of OpenSSL.
pub(super) struct Client {
    stream: SslStream<Datagrams>,
    certificate: Option<X509>,
    pub(super) is_connected: bool,
}

impl Client {
    pub(super) fn new(key: Option<&PKey<Private>>) -> Self {
        let mut context = SslContextBuilder::new(SslMethod::dtls_client()).unwrap();
        // It would refuse to use small keys itself.
        context.set_security_level(0);
        context.set_verify(SslVerifyMode::NONE);
        context
            .set_tlsext_use_srtp("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM")
            .unwrap();
        let certificate = key.map(certificate);
        if let (Some(key), Some(certificate)) = (key, &certificate) {
            context.set_private_key(key).unwrap();
            context.set_certificate(certificate).unwrap();
        }
        let mut ssl = Ssl::new(&context.build()).unwrap();
        ssl.set_connect_state();
        Self {
            stream: SslStream::new(ssl, Datagrams::default()).unwrap(),
            certificate,
            is_connected: false,
        }
    }

    /// Whose hello has more than two kilobytes: it offers protocols of long names.
    pub(super) fn of_many_words(key: Option<&PKey<Private>>) -> Self {
        let mut client = Self::new(key);
        let name = [&[200][..], &[b'x'; 200]].concat();
        let ssl = client.stream.ssl().ssl_context().to_owned();
        let mut ssl = Ssl::new(&ssl).unwrap();
        ssl.set_connect_state();
        ssl.set_alpn_protos(&name.repeat(11)).unwrap();
        client.stream = SslStream::new(ssl, Datagrams::default()).unwrap();
        client
    }

    /// Takes datagrams, and gives its own.
    pub(super) fn exchange(&mut self, datagrams: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        // The first time it has nothing to read.
        let datagrams = if datagrams.is_empty() {
            vec![None]
        } else {
            datagrams.into_iter().map(Some).collect()
        };
        for datagram in datagrams {
            self.stream.get_mut().incoming = datagram;
            self.is_connected |= self.stream.do_handshake().is_ok();
        }
        self.stream.get_mut().outgoing.drain(..).collect()
    }
}

fn certificate(key: &PKey<Private>) -> X509 {
    certificate_of(key, 0)
}

/// One of so many bytes, of ECDSA.
pub(super) fn large_certificate(size: usize) -> DtlsCert {
    let key = ecdsa(Nid::X9_62_PRIME256V1);
    DtlsCert {
        certificate: certificate_of(&key, size).to_der().unwrap(),
        private_key: key.private_key_to_pkcs8().unwrap(),
    }
}

/// With a name of so many bytes at least.
fn certificate_of(key: &PKey<Private>, size: usize) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "peer").unwrap();
    // It stands there twice, as whose and as whose word.
    for _ in 0..size / 2 / 64 {
        name.append_entry_by_text("OU", &"x".repeat(64)).unwrap();
    }
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    builder.set_pubkey(key).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}

pub(super) fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

pub(super) fn ecdsa(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// Ours, which waits for a hello.
pub(super) fn server(now: Instant) -> (Box<dyn DtlsInstance>, DtlsHandshake) {
    let handshake = DtlsHandshake::new(now);
    handshake.reach(Stage::Nominated);
    let certificate = Provider.generate_certificate().unwrap();
    let made = handshake.make(|| Provider.new_dtls(&certificate, now, DtlsVersion::Auto, None));
    let mut server = made.unwrap();
    server.set_active(false);
    server.handle_timeout(now).unwrap();
    (server, handshake)
}

/// What a server has told and sent.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    packets: Vec<Vec<u8>>,
    /// In the order in which it came.
    pub(super) told: Vec<&'static str>,
    pub(super) certificate: Vec<u8>,
    pub(super) keys: Vec<u8>,
}

impl Outcome {
    pub(super) fn take(&mut self, server: &mut dyn DtlsInstance) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 2000];
        loop {
            match server.poll_output(&mut buffer) {
                DtlsOutput::Packet(packet) => {
                    self.packets.push(packet.to_vec());
                    self.told.push("packet");
                }
                DtlsOutput::Connected => self.told.push("connected"),
                DtlsOutput::PeerCert(certificate) => {
                    self.certificate = certificate.to_vec();
                    self.told.push("certificate");
                }
                DtlsOutput::KeyingMaterial(keys, _) => {
                    self.keys = keys.as_ref().to_vec();
                    self.told.push("keys");
                }
                DtlsOutput::CloseNotify => self.told.push("goodbye"),
                DtlsOutput::Timeout(_) => return std::mem::take(&mut self.packets),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Both talk until neither has anything to say; `way` is what becomes of the client's datagrams.
fn talk(
    server: &mut dyn DtlsInstance,
    client: &mut Client,
    way: impl Fn(Vec<u8>) -> Vec<Vec<u8>>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut to_client = Vec::new();
    for _ in 0..10 {
        for datagram in client.exchange(to_client).into_iter().flat_map(&way) {
            // Refusals are told at the next time-out.
            let _ = server.handle_packet(&datagram);
        }
        to_client = outcome.take(server);
        if to_client.is_empty() {
            break;
        }
    }
    outcome
}

#[test]
fn whoever_has_rsa_or_ecdsa_and_no_newer_version_gets_keys() {
    for key in [
        rsa(2048),
        rsa(4096),
        ecdsa(Nid::X9_62_PRIME256V1),
        ecdsa(Nid::SECP384R1),
    ] {
        let (mut server, _) = server(virtual_start());
        let mut client = Client::new(Some(&key));
        let outcome = talk(&mut *server, &mut client, |it| vec![it]);
        assert!(client.is_connected);
        let told = &outcome.told[outcome.told.len() - 4..];
        assert!(
            told.starts_with(&["certificate", "connected", "keys"]),
            "{told:?}"
        );
        let certificate = client.certificate.as_ref().unwrap().to_der().unwrap();
        assert_eq!(outcome.certificate, certificate);
        // AES-128-GCM: the best that both have.
        let mut keys = [0; 56];
        let ssl = client.stream.ssl();
        ssl.export_keying_material(&mut keys, "EXTRACTOR-dtls_srtp", None)
            .unwrap();
        assert_eq!(outcome.keys, keys);
        assert_eq!(server.protocol_version(), Some(ProtocolVersion::DTLS1_2));
        // Its goodbye is encrypted, so it counts.
        client.stream.shutdown().unwrap();
        for goodbye in client.stream.get_mut().outgoing.drain(..) {
            server.handle_packet(&goodbye).unwrap();
        }
        let mut after = Outcome::default();
        after.take(&mut *server);
        assert_eq!(after.told, ["goodbye"]);
        assert!(server.is_closing() && server.is_closed());
    }
}

#[test]
fn whoever_has_a_small_or_a_huge_key_or_none_is_refused_at_once() {
    let now = virtual_start();
    for key in [Some(rsa(1024)), Some(rsa(2040)), Some(rsa(4104)), None] {
        let (mut server, handshake) = server(now);
        let mut client = Client::new(key.as_ref());
        let outcome = talk(&mut *server, &mut client, |it| vec![it]);
        assert!(outcome.told.iter().all(|it| *it == "packet"), "{outcome:?}");
        assert!(!client.is_connected);
        let mut buffer = [0; 2000];
        let due = server.poll_output(&mut buffer);
        assert!(
            matches!(due, DtlsOutput::Timeout(at) if at <= now),
            "{due:?}"
        );
        assert!(server.handle_timeout(now).is_err());
        let fault = handshake.blame(TransportError::Engine("x".to_owned()));
        assert_eq!(fault, TransportError::HandshakeBroken);
    }
}

#[test]
fn hellos_come_among_rubbish_and_more_than_once() {
    let key = ecdsa(Nid::X9_62_PRIME256V1);
    let rubbish = [
        vec![],
        vec![22],
        vec![22; 13],
        vec![0x2e; 60],
        [
            &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 14][..],
            b" broken record",
        ]
        .concat(),
        [&[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2][..], &[2, 40]].concat(),
        [&[23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 4][..], b"data"].concat(),
        [&[20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1][..], &[1]].concat(),
    ];
    for other in rubbish {
        let (mut server, _) = server(virtual_start());
        let mut client = Client::new(Some(&key));
        for _ in 0..1000 {
            let _ = server.handle_packet(&other);
        }
        let outcome = talk(&mut *server, &mut client, |it| {
            let again = it.clone();
            vec![other.clone(), it, other.clone(), again]
        });
        assert!(client.is_connected, "{other:?}");
        assert!(outcome.told.contains(&"keys"));
    }
}

#[test]
fn a_hello_may_come_in_two_datagrams() {
    let (mut server, _) = server(virtual_start());
    let mut client = Client::new(Some(&rsa(2048)));
    let outcome = talk(&mut *server, &mut client, pieces);
    assert!(client.is_connected, "{outcome:?}");
}

/// A datagram of a hello in two, each with a half of it; any other as it is.
fn pieces(datagram: Vec<u8>) -> Vec<Vec<u8>> {
    let body = usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
    let [22, _, _, 0, 0, ..] = datagram[..] else {
        return vec![datagram];
    };
    if datagram.len() != 13 + body || datagram[13] != CLIENT_HELLO {
        return vec![datagram];
    }
    let (record, rest) = datagram.split_at(13);
    let (message, body) = rest.split_at(12);
    let (first, second) = body.split_at(body.len() / 2);
    let piece = |number: u8, offset: usize, part: &[u8]| {
        let mut piece = [record, message, part].concat();
        piece[10] = number;
        piece[11..13].copy_from_slice(&(12 + part.len() as u16).to_be_bytes());
        piece[19..22].copy_from_slice(&(offset as u32).to_be_bytes()[1..]);
        piece[22..25].copy_from_slice(&(part.len() as u32).to_be_bytes()[1..]);
        piece
    };
    let number = 20 + 2 * record[10];
    // Numbers that the client does not come to, within its window.
    vec![
        piece(number, 0, first),
        piece(number + 1, first.len(), second),
    ]
}

/// A client of dimpl, whose time is ours.
fn dimpl_client(now: Instant) -> Box<dyn DtlsInstance> {
    let theirs = from_feature_flags().dtls_provider;
    let certificate = theirs.generate_certificate().unwrap();
    let mut client = theirs
        .new_dtls(&certificate, now, DtlsVersion::Dtls12, None)
        .unwrap();
    client.set_active(true);
    client.handle_timeout(now).unwrap();
    client
}

#[test]
fn any_datagram_may_get_lost() {
    for lost in 0..8 {
        let mut now = virtual_start();
        let (mut server, handshake) = server(now);
        let mut client = dimpl_client(now);
        let mut outcomes = [Outcome::default(), Outcome::default()];
        let mut sent = 0;
        for _ in 0..400 {
            handshake.set_now(now);
            client.handle_timeout(now).unwrap();
            server.handle_timeout(now).unwrap();
            for from_client in [true, false] {
                let (from, to): (&mut dyn DtlsInstance, &mut dyn DtlsInstance) = if from_client {
                    (&mut *client, &mut *server)
                } else {
                    (&mut *server, &mut *client)
                };
                for packet in outcomes[usize::from(from_client)].take(from) {
                    sent += 1;
                    if sent != lost + 1 {
                        to.handle_packet(&packet).unwrap();
                    }
                }
            }
            now += Duration::from_millis(10);
        }
        let [ours, theirs] = &outcomes;
        assert!(!ours.keys.is_empty() && ours.keys == theirs.keys, "{lost}");
    }
}

#[test]
fn a_peer_that_falls_silent_gets_a_handful_and_is_given_up() {
    let start = virtual_start();
    let (mut server, handshake) = server(start);
    let mut client = Client::new(Some(&ecdsa(Nid::X9_62_PRIME256V1)));
    for hello in client.exchange(Vec::new()) {
        server.handle_packet(&hello).unwrap();
    }
    let mut outcome = Outcome::default();
    let (mut packets, mut now) = (0, start);
    let error = loop {
        packets += outcome.take(&mut *server).len();
        now += Duration::from_millis(50);
        handshake.set_now(now);
        if let Err(error) = server.handle_timeout(now) {
            break error;
        }
    };
    assert!(matches!(error, DtlsImplError::Timeout(_)), "{error:?}");
    assert_eq!(now - start, HANDSHAKE_TIMEOUT);
    assert!(
        (2..=2 * (FLIGHT_RETRIES + 1)).contains(&packets),
        "{packets}"
    );
    let fault = handshake.blame(TransportError::Engine("x".to_owned()));
    assert_eq!(fault, TransportError::HandshakeTimedOut);
}
