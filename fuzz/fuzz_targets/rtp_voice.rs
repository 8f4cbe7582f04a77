//! Audio packets of a hostile peer of the profile `Matrix`: any numbers, codecs and payloads, at any time.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use securecall_fuzz::START;
use securecall_media::{Codec, ReceivedPacket, RtpReceivePipeline, TICK_SAMPLES};

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let mut receiver = RtpReceivePipeline::new().expect("opus");
    let (mut now, mut sequence, mut rtp_time) = (*START, 0_u64, 0_u64);
    let mut tick = [0.0; TICK_SAMPLES];
    while let Some(([action, jump, length], rest)) = data.split_first_chunk() {
        data = rest;
        let jump_far = i64::from(*jump as i8) << (action % 56);
        // Mostly the next packet, 20 ms after the last.
        sequence = sequence.wrapping_add_signed(if action & 64 == 0 { 1 } else { jump_far });
        rtp_time = rtp_time.wrapping_add_signed(if action & 128 == 0 { 960 } else { jump_far });
        let payload = data[..data.len().min(usize::from(*length))].to_vec();
        data = &data[payload.len()..];
        let codec = [Codec::Opus, Codec::Opus, Codec::Pcmu, Codec::Pcma][usize::from(action & 3)];
        let packet = ReceivedPacket {
            sequence,
            rtp_time,
            codec,
            payload,
        };
        receiver.handle_packet(now, &packet);
        for _ in 0..(action >> 2) & 7 {
            receiver.playback(now, &mut tick);
            assert!(tick.iter().all(|sample| sample.is_finite()));
            now += Duration::from_millis(10);
        }
    }
});
