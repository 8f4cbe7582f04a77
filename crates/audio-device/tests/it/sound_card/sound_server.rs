//! A real sound server, whose sinks are loops: what is played to them is what they capture.
//!
//! ALSA reads its settings from the environment, so that each test runs a second time in a process of its own.

use std::io::{self, BufRead as _, BufReader, Lines};
use std::process::{ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use securecall_audio_device::{
    AudioDevices, AudioSpec, CardFigures, DeviceFault, DeviceWish, ProcessingChoice, TICK_SAMPLES,
    Tick, open_device, open_devices,
};
use securecall_interop::SoundServer;

/// Ticks until a test gives up what it waits for: a minute and a half. What is waited for comes within seconds.
const PATIENCE: u32 = 9_000;

/// Set in the process that has the sound server.
const INSIDE: &str = "SECURECALL_TEST_SOUND_SERVER";

/// What the process with the sound server says.
struct Inside(Lines<BufReader<ChildStdout>>);

impl Inside {
    /// Waits until it says so.
    fn says(&mut self, what: &str) {
        for line in &mut self.0 {
            let line = line.unwrap();
            println!("{line}");
            if line.starts_with(what) {
                return;
            }
        }
        panic!("it never said: {what}");
    }
}

/// Runs this test again with a sound server, and says so; not in the process that has it.
fn outside(
    test: &str,
    sinks: &[&str],
    meanwhile: impl FnOnce(&mut SoundServer, &mut Inside),
) -> bool {
    outside_with(|| SoundServer::start(sinks), test, meanwhile)
}

/// The same with a sound server of its own kind.
fn outside_with(
    start: impl FnOnce() -> io::Result<SoundServer>,
    test: &str,
    meanwhile: impl FnOnce(&mut SoundServer, &mut Inside),
) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let mut server = start().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = format!("sound_card::sound_server::{test}");
    command
        .args(["--exact", &name, "--nocapture"])
        .envs(server.environment())
        .env(INSIDE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut inside = Inside(BufReader::new(child.stdout.take().unwrap()).lines());
    meanwhile(&mut server, &mut inside);
    // Its standard input ends when this is done.
    drop(child.stdin.take());
    for line in inside.0 {
        println!("{}", line.unwrap());
    }
    assert!(child.wait().unwrap().success());
    true
}

fn spec(microphone: &str, speaker: &str) -> AudioSpec {
    AudioSpec {
        microphone: microphone.parse().unwrap(),
        speaker: speaker.parse().unwrap(),
        processing: ProcessingChoice::Off,
    }
}

/// A call that hears itself through the sound server.
struct Loop {
    devices: AudioDevices,
    due: Instant,
    position: usize,
    /// How loud each tick was that was heard.
    heard: Vec<f32>,
    faults: Vec<DeviceFault>,
    notices: Vec<String>,
}

impl Loop {
    #[expect(
        clippy::disallowed_methods,
        reason = "a real sound server has real time"
    )]
    fn open(spec: &AudioSpec) -> Self {
        Self {
            devices: open_devices(spec).unwrap(),
            due: Instant::now(),
            position: 0,
            heard: Vec::new(),
            faults: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// One tick of a call, at its time.
    #[expect(
        clippy::disallowed_methods,
        reason = "a real sound server has real time"
    )]
    fn tick(&mut self, played: &Tick) -> Tick {
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
        self.due += Duration::from_millis(10);
        self.devices.speaker.write(played);
        let mut heard = [9.0; TICK_SAMPLES];
        self.devices.microphone.read(&mut heard);
        self.faults.extend(self.devices.microphone.take_fault());
        self.faults.extend(self.devices.speaker.take_fault());
        self.notices.extend(self.devices.microphone.take_notice());
        self.notices.extend(self.devices.speaker.take_notice());
        heard
    }

    /// Plays a tone for a tick.
    fn tone(&mut self) {
        let played: Tick = std::array::from_fn(|place| {
            let phase = ((self.position + place) % 100) as f32 / 100.0;
            0.5 * (std::f32::consts::TAU * phase).sin()
        });
        self.position += TICK_SAMPLES;
        let heard = self.tick(&played);
        let power: f32 = heard.iter().map(|sample| sample * sample).sum();
        self.heard.push((power / TICK_SAMPLES as f32).sqrt());
    }

    /// Plays a tone until it is true.
    fn tone_until(&mut self, what: &str, mut is_true: impl FnMut(&Self) -> bool) {
        for _ in 0..PATIENCE {
            self.tone();
            if is_true(self) {
                let seconds = self.position as f64 / 48_000.0;
                println!(
                    "{what} after {seconds:.1} s: {:?} {:?}",
                    self.faults, self.notices
                );
                return;
            }
        }
        let heard = self.heard.iter().rev().take(10);
        panic!(
            "{what}: {:?} {:?} {:?}",
            self.faults,
            self.notices,
            heard.collect::<Vec<_>>()
        );
    }

    /// Whether the last tenth of a second was heard.
    fn is_heard(&self) -> bool {
        let last = self.heard.iter().rev().take(10);
        last.clone().count() == 10 && last.copied().all(|level| level > 0.3)
    }

    /// Whether nothing was heard for so many ticks.
    fn is_silent_for(&self, ticks: usize) -> bool {
        self.heard
            .iter()
            .rev()
            .take(ticks)
            .all(|level| *level == 0.0)
    }

    fn figures(&self) -> [CardFigures; 2] {
        let Self { devices, .. } = self;
        [devices.microphone.card(), devices.speaker.card()].map(Option::unwrap)
    }
}

#[test]
fn the_latency_that_is_told_is_the_one_that_a_click_has() {
    if outside(
        "the_latency_that_is_told_is_the_one_that_a_click_has",
        &["loop"],
        |_, _| {},
    ) {
        return;
    }
    let mut call = Loop::open(&spec("default", "default"));
    call.tone_until("it is heard", Loop::is_heard);
    // A server that starts says for a second that it has half a second of sound.
    (0..150).for_each(|_| call.tone());
    let silence = [0.0; TICK_SAMPLES];
    let mut click = silence;
    click[0] = 0.9;
    // How far they differ on a machine with time is in docs/performance.md; on another one, some clicks are lost.
    let agreeing = std::env::var("CLICKS").map_or(3, |clicks| clicks.parse().unwrap());
    let mut agreed = 0;
    for round in 0.. {
        assert!(round < 20 * agreeing, "{agreed} of {round} clicks agree");
        for _ in 0..50 {
            call.tick(&silence);
        }
        call.tick(&click);
        let mut late = None;
        for tick in 1..50 {
            let heard = call.tick(&silence);
            let loudest = heard.iter().position(|sample| sample.abs() > 0.2);
            if let (None, Some(place)) = (late, loudest) {
                // The tick that hears it begins when the one before is written.
                late = Some((tick - 1) as f64 * 10.0 + place as f64 / 48.0);
            }
        }
        let [microphone, speaker] = call.figures();
        let told = microphone.latency_ms.zip(speaker.latency_ms);
        println!(
            "click {round}: {late:?} ms; told {told:.1?} of microphone and speaker; \
             periods {:.1} and {:.1} ms, buffers {} and {} ms, {} and {} glitches",
            microphone.period_ms,
            speaker.period_ms,
            microphone.buffer_ms,
            speaker.buffer_ms,
            microphone.glitches,
            speaker.glitches,
        );
        let is_told = |(late, (microphone, speaker)): (f64, (f64, f64))| {
            (late - microphone - speaker).abs() < 150.0
        };
        agreed += u32::from(late.zip(told).is_some_and(is_told));
        if agreed == agreeing {
            break;
        }
    }
    let [microphone, speaker] = call.figures();
    assert_eq!(
        (microphone.sample_rate, speaker.sample_rate),
        (48_000, 48_000)
    );
}

#[test]
fn a_sound_server_that_dies_is_silence_until_it_is_back() {
    if outside(
        "a_sound_server_that_dies_is_silence_until_it_is_back",
        &["loop"],
        |server, inside| {
            inside.says("it is heard");
            server.stop().unwrap();
            inside.says("the user is told");
            server.restart().unwrap();
        },
    ) {
        return;
    }
    let mut call = Loop::open(&spec("default", "default"));
    call.tone_until("it is heard", Loop::is_heard);
    call.tone_until("it is silent", |call| call.is_silent_for(50));
    call.tone_until("the user is told", |call| !call.faults.is_empty());
    call.tone_until("it is heard again", |call| {
        call.is_heard() && !call.notices.is_empty()
    });
    let is_interrupted = |fault: &DeviceFault| matches!(fault, DeviceFault::Interrupted { .. });
    assert!(!call.faults.is_empty(), "the user is told");
    assert!(call.faults.iter().all(is_interrupted), "{:?}", call.faults);
    let is_back = |notice: &String| notice.ends_with(" works again");
    assert!(call.notices.iter().any(is_back), "{:?}", call.notices);
}

fn unplug_headset(server: &mut SoundServer, inside: &mut Inside) {
    inside.says("it is heard");
    server.unplug("headset").unwrap();
}

#[test]
fn a_card_that_is_unplugged_gives_way_to_the_default_one() {
    if outside(
        "a_card_that_is_unplugged_gives_way_to_the_default_one",
        &["built_in", "headset"],
        unplug_headset,
    ) {
        return;
    }
    let mut call = Loop::open(&spec("card:headset", "card:headset"));
    call.tone_until("it is heard", Loop::is_heard);
    for role in ["microphone", "speaker"] {
        call.tone_until(&format!("the {role} is replaced"), |call| {
            let words = format!("the {role} \"headset\" is gone; ");
            call.notices.iter().any(|it| it.starts_with(&words))
        });
    }
    call.heard.clear();
    call.tone_until("it is heard at the other one", Loop::is_heard);
}

#[test]
fn a_call_goes_on_where_the_sound_server_moves_it() {
    if outside_with(
        || SoundServer::start_rescuing(&["built_in", "headset"]),
        "a_call_goes_on_where_the_sound_server_moves_it",
        unplug_headset,
    ) {
        return;
    }
    let mut call = Loop::open(&spec("card:headset", "card:headset"));
    call.tone_until("it is heard", Loop::is_heard);
    let unplugged = thread::spawn(|| io::copy(&mut io::stdin(), &mut io::sink()));
    call.tone_until("it is unplugged", |_| unplugged.is_finished());
    call.heard.clear();
    call.tone_until("it is heard at the other one", Loop::is_heard);
}

#[test]
fn devices_are_exchanged_in_use_and_sound_goes_on() {
    if outside(
        "devices_are_exchanged_in_use_and_sound_goes_on",
        &["one", "two"],
        |_, _| {},
    ) {
        return;
    }
    let (mut spec, two) = (spec("card:one", "card:one"), spec("card:two", "card:two"));
    let mut call = Loop::open(&spec);
    // Hears the other one all the time, and plays to it, too.
    let mut other = Loop::open(&two);
    call.tone_until("one is heard", Loop::is_heard);
    other.tone_until("two is heard", Loop::is_heard);
    let mut exchange = |call: &mut Loop, wish: DeviceWish| {
        let new = open_device(&spec, &wish).unwrap();
        spec = new.spec().clone();
        call.devices.exchange(new);
        call.heard.clear();
    };
    let both = |call: &mut Loop, other: &mut Loop, ticks| {
        for _ in 0..ticks {
            call.tone();
            other.tone();
        }
    };
    both(&mut call, &mut other, 50);
    exchange(
        &mut call,
        DeviceWish::Microphone("card:two".parse().unwrap()),
    );
    let silent_of_200 = |call: &Loop| {
        let last = call.heard.iter().rev().take(200);
        last.filter(|level| **level < 0.05).count()
    };
    both(&mut call, &mut other, 200);
    // On a machine with time there is none; another one may need some time.
    for _ in 0..PATIENCE / 200 {
        println!("{} of 200 ticks silent", silent_of_200(&call));
        if silent_of_200(&call) < 100 {
            break;
        }
        both(&mut call, &mut other, 200);
    }
    let silent = silent_of_200(&call);
    assert!(silent < 100, "the microphone goes over: {:?}", call.heard);
    // The other one falls silent, so that only what is played here can be heard.
    drop(other);
    exchange(&mut call, DeviceWish::Speaker("card:two".parse().unwrap()));
    call.tone_until("the speaker goes over", |call| {
        call.heard.len() > 100 && call.is_heard()
    });
}
