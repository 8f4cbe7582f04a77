//! Packets and copies in any order, at any time, with any number and content, between calls for audio.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use securecall_fuzz::START;
use securecall_media::{JitterBuffer, MUTED_FRAME, TICK_SAMPLES};

/// Reads the next `N` bytes, zeros where there are none.
fn take<const N: usize>(data: &mut &[u8]) -> [u8; N] {
    let mut taken = [0; N];
    let length = N.min(data.len());
    let (head, rest) = data.split_at(length);
    taken[..length].copy_from_slice(head);
    *data = rest;
    taken
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let mut buffer = JitterBuffer::new().expect("opus");
    let mut sequence = u64::from_be_bytes(take(&mut data));
    let mut now = *START;
    let mut tick = [0.0; TICK_SAMPLES];
    while !data.is_empty() {
        let [action] = take(&mut data);
        match action % 8 {
            0..=2 | 7 => {
                let is_copy = action % 8 == 7;
                sequence = sequence.wrapping_add(u64::from(!is_copy));
                let distance = i16::from_be_bytes(take(&mut data));
                // Mostly the next in order; else near, far, or anywhere.
                let distance = match action / 64 {
                    0 | 1 => 0,
                    2 => i64::from(distance) >> 10,
                    _ => i64::from(distance) << (action % 48),
                };
                let number = sequence.wrapping_add_signed(distance);
                let rtp_time = (number as u32)
                    .wrapping_mul(960)
                    .wrapping_add(u32::from(action == 2));
                let [length] = take(&mut data);
                let payload = &data[..data.len().min(usize::from(length))];
                data = &data[payload.len()..];
                let payload = if length == 255 { &MUTED_FRAME } else { payload };
                if is_copy {
                    buffer.insert_copy(number, rtp_time, payload);
                } else {
                    buffer.insert(now, number, rtp_time, payload);
                }
            }
            3..=5 => {
                now += Duration::from_millis(10);
                buffer.playback(now, &mut tick);
                assert!(tick.iter().all(|sample| sample.is_finite()));
            }
            _ => now += Duration::from_micros(u64::from(u32::from_be_bytes(take(&mut data)))),
        }
        assert!(buffer.waiting() <= 64);
    }
});
