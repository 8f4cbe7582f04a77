//! Descriptions: offers and answers, the first and those of ICE restarts.

use str0m::{
    change::{SdpAnswer, SdpOffer},
    channel::{ChannelConfig, Reliability},
    media::{Direction, MediaKind},
};
use web_time::Instant;

use super::description::{Description, with_one_fingerprint};
use super::engine::parse;
use super::{Transport, TransportError};

/// By this label the engine says which data channel has opened.
pub(super) const CHANNEL_LABEL: &str = "securecall";
/// The SCTP stream of the data channel, agreed here instead of by DCEP, whose messages would have to arrive first.
const CHANNEL_STREAM: u16 = 0;
/// An offer that leaves to the other end who begins the DTLS handshake, and one that does not (RFC 8842).
const SETUP_ANY: &str = "a=setup:actpass";
const SETUP_PASSIVE: &str = "a=setup:passive";

impl Transport {
    /// An offer of one audio m-line and, to another SecureCall device, one data channel. It has no candidate in it unless some were
    /// added before, in the profile `Matrix`.
    ///
    /// # Errors
    /// [`TransportError::Misuse`] if there was an offer or answer before; see [`TransportError`] for the rest.
    pub fn create_offer(&mut self, now: Instant) -> Result<String, TransportError> {
        if self.mid.is_some() || self.pending.is_some() || self.remote_fingerprint.is_some() {
            return Err(TransportError::Misuse);
        }
        if self.browser.is_some() {
            return self.create_browser_offer(now);
        }
        let (offer, pending, mid) = self.engine.run(|rtc| {
            let mut changes = rtc.sdp_api();
            let mid = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
            changes.add_channel_with_config(channel_config());
            let (offer, pending) = changes.apply().ok_or(TransportError::Misuse)?;
            Ok((offer.to_sdp_string(), pending, mid))
        })?;
        self.pending = Some(pending);
        self.mid = Some(mid);
        self.set_controlling(false)?;
        self.settle(now)?;
        Ok(with_one_fingerprint(&offer))
    }

    /// Takes the peer's first offer and gives the answer, which has no candidate in it unless some were added before.
    ///
    /// # Errors
    /// [`TransportError`]: what is wrong with the offer.
    pub fn accept_offer(&mut self, now: Instant, sdp: &str) -> Result<String, TransportError> {
        if self.mid.is_some() || self.pending.is_some() {
            return Err(TransportError::Misuse);
        }
        if self.browser.is_some() {
            return self.accept_browser_offer(now, sdp, true);
        }
        let answer = self.apply_offer(now, sdp)?;
        self.engine.run(|rtc| {
            rtc.direct_api().create_data_channel(channel_config());
            Ok(())
        })?;
        self.set_controlling(true)?;
        self.settle(now)?;
        Ok(answer)
    }

    /// Takes the peer's answer to the last offer of ours, first or restart.
    ///
    /// # Errors
    /// [`TransportError`]: what is wrong with the answer.
    pub fn set_answer(&mut self, now: Instant, sdp: &str) -> Result<(), TransportError> {
        if self.browser.is_some() {
            return self.set_browser_answer(now, sdp);
        }
        let description = self.check_description(sdp)?;
        let answer = parse(|| SdpAnswer::from_sdp_string(&description.text))?;
        // Last, so that an answer that cannot be read leaves the offer open for the true one.
        let pending = self.pending.take().ok_or(TransportError::Misuse)?;
        self.engine
            .run(|rtc| Ok(rtc.sdp_api().accept_answer(pending, answer)?))?;
        self.described(now, description)?;
        self.settle(now)
    }

    /// An offer that restarts ICE, with all our candidates in it. Media goes on over the old pair meanwhile.
    ///
    /// # Errors
    /// [`TransportError::Misuse`] before the first offer and answer are through.
    pub fn create_restart_offer(&mut self, now: Instant) -> Result<String, TransportError> {
        if self.remote_fingerprint.is_none() {
            return Err(TransportError::Misuse);
        }
        if self.browser.is_some() {
            return self.create_browser_restart_offer(now);
        }
        let (offer, pending) = self.engine.run(|rtc| {
            let mut changes = rtc.sdp_api();
            changes.ice_restart(true);
            let (offer, pending) = changes.apply().ok_or(TransportError::Misuse)?;
            Ok((offer.to_sdp_string(), pending))
        })?;
        self.pending = Some(pending);
        self.settle(now)?;
        Ok(with_one_fingerprint(
            &self.advertised.rewrite_description(&offer),
        ))
    }

    /// Takes the peer's restart offer and gives the answer, with all our candidates in it. In the profile `Matrix` it may be any
    /// later offer: one that puts us on hold, or adds a line that we then decline.
    ///
    /// # Errors
    /// [`TransportError`]: what is wrong with the offer; another fingerprint than the call's is
    /// [`TransportError::FingerprintChanged`].
    pub fn accept_restart_offer(
        &mut self,
        now: Instant,
        sdp: &str,
    ) -> Result<String, TransportError> {
        if self.remote_fingerprint.is_none() {
            return Err(TransportError::Misuse);
        }
        if self.browser.is_some() {
            return self.accept_browser_offer(now, sdp, false);
        }
        let answer = self.apply_offer(now, sdp)?;
        self.pending = None;
        Ok(answer)
    }

    fn apply_offer(&mut self, now: Instant, sdp: &str) -> Result<String, TransportError> {
        let description = self.check_description(sdp)?;
        // Who answers begins the handshake: by then the other end has our addresses, and has opened its NAT to them. The engine
        // would leave it to the other end.
        let text = description.text.replace(SETUP_ANY, SETUP_PASSIVE);
        let offer = parse(|| SdpOffer::from_sdp_string(&text))?;
        let answer = self
            .engine
            .run(|rtc| Ok(rtc.sdp_api().accept_offer(offer)?.to_sdp_string()))?;
        self.described(now, description)?;
        self.settle(now)?;
        Ok(with_one_fingerprint(
            &self.advertised.rewrite_description(&answer),
        ))
    }

    /// Exactly one sha-256 fingerprint, and the same for the whole call.
    fn check_description(&self, sdp: &str) -> Result<Description, TransportError> {
        let description = parse(|| Description::read(sdp, self.reach))?;
        if self
            .remote_fingerprint
            .is_some_and(|known| known != description.fingerprint)
        {
            return Err(TransportError::FingerprintChanged);
        }
        Ok(description)
    }

    fn described(&mut self, now: Instant, description: Description) -> Result<(), TransportError> {
        let is_restart = self
            .remote_fingerprint
            .replace(description.fingerprint)
            .is_some();
        if is_restart {
            self.begin_generation();
        }
        self.remote_candidates = description.candidates.len();
        self.is_told |= !description.candidates.is_empty();
        self.payload_type = self.engine.payload_type();
        for candidate in description.candidates {
            self.use_candidate(candidate)?;
        }
        if is_restart {
            self.use_overtaking(now)?;
        }
        Ok(())
    }

    /// Who nominates. RFC 8445 gives that to whoever offers; here it is who answers, and hears of the other's addresses last: a
    /// pair that works both ways is known there first, and it need not be told over the network before the first frame leaves.
    fn set_controlling(&mut self, controlling: bool) -> Result<(), TransportError> {
        self.engine.run(|rtc| {
            rtc.direct_api().set_ice_controlling(controlling);
            Ok(())
        })
    }
}

/// Unordered and without retransmission: acknowledgement and retry are the session's, and an ordered channel stays blocked
/// for tens of seconds after a cut.
fn channel_config() -> ChannelConfig {
    ChannelConfig {
        label: CHANNEL_LABEL.to_owned(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        negotiated: Some(CHANNEL_STREAM),
        ..ChannelConfig::default()
    }
}
