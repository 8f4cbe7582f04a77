//! Handshakes with peers of either version.

mod fragments;
mod old_peers;

use securecall_netem::virtual_start;

use super::*;

/// Ours, in the profile `Matrix`, and a peer of this version, as str0m makes it.
fn pair(now: Instant, version: DtlsVersion) -> [Box<dyn DtlsInstance>; 2] {
    let handshake = DtlsHandshake::new(now);
    handshake.reach(Stage::Nominated);
    let theirs = from_feature_flags().dtls_provider;
    let certificate = || theirs.generate_certificate().unwrap();
    let ours = handshake.make(|| Provider.new_dtls(&certificate(), now, DtlsVersion::Auto, None));
    let peer = theirs.new_dtls(&certificate(), now, version, None);
    [ours.unwrap(), peer.unwrap()]
}

/// Lets the two talk until both are done; whether they are.
fn shake_hands(now: Instant, pair: &mut [Box<dyn DtlsInstance>; 2]) -> bool {
    let mut connected = [false; 2];
    let mut now = now;
    for _ in 0..50 {
        // Each knows what time it is before anything comes.
        for end in &mut *pair {
            end.handle_timeout(now).unwrap();
        }
        for from in [0, 1] {
            let mut buffer = vec![0; 4096];
            let mut packets = Vec::new();
            loop {
                match pair[from].poll_output(&mut buffer) {
                    DtlsOutput::Packet(packet) => packets.push(packet.to_vec()),
                    DtlsOutput::Connected => connected[from] = true,
                    DtlsOutput::Timeout(_) => break,
                    _ => {}
                }
            }
            for packet in packets {
                pair[1 - from].handle_packet(&packet).unwrap();
            }
        }
        now += Duration::from_millis(10);
    }
    connected == [true; 2]
}

#[test]
fn other_peers_have_either_version_whoever_begins() {
    let now = virtual_start();
    for version in [DtlsVersion::Dtls12, DtlsVersion::Dtls13] {
        for we_begin in [true, false] {
            let mut pair = pair(now, version);
            pair[0].set_active(we_begin);
            pair[1].set_active(!we_begin);
            assert!(shake_hands(now, &mut pair), "{version} {we_begin}");
            let agreed = [&pair[0], &pair[1]].map(|it| it.protocol_version());
            assert_eq!(agreed[0], agreed[1]);
            let expected = match version {
                DtlsVersion::Dtls12 => ProtocolVersion::DTLS1_2,
                _ => ProtocolVersion::DTLS1_3,
            };
            assert_eq!(agreed[0], Some(expected));
        }
    }
}

#[test]
fn between_our_own_devices_no_other_version_is_made() {
    let now = virtual_start();
    let certificate = Provider.generate_certificate().unwrap();
    let old = Provider.new_dtls(&certificate, now, DtlsVersion::Dtls12, None);
    assert!(old.is_err());
}
