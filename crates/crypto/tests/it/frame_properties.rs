use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use securecall_crypto::{BACKWARD_WINDOW, Epoch, FrameError, FrameHeader, MediaSeed, OVERHEAD};

use crate::pair::{epoch_start, frames, sealed, snapshot};

/// What is known of an epoch's frames that were opened.
#[derive(Default)]
struct Expected {
    opened: HashSet<usize>,
    next: usize,
}

impl Expected {
    fn open(&mut self, index: usize) -> Result<(), FrameError> {
        if self.opened.contains(&index) && self.next - index <= BACKWARD_WINDOW as usize {
            return Err(FrameError::Replayed);
        }
        if index + (BACKWARD_WINDOW as usize) < self.next {
            return Err(FrameError::TooOld);
        }
        self.opened.insert(index);
        self.next = self.next.max(index + 1);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_loss_and_repetition_match_the_model(
        order in vec((any::<Index>(), any::<bool>(), any::<Index>()), 1..400),
        count in 1..600_usize,
    ) {
        let (mut sealer, mut opener) = frames();
        let all: Vec<_> = (0..count).map(|_| sealed(&mut sealer, b"payload")).collect();
        let mut expected = Expected::default();
        for (which, forge, byte) in order {
            let index = which.index(count);
            let mut frame = all[index].clone();
            if forge {
                let place = 5 + byte.index(frame.len() - 5);
                frame[place] ^= 0x10;
                let before = snapshot(&opener);
                prop_assert!(opener.open(epoch_start(), &mut frame).is_err());
                prop_assert_eq!(snapshot(&opener), before);
                continue;
            }
            let opened = opener.open(epoch_start(), &mut frame).map(|opened| opened.payload.to_vec());
            prop_assert_eq!(opened, expected.open(index).map(|()| b"payload".to_vec()));
        }
    }

    #[test]
    fn no_truncated_frame_passes(len in 0..200_usize, cut in 1..200_usize) {
        let (mut sealer, mut opener) = frames();
        let mut frame = sealed(&mut sealer, &vec![3; len]);
        let cut = cut.min(len + OVERHEAD);
        frame.truncate(len + OVERHEAD - cut);
        prop_assert!(opener.open(epoch_start(), &mut frame).is_err());
    }

    #[test]
    fn junk_is_refused(mut junk in vec(any::<u8>(), 0..200), shaped in any::<bool>()) {
        let (_, mut opener) = frames();
        if shaped && junk.len() > 5 {
            junk[..3].copy_from_slice(&[0x99, 1, 0]);
        }
        prop_assert!(opener.open(epoch_start(), &mut junk).is_err());
    }

    #[test]
    fn no_two_frames_share_key_and_nonce(lengths in vec(1..200_usize, 1..8)) {
        let (mut sealer, _) = frames();
        let (mut headers, mut streams) = (HashSet::new(), HashSet::new());
        for (number, length) in lengths.into_iter().enumerate() {
            if number > 0 {
                let epoch = Epoch::new(number as u16).unwrap();
                sealer.install_epoch(epoch, MediaSeed::from_bytes([number as u8; 32])).unwrap();
            }
            for _ in 0..length {
                let frame = sealed(&mut sealer, &[0; 32]);
                prop_assert!(headers.insert(frame[..5].to_vec()), "the same nonce twice");
                prop_assert!(streams.insert(frame[5..37].to_vec()), "the same key stream twice");
            }
        }
    }

    #[test]
    fn every_header_comes_back_and_has_one_form(key_id: u64, counter: u64, shift in 0..64) {
        let header = FrameHeader { key_id: key_id >> shift, counter: counter >> (63 - shift) };
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let len = header.encode(&mut bytes);
        prop_assert_eq!(FrameHeader::decode(&bytes[..len]), Ok((header, len)));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in vec(any::<u8>(), 0..20)) {
        if let Ok((header, len)) = FrameHeader::decode(&bytes) {
            let mut again = [0; FrameHeader::MAX_LEN];
            prop_assert_eq!(header.encode(&mut again), len);
            prop_assert_eq!(&again[..len], &bytes[..len]);
        }
    }
}
