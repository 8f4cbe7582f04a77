use securecall_opus::{OpusError, Redundancy, packet};

use super::{CodecError, Effort, MAX_FRAMES_BACK, MAX_PACKET_BYTES};
use crate::audio::{FRAME_SAMPLES, TICK_SAMPLES};

/// A voice is one with copies until so many frames in a row had none (5 s): frames that libopus takes for a pause never have one.
const WITHOUT_COPIES: u16 = 250;

/// Decodes, conceals, and restores lost frames from a later one.
#[derive(Debug)]
pub struct Decoder {
    decoder: securecall_opus::Decoder,
    effort: Effort,
    /// So many frames more without a copy, and the voice is one without.
    with_copies_for: u16,
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
            with_copies_for: 0,
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
        self.decoder.set_complexity(if self.with_copies_for > 0 {
            self.effort.decoder_complexity_with_copies()
        } else {
            self.effort.decoder_complexity()
        })
    }

    /// Hears whether this frame of the voice shares its bytes with a copy of an earlier one.
    fn note_copies(&mut self, payload: &[u8]) -> Result<(), OpusError> {
        let before = self.with_copies_for;
        self.with_copies_for = if packet::has_fec(payload) {
            WITHOUT_COPIES
        } else {
            before.saturating_sub(1)
        };
        if (before > 0) == (self.with_copies_for > 0) {
            return Ok(());
        }
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
        let noted = self.note_copies(payload);
        let decoded = noted.and_then(|()| self.decoder.decode(payload, out));
        whole(decoded, out)
    }

    /// How many of the frames before it `payload` can restore, at most [`MAX_FRAMES_BACK`]: 1 by in-band FEC, more by deep
    /// redundancy.
    pub fn reaches_back(&mut self, payload: &[u8]) -> usize {
        self.asked.read(payload);
        self.asked.reach()
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
        let recovered = if frames_back == 1 && self.copies.fec {
            // Nearer to what was said than what DRED has of it.
            self.decoder.decode_fec(later, out)
        } else if (1..=self.copies.dred_frames).contains(&frames_back) {
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
        let concealed = self.decoder.conceal(out);
        whole(concealed, out)
    }

    /// Forgets everything it has decoded, as if newly made.
    ///
    /// # Errors
    ///
    /// [`CodecError::Setup`].
    pub fn reset(&mut self) -> Result<(), CodecError> {
        self.with_copies_for = 0;
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

    fn reach(&self) -> usize {
        self.dred_frames.max(self.fec.into())
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
