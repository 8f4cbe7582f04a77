//! How hard encoder and decoders work: from what is measured and how late ticks come to each of them.

use std::time::Duration;

use securecall_audio_device::open_devices;
use securecall_media::{
    Codec, Effort, ReceivedFrame, ReceivedPacket, Tick, Transport, VoiceEncoder,
};

use super::*;
use crate::audio_engine::TICK;
use crate::peer_connection::peer_voice::PeerVoice;
use crate::peer_connection::rtp_voice::{RtpVoice, agreed};
use crate::peer_connection::voice::Voice;

const CHROMIUM_AUDIO: &str =
    include_str!("../../../../media/tests/it/transport/browser/chromium_audio.sdp");
const IN_TIME: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_millis(8);

/// The task of a conversation of one call that has no voice yet.
fn begun(world: &mut World, last_effort: &LastEffort) -> (Task, CallHandle) {
    let audio = audio(MicrophoneSpec::Null);
    let devices = open_devices(&audio).unwrap();
    let leg = Leg::new(world.call(), world.settings());
    let call = leg.call();
    let task = Task::new(leg, audio, Some(devices), false, last_effort.clone());
    (task, call)
}

/// A conversation of two calls with voice: a sealed one, and one that the transport alone protects.
struct Conversation {
    task: Task,
    sealed: CallHandle,
    rtp: CallHandle,
}

impl Conversation {
    fn new(last_effort: &LastEffort, measured: Effort) -> Self {
        let mut world = World::new();
        let (mut task, sealed) = begun(&mut world, last_effort);
        let joining = world.call();
        let rtp = joining.handle;
        let joining = Joining::new(joining, world.settings());
        task.legs.join(joining);
        for call in [sealed, rtp] {
            task.carry_out(call, start_audio());
        }
        let voice = RtpVoice::new(agreed(Codec::Opus)).unwrap();
        let leg = task.legs.get_mut(rtp).unwrap();
        *leg.peer.voice_mut() = Some(PeerVoice::Rtp(Box::new(voice)));
        // Whatever this machine can.
        task.audio.voice_effort().set_measured(measured);
        Self { task, sealed, rtp }
    }

    /// So many ticks, each as late as that.
    fn run(&mut self, start: Instant, ticks: u32, late: Duration) {
        self.task.audio.start_ticks(start);
        for number in 0..ticks {
            self.task.handle_timeout(start + TICK * number + late);
        }
    }

    fn complexity(&mut self) -> u8 {
        let encoder = self.task.audio.encoder().unwrap();
        encoder.settings().complexity
    }

    fn voice(&mut self, call: CallHandle) -> &mut PeerVoice {
        let leg = self.task.legs.get_mut(call).unwrap();
        leg.peer.voice_mut().as_mut().unwrap()
    }
}

/// A voice of sorts.
fn buzz(tick: u32) -> Tick {
    std::array::from_fn(|i| {
        let time = (tick as usize * TICK_SAMPLES + i) as f32 / 48_000.0;
        let harmonics = (1..12).map(|harmonic| {
            let turns = (time * 130.0 * harmonic as f32).fract();
            (turns * std::f32::consts::TAU).sin() / harmonic as f32
        });
        0.2 * harmonics.sum::<f32>()
    })
}

/// What is heard of two seconds of the peer, of which three frames in a row are missing each half a second.
fn heard(voice: &mut PeerVoice, start: Instant) -> Vec<f32> {
    let mut encoder = VoiceEncoder::new().unwrap();
    let mut sealing = Voice::new(Direction::CalleeToCaller, seeds(), seeds()).unwrap();
    let mut rtp = RtpVoice::new(agreed(Codec::Opus)).unwrap();
    let mut sound = Vec::new();
    for number in 0..200 {
        let now = start + TICK * number;
        let is_missing = (40..46).contains(&(number % 50));
        match voice {
            PeerVoice::Sealed(voice) => {
                let frame = encoder.push(&buzz(number)).unwrap();
                let frame = frame.map(|frame| sealing.seal(frame).unwrap());
                if let Some(frame) = frame.filter(|_| !is_missing) {
                    let mut frame = ReceivedFrame {
                        sequence: u64::from(number / 2),
                        media_time: frame.media_time,
                        payload: frame.bytes.to_vec(),
                    };
                    voice.handle_frame(now, &mut frame).unwrap();
                }
            }
            PeerVoice::Rtp(voice) => {
                let packet = rtp.push(now, &buzz(number));
                if let Some(packet) = packet.filter(|_| !is_missing) {
                    let packet = ReceivedPacket {
                        sequence: u64::from(number / 2),
                        rtp_time: packet.rtp_time.into(),
                        codec: packet.codec,
                        payload: packet.payload.to_vec(),
                    };
                    assert!(voice.handle_packet(now, &packet));
                }
            }
        }
        let mut tick = [0.0; TICK_SAMPLES];
        voice.playback(now, &mut tick);
        sound.extend_from_slice(&tick);
    }
    sound
}

/// What a peer with an encoder of its own gets.
fn sent(voice: &mut PeerVoice, start: Instant) -> Vec<u8> {
    let PeerVoice::Rtp(voice) = voice else {
        panic!("not sealed");
    };
    let mut sent = Vec::new();
    for number in 0..50 {
        let packet = voice.push(start + TICK * number, &buzz(number));
        sent.extend(
            packet
                .into_iter()
                .flat_map(|packet| packet.payload.to_vec()),
        );
    }
    sent
}

/// What shows how hard each of them works after so many ticks.
#[derive(PartialEq)]
struct Work {
    complexity: u8,
    sealed: Vec<f32>,
    rtp: Vec<f32>,
    sent: Vec<u8>,
}

impl Work {
    fn after(ticks: u32, late: Duration, measured: Effort) -> Self {
        let mut conversation = Conversation::new(&LastEffort::default(), measured);
        let start = clock::now();
        conversation.run(start, ticks, late);
        let [sealed, rtp] = [conversation.sealed, conversation.rtp];
        let after = start + TICK * 300;
        Self {
            complexity: conversation.complexity(),
            sealed: heard(conversation.voice(sealed), after),
            rtp: heard(conversation.voice(rtp), after),
            sent: sent(conversation.voice(rtp), after),
        }
    }

    fn differs_in_all(&self, other: &Self) -> bool {
        self.complexity != other.complexity
            && self.sealed != other.sealed
            && self.rtp != other.rtp
            && self.sent != other.sent
    }
}

#[tokio::test]
async fn ticks_that_come_late_for_two_seconds_have_encoder_and_voices_at_low_effort() {
    // The first of the third second plays with it.
    let in_time = |measured| Work::after(201, IN_TIME, measured);
    let [low, medium, high] = [Effort::Low, Effort::Medium, Effort::High].map(in_time);
    assert_eq!(low.complexity, Effort::Low.encoder_complexity());
    assert_eq!(high.complexity, Effort::High.encoder_complexity());
    assert!(high.differs_in_all(&low) && high.differs_in_all(&medium));
    assert!(medium.differs_in_all(&low));
    assert!(Work::after(201, LATE, Effort::High) == low);
    assert!(Work::after(101, LATE, Effort::High) == medium);
}

#[tokio::test]
async fn what_was_measured_holds_from_the_first_frame_on() {
    let mut conversation = Conversation::new(&LastEffort::default(), Effort::Low);
    assert_eq!(conversation.complexity(), Effort::High.encoder_complexity());
    conversation.run(clock::now(), 1, IN_TIME);
    assert_eq!(conversation.complexity(), Effort::Low.encoder_complexity());
}

#[tokio::test]
async fn a_conversation_begins_with_what_the_last_one_had_come_to() {
    let last_effort = LastEffort::default();
    let begins_with = || {
        let conversation = Conversation::new(&last_effort, Effort::High);
        conversation.task.audio.effort()
    };
    assert_eq!(begins_with(), Effort::High);
    let mut conversation = Conversation::new(&last_effort, Effort::High);
    let without_ticks = Conversation::new(&last_effort, Effort::High);
    conversation.run(clock::now(), 100, LATE);
    conversation.task.finish().await;
    assert_eq!(begins_with(), Effort::Medium);
    // One that had no tick meanwhile knows no better.
    without_ticks.task.finish().await;
    assert_eq!(begins_with(), Effort::Medium);
    // One that goes well does.
    let mut conversation = Conversation::new(&last_effort, Effort::High);
    conversation.run(clock::now(), 3_200, IN_TIME);
    conversation.task.finish().await;
    assert_eq!(begins_with(), Effort::High);
}

fn accept(tier: Tier, sdp: String) -> MediaCommand {
    MediaCommand::AcceptOffer {
        tier,
        sdp,
        route: Route::Direct,
        beside: None,
    }
}

/// Whether this machine is measured for a call with these orders.
fn is_measured(orders: impl IntoIterator<Item = MediaCommand>) -> bool {
    let mut world = World::new();
    let (mut task, call) = begun(&mut world, &LastEffort::default());
    assert!(!task.audio.voice_effort().is_measured());
    for order in orders {
        task.carry_out(call, order);
    }
    task.audio.voice_effort().is_measured()
}

#[tokio::test]
async fn a_machine_is_measured_as_soon_as_it_is_known_that_a_call_has_opus_and_never_for_g711() {
    let now = clock::now();
    // A sealed call has nothing else, and its path takes some time.
    assert!(is_measured([offer(None)]));
    let mut peer = Transport::new(now, Reach::ThisMachine).unwrap();
    let sdp = peer.create_offer(now).unwrap();
    assert!(is_measured([accept(Tier::SecureCall, sdp)]));
    // In a standard Matrix call the descriptions say what there is.
    let to_everybody = MediaCommand::CreateOffer {
        tier: Tier::Matrix,
        route: Route::Direct,
        beside: None,
    };
    assert!(!is_measured([to_everybody]));
    let g711 = CHROMIUM_AUDIO.replace("111 63 9 0 8 13 110 126", "0 8");
    for (sdp, has_opus) in [(CHROMIUM_AUDIO.to_owned(), true), (g711, false)] {
        let accept = accept(Tier::Matrix, sdp);
        let start = MediaCommand::StartAudio {
            protection: Protection::Transport,
        };
        assert_eq!(is_measured([accept, start]), has_opus);
    }
}
