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
    let (mut frames, mut samples) = (0, [0.0; 480]);
    loop {
        let (count, read) = wav.read(&mut samples);
        read.expect("it is all there");
        assert!(
            samples[..count]
                .iter()
                .all(|sample| (-1.0..=1.0).contains(sample))
        );
        frames += count as u64;
        if count < samples.len() {
            break;
        }
    }
    assert_eq!(frames, header.frames);
});
