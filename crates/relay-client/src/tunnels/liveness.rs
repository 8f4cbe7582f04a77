//! Whether a relay is still there.

use std::pin::pin;
use std::time::Duration;

use quinn::{Connection, FrameStats};
use securecall_relay::TunnelFailureKind;
use tokio::time::{MissedTickBehavior, interval};

use super::relay_connection::kind_of;

/// So often it is looked.
const TICK: Duration = Duration::from_millis(250);
/// An entry that says nothing for so long is dead: it has been sent three packets that it acknowledges.
const ENTRY_SILENCE: Duration = Duration::from_millis(1500);
/// An exit that says nothing for so long behind an entry that does. More than for the entry, so that a dead entry is known as such.
const EXIT_SILENCE: Duration = Duration::from_secs(2);
/// The most STREAM frames that a connection may have brought. A relay says a few hundred bytes in its whole life, and h3 keeps
/// whatever belongs to a frame of HTTP/3 until it is whole: without this, a giant one would fill the memory.
const MAX_STREAM_FRAMES: u64 = 4096;

/// What is known of how long a relay has been silent, counted in ticks: while this machine sleeps, nobody is.
#[derive(Debug, Default)]
struct Silence {
    heard: u64,
    quiet: Duration,
}

impl Silence {
    /// A tick is over, in which the relay could be heard or not.
    fn tick(&mut self, heard: u64, could_be_heard: bool) {
        if heard != self.heard {
            self.heard = heard;
            self.quiet = Duration::ZERO;
        } else if could_be_heard {
            self.quiet += TICK;
        }
    }
}

/// Watches an entry until it is dead. It cannot be heard while this machine has no way to it (`has_way`). `tell_quiet` learns at each
/// tick for how long it has been silent.
pub(super) async fn entry(
    quic: &Connection,
    has_way: impl Fn() -> bool,
    tell_quiet: impl Fn(Duration),
) -> TunnelFailureKind {
    watch(quic, ENTRY_SILENCE, has_way, tell_quiet).await
}

/// Watches an exit until it is dead. It cannot be heard while its entry is not (`entry_carries`).
pub(super) async fn exit(quic: &Connection, entry_carries: impl Fn() -> bool) -> TunnelFailureKind {
    watch(quic, EXIT_SILENCE, entry_carries, |_| {}).await
}

async fn watch(
    quic: &Connection,
    most: Duration,
    could_be_heard: impl Fn() -> bool,
    tell_quiet: impl Fn(Duration),
) -> TunnelFailureKind {
    let mut closed = pin!(quic.closed());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silence = Silence::default();
    loop {
        tokio::select! {
            error = &mut closed => return kind_of(&error),
            _ = ticks.tick() => {}
        }
        let frames = quic.stats().frame_rx;
        silence.tick(frames_of(&frames), could_be_heard());
        tell_quiet(silence.quiet);
        if silence.quiet >= most {
            return TunnelFailureKind::Silent;
        }
        if frames.stream > MAX_STREAM_FRAMES {
            return TunnelFailureKind::Protocol;
        }
    }
}

/// Frames that only the relay can have sent: packets of others are counted, but not opened.
fn frames_of(frames: &FrameStats) -> u64 {
    frames.acks + frames.ping + frames.datagram + frames.stream
}
