//! Calls of one conversation that have voice: what each gets of one microphone, without a network.

use std::time::Duration;

use securecall_audio_device::open_devices;
use securecall_crypto::Epoch;
use securecall_media::{
    Decoder, Effort, FRAME_SAMPLES, FrameSize, MUTED_FRAME, ReceivedFrame, Tick, VoiceEncoder,
};

use super::*;
use crate::event::Event;
use crate::peer_connection::peer_voice::PeerVoice;
use crate::peer_connection::rtp_voice::{RtpVoice, agreed};
use crate::peer_connection::voice::Voice;

/// What a call gets of the microphone, which hears a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    Tone,
    Silence,
    Muted,
}

use Gets::{Muted, Silence, Tone};

/// The task of a conversation, whose time the test is.
struct Conversation {
    world: World,
    task: Task,
    calls: Vec<CallHandle>,
}

impl Conversation {
    /// So many calls, all of them with voice, and nobody proven.
    fn of(calls: usize) -> Self {
        let mut conversation = Self::without_voice();
        conversation.start_audio(conversation.calls[0]);
        (1..calls).for_each(|_| conversation.join());
        conversation
    }

    /// One call.
    fn without_voice() -> Self {
        let mut world = World::new();
        let audio = audio(MicrophoneSpec::Tone(440.0));
        let devices = open_devices(&audio).unwrap();
        let leg = Leg::new(world.call(), world.settings());
        let call = leg.call();
        let task = Task::new(leg, audio, Some(devices), false, LastEffort::default());
        Self {
            world,
            task,
            calls: vec![call],
        }
    }

    fn join(&mut self) {
        let call = self.world.call();
        let handle = call.handle;
        let joining = Joining::new(call, self.world.settings());
        self.task.legs.join(joining);
        self.calls.push(handle);
        self.start_audio(handle);
    }

    fn start_audio(&mut self, call: CallHandle) {
        self.task.carry_out(call, start_audio());
    }

    fn order(&mut self, number: usize, command: MediaCommand) {
        self.task.carry_out(self.calls[number], command);
    }

    fn hold(&mut self, number: usize, held: bool) {
        let offer = false;
        self.order(number, MediaCommand::SetHeld { held, offer });
    }

    fn leg(&mut self, number: usize) -> &mut Leg {
        self.task.legs.get_mut(self.calls[number]).unwrap()
    }

    /// What each call gets that is still there, once the encoder has faded to it.
    fn gets(&mut self) -> Vec<Gets> {
        let silence_too = self.task.legs.needs_silence();
        let hearers = self.task.legs.hearers();
        let legs: Vec<_> = self.task.legs.iter().collect();
        let mut decoders: Vec<_> = legs.iter().map(|_| Decoder::new().unwrap()).collect();
        let mut gets = vec![Silence; legs.len()];
        for round in 0..20 {
            self.task.audio.play(0, &[0.0; TICK_SAMPLES], None);
            let tick = self.task.audio.capture(0, silence_too);
            let captured = tick.unwrap();
            for ((leg, decoder), gets) in legs.iter().zip(&mut decoders).zip(&mut gets) {
                let (samples, frame) = leg.share(hearers, &captured);
                if let Some(frame) = frame {
                    *gets = heard(decoder, frame.payload);
                    let is_silent = samples.iter().all(|sample| *sample == 0.0);
                    let is_settled = round >= 10;
                    assert!(
                        is_silent || !is_settled || *gets != Silence,
                        "samples are as frames are"
                    );
                }
            }
        }
        gets
    }

    /// What is told meanwhile of the kind that is looked for.
    async fn told<T>(&mut self, mut looked_for: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let (_, output) = self.world.outputs.next().await.unwrap();
            if let MediaOutput::Told(event) = output
                && let Some(found) = looked_for(&event)
            {
                return found;
            }
        }
    }
}

fn heard(decoder: &mut Decoder, payload: &[u8]) -> Gets {
    if MUTED_FRAME.starts_with(payload) {
        return Muted;
    }
    let mut samples = [0.0; FRAME_SAMPLES];
    decoder.decode(payload, &mut samples).unwrap();
    match samples.iter().any(|sample| sample.abs() > 0.05) {
        true => Tone,
        false => Silence,
    }
}

#[tokio::test]
async fn each_hears_the_microphone_from_when_it_is_proven_and_not_by_anothers_proof() {
    let mut conversation = Conversation::of(2);
    assert_eq!(conversation.gets(), [Silence, Silence]);
    conversation.order(0, MediaCommand::OpenMicrophone);
    assert_eq!(conversation.gets(), [Tone, Silence]);
    conversation.join();
    assert_eq!(conversation.gets(), [Tone, Silence, Silence]);
    conversation.order(2, MediaCommand::OpenMicrophone);
    assert_eq!(conversation.gets(), [Tone, Silence, Tone]);
    conversation.order(1, MediaCommand::OpenMicrophone);
    assert_eq!(conversation.gets(), [Tone; 3]);
}

#[tokio::test]
async fn the_microphone_is_closed_again_with_the_last_call_that_may_hear_it() {
    for by_close in [false, true] {
        let mut conversation = Conversation::of(2);
        conversation.order(0, MediaCommand::OpenMicrophone);
        assert_eq!(conversation.gets(), [Tone, Silence]);
        match by_close {
            true => conversation.task.close(conversation.calls[0]).await,
            false => conversation.order(0, MediaCommand::StopAudio),
        }
        assert_eq!(conversation.gets().pop(), Some(Silence));
        assert!(!conversation.task.legs.hearers().any);
    }
}

#[tokio::test]
async fn whoever_mutes_is_heard_by_nobody_whichever_call_it_was_said_of() {
    let mut conversation = Conversation::of(2);
    conversation.order(0, MediaCommand::OpenMicrophone);
    conversation.order(1, MediaCommand::OpenMicrophone);
    conversation.order(0, MediaCommand::SetMuted(true));
    assert_eq!(conversation.gets(), [Muted; 2]);
    // Neither by somebody who comes, nor by the call it was said of that goes.
    conversation.join();
    conversation.order(2, MediaCommand::OpenMicrophone);
    assert_eq!(conversation.gets(), [Muted; 3]);
    let first = conversation.calls[0];
    conversation.task.close(first).await;
    assert_eq!(conversation.gets(), [Muted; 2]);
    conversation.order(2, MediaCommand::SetMuted(false));
    assert_eq!(conversation.gets(), [Tone; 2]);
}

#[tokio::test]
async fn a_mute_before_there_is_voice_is_one_from_the_first_frame_on() {
    let mut conversation = Conversation::without_voice();
    conversation.order(0, MediaCommand::SetMuted(true));
    conversation.start_audio(conversation.calls[0]);
    assert_eq!(conversation.gets(), [Muted]);
}

#[tokio::test]
async fn a_call_that_is_held_gets_silence_and_the_others_go_on() {
    let mut conversation = Conversation::of(2);
    conversation.order(0, MediaCommand::OpenMicrophone);
    conversation.order(1, MediaCommand::OpenMicrophone);
    conversation.hold(0, true);
    assert_eq!(conversation.gets(), [Silence, Tone]);
    assert!(!conversation.leg(0).is_heard() && conversation.leg(1).is_heard());
    conversation.hold(1, true);
    assert_eq!(conversation.gets(), [Muted; 2]);
    conversation.hold(0, false);
    assert_eq!(conversation.gets(), [Tone, Silence]);
    assert!(conversation.leg(0).is_heard() && !conversation.leg(1).is_heard());
}

/// A tone of full scale, tick by tick.
fn tone(tick: usize) -> Tick {
    std::array::from_fn(|i| {
        let turns = 440.0 * (tick * TICK_SAMPLES + i) as f64 / 48_000.0;
        (std::f64::consts::TAU * turns.fract()).sin() as f32
    })
}

fn is_loud(tick: &Tick) -> bool {
    tick.iter().any(|sample| sample.abs() > 0.3)
}

/// How many of 100 ticks of the speaker are loud while the peers of these calls say a tone.
fn loud_ticks(conversation: &mut Conversation, talking: &[usize]) -> usize {
    let mut encoder = VoiceEncoder::new().unwrap();
    let direction = Direction::CalleeToCaller;
    let mut peers: Vec<_> = talking
        .iter()
        .map(|number| (*number, Voice::new(direction, seeds(), seeds()).unwrap()))
        .collect();
    let mut now = clock::now();
    let mut loud = 0;
    for number in 0..100 {
        if let Some(encoded) = encoder.push(&tone(number)).unwrap() {
            for (call, peer) in &mut peers {
                let sealed = peer.seal(encoded).unwrap();
                let mut frame = ReceivedFrame {
                    sequence: number as u64 / 2,
                    media_time: sealed.media_time,
                    payload: sealed.bytes.to_vec(),
                };
                let Some(PeerVoice::Sealed(voice)) = conversation.leg(*call).peer.voice_mut()
                else {
                    panic!("sealed");
                };
                voice.handle_frame(now, &mut frame).unwrap();
            }
        }
        let mut heard = [0.0; TICK_SAMPLES];
        let effort = Effort::Low;
        conversation.task.legs.playback(now, effort, &mut heard);
        loud += usize::from(is_loud(&heard));
        now += Duration::from_millis(10);
    }
    loud
}

#[tokio::test]
async fn the_peer_of_a_call_that_is_held_is_not_heard_whatever_it_sends() {
    let mut conversation = Conversation::of(2);
    conversation.hold(0, true);
    assert_eq!(loud_ticks(&mut conversation, &[0]), 0);
    let mut conversation = Conversation::of(2);
    conversation.hold(0, true);
    assert!(loud_ticks(&mut conversation, &[1]) > 80);
}

/// Whether the peer of a call without keys of ours gets what the microphone hears.
fn is_sent(leg: &mut Leg) -> bool {
    let Some(PeerVoice::Rtp(voice)) = leg.peer.voice_mut() else {
        panic!("not sealed");
    };
    let (now, mut decoder) = (clock::now(), Decoder::new().unwrap());
    let mut samples = [0.0; FRAME_SAMPLES];
    for number in 0..40 {
        if let Some(packet) = voice.push(now, &tone(number)) {
            decoder.decode(packet.payload, &mut samples).unwrap();
        }
    }
    samples.iter().any(|sample| sample.abs() > 0.05)
}

#[tokio::test]
async fn a_peer_with_an_encoder_of_its_own_hears_nothing_while_we_are_muted_or_hold_its_call() {
    let mut conversation = Conversation::of(2);
    for number in 0..2 {
        let voice = RtpVoice::new(agreed(Codec::Opus)).unwrap();
        let rtp = PeerVoice::Rtp(Box::new(voice));
        *conversation.leg(number).peer.voice_mut() = Some(rtp);
        conversation.order(number, MediaCommand::OpenMicrophone);
    }
    let sent =
        |conversation: &mut Conversation| [0, 1].map(|number| is_sent(conversation.leg(number)));
    assert_eq!(sent(&mut conversation), [true; 2]);
    conversation.order(0, MediaCommand::SetMuted(true));
    assert_eq!(sent(&mut conversation), [false; 2]);
    conversation.order(1, MediaCommand::SetMuted(false));
    conversation.hold(0, true);
    assert_eq!(sent(&mut conversation), [false, true]);
}

#[tokio::test]
async fn only_a_call_with_voice_and_a_path_has_ticks_begin() {
    let mut conversation = Conversation::without_voice();
    conversation.leg(0).peer.set_path_up(clock::now());
    // The other one has voice and no path.
    conversation.join();
    conversation.task.drain();
    assert!(conversation.task.audio.may_tick(), "none has begun");
    assert!(!conversation.leg(0).may_tick());
    conversation.start_audio(conversation.calls[0]);
    assert!(conversation.leg(0).may_tick());
    conversation.order(0, MediaCommand::StopAudio);
    assert!(!conversation.leg(0).may_tick());
}

#[tokio::test]
async fn microphone_and_speaker_go_on_till_the_last_call_is_over() {
    let mut conversation = Conversation::of(3);
    for number in 0..3 {
        assert!(conversation.task.audio.may_tick());
        conversation.order(number, MediaCommand::StopAudio);
        assert!(!conversation.leg(number).is_heard());
    }
    assert!(!conversation.task.audio.may_tick());
}

#[tokio::test]
async fn devices_speak_in_the_name_of_a_call_that_goes_on() {
    let mut conversation = Conversation::of(2);
    conversation.order(1, MediaCommand::OpenMicrophone);
    conversation.order(0, MediaCommand::StopAudio);
    conversation.gets();
    conversation.task.audio.tell();
    let started = conversation.told(|event| match event {
        Event::AudioStarted { call, .. } => Some(call.handle),
        _ => None,
    });
    let started = started.await;
    assert_eq!(started, conversation.calls[1]);
}

#[tokio::test]
async fn who_speaks_is_told_and_somebody_who_leaves_speaks_no_more() {
    let mut conversation = Conversation::of(2);
    let loud: Tick = std::array::from_fn(|i| if i % 2 == 0 { 0.3 } else { -0.3 });
    (0..20).for_each(|_| conversation.leg(1).listen(&loud));
    for expected in [true, false] {
        let speaks = conversation.told(|event| match event {
            Event::Speaking { call, speaking } => Some((*call, *speaking)),
            _ => None,
        });
        let speaks = speaks.await;
        assert_eq!(speaks, (conversation.calls[1], expected));
        conversation.order(1, MediaCommand::StopAudio);
    }
}

#[tokio::test]
async fn the_volume_is_that_of_one_call() {
    let mut conversation = Conversation::of(2);
    let order = Order {
        call: conversation.calls[1],
        what: What::Volume(0.5),
    };
    conversation.task.take_order(order).await;
    let volumes = [0, 1].map(|number| conversation.leg(number).volume.wanted());
    assert_eq!(volumes, [1.0, 0.5]);
}

#[tokio::test]
async fn a_call_gets_at_its_own_next_epoch_what_the_number_of_calls_leaves() {
    for (calls, size) in [(3, FrameSize::Kbps32), (4, FrameSize::Kbps24)] {
        let mut conversation = Conversation::of(calls);
        let epoch = Epoch::new(1).unwrap();
        let seed = MediaSeed::from_bytes([2; 32]);
        conversation.order(1, MediaCommand::UseSendEpoch { epoch, seed });
        for number in 0..calls {
            let expected = if number == 1 { size } else { FrameSize::Kbps32 };
            let wish = conversation.leg(number).peer.wish().unwrap();
            assert_eq!(wish.size, expected, "{number} of {calls}");
        }
        // One encoder serves all.
        assert_eq!(conversation.task.legs.wish().unwrap().size, size);
        // Whoever is over leaves all to the others.
        conversation.order(0, MediaCommand::StopAudio);
        assert_eq!(conversation.task.legs.shared_size(), FrameSize::Kbps32);
    }
}
