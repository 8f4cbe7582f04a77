//! Any bytes as packets, decoded, looked into and restored from, in any order, at any effort.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_media::{Decoder, Effort, FRAME_SAMPLES, MAX_FRAMES_BACK, TICK_SAMPLES};

/// Reads the next byte, zero where there is none.
fn take(data: &mut &[u8]) -> u8 {
    let Some((first, rest)) = data.split_first() else {
        return 0;
    };
    *data = rest;
    *first
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let mut decoder = Decoder::new().expect("opus");
    let (mut frame, mut tick) = ([0.0; FRAME_SAMPLES], [0.0; TICK_SAMPLES]);
    let mut packet: &[u8] = &[];
    while !data.is_empty() {
        match take(&mut data) % 8 {
            0..=2 => {
                let length = usize::from(take(&mut data)).min(data.len());
                (packet, data) = data.split_at(length);
                let _ = decoder.decode(packet, &mut frame);
            }
            3 => {
                let length = usize::from(take(&mut data)).min(data.len());
                (packet, data) = data.split_at(length);
            }
            4 | 5 => {
                let reach = decoder.reaches_back(packet);
                assert!(reach <= MAX_FRAMES_BACK);
                let back = usize::from(take(&mut data));
                let recovered = decoder.recover(packet, back, &mut frame);
                assert!(recovered.is_err() || (1..=reach).contains(&back));
            }
            6 => decoder.conceal(&mut tick).expect("conceals"),
            _ => match take(&mut data) % 4 {
                0 => decoder.set_effort(Effort::Low).expect("effort"),
                1 => decoder.set_effort(Effort::Medium).expect("effort"),
                2 => decoder.set_effort(Effort::High).expect("effort"),
                _ => decoder.reset().expect("reset"),
            },
        }
        assert!(frame.iter().all(|sample| sample.is_finite()));
        assert!(tick.iter().all(|sample| sample.is_finite()));
    }
});
