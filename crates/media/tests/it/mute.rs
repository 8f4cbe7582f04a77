//! Mute: what the frames say, what is heard, and what somebody on the network sees of it.

use std::{ops::Range, time::Duration};

use securecall_media::{MUTED_FRAME, ReceivePipeline, TICK_SAMPLES, Tick};
use securecall_netem::virtual_start;

use crate::{
    simulated_call::{Sender, speech},
    simulated_leg::Envelope,
};

/// What is in a sealed frame before the report.
fn payload(frame: &[u8]) -> &[u8] {
    &frame[5..83]
}

fn ticks(seconds: usize) -> Vec<Tick> {
    let voice = speech(seconds);
    let ticks = voice.chunks_exact(TICK_SAMPLES);
    ticks.map(|tick| tick.try_into().unwrap()).collect()
}

/// Six seconds of voice, muted from the second to the fourth: media time and bytes of every frame.
fn muted_in_the_middle() -> Vec<(u64, Vec<u8>)> {
    sent(&ticks(6), 200..400)
}

/// What a microphone sends that is muted in some of the ticks.
fn sent(voice: &[Tick], muted: Range<usize>) -> Vec<(u64, Vec<u8>)> {
    let mut sender = Sender::new();
    let mut frames = Vec::new();
    for (i, tick) in voice.iter().enumerate() {
        sender.set_muted(muted.contains(&i));
        assert_eq!(sender.is_muted(), muted.contains(&i));
        if let Some(frame) = sender.push(tick).unwrap() {
            assert_eq!(i % 2, 1);
            frames.push((frame.media_time, frame.bytes.to_vec()));
        }
    }
    frames
}

/// What a receiver plays of some frames, with their places, which come 20 ms apart.
fn played(frames: &[(u64, Vec<u8>)]) -> Vec<f32> {
    let mut receiver = ReceivePipeline::new(Envelope::default()).unwrap();
    let start = virtual_start();
    let mut heard = Vec::new();
    let mut frames = frames.iter().peekable();
    let mut tick = [0.0; TICK_SAMPLES];
    for number in 0..620_u32 {
        let now = start + Duration::from_millis(10) * number;
        while let Some((media_time, frame)) =
            frames.next_if(|(media_time, _)| media_time / 480 <= u64::from(number))
        {
            let sequence = media_time / 960;
            let mut frame = frame.clone();
            receiver
                .handle_frame(now, sequence, *media_time as u32, &mut frame)
                .unwrap();
        }
        receiver.playback(now, &mut tick);
        heard.extend_from_slice(&tick);
    }
    heard
}

fn peak(samples: &[f32]) -> f32 {
    samples
        .iter()
        .fold(0.0, |peak, sample| peak.max(sample.abs()))
}

#[test]
fn mute_changes_neither_size_nor_pace_of_frames() {
    let frames = muted_in_the_middle();
    assert_eq!(frames.len(), 300);
    for (i, (media_time, frame)) in frames.iter().enumerate() {
        assert_eq!((*media_time, frame.len()), (i as u64 * 960, 101));
    }
}

#[test]
fn a_muted_frame_says_that_it_is_one_and_nothing_of_the_microphone() {
    for (i, (_, frame)) in muted_in_the_middle().iter().enumerate() {
        // The frame before has the fade in its first half; what the encoder has still to say of it is over in its second.
        let muted = (101..200).contains(&i);
        assert_eq!(payload(frame) == MUTED_FRAME, muted, "frame {i}");
    }
}

#[test]
fn a_fade_at_the_end_of_a_frame_is_said_to_its_end() {
    let frames = sent(&ticks(6), 201..400);
    // The fade is in the second half of frame 100; the encoder has its end to say in the next one.
    for (i, (_, frame)) in frames.iter().enumerate() {
        let muted = (102..200).contains(&i);
        assert_eq!(payload(frame) == MUTED_FRAME, muted, "frame {i}");
    }
}

#[test]
fn what_is_heard_after_a_mute_holds_nothing_from_before_it() {
    let voice = ticks(6);
    let mut other = voice.clone();
    other[..200].rotate_left(100);
    let heard = played(&sent(&voice, 200..400));
    let heard_of_other = played(&sent(&other, 200..400));
    let before = 48_000..2 * 48_000;
    assert_ne!(heard[before.clone()], heard_of_other[before]);
    let after = 3 * 48_000..6 * 48_000;
    assert!(peak(&heard[after.clone()]) > 0.05);
    assert!(heard[after.clone()] == heard_of_other[after]);
}

#[test]
fn nothing_of_a_muted_microphone_is_heard_and_the_voice_comes_and_goes_without_a_click() {
    let heard = played(&muted_in_the_middle());
    let second = |number: usize| &heard[number * 48_000..(number + 1) * 48_000];
    assert!(peak(second(1)) > 0.05 && peak(second(4)) > 0.05);
    // Fade, encoder and jitter buffer take less than 200 ms.
    let silence = &heard[2 * 48_000 + 9_600..4 * 48_000];
    assert_eq!(peak(silence), 0.0);
    let steps = heard[48_000 + 24_000..5 * 48_000].windows(2);
    let voice_steps = second(1).windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let steepest = voice_steps.fold(0.0, f32::max);
    for pair in steps {
        assert!((pair[1] - pair[0]).abs() <= 2.0 * steepest);
    }
}

#[test]
fn lost_frames_of_a_muted_microphone_are_silence_too() {
    let mut frames = muted_in_the_middle();
    // The first muted ones get through, then every second and for a while all are lost, the last one among them.
    let mut numbers = 0..;
    frames.retain(|_| {
        let number = numbers.next().unwrap();
        let every_second = (104..205).contains(&number) && number % 2 == 1;
        let for_a_while = (109..149).contains(&number);
        !every_second && !for_a_while
    });
    let heard = played(&frames);
    assert_eq!(peak(&heard[2 * 48_000 + 9_600..4 * 48_000]), 0.0);
    assert!(peak(&heard[4 * 48_000 + 9_600..5 * 48_000]) > 0.05);
}

#[test]
fn frames_after_a_mute_hold_nothing_from_before_it() {
    let (voice, other) = (ticks(2), ticks(4));
    let after = |before: &[Tick]| {
        let mut sender = Sender::new();
        for tick in before {
            sender.push(tick).unwrap();
        }
        sender.set_muted(true);
        for tick in &other[..50] {
            sender.push(tick).unwrap();
        }
        sender.set_muted(false);
        let mut payloads = Vec::new();
        for tick in &voice[..100] {
            if let Some(frame) = sender.push(tick).unwrap() {
                payloads.push(payload(frame.bytes).to_vec());
            }
        }
        payloads
    };
    assert_eq!(after(&[]), after(&other[100..300]));
}

#[test]
fn the_newest_frame_says_whether_the_peer_is_muted_however_late_and_often_others_come() {
    let frames = muted_in_the_middle();
    let mut receiver = ReceivePipeline::new(Envelope::default()).unwrap();
    let mut told = |index: usize| {
        let (media_time, mut frame) = frames[index].clone();
        receiver
            .handle_frame(virtual_start(), index as u64, media_time as u32, &mut frame)
            .unwrap();
        receiver.peer_is_muted()
    };
    assert!(!told(100));
    // The first muted ones come late, and one from before them later still.
    assert!(told(104) && told(99) && told(105));
    assert!(told(103) && told(101));
    // The first that is not muted any more overtakes the last muted one, which then comes twice.
    assert!(!told(200));
    assert!(!told(199) && !told(199));
    assert!(!told(202) && !told(201));
}

#[test]
fn what_does_not_open_mutes_nobody() {
    let mut receiver = ReceivePipeline::new(Envelope::default()).unwrap();
    let (_, muted) = &muted_in_the_middle()[150];
    for place in [0, 100] {
        let mut forged = muted.clone();
        forged[place] ^= 1;
        assert!(
            receiver
                .handle_frame(virtual_start(), 150, 0, &mut forged)
                .is_err()
        );
        assert!(!receiver.peer_is_muted());
    }
}
