//! What one end of a call has of the other, on virtual time: joined as the driver's `Voice` joins it, and the way to the other end.

use std::time::Duration;

use securecall_media::{
    Effort, EncodedFrame, FRAME_SAMPLES, FrameSize, MUTED_FRAME, NetworkAdaptation, OpenError,
    OpenFrame, OpenedFrame, ReceivePipeline, SealError, SealFrame, SendPipeline, VoiceEncoder,
    VoiceWish,
};
use securecall_netem::{Conditions, Link};
use web_time::Instant;

/// Ticks after which the next epoch begins.
pub(crate) const EPOCH_TICKS: usize = 1_000;
/// SRTP, UDP and IP around a sealed frame.
pub(crate) const OVERHEAD: usize = 54;
/// Both wrap around soon.
pub(crate) const FIRST_SEQUENCE: u64 = 65_500;
const FIRST_RTP_TIME: u32 = 0xFFFF_F000;
const MARK: u8 = 0xA5;

/// A stand-in for the frame cipher with its sizes: 5 bytes before, the frame's number among them, whose first byte is the epoch, and
/// 16 after.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    sealed: u32,
}

impl Envelope {
    /// Numbers frames as a later epoch does.
    pub(crate) fn next_epoch(&mut self) {
        self.sealed = (self.sealed >> 24 << 24) + (1 << 24);
    }
}

impl SealFrame for Envelope {
    fn seal(&mut self, frame: &mut Vec<u8>) -> Result<(), SealError> {
        let [a, b, c, d] = self.sealed.to_be_bytes();
        self.sealed += 1;
        frame.splice(0..0, [MARK, a, b, c, d]);
        frame.extend_from_slice(&[MARK; 16]);
        Ok(())
    }
}

impl OpenFrame for Envelope {
    fn open(&mut self, _now: Instant, frame: &mut [u8]) -> Result<OpenedFrame, OpenError> {
        let end = frame
            .len()
            .checked_sub(16)
            .filter(|end| *end >= 5)
            .ok_or(OpenError)?;
        let whole = frame[0] == MARK && frame[end..].iter().all(|byte| *byte == MARK);
        let number = [frame[1], frame[2], frame[3], frame[4]];
        whole
            .then_some(5..end)
            .ok_or(OpenError)
            .map(|payload| OpenedFrame {
                payload,
                order: u32::from_be_bytes(number).into(),
                epoch: u64::from(frame[1]),
            })
    }
}

/// A path that loses nothing, and whose queue has room for 300 ms.
pub(crate) fn clean() -> Conditions {
    Conditions {
        delay: Duration::from_millis(30),
        queue: Duration::from_millis(300),
        ..Conditions::default()
    }
}

/// A sealed frame on its way.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) sequence: u64,
    rtp_time: u32,
    frame: Vec<u8>,
}

/// See the [module](self).
pub(crate) struct Leg {
    send: SendPipeline<Envelope>,
    pub(crate) receive: ReceivePipeline<Envelope>,
    adaptation: NetworkAdaptation,
    /// To the other end.
    pub(crate) link: Link<Packet>,
    sequence: u64,
}

impl Leg {
    pub(crate) fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            send: SendPipeline::new(Envelope::default()),
            receive: ReceivePipeline::new(Envelope::default()).expect("opus"),
            adaptation: NetworkAdaptation::new(),
            link: Link::new(seed, conditions),
            sequence: FIRST_SEQUENCE,
        }
    }

    /// What the path asks of the encoder.
    pub(crate) fn wish(&self) -> VoiceWish {
        self.adaptation.wish()
    }

    /// What the path would bear in an epoch that began now.
    pub(crate) fn next_size(&self) -> FrameSize {
        self.adaptation.next_size()
    }

    /// Seals with the next epoch from now on, of whose frames' size others leave `ceiling`.
    pub(crate) fn begin_epoch(&mut self, now: Instant, ceiling: FrameSize) {
        self.send.sealer_mut().next_epoch();
        self.adaptation.set_ceiling(ceiling);
        self.send.begin_epoch(self.adaptation.begin_epoch(now));
    }

    /// Prepares for a tick of the microphone where the encoder serves this leg alone.
    pub(crate) fn adapt(&mut self, encoder: &mut VoiceEncoder, now: Instant, tick: usize) {
        self.begin_epoch_at(now, tick);
        let settings = self.wish().settings(Effort::default());
        encoder.configure(settings).expect("opus");
    }

    fn begin_epoch_at(&mut self, now: Instant, tick: usize) {
        if tick > 0 && tick.is_multiple_of(EPOCH_TICKS) {
            self.begin_epoch(now, FrameSize::Kbps32);
        }
    }

    /// A tick of somebody who is muted: every second sends a frame, which tells how the other end's come.
    pub(crate) fn tick_muted(&mut self, now: Instant, tick: usize) {
        self.begin_epoch_at(now, tick);
        if tick % 2 == 1 {
            let muted = EncodedFrame {
                media_time: (tick / 2 * FRAME_SAMPLES) as u64,
                payload: &MUTED_FRAME[..self.wish().size.opus_bytes()],
            };
            self.send(now, muted);
        }
    }

    /// Seals a frame and sends it; how many bytes it has then.
    pub(crate) fn send(&mut self, now: Instant, encoded: EncodedFrame<'_>) -> usize {
        self.send.set_copy_distance(self.adaptation.copy_distance());
        let sealed = self.send.seal(encoded, self.receive.report());
        let sealed = sealed.expect("the envelope seals");
        let bytes = sealed.bytes.len();
        let packet = Packet {
            sequence: self.sequence,
            rtp_time: (sealed.media_time as u32).wrapping_add(FIRST_RTP_TIME),
            frame: sealed.bytes.to_vec(),
        };
        self.link.send(now, bytes + OVERHEAD, packet);
        self.sequence += 1;
        bytes
    }

    /// Takes what came from the other end.
    pub(crate) fn take(&mut self, at: Instant, mut packet: Packet) {
        let (sequence, rtp_time) = (packet.sequence, packet.rtp_time);
        self.receive
            .handle_frame(at, sequence, rtp_time, &mut packet.frame)
            .expect("the envelope opens");
        if let Some(report) = self.receive.peer_report() {
            self.adaptation.handle_report(at, report);
        }
    }
}
