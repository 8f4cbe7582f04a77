//! Our end of such a call: a socket on loopback, the engines of voice, and the page at the other end.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use securecall_interop::Browser;
use securecall_media::{
    LocalCandidate, Profile, Reach, RtpReceivePipeline, RtpVoiceEncoder, StreamId, TICK_SAMPLES,
    Transport, TransportEvent, TransportOutput,
};
use serde_json::{Value, json};
use web_time::Instant;

/// What the page's microphone hears, and ours.
pub(crate) const PAGE_HERTZ: f32 = 440.0;
pub(crate) const OUR_HERTZ: f32 = 1_000.0;
const PAGE: &str = include_str!("page.html");
const TICK: Duration = Duration::from_millis(10);
/// Of a busy machine's.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is judged of what was heard: half a second.
const JUDGED: usize = 24_000;

pub(crate) struct Endpoint {
    pub(crate) transport: Transport,
    pub(crate) receiver: RtpReceivePipeline,
    pub(crate) reports: usize,
    encoder: Option<RtpVoiceEncoder>,
    browser: Browser,
    socket: UdpSocket,
    address: SocketAddr,
    candidate: String,
    next_tick: Instant,
    ticks: usize,
    heard: Vec<f32>,
}

impl Endpoint {
    /// A page, and nothing said between it and us.
    pub(crate) fn new() -> Self {
        let browser = match Browser::start(PAGE, PAGE_HERTZ) {
            Ok(browser) => browser,
            Err(error) => panic!("{error}"),
        };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let stream = StreamId::new("our-stream").unwrap();
        let now = clock();
        let profile = Profile::Matrix { stream };
        let mut transport = Transport::with_profile(now, Reach::ThisMachine, profile).unwrap();
        let local = LocalCandidate::host(address);
        let candidate = transport.add_local_candidate(now, local).unwrap();
        Self {
            transport,
            receiver: RtpReceivePipeline::new().unwrap(),
            reports: 0,
            encoder: None,
            browser,
            socket,
            address,
            candidate,
            next_tick: now,
            ticks: 0,
            heard: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        clock()
    }

    /// Has the page do something while the call goes on; gives what came of it.
    pub(crate) fn ask(&mut self, order: &Value) -> Value {
        self.browser.order(order);
        let mut result = None;
        self.run_until(PATIENCE, "the page does as it is told", |call| {
            result = call.browser.result().unwrap();
            result.is_some()
        });
        result.unwrap()
    }

    pub(crate) fn ask_sdp(&mut self, order: &Value) -> String {
        self.ask(order)["sdp"].as_str().unwrap().to_owned()
    }

    /// Tells the page where we are, as a client does beside its description.
    pub(crate) fn tell_candidates(&mut self) {
        let candidate = self.candidate.clone();
        self.ask(&json!({"candidate": candidate}));
    }

    /// Asks the page what it hears until it is that.
    pub(crate) fn run_until_told(
        &mut self,
        patience: Duration,
        done: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = clock() + patience;
        loop {
            let told = self.ask(&json!({"listen": 300}));
            if done(&told) {
                return told;
            }
            assert!(clock() < end, "the page never said so: {told}");
        }
    }

    pub(crate) fn run_until(
        &mut self,
        patience: Duration,
        what: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        let end = clock() + patience;
        while !done(self) {
            let stats = self.receiver.statistics();
            assert!(clock() < end, "it never came that {what}: {stats:?}");
            self.step();
        }
    }

    pub(crate) fn forget_what_was_heard(&mut self) {
        self.heard.clear();
    }

    /// Whether the last half second is the page's tone, and hardly anything else.
    pub(crate) fn hears_the_page(&mut self) -> bool {
        let Some(last) = self.heard.len().checked_sub(JUDGED) else {
            return false;
        };
        let samples = &self.heard[last..];
        let energy: f32 = samples.iter().map(|it| it * it).sum();
        let (mut sine, mut cosine) = (0.0_f32, 0.0_f32);
        for (i, sample) in samples.iter().enumerate() {
            let angle = std::f32::consts::TAU * (i as f32 * PAGE_HERTZ / 48_000.0).fract();
            sine += sample * angle.sin();
            cosine += sample * angle.cos();
        }
        let tone = 2.0 * (sine * sine + cosine * cosine) / JUDGED as f32;
        // A quarter of full scale is an energy of 0.03 a sample.
        energy / JUDGED as f32 > 0.01 && tone > 0.9 * energy
    }

    fn step(&mut self) {
        self.drain();
        self.socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        let mut buffer = [0; 2_048];
        match self.socket.recv_from(&mut buffer) {
            Ok((length, source)) => {
                let bytes = &buffer[..length];
                self.transport
                    .handle_datagram(clock(), source, self.address, bytes)
                    .unwrap();
            }
            Err(error) => assert!(matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            )),
        }
        self.drain();
        while self.next_tick <= clock() {
            self.next_tick += TICK;
            self.tick();
        }
        self.drain();
    }

    /// 10 ms of the call.
    fn tick(&mut self) {
        let now = clock();
        let mut tick = [0.0; TICK_SAMPLES];
        self.receiver.playback(now, &mut tick);
        self.heard.extend(tick);
        let Some(agreed) = self.transport.agreed_audio() else {
            return;
        };
        let (codec, wishes) = (agreed.codec, agreed.wishes);
        let encoder = self
            .encoder
            .get_or_insert_with(|| RtpVoiceEncoder::new(codec, wishes).unwrap());
        encoder.configure(codec, wishes);
        let first = self.ticks * TICK_SAMPLES;
        self.ticks += 1;
        let microphone = std::array::from_fn(|i| {
            let turn = ((first + i) % 48_000) as f32 * OUR_HERTZ / 48_000.0;
            0.25 * (turn.fract() * std::f32::consts::TAU).sin()
        });
        if let Some(packet) = encoder.push(now, &microphone).unwrap() {
            self.transport.send_packet(now, &packet).unwrap();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.transport.poll_output() {
                TransportOutput::Transmit(datagram) => {
                    // As on any network, it may get nowhere.
                    let _ = self
                        .socket
                        .send_to(&datagram.contents, datagram.destination);
                }
                TransportOutput::Event(TransportEvent::Packet(packet)) => {
                    self.receiver.handle_packet(clock(), &packet);
                }
                TransportOutput::Event(TransportEvent::PeerReport(report)) => {
                    self.reports += 1;
                    if let Some(encoder) = &mut self.encoder {
                        encoder.handle_report(report);
                    }
                }
                TransportOutput::Event(_) => {}
                TransportOutput::Timeout(Some(at)) if at <= clock() => {
                    self.transport.handle_timeout(clock()).unwrap();
                }
                TransportOutput::Timeout(_) => return,
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "Chromium runs by the system's clock"
)]
fn clock() -> Instant {
    Instant::now()
}
