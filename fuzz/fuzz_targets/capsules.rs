//! Whatever comes in the stream of a request, cut anywhere: no panic, the same capsules however it is cut, nothing after a refusal,
//! and what is written again is read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_relay::masque::{Capsule, CapsuleError, CapsuleReader, capsule};

fn read(bytes: &[u8], piece: usize) -> (Vec<Capsule>, Option<CapsuleError>) {
    let mut reader = CapsuleReader::default();
    let mut capsules = Vec::new();
    for mut piece in bytes.chunks(piece) {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(capsule)) => capsules.push(capsule),
                Ok(None) => break,
                Err(error) => {
                    let good = [0x12, 1, 2];
                    assert_eq!(reader.read(&mut &good[..]), Err(error));
                    return (capsules, Some(error));
                }
            }
        }
        assert!(piece.is_empty());
    }
    (capsules, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((piece, bytes)) = data.split_first() else {
        return;
    };
    let (capsules, error) = read(bytes, usize::from(*piece).max(1));
    assert_eq!(read(bytes, 1), (capsules.clone(), error));
    let mut again = Vec::new();
    for one in &capsules {
        capsule::write(*one, &mut again);
    }
    assert_eq!(read(&again, 7), (capsules, None));
});
