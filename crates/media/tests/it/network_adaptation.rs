//! Two ends that tell each other how their frames come, on virtual time: what is sent, and what is heard of it.

use std::time::Duration;

use securecall_media::{
    Effort, FrameSize, MUTED_FRAME, NetworkAdaptation, OpenError, ReceivePipeline, SealError,
    SendPipeline, TICK_SAMPLES, Tick, VoiceEncoder, VoiceReport, VoiceWish,
};
use securecall_netem::{Conditions, Link, virtual_start};
use web_time::Instant;

use crate::{
    simulated_call::speech,
    simulated_leg::{EPOCH_TICKS, Envelope, Leg, OVERHEAD, Packet, clean},
};

const MS: Duration = Duration::from_millis(1);

struct End {
    voice: Vec<Tick>,
    encoder: VoiceEncoder,
    leg: Leg,
    /// After each tick.
    history: Vec<Moment>,
}

struct Moment {
    sealed: Option<usize>,
    wish: VoiceWish,
    concealed_ms: f64,
    recovered: u64,
}

impl End {
    fn new(seed: u64, voice: &[f32]) -> Self {
        let ticks = voice.chunks_exact(TICK_SAMPLES);
        Self {
            voice: ticks.map(|tick| tick.try_into().unwrap()).collect(),
            encoder: VoiceEncoder::new().unwrap(),
            leg: Leg::new(seed, Conditions::default()),
            history: Vec::new(),
        }
    }

    fn tick(&mut self, now: Instant, number: usize) {
        let mut heard = [0.0; TICK_SAMPLES];
        self.leg.receive.playback(now, &mut heard);
        self.leg.adapt(&mut self.encoder, now, number);
        let wish = self.leg.wish();
        let voice = &self.voice[number % self.voice.len()];
        let encoded = self.encoder.push(voice).unwrap();
        let sealed = encoded.map(|frame| self.leg.send(now, frame));
        let jitter_buffer = self.leg.receive.statistics().jitter_buffer;
        self.history.push(Moment {
            sealed,
            wish,
            concealed_ms: jitter_buffer.concealed_ms,
            recovered: jitter_buffer.frames_recovered,
        });
    }

    fn hear(&mut self, other: &mut Link<Packet>, now: Instant) {
        while let Some((at, packet)) = other.receive(now) {
            self.leg.take(at, packet);
        }
    }

    /// The size of the frames of each epoch: each has one.
    fn sizes(&self) -> Vec<usize> {
        let epochs = self.history.chunks(EPOCH_TICKS);
        epochs
            .map(|epoch| {
                let mut sizes = epoch.iter().filter_map(|moment| moment.sealed);
                let first = sizes.next().unwrap();
                assert!(sizes.all(|size| size == first));
                first
            })
            .collect()
    }

    /// The share of audio that was made up between two seconds.
    fn concealed(&self, from: usize, to: usize) -> f64 {
        let at = |second: usize| self.history[second * 100 - 1].concealed_ms;
        (at(to) - at(from)) / ((to - from) as f64 * 1_000.0)
    }
}

/// A call in which the first end's frames go through `weather`, and the second's through a good network.
fn call(
    seed: u64,
    voice: &[f32],
    seconds: usize,
    weather: impl Fn(usize) -> Conditions,
) -> [End; 2] {
    let start = virtual_start();
    let mut ends = [seed, seed + 1].map(|seed| End::new(seed, voice));
    let good = Conditions {
        delay: 30 * MS,
        ..Conditions::default()
    };
    for number in 0..seconds * 100 {
        let now = start + 10 * MS * u32::try_from(number).unwrap();
        let [one, other] = &mut ends;
        one.leg.link.set_conditions(weather(number / 100));
        other.leg.link.set_conditions(good);
        one.hear(&mut other.leg.link, now);
        other.hear(&mut one.leg.link, now);
        one.tick(now, number);
        other.tick(now, number);
    }
    ends
}

fn lossy(loss: f64) -> Conditions {
    Conditions { loss, ..clean() }
}

/// Room for frames of this size and no more.
fn room_for(size: FrameSize) -> Conditions {
    let on_wire = size.bytes() + 21 + OVERHEAD;
    Conditions {
        rate: Some(on_wire as u64 * 50),
        ..clean()
    }
}

#[test]
fn on_a_narrow_path_the_voice_is_whole_again_after_the_next_epoch_and_grows_when_it_widens() {
    let weather = |second| match second {
        12..62 => room_for(FrameSize::Kbps24),
        _ => clean(),
    };
    let [one, other] = call(1, &speech(20), 180, weather);
    let sizes = one.sizes();
    // Noticed before the epoch that begins at 20 s.
    assert_eq!(sizes[..2], [101, 101]);
    assert!(sizes[2..6].iter().all(|size| *size <= 81), "{sizes:?}");
    // What waited in the queue is through after two seconds.
    let concealed = other.concealed(22, 60);
    assert!(concealed < 0.02, "{concealed}, {sizes:?}");
    assert_eq!(*sizes.last().unwrap(), 101, "{sizes:?}");
    assert!(other.concealed(70, 180) < 0.005);
    // The other direction has room, and keeps its size.
    assert_eq!(other.sizes(), [101; 18]);
}

#[test]
fn whole_older_frames_beside_make_up_for_what_gets_lost() {
    let [one, other] = call(2, &speech(20), 60, |_| lossy(0.2));
    let sizes = one.sizes();
    assert_eq!(sizes[0], 101);
    assert_eq!(sizes[2..], [180; 4], "{sizes:?}");
    let (before, with) = (other.concealed(5, 10), other.concealed(25, 60));
    // Of frames that get lost by one in five, one in 25 does twice.
    assert!(
        with < 0.5 * before && with < 0.045,
        "{before} before, {with} with"
    );
}

#[test]
fn a_clean_path_has_no_fec_and_the_first_losses_bring_it_back_within_a_second() {
    let weather = |second| lossy(if second < 20 { 0.0 } else { 0.1 });
    let [one, other] = call(3, &speech(20), 40, weather);
    let expected = |tick: usize| one.history[tick].wish.expected_loss_percent;
    assert!(expected(100) > 0);
    assert!((700..2_000).all(|tick| expected(tick) == 0));
    let made_up = |tick: usize| other.history[tick].concealed_ms;
    let first_loss = (2_000..4_000).find(|tick| made_up(*tick) > made_up(1_999));
    assert!((first_loss.unwrap() + 100..4_000).all(|tick| expected(tick) > 0));
    assert!(other.history[3_999].recovered > 30);
}

#[test]
fn what_is_sent_for_the_network_is_the_same_whatever_is_said() {
    let weather = |second| match second / 20 {
        1 => lossy(0.2),
        2 => room_for(FrameSize::Kbps16),
        _ => clean(),
    };
    let other_voice: Vec<f32> = speech(20).into_iter().rev().map(|it| it * 0.3).collect();
    let calls = [speech(20), other_voice, vec![0.0; 48_000]]
        .map(|voice| call(4, &voice, 80, weather).map(|end| end.history));
    let told =
        |end: &Vec<Moment>| -> Vec<_> { end.iter().map(|it| (it.sealed, it.wish)).collect() };
    let [first, rest @ ..] = &calls;
    for call in rest {
        assert_eq!(told(&call[0]), told(&first[0]));
        assert_eq!(told(&call[1]), told(&first[1]));
    }
}

/// A sealed frame of so many bytes inside.
fn frame(envelope: &mut Envelope, bytes: usize) -> Vec<u8> {
    use securecall_media::SealFrame as _;
    let mut frame = vec![0; bytes];
    frame[..MUTED_FRAME.len().min(bytes)]
        .copy_from_slice(&MUTED_FRAME[..MUTED_FRAME.len().min(bytes)]);
    envelope.seal(&mut frame).unwrap();
    frame
}

#[test]
fn frames_of_no_size_or_of_another_than_their_epochs_are_refused_and_change_nothing() {
    let (now, mut envelope) = (virtual_start(), Envelope::default());
    let mut receiver = ReceivePipeline::new(Envelope::default()).unwrap();
    let mut sequence = 0;
    let mut take = |receiver: &mut ReceivePipeline<Envelope>, mut frame: Vec<u8>| {
        sequence += 1;
        receiver.handle_frame(now, sequence, sequence as u32 * 960, &mut frame)
    };
    for bytes in [0, 1, 29, 31, 79, 81, 158, 160, 1_000] {
        let taken = take(&mut receiver, frame(&mut envelope, bytes));
        assert_eq!(taken, Err(OpenError), "{bytes}");
    }
    assert_eq!(receiver.peer_report(), None);
    // The first that is one decides for its epoch.
    assert_eq!(take(&mut receiver, frame(&mut envelope, 60)), Ok(()));
    let before = (receiver.report(), receiver.statistics().jitter_buffer);
    for bytes in [30, 40, 80, 159] {
        assert_eq!(
            take(&mut receiver, frame(&mut envelope, bytes)),
            Err(OpenError)
        );
    }
    let after = (receiver.report(), receiver.statistics().jitter_buffer);
    assert_eq!(before, after);
    assert_eq!(take(&mut receiver, frame(&mut envelope, 60)), Ok(()));
    // The next epoch has a size of its own, and a late frame still that of its epoch.
    let late = frame(&mut envelope, 60);
    envelope.next_epoch();
    assert_eq!(take(&mut receiver, frame(&mut envelope, 159)), Ok(()));
    assert_eq!(
        take(&mut receiver, frame(&mut envelope, 60)),
        Err(OpenError)
    );
    assert_eq!(take(&mut receiver, late), Ok(()));
    let statistics = receiver.statistics();
    assert_eq!(
        (statistics.frames_received, statistics.frames_refused),
        (4, 14)
    );
}

#[test]
fn a_frame_that_is_longer_than_those_of_the_epoch_is_not_sent() {
    let mut encoder = VoiceEncoder::new().unwrap();
    let mut sender = SendPipeline::new(Envelope::default());
    sender.begin_epoch(FrameSize::Kbps24);
    encoder.push(&[0.1; TICK_SAMPLES]).unwrap();
    let encoded = encoder.push(&[0.1; TICK_SAMPLES]).unwrap().unwrap();
    assert_eq!(sender.seal(encoded, VoiceReport::default()), Err(SealError));
    assert_eq!(sender.frames_sent(), 0);
}

#[test]
fn a_voice_fills_frames_of_every_size_whatever_their_bytes_are_spent_on() {
    let voice = speech(4);
    for size in FrameSize::ALL {
        for (expected_loss_percent, dred_frames, effort) in [
            (0, 0, Effort::High),
            (5, 0, Effort::Low),
            (30, 20, Effort::High),
        ] {
            let wish = VoiceWish {
                size,
                expected_loss_percent,
                dred_frames,
            };
            let mut encoder = VoiceEncoder::new().unwrap();
            encoder.configure(wish.settings(effort)).unwrap();
            for tick in voice.chunks_exact(TICK_SAMPLES) {
                if let Some(encoded) = encoder.push(tick.try_into().unwrap()).unwrap() {
                    assert_eq!(encoded.payload.len(), size.opus_bytes());
                }
            }
        }
    }
}

#[test]
fn a_muted_microphone_has_frames_of_every_size_and_tells_reports_all_the_same() {
    let now = virtual_start();
    for size in FrameSize::ALL {
        let mut encoder = VoiceEncoder::new().unwrap();
        let wish = VoiceWish {
            size,
            ..NetworkAdaptation::new().wish()
        };
        encoder.configure(wish.settings(Effort::Medium)).unwrap();
        encoder.set_muted(true);
        let mut sender = SendPipeline::new(Envelope::default());
        sender.begin_epoch(size);
        let mut receiver = ReceivePipeline::new(Envelope::default()).unwrap();
        let report = VoiceReport::new(20, 3.0, 60 * MS);
        for sequence in 0..10_u32 {
            encoder.push(&[0.5; TICK_SAMPLES]).unwrap();
            let encoded = encoder.push(&[0.5; TICK_SAMPLES]).unwrap().unwrap();
            let mut frame = sender.seal(encoded, report).unwrap().bytes.to_vec();
            assert_eq!(frame.len(), size.bytes() + 21);
            let taken = receiver.handle_frame(now, sequence.into(), sequence * 960, &mut frame);
            taken.unwrap();
            assert_eq!(receiver.peer_report(), Some(report));
            assert_eq!(receiver.peer_is_muted(), sequence >= 1, "{size:?}");
        }
        assert_eq!(receiver.statistics().jitter_buffer.frames_malformed, 0);
    }
}

#[test]
fn a_lost_frame_is_played_out_of_the_copy_that_comes_with_a_later_one() {
    let figures = [FrameSize::Kbps32, FrameSize::Kbps32Twice].map(|size| {
        let start = virtual_start();
        let mut sender = SendPipeline::new(Envelope::default());
        sender.begin_epoch(size);
        let mut encoder = VoiceEncoder::new().unwrap();
        let mut receiver = ReceivePipeline::new(Envelope::default()).unwrap();
        for (number, tick) in speech(4).chunks_exact(TICK_SAMPLES).enumerate() {
            let now = start + 10 * MS * number as u32;
            let tick: &Tick = tick.try_into().unwrap();
            if let Some(encoded) = encoder.push(tick).unwrap() {
                let frame = sender.seal(encoded, VoiceReport::default()).unwrap();
                let sequence = frame.media_time / 960;
                let (media_time, mut frame) = (frame.media_time as u32, frame.bytes.to_vec());
                if sequence % 6 != 5 {
                    let taken = receiver.handle_frame(now, sequence, media_time, &mut frame);
                    taken.unwrap();
                }
            }
            receiver.playback(now, &mut [0.0; TICK_SAMPLES]);
        }
        receiver.statistics().jitter_buffer
    });
    let [without, with] = figures;
    // 200 frames, of which 33 do not come.
    assert!(without.frames_decoded <= 167, "{without:?}");
    let heard = with.frames_decoded + with.frames_from_copies;
    assert!(heard >= 195, "{with:?}");
    assert_eq!((with.frames_lost, with.frames_late), (0, 0), "{with:?}");
}

#[test]
fn outages_of_three_frames_that_take_four_now_and_then_cost_no_wait_for_deep_redundancy() {
    let start = virtual_start();
    let voice = speech(20);
    let mut ends = [7, 8].map(|seed| End::new(seed, &voice));
    for number in 0..2_000_usize {
        let now = start + 10 * MS * u32::try_from(number).unwrap();
        let [one, other] = &mut ends;
        // 60 ms of each 600, and a packet more where one lies at either edge: every second time.
        let takes_four = (number / 60).is_multiple_of(2);
        let cut = number * 10 % 600 < if takes_four { 80 } else { 60 };
        for link in [&mut one.leg.link, &mut other.leg.link] {
            link.set_conditions(Conditions {
                cut,
                delay: MS,
                ..Conditions::default()
            });
        }
        one.hear(&mut other.leg.link, now);
        other.hear(&mut one.leg.link, now);
        one.tick(now, number);
        other.tick(now, number);
        let jitter_buffer = one.leg.receive.statistics().jitter_buffer;
        assert!(jitter_buffer.target_delay_ms < 25.0, "{jitter_buffer:?}");
    }
}
