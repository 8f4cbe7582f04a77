//! Audio packets, and the peer's reports on ours.

use str0m::{
    media::Pt,
    rtp::{RtpPacket, RtpWrite},
    stats::MediaEgressStats,
};
use web_time::Instant;

use super::super::{Transport, TransportError, TransportEvent};
use crate::rtp_voice::{OutboundPacket, PeerReport, ReceivedPacket};

impl Transport {
    /// Sends an audio packet, in the profile `Matrix`. Dropped while there is no path, while the peer has us on hold, and if its codec
    /// was not agreed on.
    ///
    /// # Errors
    /// [`TransportError`] if the call cannot go on.
    pub fn send_packet(
        &mut self,
        now: Instant,
        packet: &OutboundPacket<'_>,
    ) -> Result<(), TransportError> {
        let payload_type = self.browser.as_deref().and_then(|browser| {
            let agreed = browser.agreed.as_ref().filter(|agreed| agreed.we_send)?;
            browser
                .codecs
                .payload_type(packet.codec)
                .filter(|_| packet.codec == agreed.codec)
        });
        let (true, Some(mid), Some(payload_type)) = (self.path_up, self.mid, payload_type) else {
            return Ok(());
        };
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let (rtp_time, payload_type) = (packet.rtp_time, Pt::from(payload_type));
        self.engine.run(|rtc| {
            if let Some(stream) = rtc.direct_api().stream_tx_by_mid(mid, None) {
                let write =
                    RtpWrite::new(payload_type, sequence.into(), rtp_time, now, packet.payload);
                stream.write_rtp(write.marker(packet.marker));
            }
            Ok(())
        })?;
        self.settle(now)?;
        self.handle_timeout(now)
    }

    /// A packet of the peer, if it is one that was agreed on.
    pub(in super::super) fn take_packet(&mut self, packet: &RtpPacket) {
        let Some(browser) = self.browser.as_deref() else {
            return;
        };
        let is_held = browser.holds;
        let Some(codec) = browser.codecs.codec(*packet.header.payload_type) else {
            return;
        };
        // What browsers probe the path with has no payload. What is on hold may not be heard.
        if packet.payload.is_empty() || is_held {
            return;
        }
        self.emit(TransportEvent::Packet(ReceivedPacket {
            sequence: *packet.seq_no,
            rtp_time: packet.time.numer(),
            codec,
            payload: packet.payload.to_vec(),
        }));
    }

    /// What the peer says of our packets.
    pub(in super::super) fn take_peer_report(&mut self, stats: &MediaEgressStats) {
        let Some(loss) = stats.loss.filter(|_| self.browser.is_some()) else {
            return;
        };
        self.emit(TransportEvent::PeerReport(PeerReport {
            // Any loss at all is some.
            loss_percent: (loss.clamp(0.0, 1.0) * 100.0).ceil() as u8,
        }));
    }

    /// Tells how long the last check took, if it was answered since that was told.
    pub(in super::super) fn tell_round_trip(&mut self) {
        let answered = self.selection.last_answer();
        let Some((browser, round_trip)) = self.browser.as_deref_mut().zip(self.stats.rtt) else {
            return;
        };
        if answered > browser.round_trip_at {
            browser.round_trip_at = answered;
            self.emit(TransportEvent::RoundTrip(round_trip));
        }
    }
}
