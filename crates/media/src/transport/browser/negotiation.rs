//! Offers and answers, the first and the later ones: hold, ICE restarts, lines that the peer adds.

use str0m::{
    change::{SdpAnswer, SdpOffer},
    media::{Direction as EngineDirection, MediaKind, Mid},
};
use web_time::Instant;

use super::{
    super::{
        Fingerprint, MAX_REMOTE_CANDIDATES, Transport, TransportError, engine::parse,
        profile::StreamId,
    },
    Browser,
    audio_line::{CodecMap, Direction},
    own_description::{EngineFacts, ForEngine, OwnDescription, engine_mid},
    peer_description::{MediaLine, PeerDescription, Setup},
    sections::malformed,
};
use crate::rtp_voice::{Codec, OpusWishes};

/// The header extension of our offers.
pub(in super::super) const OFFERED_MID_EXTENSION: u8 = 1;
/// Whoever offers leaves to the other end who begins the DTLS handshake (RFC 8842 section 5.2).
const ANY_SETUP: &str = "actpass";

/// What the last offer and answer have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedAudio {
    /// What our packets are to be encoded with.
    pub codec: Codec,
    /// What the peer asks of our Opus.
    pub wishes: OpusWishes,
    /// The peer takes packets. Otherwise we are on hold, and none are sent.
    pub we_send: bool,
    /// The peer may send packets.
    pub peer_sends: bool,
    /// What the peer's audio is called: its key in the peer's `sdp_stream_metadata`.
    pub peer_stream: Option<StreamId>,
}

impl Transport {
    /// What offer and answer have agreed on, in the profile `Matrix`; nothing before they are through.
    pub fn agreed_audio(&self) -> Option<&AgreedAudio> {
        self.browser.as_deref()?.agreed.as_ref()
    }

    /// An offer that puts the peer on hold, or takes it off again, in the profile `Matrix`: while on hold it may not send.
    ///
    /// # Errors
    /// [`TransportError::Misuse`] in another profile, and before the first offer and answer are through.
    pub fn create_hold_offer(
        &mut self,
        now: Instant,
        hold: bool,
    ) -> Result<String, TransportError> {
        let fingerprint = self.local_fingerprint;
        let browser = self.browser.as_deref_mut().ok_or(TransportError::Misuse)?;
        let facts = browser.facts.clone().filter(|_| browser.agreed.is_some());
        let mut facts = facts.ok_or(TransportError::Misuse)?;
        // The peer has them, or gets them by themselves.
        facts.candidates.clear();
        browser.holds = hold;
        browser.plain_offer = true;
        let offer = browser.describe(&facts, ANY_SETUP, browser.wanted(), fingerprint);
        // Whatever was under way is overtaken.
        self.pending = None;
        self.settle(now)?;
        Ok(offer)
    }

    pub(in super::super) fn create_browser_offer(
        &mut self,
        now: Instant,
    ) -> Result<String, TransportError> {
        let fingerprint = self.local_fingerprint;
        let browser = self.browser.as_deref_mut().ok_or(TransportError::Misuse)?;
        let stream = browser.stream.to_string();
        let (text, pending, mid) = self.engine.run(|rtc| {
            let mut changes = rtc.sdp_api();
            let direction = EngineDirection::SendRecv;
            let mid = changes.add_media(MediaKind::Audio, direction, Some(stream), None, None);
            let (offer, pending) = changes.apply().ok_or(TransportError::Misuse)?;
            Ok((offer.to_sdp_string(), pending, mid))
        })?;
        let facts = EngineFacts::read(&self.advertised.rewrite_description(&text));
        browser.lines = vec![MediaLine {
            media: "audio".to_owned(),
            protocol: "UDP/TLS/RTP/SAVPF".to_owned(),
            format: String::new(),
            mid: Some(mid.to_string()),
        }];
        browser.is_bundle = true;
        browser.codecs = CodecMap::OFFERED;
        browser.mid_extension = Some(OFFERED_MID_EXTENSION);
        let offer = browser.describe(&facts, ANY_SETUP, browser.wanted(), fingerprint);
        browser.facts = Some(facts);
        self.pending = Some(pending);
        self.mid = Some(mid);
        self.settle(now)?;
        Ok(offer)
    }

    pub(in super::super) fn create_browser_restart_offer(
        &mut self,
        now: Instant,
    ) -> Result<String, TransportError> {
        let fingerprint = self.local_fingerprint;
        let browser = self.browser.as_deref_mut().ok_or(TransportError::Misuse)?;
        let (text, pending) = self.engine.run(|rtc| {
            let mut changes = rtc.sdp_api();
            changes.ice_restart(true);
            let (offer, pending) = changes.apply().ok_or(TransportError::Misuse)?;
            Ok((offer.to_sdp_string(), pending))
        })?;
        let facts = EngineFacts::read(&self.advertised.rewrite_description(&text));
        let offer = browser.describe(&facts, ANY_SETUP, browser.wanted(), fingerprint);
        browser.restart_facts = Some(facts);
        browser.plain_offer = false;
        self.pending = Some(pending);
        self.settle(now)?;
        Ok(offer)
    }

    /// Takes an offer of the peer's, and gives the answer. `is_first`: before it there was none, of ours or the peer's.
    pub(in super::super) fn accept_browser_offer(
        &mut self,
        now: Instant,
        sdp: &str,
        is_first: bool,
    ) -> Result<String, TransportError> {
        let browser = self.browser.as_deref().ok_or(TransportError::Misuse)?;
        let audio = (!is_first).then_some(browser.audio);
        let peer = parse(|| PeerDescription::read(sdp, self.reach, audio))?;
        self.check_fingerprint(&peer)?;
        let codecs = if is_first {
            peer.codecs
        } else {
            browser.check_lines(&peer)?;
            browser.codecs.common(peer.codecs)
        };
        if codecs == CodecMap::default() {
            return Err(TransportError::NoCodec);
        }
        let mid = if is_first {
            engine_mid(peer.mid()).to_owned()
        } else {
            self.mid.map(|mid| mid.to_string()).unwrap_or_default()
        };
        // What we call the line must be what stands in the packets.
        let named = peer
            .mid_extension
            .filter(|_| peer.mid() == Some(mid.as_str()));
        let mid_extension = if is_first {
            named
        } else {
            browser.mid_extension.filter(|id| named == Some(*id))
        };
        let text = ForEngine {
            peer: &peer,
            mid: &mid,
            codecs,
            mid_extension,
        }
        .write();
        let offer = parse(|| SdpOffer::from_sdp_string(&text))?;
        let answer = self
            .engine
            .run(|rtc| Ok(rtc.sdp_api().accept_offer(offer)?.to_sdp_string()))?;
        // An offer of ours that was under way has given way to it.
        self.pending = None;
        self.mid = Some(Mid::from(mid.as_str()));
        let facts = EngineFacts::read(&self.advertised.rewrite_description(&answer));
        let fingerprint = self.local_fingerprint;
        let browser = self.browser.as_deref_mut().ok_or(TransportError::Misuse)?;
        browser.plain_offer = false;
        browser.lines.clone_from(&peer.lines);
        browser.audio = peer.audio;
        browser.is_bundle = peer.is_bundle;
        if is_first {
            browser.codecs = codecs;
            browser.mid_extension = mid_extension;
        }
        let wanted = browser.wanted();
        let direction = Direction {
            sends: wanted.sends && peer.direction.receives,
            receives: wanted.receives && peer.direction.sends,
        };
        let answer = browser.describe(&facts, &facts.setup, direction, fingerprint);
        browser.facts = Some(facts);
        self.browser_described(now, peer, codecs)?;
        Ok(answer)
    }

    pub(in super::super) fn set_browser_answer(
        &mut self,
        now: Instant,
        sdp: &str,
    ) -> Result<(), TransportError> {
        let browser = self.browser.as_deref().ok_or(TransportError::Misuse)?;
        let peer = parse(|| PeerDescription::read(sdp, self.reach, Some(browser.audio)))?;
        self.check_fingerprint(&peer)?;
        browser.check_lines(&peer)?;
        if peer.lines.len() != browser.lines.len() {
            return Err(malformed("it has other m-lines than the offer"));
        }
        if peer.setup == Setup::Any {
            return Err(malformed("it does not say who begins the DTLS handshake"));
        }
        let codecs = browser.codecs.common(peer.codecs);
        if codecs == CodecMap::default() {
            return Err(TransportError::NoCodec);
        }
        if browser.plain_offer {
            if browser.peer_credentials.as_ref() != Some(&peer.credentials) {
                return Err(malformed("it restarts ICE where the offer did not"));
            }
        } else {
            let mid = self.mid.map(|mid| mid.to_string()).unwrap_or_default();
            let text = ForEngine {
                peer: &peer,
                mid: &mid,
                codecs,
                mid_extension: browser
                    .mid_extension
                    .filter(|id| peer.mid_extension == Some(*id)),
            }
            .write();
            let answer = parse(|| SdpAnswer::from_sdp_string(&text))?;
            // Last, so that an answer that cannot be read leaves the offer open for the true one.
            let pending = self.pending.take().ok_or(TransportError::Misuse)?;
            self.engine
                .run(|rtc| Ok(rtc.sdp_api().accept_answer(pending, answer)?))?;
        }
        if let Some(browser) = self.browser.as_deref_mut() {
            browser.plain_offer = false;
            if let Some(facts) = browser.restart_facts.take() {
                browser.facts = Some(facts);
            }
        }
        self.browser_described(now, peer, codecs)
    }

    fn check_fingerprint(&self, peer: &PeerDescription) -> Result<(), TransportError> {
        match self.remote_fingerprint {
            Some(known) if known != peer.fingerprint => Err(TransportError::FingerprintChanged),
            _ => Ok(()),
        }
    }

    /// Offer and answer are through.
    fn browser_described(
        &mut self,
        now: Instant,
        peer: PeerDescription,
        codecs: CodecMap,
    ) -> Result<(), TransportError> {
        let Some(browser) = self.browser.as_deref_mut() else {
            return Err(TransportError::Misuse);
        };
        let before = browser.peer_credentials.replace(peer.credentials.clone());
        let is_restart = before.is_some_and(|before| before != peer.credentials);
        let codec = codecs.iter().map(|(codec, _)| codec).next();
        browser.agreed = codec.map(|codec| AgreedAudio {
            codec,
            wishes: peer.wishes,
            we_send: peer.direction.receives,
            peer_sends: peer.direction.sends && !browser.holds,
            peer_stream: peer.stream,
        });
        if is_restart {
            browser.candidates.clear();
            self.begin_generation();
            self.remote_candidates = 0;
        }
        self.remote_fingerprint = Some(peer.fingerprint);
        // A browser may hide its addresses: then its checks show where it is.
        self.is_told = true;
        let mut named = Vec::new();
        for candidate in peer.candidates {
            // Later descriptions repeat those of the first.
            let is_new = self
                .browser
                .as_deref_mut()
                .is_some_and(|browser| browser.candidates.insert(candidate.addr()));
            if is_new && self.remote_candidates < MAX_REMOTE_CANDIDATES {
                self.remote_candidates += 1;
                named.push(candidate.addr());
                self.use_candidate(candidate)?;
            }
        }
        if is_restart {
            self.use_overtaking(now)?;
        }
        self.bring_up();
        self.settle(now)?;
        // Whoever answers has checked since it made the answer. Before our own checks, which would have it begin anew.
        for address in named {
            self.take_held_checks(now, address)?;
        }
        self.check(now)
    }
}

impl Browser {
    /// What we want of the line.
    fn wanted(&self) -> Direction {
        Direction {
            sends: true,
            receives: !self.holds,
        }
    }

    fn describe(
        &mut self,
        facts: &EngineFacts,
        setup: &str,
        direction: Direction,
        fingerprint: Fingerprint,
    ) -> String {
        self.versions += 1;
        OwnDescription {
            facts,
            version: self.versions,
            stream: &self.stream,
            fingerprint,
            setup,
            direction,
            codecs: self.codecs,
            mid_extension: self.mid_extension,
            lines: &self.lines,
            audio: self.audio,
            is_bundle: self.is_bundle,
        }
        .write()
    }

    /// Lines stay where they are for the whole call (RFC 3264 section 8).
    fn check_lines(&self, peer: &PeerDescription) -> Result<(), TransportError> {
        if peer.lines.len() < self.lines.len() {
            return Err(malformed("m-lines are gone"));
        }
        let known = self
            .lines
            .get(self.audio)
            .and_then(|line| line.mid.as_deref());
        // Some leave it out of answers.
        if peer.mid().is_some() && peer.mid() != known {
            return Err(malformed("the audio line is another one"));
        }
        Ok(())
    }
}
