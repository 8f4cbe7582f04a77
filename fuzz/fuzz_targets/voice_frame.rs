//! What an authentic frame of a hostile peer holds: sizes, copies, reports, and what follows from them.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use securecall_fuzz::START;
use securecall_media::{
    FrameSize, NetworkAdaptation, OpenError, OpenFrame, OpenedFrame, ReceivePipeline, TICK_SAMPLES,
};
use web_time::Instant;

/// The first two bytes are epoch and number.
struct Numbered;

impl OpenFrame for Numbered {
    fn open(&mut self, _now: Instant, frame: &mut [u8]) -> Result<OpenedFrame, OpenError> {
        let [epoch, number, ..] = *frame else {
            return Err(OpenError);
        };
        Ok(OpenedFrame {
            payload: 2..frame.len(),
            order: u64::from(epoch) << 32 | u64::from(number),
            epoch: epoch.into(),
        })
    }
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let mut receiver = ReceivePipeline::new(Numbered).expect("opus");
    let mut adaptation = NetworkAdaptation::new();
    let mut now = *START;
    let mut sequence = 0_u64;
    let mut tick = [0.0; TICK_SAMPLES];
    while let Some(([action, jump], rest)) = data.split_first_chunk() {
        data = rest;
        sequence = sequence.wrapping_add_signed(match action / 64 {
            0 | 1 => 1,
            2 => i64::from(*jump as i8),
            _ => i64::from(*jump as i8) << (action % 56),
        });
        now += Duration::from_millis(u64::from(*jump) * u64::from(action & 1));
        // Mostly a size that there is.
        let size = match action % 8 {
            0 => usize::from(*jump),
            it => FrameSize::ALL[usize::from(it) % FrameSize::ALL.len()].bytes() + 2,
        };
        let mut frame = data[..data.len().min(size)].to_vec();
        data = &data[frame.len()..];
        frame.resize(size, 0);
        let rtp_time = (sequence as u32).wrapping_mul(960);
        let before = receiver.peer_report();
        if receiver
            .handle_frame(now, sequence, rtp_time, &mut frame)
            .is_err()
        {
            assert_eq!(receiver.peer_report(), before);
        }
        if let Some(report) = receiver.peer_report() {
            let size = adaptation.wish().size;
            adaptation.handle_report(now, report);
            let wish = adaptation.wish();
            assert!(wish.size == size && wish.expected_loss_percent <= 100);
        }
        if action % 5 == 0 {
            let next = adaptation.next_size();
            assert_eq!(adaptation.begin_epoch(now), next);
        }
        let _ = receiver.report();
        receiver.playback(now, &mut tick);
        assert!(tick.iter().all(|sample| sample.is_finite()));
    }
});
