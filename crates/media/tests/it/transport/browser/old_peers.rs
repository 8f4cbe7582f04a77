//! Calls with peers of DTLS 1.2 alone, as str0m makes them: they begin the handshake, and OpenSSL answers.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use securecall_media::{
    Codec, Datagram, LocalCandidate, OutboundPacket, Transport, TransportError, TransportEvent,
    TransportOutput,
};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    config::DtlsVersion,
    crypto::from_feature_flags,
    media::{Direction, MediaKind},
    net::{Protocol, Receive},
};
use web_time::Instant;

use super::{super::forged_dtls::forgeries, super::pair::start, transport};

const OURS: &str = "10.0.0.1:5001";
const THEIRS: &str = "10.0.0.2:5002";
const TICK: Duration = Duration::from_millis(2);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A call that they offer and we answer.
struct Call {
    now: Instant,
    ours: Transport,
    theirs: Rtc,
    pending: Option<SdpPendingOffer>,
    events: Vec<TransportEvent>,
    error: Option<TransportError>,
    is_connected_there: bool,
    packets_there: usize,
    under_way: VecDeque<Datagram>,
    /// Nothing of their handshake comes.
    only_checks_come: bool,
    /// Datagrams of our handshake.
    handshake_sent: usize,
}

impl Call {
    fn new() -> (Self, String) {
        let now = start();
        let mut theirs = RtcConfig::new()
            .clear_codecs()
            .enable_opus(true, false)
            .set_rtp_mode(true)
            .set_dtls_version(DtlsVersion::Dtls12)
            .set_crypto_provider(Arc::new(from_feature_flags()))
            .build(now);
        theirs.add_local_candidate(Candidate::host(address(THEIRS), "udp").unwrap());
        let mut changes = theirs.sdp_api();
        changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        let call = Self {
            now,
            ours: transport(),
            theirs,
            pending: Some(pending),
            events: Vec::new(),
            error: None,
            is_connected_there: false,
            packets_there: 0,
            under_way: VecDeque::new(),
            only_checks_come: false,
            handshake_sent: 0,
        };
        (call, offer.to_sdp_string())
    }

    /// Where both know what the other has said, and nothing has been sent.
    fn negotiated(change: impl Fn(&str) -> String) -> Self {
        let (mut call, offer) = Self::new();
        let answer = call.ours.accept_offer(call.now, &change(&offer)).unwrap();
        assert!(answer.contains("a=setup:passive\r\n"), "{answer}");
        let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
        let pending = call.pending.take().unwrap();
        call.theirs
            .sdp_api()
            .accept_answer(pending, answer)
            .unwrap();
        let local = LocalCandidate::host(address(OURS));
        call.ours.add_local_candidate(call.now, local).unwrap();
        let ours = Candidate::host(address(OURS), "udp").unwrap();
        call.theirs.add_remote_candidate(ours);
        call
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.drain_ours();
            self.drain_theirs();
            self.now += TICK;
            for datagram in std::mem::take(&mut self.under_way) {
                self.deliver(&datagram);
            }
            let result = self.ours.handle_timeout(self.now);
            self.note(result);
            let _ = self.theirs.handle_input(Input::Timeout(self.now));
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let (from, to) = (datagram.source, datagram.destination);
        if to == address(OURS) {
            self.throw_in(from, &datagram.contents);
        } else {
            let receive = Receive::new(Protocol::Udp, from, to, &datagram.contents).unwrap();
            let _ = self.theirs.handle_input(Input::Receive(self.now, receive));
        }
    }

    /// Something comes to us, as if from there.
    fn throw_in(&mut self, from: SocketAddr, contents: &[u8]) {
        let (now, to) = (self.now, address(OURS));
        let result = self.ours.handle_datagram(now, from, to, contents);
        self.note(result);
    }

    fn note(&mut self, result: Result<(), TransportError>) {
        if let (None, Err(error)) = (&self.error, result) {
            self.error = Some(error);
        }
    }

    fn drain_ours(&mut self) {
        loop {
            match self.ours.poll_output() {
                TransportOutput::Transmit(datagram) => {
                    self.handshake_sent += usize::from(datagram.contents[0] == 22);
                    self.under_way.push_back(datagram);
                }
                TransportOutput::Event(event) => self.events.push(event),
                TransportOutput::Timeout(_) => return,
            }
        }
    }

    fn drain_theirs(&mut self) {
        while let Ok(output) = self.theirs.poll_output() {
            match output {
                Output::Transmit(transmit)
                    if self.only_checks_come && transmit.contents[0] >= 20 => {}
                Output::Transmit(transmit) => self.under_way.push_back(Datagram {
                    source: transmit.source,
                    destination: transmit.destination,
                    contents: transmit.contents.to_vec(),
                }),
                Output::Event(Event::Connected) => self.is_connected_there = true,
                Output::Event(Event::RtpPacket(_)) => self.packets_there += 1,
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }

    fn is_up(&self) -> bool {
        self.ours.is_path_up() && self.is_connected_there
    }
}

#[test]
fn a_call_with_a_peer_of_dtls_1_2_comes_up_and_is_heard_there() {
    let mut call = Call::negotiated(str::to_owned);
    call.run_for(Duration::from_secs(1));
    assert!(call.is_up(), "{:?}", call.error);
    for number in 0..10 {
        let packet = OutboundPacket {
            codec: Codec::Opus,
            rtp_time: number * 960,
            marker: false,
            payload: &[7; 40],
        };
        call.ours.send_packet(call.now, &packet).unwrap();
        call.run_for(Duration::from_millis(20));
    }
    assert_eq!((call.packets_there, call.error), (10, None));
}

#[test]
fn a_peer_with_another_certificate_than_its_description_names_is_refused() {
    let mut call = Call::negotiated(|offer| {
        let at = offer.find("sha-256 ").unwrap() + 8;
        let other = if &offer[at..at + 2] == "00" {
            "01"
        } else {
            "00"
        };
        format!("{}{other}{}", &offer[..at], &offer[at + 2..])
    });
    call.run_for(Duration::from_secs(1));
    assert_eq!(call.error, Some(TransportError::CertificateMismatch));
    assert!(!call.ours.is_path_up() && !call.is_connected_there);
}

#[test]
fn a_handshake_comes_through_whatever_anybody_throws_in() {
    for (index, forgery) in forgeries().into_iter().enumerate() {
        let mut call = Call::negotiated(str::to_owned);
        for _ in 0..200 {
            call.throw_in(address(THEIRS), &forgery);
            call.run_for(TICK);
        }
        assert!(call.is_up(), "forgery {index}: {:?}", call.error);
        assert_eq!(call.error, None, "forgery {index}");
    }
}

/// A hello of DTLS 1.2, as str0m's first datagram of a handshake is.
fn foreign_hello() -> Vec<u8> {
    let mut call = Call::negotiated(str::to_owned);
    loop {
        call.drain_theirs();
        let mut sent = call.under_way.iter();
        if let Some(hello) = sent.find(|it| it.contents[0] == 22) {
            return hello.contents.clone();
        }
        call.run_for(TICK);
    }
}

#[test]
fn a_stranger_s_hello_is_not_looked_at() {
    let hello = foreign_hello();
    let mut call = Call::negotiated(str::to_owned);
    for port in 1..1000 {
        call.throw_in(SocketAddr::from(([192, 0, 2, 9], port)), &hello);
    }
    call.run_for(Duration::from_secs(1));
    assert!(call.is_up(), "{:?}", call.error);
}

#[test]
fn a_peer_that_begins_and_then_sends_nothing_is_given_up_without_a_flood() {
    let hello = foreign_hello();
    let mut call = Call::negotiated(str::to_owned);
    call.only_checks_come = true;
    call.run_for(Duration::from_millis(200));
    call.throw_in(address(THEIRS), &hello);
    call.run_for(Duration::from_secs(31));
    assert_eq!(call.error, Some(TransportError::HandshakeTimedOut));
    assert!(
        (2..100).contains(&call.handshake_sent),
        "{}",
        call.handshake_sent
    );
}
