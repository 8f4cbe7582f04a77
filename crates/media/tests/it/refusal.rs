//! What does not open is counted and changes nothing else.

use securecall_media::{
    OpenError, ReceivePipeline, SealError, SealFrame, SendPipeline, TICK_SAMPLES, VoiceEncoder,
    VoiceReport,
};
use securecall_netem::virtual_start;

use crate::simulated_leg::Envelope;

#[test]
fn a_frame_that_does_not_open_is_refused_and_counted() {
    let now = virtual_start();
    let mut receiver = ReceivePipeline::new(Envelope::default()).unwrap();
    for mut junk in [vec![], vec![0; 20], vec![7; 101], vec![0xA5; 20]] {
        assert_eq!(
            receiver.handle_frame(now, 1, 960, &mut junk),
            Err(OpenError)
        );
    }
    let statistics = receiver.statistics();
    assert_eq!(
        (statistics.frames_received, statistics.frames_refused),
        (0, 4)
    );
    let mut tick = [1.0; TICK_SAMPLES];
    receiver.playback(now, &mut tick);
    assert_eq!(tick, [0.0; TICK_SAMPLES]);
    assert!(!receiver.has_played());
}

#[test]
fn an_authentic_frame_that_is_no_opus_is_malformed() {
    let now = virtual_start();
    let mut receiver = ReceivePipeline::new(Envelope::default()).unwrap();
    assert_eq!(receiver.handle_frame(now, 1, 960, &mut [0xA5; 101]), Ok(()));
    let statistics = receiver.statistics();
    assert_eq!(
        (
            statistics.frames_received,
            statistics.jitter_buffer.frames_malformed
        ),
        (1, 1)
    );
}

#[derive(Debug)]
struct Exhausted;

impl SealFrame for Exhausted {
    fn seal(&mut self, _frame: &mut Vec<u8>) -> Result<(), SealError> {
        Err(SealError)
    }
}

#[test]
fn nothing_leaves_unsealed() {
    let mut encoder = VoiceEncoder::new().unwrap();
    let mut sender = SendPipeline::new(Exhausted);
    assert_eq!(encoder.push(&[0.1; TICK_SAMPLES]), Ok(None));
    let encoded = encoder.push(&[0.1; TICK_SAMPLES]).unwrap().unwrap();
    assert_eq!(sender.seal(encoded, VoiceReport::default()), Err(SealError));
    assert_eq!(sender.frames_sent(), 0);
}

#[test]
fn a_frame_encoded_once_is_sealed_for_each_peer() {
    let mut encoder = VoiceEncoder::new().unwrap();
    let mut peers = [(); 2].map(|()| SendPipeline::new(Envelope::default()));
    // One peer came later, so its seals are others.
    for round in 0..4_u64 {
        encoder.push(&[0.1; TICK_SAMPLES]).unwrap();
        let encoded = encoder.push(&[0.1; TICK_SAMPLES]).unwrap().unwrap();
        let present = if round == 0 { 1 } else { 2 };
        for peer in &mut peers[..present] {
            let sealed = peer.seal(encoded, VoiceReport::default()).unwrap();
            assert_eq!(sealed.media_time, round * 960);
            assert_eq!(
                (&sealed.bytes[5..83], sealed.bytes.len()),
                (encoded.payload, 101)
            );
        }
    }
    assert_eq!(peers.map(|peer| peer.frames_sent()), [4, 3]);
}
