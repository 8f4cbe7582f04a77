//! A peer that has somebody else sent its voice: it was at an address once, answered a check there, and has left it since. It goes
//! on talking from where it answers nothing, so that the call does not end.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use securecall_media::{Transport, TransportOutput};
use web_time::Instant;

use super::pair::{FRAME, Pair, Side};

const TICK: Duration = Duration::from_millis(20);
/// RFC 7675 section 5.1: without an answer for so long nothing may be sent any more.
const CONSENT: Duration = Duration::from_secs(30);
/// Where the peer was for a moment.
const LEFT: &str = "203.0.113.7:7007";
/// From where it talks, and where nothing gets.
const ELSEWHERE: &str = "203.0.113.8:7008";

/// What of the voice a side sends goes where in a second.
type Voice = BTreeMap<IpAddr, usize>;

/// The one side keeps its promises, the other is hostile.
struct Attack {
    pair: Pair,
    victim: Side,
    peer: Side,
    /// Where checks get to the peer and their answers back.
    checked_at: Option<SocketAddr>,
}

impl Attack {
    /// Both have talked for a while.
    fn by(peer: Side) -> Self {
        let victim = match peer {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        };
        let mut pair = Pair::connected();
        for _ in 0..100 {
            let now = pair.now;
            pair.side(victim).send_frame(now, 960, &FRAME).unwrap();
            pair.side(peer).send_frame(now, 960, &FRAME).unwrap();
            pair.run_for(TICK);
        }
        Self {
            checked_at: Some(pair.address(peer)),
            pair,
            victim,
            peer,
        }
    }

    /// The peer is at another address, for a moment, and is followed.
    fn moves_for_a_moment(&mut self) {
        let to: SocketAddr = LEFT.parse().unwrap();
        self.pair.map(self.peer, to);
        for _ in 0..100 {
            let now = self.pair.now;
            for side in [self.victim, self.peer] {
                self.pair.side(side).send_frame(now, 960, &FRAME).unwrap();
            }
            self.pair.run_for(TICK);
        }
        let followed = self.pair.side(self.victim).selected_pair().unwrap();
        assert_eq!(followed.remote, to);
    }

    /// For a second the peer talks from elsewhere. Gives where our side sends voice.
    fn talks_from_elsewhere(&mut self) -> Voice {
        let mut voice = Voice::new();
        let end = self.pair.now + Duration::from_secs(1);
        while self.pair.now < end {
            self.pair.now += TICK;
            let now = self.pair.now;
            for of in [self.victim, self.peer] {
                let transport = self.pair.side(of);
                transport.send_frame(now, 960, &FRAME).unwrap();
                transport.handle_timeout(now).unwrap();
            }
            self.of_peer(now);
            for to in self.of_victim(now) {
                *voice.entry(to.ip()).or_default() += 1;
            }
        }
        voice
    }

    /// What the peer sends comes from elsewhere, but for checks and answers.
    fn of_peer(&mut self, now: Instant) {
        let ours = self.pair.address(self.victim);
        for (_, contents) in sent_by(self.pair.side(self.peer)) {
            let source = match (is_check(&contents), self.checked_at) {
                (true, Some(at)) => at,
                (true, None) => continue,
                (false, _) => ELSEWHERE.parse().unwrap(),
            };
            let to = self.pair.side(self.victim);
            to.handle_datagram(now, source, ours, &contents).unwrap();
        }
    }

    /// Gives where the voice goes. Checks get to the peer where it can be checked.
    fn of_victim(&mut self, now: Instant) -> Vec<SocketAddr> {
        let [ours, theirs] = [self.victim, self.peer].map(|side| self.pair.address(side));
        let mut voice = Vec::new();
        for (destination, contents) in sent_by(self.pair.side(self.victim)) {
            if !is_check(&contents) {
                voice.push(destination);
            } else if Some(destination) == self.checked_at {
                let to = self.pair.side(self.peer);
                to.handle_datagram(now, ours, theirs, &contents).unwrap();
            }
        }
        voice
    }
}

fn sent_by(transport: &mut Transport) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut sent = Vec::new();
    loop {
        match transport.poll_output() {
            TransportOutput::Transmit(datagram) => {
                sent.push((datagram.destination, datagram.contents));
            }
            TransportOutput::Event(_) => {}
            TransportOutput::Timeout(_) => return sent,
        }
    }
}

fn is_check(contents: &[u8]) -> bool {
    contents.first().is_some_and(|byte| *byte < 4)
}

#[test]
fn who_was_somewhere_once_has_no_voice_sent_there_for_long() {
    for peer in [Side::Caller, Side::Callee] {
        let mut attack = Attack::by(peer);
        attack.moves_for_a_moment();
        let left: SocketAddr = LEFT.parse().unwrap();
        let mut seconds = 0;
        for _ in 0..120 {
            seconds += u64::from(attack.talks_from_elsewhere().contains_key(&left.ip()));
        }
        println!("{peer:?}: voice for {seconds} s");
        assert!(seconds <= CONSENT.as_secs() + 1, "{peer:?}: {seconds} s");
        // Where checks are answered there is the voice.
        let voice = attack.talks_from_elsewhere();
        let answers_at = attack.checked_at.unwrap();
        assert!(voice.contains_key(&answers_at.ip()), "{voice:?}");
    }
}

#[test]
fn who_restarts_without_end_and_answers_no_check_has_no_voice_sent_where_it_was() {
    let mut attack = Attack::by(Side::Caller);
    attack.checked_at = None;
    let mut seconds = 0;
    for second in 0..120 {
        if second % 5 == 0 {
            let now = attack.pair.now;
            let offer = attack.pair.caller.create_restart_offer(now).unwrap();
            let answer = attack.pair.callee.accept_restart_offer(now, &offer);
            attack
                .pair
                .caller
                .set_answer(now, &answer.unwrap())
                .unwrap();
        }
        seconds += u64::from(!attack.talks_from_elsewhere().is_empty());
    }
    println!("voice for {seconds} s");
    assert!(seconds <= CONSENT.as_secs() + 1, "{seconds} s");
}

/// Somebody on the way who lets nothing through, and answers the checks that it sees, without the password.
#[test]
fn who_forges_answers_to_checks_has_no_voice_sent_for_long() {
    for peer in [Side::Caller, Side::Callee] {
        let mut attack = Attack::by(peer);
        let (victim, ours) = (attack.victim, attack.pair.address(attack.victim));
        let mut ticks = 0;
        for _ in 0..60 * 50 {
            attack.pair.now += TICK;
            let now = attack.pair.now;
            let transport = attack.pair.side(victim);
            transport.send_frame(now, 960, &FRAME).unwrap();
            transport.handle_timeout(now).unwrap();
            let sent = sent_by(transport);
            ticks += usize::from(sent.iter().any(|(_, contents)| !is_check(contents)));
            for (destination, contents) in sent {
                if let [0, 1, _, _, header @ ..] = &contents[..] {
                    let forged = [&[1, 1, 0, 0][..], &header[..16]].concat();
                    transport
                        .handle_datagram(now, destination, ours, &forged)
                        .unwrap();
                }
            }
        }
        let voice = TICK * u32::try_from(ticks).unwrap();
        println!("{peer:?}: voice for {voice:?}");
        assert!(voice <= CONSENT + Duration::from_secs(1), "{voice:?}");
    }
}
