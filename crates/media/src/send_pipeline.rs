//! Encoded frame to wire: each is sealed for one peer. The twin of [`ReceivePipeline`](crate::ReceivePipeline).

use securecall_opus::packet;

use crate::{
    frame_protection::{SealError, SealFrame},
    muted_frame::{self, MUTED_FRAME},
    opus_codec::PAYLOAD_BYTES,
    voice_encoder::EncodedFrame,
    voice_frame::{FrameCopy, FrameSize, MAX_COPY_DISTANCE, VoiceFrame},
    voice_report::VoiceReport,
};

/// Room for a sealed frame, so that none is allocated for.
const FRAME_CAPACITY: usize = 256;

/// A sealed frame, ready for the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboundFrame<'a> {
    /// When the frame begins, in samples since the first frame: the RTP timestamp without its random start.
    pub media_time: u64,
    /// The sealed bytes, of the same number in every frame of an epoch.
    pub bytes: &'a [u8],
}

/// Seals for one peer what a [`VoiceEncoder`](crate::VoiceEncoder) gives.
#[derive(Debug)]
pub struct SendPipeline<S> {
    sealer: S,
    size: FrameSize,
    copy_distance: usize,
    older: OlderFrames,
    padded: [u8; PAYLOAD_BYTES],
    frame: Vec<u8>,
    frames_sent: u64,
}

impl<S: SealFrame> SendPipeline<S> {
    /// A pipeline that seals with `sealer`.
    pub fn new(sealer: S) -> Self {
        Self {
            sealer,
            size: FrameSize::default(),
            copy_distance: 1,
            older: OlderFrames::default(),
            padded: [0; PAYLOAD_BYTES],
            frame: Vec::with_capacity(FRAME_CAPACITY),
            frames_sent: 0,
        }
    }

    /// Seals a frame, with what is to be told of the peer's in it. One that is shorter than the epoch's frames, because the encoder
    /// serves another peer with a narrower path as well, is padded.
    ///
    /// # Errors
    ///
    /// [`SealError`], also for a frame that is longer than the epoch's; nothing of this frame may then be sent.
    pub fn seal(
        &mut self,
        encoded: EncodedFrame<'_>,
        report: VoiceReport,
    ) -> Result<OutboundFrame<'_>, SealError> {
        let bytes = self.size.opus_bytes();
        // Whatever went wrong before: nobody on the network learns of it by a frame of another size.
        let opus = if encoded.payload.len() == bytes {
            encoded.payload
        } else {
            padded(encoded.payload, &mut self.padded[..bytes])?
        };
        let frame = VoiceFrame {
            size: self.size,
            opus,
            copy: self.older.back(self.copy_distance),
            report,
        };
        self.frame.clear();
        frame.write(&mut self.frame);
        self.sealer.seal(&mut self.frame)?;
        self.older.push(opus);
        self.frames_sent += 1;
        Ok(OutboundFrame {
            media_time: encoded.media_time,
            bytes: &self.frame,
        })
    }

    /// Gives the frames to come another size. To be called when the sealer begins an epoch, and only then: within one, frames have
    /// one size.
    pub fn begin_epoch(&mut self, size: FrameSize) {
        self.size = size;
    }

    /// How many frames older the whole frames are that larger frames have beside them. Shows to nobody, so it may change at any
    /// time.
    pub fn set_copy_distance(&mut self, frames: usize) {
        self.copy_distance = frames.clamp(1, MAX_COPY_DISTANCE);
    }

    /// The size of the frames of this epoch.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The sealer, to give it the keys of a new epoch.
    pub fn sealer_mut(&mut self) -> &mut S {
        &mut self.sealer
    }

    /// Frames handed out.
    pub fn frames_sent(&self) -> u64 {
        self.frames_sent
    }
}

/// Fills `room` with an Opus packet or a muted frame that is shorter.
fn padded<'a>(payload: &[u8], room: &'a mut [u8]) -> Result<&'a [u8], SealError> {
    let bytes = payload.len();
    room.get_mut(..bytes)
        .ok_or(SealError)?
        .copy_from_slice(payload);
    if muted_frame::is_muted(payload) {
        // What any receiver knows as one of this length.
        room.copy_from_slice(&MUTED_FRAME[..room.len()]);
    } else {
        packet::pad(room, bytes).map_err(|_| SealError)?;
    }
    Ok(room)
}

/// The last packets that were sent.
#[derive(Debug, Default)]
struct OlderFrames {
    packets: [Vec<u8>; MAX_COPY_DISTANCE],
    sent: usize,
}

impl OlderFrames {
    fn push(&mut self, packet: &[u8]) {
        let slot = &mut self.packets[self.sent % MAX_COPY_DISTANCE];
        slot.clear();
        slot.extend_from_slice(packet);
        self.sent = self.sent.wrapping_add(1);
    }

    /// The packet that was sent `distance` before the one to come, if it is as long as copies are.
    fn back(&self, distance: usize) -> Option<FrameCopy<'_>> {
        let slot = &self.packets[self.sent.wrapping_sub(distance) % MAX_COPY_DISTANCE];
        (slot.len() == PAYLOAD_BYTES).then_some(FrameCopy {
            distance,
            opus: slot,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audio::FRAME_SAMPLES,
        opus_codec::{Decoder, Encoder, EncoderSettings, is_frame},
    };

    struct Plain;

    impl SealFrame for Plain {
        fn seal(&mut self, _: &mut Vec<u8>) -> Result<(), SealError> {
            Ok(())
        }
    }

    fn settings(frame_bytes: usize, expected_loss_percent: u8, dred_frames: u8) -> EncoderSettings {
        EncoderSettings {
            frame_bytes,
            expected_loss_percent,
            dred_frames,
            complexity: 5,
        }
    }

    /// The first second and a half of a voice that reads.
    fn packets(settings: EncoderSettings) -> Vec<Vec<u8>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/speech/b.wav");
        let samples = securecall_quality::read_wav(path).unwrap();
        let mut encoder = Encoder::new().unwrap();
        encoder.configure(settings).unwrap();
        let frames = samples.as_chunks::<FRAME_SAMPLES>().0.iter().take(75);
        let packet = |samples| {
            let mut payload = Vec::new();
            encoder.encode(samples, &mut payload).unwrap();
            payload
        };
        frames.map(packet).collect()
    }

    fn seal(pipeline: &mut SendPipeline<Plain>, payload: &[u8]) -> Result<Vec<u8>, SealError> {
        let encoded = EncodedFrame {
            media_time: 0,
            payload,
        };
        let sealed = pipeline.seal(encoded, VoiceReport::default())?;
        Ok(sealed.bytes.to_vec())
    }

    #[test]
    fn a_shorter_packet_is_padded_so_that_it_decodes_to_the_same_sound() {
        for from in FrameSize::ALL {
            for to in FrameSize::ALL {
                let mut pipeline = SendPipeline::new(Plain);
                pipeline.begin_epoch(to);
                let (mut as_it_was, mut as_sent) =
                    (Decoder::new().unwrap(), Decoder::new().unwrap());
                for dred_frames in [0, 5] {
                    for packet in packets(settings(from.opus_bytes(), 10, dred_frames)) {
                        let sealed = seal(&mut pipeline, &packet);
                        if from.opus_bytes() > to.opus_bytes() {
                            assert_eq!(sealed, Err(SealError));
                            continue;
                        }
                        let sealed = sealed.unwrap();
                        assert_eq!(sealed.len(), to.bytes());
                        let opus = VoiceFrame::parse(&sealed).unwrap().opus;
                        assert!(is_frame(opus) && opus.len() == to.opus_bytes());
                        let (mut plain, mut padded) = ([0.0; FRAME_SAMPLES], [0.0; FRAME_SAMPLES]);
                        as_it_was.decode(&packet, &mut plain).unwrap();
                        as_sent.decode(opus, &mut padded).unwrap();
                        assert_eq!(plain, padded, "{from:?} in {to:?}");
                        assert_eq!(as_it_was.reaches_back(&packet), as_sent.reaches_back(opus));
                    }
                }
            }
        }
    }

    #[test]
    fn deep_redundancy_outlives_padding() {
        let long = packets(settings(FrameSize::Kbps24.opus_bytes(), 20, 20));
        let mut pipeline = SendPipeline::new(Plain);
        let mut decoder = Decoder::new().unwrap();
        let reach = long.iter().map(|packet| {
            let sealed = seal(&mut pipeline, packet).unwrap();
            let padded = decoder.reaches_back(VoiceFrame::parse(&sealed).unwrap().opus);
            assert_eq!(padded, decoder.reaches_back(packet));
            padded
        });
        assert!(reach.max() > Some(5));
    }

    #[test]
    fn a_shorter_muted_frame_is_a_muted_one_of_any_size() {
        for size in FrameSize::ALL {
            let mut pipeline = SendPipeline::new(Plain);
            pipeline.begin_epoch(size);
            let shortest = &MUTED_FRAME[..FrameSize::Kbps12.opus_bytes()];
            let sealed = seal(&mut pipeline, shortest).unwrap();
            let opus = VoiceFrame::parse(&sealed).unwrap().opus;
            assert!(muted_frame::is_muted(opus), "{size:?}");
        }
    }

    #[test]
    fn copies_of_padded_frames_are_whole() {
        let mut pipeline = SendPipeline::new(Plain);
        pipeline.begin_epoch(FrameSize::Kbps32Twice);
        let short = packets(settings(FrameSize::Kbps16.opus_bytes(), 0, 0));
        let first = seal(&mut pipeline, &short[0]).unwrap();
        let second = seal(&mut pipeline, &short[1]).unwrap();
        let copy = VoiceFrame::parse(&second).unwrap().copy.unwrap();
        assert_eq!(copy.opus, VoiceFrame::parse(&first).unwrap().opus);
    }
}
