//! A WAV file from anywhere: read to its end, and what comes out is sound within full scale, no more than is in the file.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use securecall_audio_device::WavReader;

fuzz_target!(|data: &[u8]| {
    let Ok(mut wav) = WavReader::new(Cursor::new(data)) else {
        return;
    };
    let header = wav.header().clone();
    let bytes = header.frames * header.format.frame_bytes() as u64;
    assert!(header.frames > 0 && header.data_at + bytes <= data.len() as u64);
    let mut frames = 0;
    while let Some(sample) = wav.next_sample().expect("it is all there") {
        assert!((-1.0..=1.0).contains(&sample));
        frames += 1;
    }
    assert_eq!(frames, header.frames);
});
