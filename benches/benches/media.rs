//! What the voice pipelines cost: per frame of 20 ms, one direction each.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods
)]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use securecall_media::{
    Mixer, OpenError, OpenFrame, OpenedFrame, ReceivePipeline, SealError, SealFrame, SendPipeline,
    Speaking, TICK_SAMPLES, Tick, VoiceEncoder, VoiceReport, Volume,
};
use web_time::Instant;

/// Leaves frames as they are: the frame cipher has benches of its own.
struct Plain;

impl SealFrame for Plain {
    fn seal(&mut self, _frame: &mut Vec<u8>) -> Result<(), SealError> {
        Ok(())
    }
}

impl OpenFrame for Plain {
    fn open(&mut self, _now: Instant, frame: &mut [u8]) -> Result<OpenedFrame, OpenError> {
        Ok(OpenedFrame {
            payload: 0..frame.len(),
            order: 0,
            epoch: 0,
        })
    }
}

/// Two seconds of something like a voice: harmonics of 130 Hz that swell and fade.
fn voice() -> Vec<Tick> {
    (0..200)
        .map(|tick| {
            std::array::from_fn(|i| {
                let t = (tick * TICK_SAMPLES + i) as f32 / 48_000.0 * std::f32::consts::TAU;
                let envelope = 0.1 + 0.1 * (t * 3.0).sin();
                (1..12)
                    .map(|h| (t * 130.0 * h as f32).sin() / h as f32)
                    .sum::<f32>()
                    * envelope
            })
        })
        .collect()
}

fn frames() -> Vec<Vec<u8>> {
    let mut encoder = VoiceEncoder::new().expect("opus");
    let mut sender = SendPipeline::new(Plain);
    voice()
        .iter()
        .filter_map(|tick| {
            let encoded = encoder.push(tick).expect("encodes")?;
            let frame = sender.seal(encoded, VoiceReport::default()).expect("seals");
            Some(frame.bytes.to_vec())
        })
        .collect()
}

fn send(criterion: &mut Criterion) {
    let voice = voice();
    let mut encoder = VoiceEncoder::new().expect("opus");
    let mut sender = SendPipeline::new(Plain);
    let mut pairs = voice.chunks_exact(2).cycle();
    criterion.bench_function("media/send one frame", |bencher| {
        bencher.iter(|| {
            let pair = pairs.next().expect("without end");
            let first = encoder.push(&pair[0]).expect("encodes").is_some();
            assert!(!first);
            let encoded = encoder.push(&pair[1]).expect("encodes");
            black_box(encoded.map(|frame| {
                sender
                    .seal(frame, VoiceReport::default())
                    .expect("seals")
                    .bytes
                    .len()
            }))
        });
    });
}

fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("media/receive one frame");
    for (name, lost_of_ten) in [("nothing lost", 0), ("one in ten lost", 1)] {
        let frames = frames();
        let mut receiver = ReceivePipeline::new(Plain).expect("opus");
        let mut now = Instant::now();
        let mut sequence = 0_u64;
        let mut tick = [0.0; TICK_SAMPLES];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                sequence += 1;
                if sequence % 10 >= lost_of_ten {
                    let mut frame = frames[sequence as usize % frames.len()].clone();
                    let rtp_time = (sequence as u32).wrapping_mul(960);
                    receiver
                        .handle_frame(now, sequence, rtp_time, &mut frame)
                        .expect("opens");
                }
                for _ in 0..2 {
                    now += Duration::from_millis(10);
                    receiver.playback(now, &mut tick);
                }
                black_box(tick[0])
            });
        });
    }
    group.finish();
}

/// What a tick of 10 ms costs beside the pipelines of the peers.
fn mix(criterion: &mut Criterion) {
    let voice = voice();
    let mut group = criterion.benchmark_group("media/mix one tick");
    for (name, members, gain) in [
        ("of one", 1, 1.0),
        ("of seven", 7, 0.3),
        ("of seven at full scale", 7, 4.0),
    ] {
        let loud: Vec<Tick> = voice.iter().map(|it| it.map(|it| it * gain)).collect();
        let (mut mixer, mut volumes) = (Mixer::new(), vec![Volume::new(); members]);
        let mut speaking: Vec<_> = volumes.iter().map(|_| Speaking::new()).collect();
        let (mut number, mut out) = (0, [0.0; TICK_SAMPLES]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                number += 1;
                for (member, (volume, speaking)) in
                    volumes.iter_mut().zip(&mut speaking).enumerate()
                {
                    let tick = &loud[(number + 17 * member) % loud.len()];
                    black_box(speaking.hear(tick));
                    mixer.add(tick, volume);
                }
                mixer.mix(&mut out);
                black_box(out[0])
            });
        });
    }
    group.finish();
}

criterion_group!(benches, send, receive, mix);
criterion_main!(benches);
