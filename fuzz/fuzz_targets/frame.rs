//! Voice frames: headers of any form, junk, and a changed true frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_crypto::{Direction, FrameHeader, FrameOpener, FrameSealer, MediaSeed};
use securecall_fuzz::START;

fuzz_target!(|data: &[u8]| {
    if let Ok((header, len)) = FrameHeader::decode(data) {
        let mut again = [0; FrameHeader::MAX_LEN];
        assert_eq!(header.encode(&mut again), len);
        assert_eq!(again[..len], data[..len]);
    }
    let direction = Direction::CallerToCallee;
    let mut sealer = FrameSealer::new(direction, MediaSeed::from_bytes([1; 32]));
    let mut opener = FrameOpener::new(direction, MediaSeed::from_bytes([1; 32]));
    let mut junk = data.to_vec();
    assert!(opener.open(*START, &mut junk).is_err());
    assert_eq!(junk, data);

    let mut original = vec![9; 80];
    assert!(sealer.seal_in_place(&mut original).is_ok());
    let mut frame = original.clone();
    for (place, change) in data.iter().enumerate().take(frame.len()) {
        frame[place] ^= change;
    }
    if frame != original {
        assert!(opener.open(*START, &mut frame).is_err());
    }
    assert!(opener.open(*START, &mut original).is_ok());
});
