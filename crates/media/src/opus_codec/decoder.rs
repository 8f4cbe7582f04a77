use securecall_opus::{OpusError, Redundancy, packet};

use super::{CodecError, Effort, MAX_FRAMES_BACK, MAX_PACKET_BYTES};
use crate::audio::{FRAME_SAMPLES, TICK_SAMPLES};

/// From this share of missing frames on the larger network is worth its time, until it is below the other.
const MUCH_IS_MISSING: f32 = 0.07;
const LITTLE_IS_MISSING: f32 = 0.045;
/// Weight of one frame in that share: five seconds.
const FRAME_WEIGHT: f32 = 1.0 / 250.0;
/// So long after the last frame with a copy by FEC there are no more: ten seconds, longer than pauses are.
const COPIES_END_AFTER: u16 = 500;

/// Decodes, conceals, and restores lost frames from a later one.
#[derive(Debug)]
pub struct Decoder {
    decoder: securecall_opus::Decoder,
    effort: Effort,
    /// The share of frames that did not come, smoothed.
    missing: f32,
    much_is_missing: bool,
    /// Frames since one had a copy by FEC of the one before it.
    since_copy: u16,
    /// The larger network decodes.
    larger: bool,
    /// Those of the packet that frames were last restored from, processed: a run of frames comes out of one packet.
    copies: Copies,
    /// Those of the packet that was last asked about: new packets come while a run is being restored.
    asked: Copies,
}

impl Decoder {
    /// A decoder for 48 kHz mono, of the default effort.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn new() -> Result<Self, CodecError> {
        let decoder = securecall_opus::Decoder::new().map_err(CodecError::setup)?;
        let mut decoder = Self {
            decoder,
            effort: Effort::default(),
            missing: 0.0,
            much_is_missing: false,
            since_copy: COPIES_END_AFTER,
            larger: false,
            copies: Copies::new().map_err(CodecError::setup)?,
            asked: Copies::new().map_err(CodecError::setup)?,
        };
        decoder.set_effort(Effort::default())?;
        Ok(decoder)
    }

    /// Changes how hard the decoder works from now on.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        self.effort = effort;
        self.apply_effort().map_err(CodecError::setup)
    }

    fn apply_effort(&mut self) -> Result<(), OpusError> {
        let complexity = self.effort.decoder_complexity(self.larger);
        self.decoder.set_complexity(complexity)
    }

    /// Takes in whether audio is there that lasts so many frames.
    fn note(&mut self, is_missing: bool, frames: f32) -> Result<(), OpusError> {
        let now = f32::from(u8::from(is_missing));
        self.missing += (now - self.missing) * FRAME_WEIGHT * frames;
        let limit = match self.much_is_missing {
            true => LITTLE_IS_MISSING,
            false => MUCH_IS_MISSING,
        };
        self.much_is_missing = self.missing >= limit;
        // Without copies by FEC, as in long bursts, the voice has all the bytes, and the smaller one does as well.
        let larger = self.much_is_missing && self.since_copy < COPIES_END_AFTER;
        if larger == self.larger {
            return Ok(());
        }
        self.larger = larger;
        self.apply_effort()
    }

    /// Decodes a frame.
    ///
    /// # Errors
    ///
    /// [`CodecError::Malformed`].
    pub fn decode(
        &mut self,
        payload: &[u8],
        out: &mut [f32; FRAME_SAMPLES],
    ) -> Result<(), CodecError> {
        self.since_copy = match packet::has_fec(payload) {
            true => 0,
            false => self.since_copy.saturating_add(1),
        };
        let noted = self.note(false, 1.0);
        let decoded = noted.and_then(|()| self.decoder.decode(payload, out));
        whole(decoded, out)
    }

    /// How many of the frames before it `payload` can restore, at most [`MAX_FRAMES_BACK`]: 1 by in-band FEC, more by deep
    /// redundancy, where the effort has time for that.
    pub fn reaches_back(&mut self, payload: &[u8]) -> usize {
        self.asked.read(payload);
        self.asked.reach(self.effort)
    }

    /// Restores the frame `frames_back` before `later` from the copy that `later` carries, as far as [`Self::reaches_back`] says.
    /// What lies between the two must be restored after it, in order, and `later` then be decoded.
    ///
    /// # Errors
    ///
    /// [`CodecError::Malformed`], also where it reaches less far.
    pub fn recover(
        &mut self,
        later: &[u8],
        frames_back: usize,
        out: &mut [f32; FRAME_SAMPLES],
    ) -> Result<(), CodecError> {
        self.copies.read(later);
        let noted = self.note(true, 1.0);
        let recovered = if noted.is_err() {
            noted.map(|()| 0)
        } else if frames_back == 1 && self.copies.fec {
            // Nearer to what was said than what DRED has of it.
            self.decoder.decode_fec(later, out)
        } else if (1..=self.copies.dred_reach(self.effort)).contains(&frames_back) {
            let back = frames_back * FRAME_SAMPLES;
            self.copies.redundancy.process().and_then(|()| {
                self.decoder
                    .decode_redundancy(&self.copies.redundancy, back, out)
            })
        } else {
            Err(OpusError::InvalidPacket)
        };
        whole(recovered, out)
    }

    /// Makes up 10 ms in place of audio that is not there.
    ///
    /// # Errors
    ///
    /// [`CodecError::Malformed`] when libopus cannot conceal.
    pub fn conceal(&mut self, out: &mut [f32; TICK_SAMPLES]) -> Result<(), CodecError> {
        let noted = self.note(true, 0.5);
        let concealed = noted.and_then(|()| self.decoder.conceal(out));
        whole(concealed, out)
    }

    /// Forgets everything it has decoded, as if newly made.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn reset(&mut self) -> Result<(), CodecError> {
        self.missing = 0.0;
        self.much_is_missing = false;
        self.since_copy = COPIES_END_AFTER;
        self.larger = false;
        let reset = self.decoder.reset().and_then(|()| self.apply_effort());
        reset.map_err(CodecError::setup)
    }
}

/// Whether libopus filled `out`, with numbers: one that is none would stay in whatever follows. If not, it is silence.
fn whole(filled: Result<usize, OpusError>, out: &mut [f32]) -> Result<(), CodecError> {
    if filled == Ok(out.len()) && out.iter().all(|sample| sample.is_finite()) {
        return Ok(());
    }
    out.fill(0.0);
    Err(CodecError::Malformed)
}

/// The copies of earlier frames in one packet.
#[derive(Debug)]
struct Copies {
    /// The packet; empty for none.
    packet: Vec<u8>,
    /// It carries the frame before it by in-band FEC.
    fec: bool,
    /// How many frames back its deep redundancy reaches.
    dred_frames: usize,
    redundancy: Redundancy,
}

impl Copies {
    fn new() -> Result<Self, OpusError> {
        Ok(Self {
            packet: Vec::with_capacity(MAX_PACKET_BYTES),
            fec: false,
            dred_frames: 0,
            redundancy: Redundancy::new()?,
        })
    }

    fn reach(&self, effort: Effort) -> usize {
        self.dred_reach(effort).max(self.fec.into())
    }

    /// By deep redundancy. The effort may be another than when the packet was read.
    fn dred_reach(&self, effort: Effort) -> usize {
        if effort.has_dred() {
            self.dred_frames
        } else {
            0
        }
    }

    /// Makes these the copies that `payload` carries.
    fn read(&mut self, payload: &[u8]) {
        if self.packet == payload {
            return;
        }
        self.packet.clear();
        self.fec = false;
        self.dred_frames = 0;
        // The bound keeps the memory constant; nothing that long is a frame.
        if payload.len() > MAX_PACKET_BYTES {
            return;
        }
        self.packet.extend_from_slice(payload);
        self.fec = packet::has_fec(payload);
        let span = self.redundancy.parse(payload).unwrap_or_default();
        // One that ends before it begins restores nothing, however far back it claims to reach.
        self.dred_frames = if span.newest < span.oldest {
            (span.oldest / FRAME_SAMPLES).min(MAX_FRAMES_BACK)
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{encoded, settings, speech};
    use super::*;

    /// Decodes while so many frames of a hundred are missing, evenly, and are restored or made up. Gives for how many the larger
    /// network was there. All is what libopus makes of it at that complexity.
    fn larger_for(
        decoder: &mut Decoder,
        plain: &mut securecall_opus::Decoder,
        percent: usize,
        packets: &[Vec<u8>],
    ) -> usize {
        let (mut ours, mut theirs) = ([0.0; FRAME_SAMPLES], [0.0; FRAME_SAMPLES]);
        let mut larger = 0;
        for (index, packet) in packets.iter().enumerate() {
            let is_missing = index * percent % 100 >= 100 - percent;
            let is_copied = decoder.reaches_back(packet) == 1;
            match (is_missing, is_copied) {
                (false, _) => decoder.decode(packet, &mut ours).unwrap(),
                (true, true) => decoder.recover(packet, 1, &mut ours).unwrap(),
                (true, false) => {
                    for tick in ours.as_chunks_mut::<TICK_SAMPLES>().0 {
                        decoder.conceal(tick).unwrap();
                    }
                }
            }
            let complexity = if decoder.larger { 7 } else { 6 };
            plain.set_complexity(complexity).unwrap();
            match (is_missing, is_copied) {
                (false, _) => plain.decode(packet, &mut theirs).map(|_| ()).unwrap(),
                (true, true) => plain.decode_fec(packet, &mut theirs).map(|_| ()).unwrap(),
                (true, false) => {
                    for tick in theirs.as_chunks_mut::<TICK_SAMPLES>().0 {
                        plain.conceal(tick).unwrap();
                    }
                }
            }
            assert!(ours == theirs, "frame {index}, {percent} %");
            larger += usize::from(decoder.larger);
        }
        larger
    }

    #[test]
    fn where_much_is_missing_and_copied_the_larger_network_decodes_until_hardly_anything_is() {
        let packets = encoded(&speech().repeat(4)[..1500], settings(78, 10, 0));
        let mut decoder = Decoder::new().unwrap();
        let mut plain = securecall_opus::Decoder::new().unwrap();
        let mut larger =
            |decoder: &mut Decoder, percent| larger_for(decoder, &mut plain, percent, &packets);
        assert_eq!(larger(&mut decoder, 5), 0);
        // It takes some seconds until so much is known to be missing, and until it is known not to be.
        let frames = larger(&mut decoder, 10);
        assert!((1000..1450).contains(&frames), "{frames}");
        assert_eq!(larger(&mut decoder, 6), 1500);
        let frames = larger(&mut decoder, 3);
        assert!((50..500).contains(&frames), "{frames}");
        larger(&mut decoder, 10);
        // Copies end, and loss goes on.
        let packets = encoded(
            &speech().repeat(4)[..1500],
            settings(78, 10, MAX_FRAMES_BACK as u8),
        );
        assert!(!packets.iter().any(|packet| packet::has_fec(packet)));
        let frames = larger_for(&mut decoder, &mut plain, 10, &packets);
        assert!((300..700).contains(&frames), "{frames}");
        // What begins anew is like new.
        decoder.reset().unwrap();
        let (mut ours, mut theirs) = ([0.0; FRAME_SAMPLES], [0.0; FRAME_SAMPLES]);
        plain.reset().unwrap();
        plain.set_complexity(6).unwrap();
        decoder.decode(&packets[0], &mut ours).unwrap();
        plain.decode(&packets[0], &mut theirs).unwrap();
        assert!(ours == theirs);
    }
}
