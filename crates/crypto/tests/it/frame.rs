use std::time::Duration;

use securecall_crypto::{
    AddEpochError, BACKWARD_WINDOW, Direction, Epoch, FORWARD_WINDOW, FrameError, FrameOpener,
    FrameSealer, InstallEpochError, MAX_RECEIVE_EPOCHS, MediaSeed, OLD_EPOCH_LIFETIME, OVERHEAD,
    SealError,
};

use crate::pair::{epoch_start, frames, sealed, snapshot};

fn epoch(number: u16) -> Epoch {
    Epoch::new(number).unwrap()
}

fn seed(number: u8) -> MediaSeed {
    MediaSeed::from_bytes([number; 32])
}

#[test]
fn a_frame_opens_to_what_was_sealed() {
    let (mut sealer, mut opener) = frames();
    for index in 0..300_u64 {
        let payload = [index as u8; 80];
        let mut frame = sealed(&mut sealer, &payload);
        assert_eq!(frame.len(), 101);
        let opened = opener.open(epoch_start(), &mut frame).unwrap();
        assert_eq!(
            (opened.epoch, opened.counter, opened.payload),
            (Epoch::FIRST, 256 + index, &payload[..])
        );
    }
}

#[test]
fn every_frame_of_a_call_has_the_same_size() {
    let (mut sealer, _) = frames();
    for number in 1..60 {
        for _ in 0..500 {
            assert_eq!(sealed(&mut sealer, &[0; 80]).len(), 101);
        }
        sealer.install_epoch(epoch(number), seed(1)).unwrap();
    }
    sealer.install_epoch(Epoch::LAST, seed(1)).unwrap();
    assert_eq!(sealed(&mut sealer, &[0; 80]).len(), 101);
}

#[test]
fn sealing_in_a_slice_and_in_a_vector_give_the_same() {
    let ((mut one, _), (mut other, _)) = (frames(), frames());
    let mut slice = [0; 80 + OVERHEAD];
    slice[5..85].fill(9);
    one.seal(&mut slice).unwrap();
    assert_eq!(sealed(&mut other, &[9; 80]), slice);
    assert_eq!(
        one.seal(&mut [0; OVERHEAD - 1]),
        Err(SealError::BufferTooShort { got: OVERHEAD - 1 })
    );
}

#[test]
fn a_repeated_frame_is_refused() {
    let (mut sealer, mut opener) = frames();
    let mut frame = sealed(&mut sealer, &[1; 80]);
    opener.open(epoch_start(), &mut frame.clone()).unwrap();
    assert_eq!(
        opener.open(epoch_start(), &mut frame).err(),
        Some(FrameError::Replayed)
    );
}

#[test]
fn a_reflected_frame_is_refused() {
    let (mut sealer, _) = frames();
    let mut opener = FrameOpener::new(
        Direction::CalleeToCaller,
        MediaSeed::from_bytes(crate::pair::SEED),
    );
    let mut frame = sealed(&mut sealer, &[1; 80]);
    assert_eq!(
        opener.open(epoch_start(), &mut frame).err(),
        Some(FrameError::OpenFailed)
    );
}

#[test]
fn late_frames_open_within_the_backward_window() {
    let (mut sealer, mut opener) = frames();
    let mut all: Vec<_> = (0..=BACKWARD_WINDOW)
        .map(|_| sealed(&mut sealer, &[1; 80]))
        .collect();
    opener.open(epoch_start(), all.last_mut().unwrap()).unwrap();
    assert_eq!(
        opener.open(epoch_start(), &mut all[0]).err(),
        Some(FrameError::TooOld)
    );
    for frame in &mut all[1..BACKWARD_WINDOW as usize] {
        opener.open(epoch_start(), frame).unwrap();
    }
}

#[test]
fn frames_open_within_the_forward_window_and_not_beyond() {
    let (mut sealer, mut opener) = frames();
    let mut all: Vec<_> = (0..FORWARD_WINDOW + 2)
        .map(|_| sealed(&mut sealer, &[1; 80]))
        .collect();
    let beyond = FORWARD_WINDOW as usize + 1;
    assert_eq!(
        opener.open(epoch_start(), &mut all[beyond]).err(),
        Some(FrameError::TooFarAhead)
    );
    opener.open(epoch_start(), &mut all[beyond - 1]).unwrap();
    opener.open(epoch_start(), &mut all[beyond - 50]).unwrap();
    opener.open(epoch_start(), &mut all[beyond]).unwrap();
}

#[test]
fn a_refused_frame_changes_neither_itself_nor_the_opener() {
    let (mut sealer, mut opener) = frames();
    let mut frame = sealed(&mut sealer, &[1; 80]);
    let far: Vec<_> = (0..200).map(|_| sealed(&mut sealer, &[1; 80])).collect();
    let before = snapshot(&opener);
    for place in 0..frame.len() {
        for original in [&frame, &far[199]] {
            let mut forged = original.clone();
            forged[place] ^= 1;
            let copy = forged.clone();
            assert!(
                opener.open(epoch_start(), &mut forged).is_err(),
                "byte {place}"
            );
            assert_eq!(
                (forged, snapshot(&opener)),
                (copy, before.clone()),
                "byte {place}"
            );
        }
    }
    opener.open(epoch_start(), &mut frame).unwrap();
}

#[test]
fn an_old_epoch_lives_five_seconds_after_the_first_frame_of_the_new_one() {
    let (mut sealer, mut opener) = frames();
    let old: Vec<_> = (0..4).map(|_| sealed(&mut sealer, &[1; 80])).collect();
    opener.add_epoch(epoch(1), seed(1)).unwrap();
    assert_eq!(opener.poll_timeout(), None);
    sealer.install_epoch(epoch(1), seed(1)).unwrap();
    let start = epoch_start();
    opener.open(start, &mut old[0].clone()).unwrap();
    opener
        .open(start, &mut sealed(&mut sealer, &[2; 80]))
        .unwrap();
    let deadline = start + OLD_EPOCH_LIFETIME;
    assert_eq!(opener.poll_timeout(), Some(deadline));
    opener
        .open(deadline - Duration::from_millis(1), &mut old[1].clone())
        .unwrap();
    opener
        .open(
            deadline - Duration::from_millis(1),
            &mut sealed(&mut sealer, &[2; 80]),
        )
        .unwrap();
    assert_eq!(
        opener.poll_timeout(),
        Some(deadline),
        "later frames do not put it off"
    );
    let unknown = FrameError::UnknownEpoch {
        epoch: Epoch::FIRST,
    };
    assert_eq!(
        opener.open(deadline, &mut old[2].clone()).err(),
        Some(unknown),
        "even before the timeout is handled"
    );
    opener.handle_timeout(deadline - Duration::from_millis(1));
    assert_eq!(opener.epochs().count(), 2);
    opener.handle_timeout(deadline);
    assert_eq!(opener.epochs().collect::<Vec<_>>(), [epoch(1)]);
    assert_eq!(opener.poll_timeout(), None);
    assert_eq!(
        opener.open(start, &mut old[3].clone()).err(),
        Some(unknown),
        "the keys are gone"
    );
}

#[test]
fn a_frame_may_be_empty() {
    let (mut sealer, mut opener) = frames();
    let mut frame = sealed(&mut sealer, &[]);
    assert_eq!(frame.len(), OVERHEAD);
    let opened = opener.open(epoch_start(), &mut frame).unwrap();
    assert!(opened.payload.is_empty());
}

#[test]
fn the_last_epoch_is_the_last_that_a_header_can_name() {
    let last = u16::MAX - 256;
    assert_eq!(Epoch::LAST.number(), last);
    assert_eq!(Epoch::new(last), Some(Epoch::LAST));
    assert_eq!(Epoch::new(last + 1), None);
    assert_eq!(Epoch::LAST.to_string(), last.to_string());
}

#[test]
fn a_sealer_never_goes_back_to_an_epoch() {
    let (mut sealer, _) = frames();
    sealer.install_epoch(epoch(5), seed(1)).unwrap();
    for number in [0, 4, 5] {
        let refused = InstallEpochError {
            current: epoch(5),
            got: epoch(number),
        };
        assert_eq!(sealer.install_epoch(epoch(number), seed(1)), Err(refused));
    }
    assert_eq!(sealer.epoch(), epoch(5));
}

#[test]
fn an_opener_never_starts_an_epoch_twice() {
    let (_, mut opener) = frames();
    opener.add_epoch(epoch(2), seed(1)).unwrap();
    for number in [0, 1, 2] {
        let refused = AddEpochError {
            newest: epoch(2),
            got: epoch(number),
        };
        assert_eq!(opener.add_epoch(epoch(number), seed(1)), Err(refused));
    }
}

#[test]
fn an_opener_keeps_a_bounded_number_of_epochs() {
    let (_, mut opener) = frames();
    for number in 1..20 {
        opener.add_epoch(epoch(number), seed(1)).unwrap();
    }
    let expected: Vec<_> = (16..20).map(epoch).collect();
    assert_eq!(
        (expected.len(), opener.epochs().collect::<Vec<_>>()),
        (MAX_RECEIVE_EPOCHS, expected)
    );
}

#[test]
fn a_frame_of_an_epoch_we_do_not_have_yet_is_refused() {
    let (mut sealer, mut opener) = frames();
    sealer.install_epoch(epoch(1), seed(1)).unwrap();
    let mut frame = sealed(&mut sealer, &[1; 80]);
    assert_eq!(
        opener.open(epoch_start(), &mut frame).err(),
        Some(FrameError::UnknownEpoch { epoch: epoch(1) })
    );
    opener.add_epoch(epoch(1), seed(1)).unwrap();
    opener.open(epoch_start(), &mut frame).unwrap();
}

#[test]
fn an_epoch_ends_when_its_headers_are_used_up() {
    let mut sealer = FrameSealer::new(Direction::CallerToCallee, seed(1));
    let mut frame = [0; OVERHEAD];
    for _ in 0..65_280 {
        sealer.seal(&mut frame).unwrap();
    }
    let exhausted = SealError::EpochExhausted {
        epoch: Epoch::FIRST,
    };
    assert_eq!(sealer.seal(&mut frame), Err(exhausted));
    let mut payload = vec![7; 80];
    assert_eq!(sealer.seal_in_place(&mut payload), Err(exhausted));
    assert_eq!(payload, [7; 80]);
    sealer.install_epoch(epoch(1), seed(1)).unwrap();
    sealer.seal(&mut frame).unwrap();
}

#[test]
fn frames_of_another_shape_are_refused() {
    let (_, mut opener) = frames();
    assert_eq!(
        opener.open(epoch_start(), &mut [0x99; 20]).err(),
        Some(FrameError::Truncated { got: 20 })
    );
    for head in [
        [0, 1, 0, 1, 0],
        [0x99, 0, 1, 1, 0],
        [0x99, 1, 0, 0, 9],
        [0x98, 1, 0, 9, 0],
        [0x9a, 1, 0, 1, 0],
    ] {
        let mut frame = [0; 101];
        frame[..5].copy_from_slice(&head);
        assert_eq!(
            opener.open(epoch_start(), &mut frame).err(),
            Some(FrameError::MalformedHeader),
            "{head:02x?}"
        );
    }
}
