//! What a client tells the program that runs it.

use securecall_audio_device::{DeviceFault, OpenError};
use securecall_matrix::ServerError;
use securecall_session::{CallHandle, NamedCall};

use crate::replay_memory::ReplayMemoryError;

/// Something the program, its user, or a script wants to know.
///
/// Events wait until they are read. A reader who is far behind misses [`Stats`](Self::Stats), [`Levels`](Self::Levels) and what
/// devices have to say, and of what changes to and fro (reached or not, muted or not, heard or not) learns the last only. Nothing
/// else is lost; while very much waits, no new calls come in.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are few, and each is moved once or twice on its way"
)]
pub enum Event {
    /// A call placed now will arrive: sync runs, device keys and one-time keys are uploaded.
    Ready,
    /// Something happened to a call.
    Call(securecall_session::Event),
    /// Microphone and speaker run. From these two times and two recordings the delay from mouth to ear follows.
    AudioStarted {
        /// Told once in a call, and once for all that share microphone and speaker.
        call: NamedCall,
        /// When the first sample of the microphone was captured, in microseconds since the Unix epoch.
        microphone_at_unix_us: u64,
        /// When the first sample of the speaker was played, in microseconds since the Unix epoch.
        speaker_at_unix_us: u64,
    },
    /// Relays of GhostNet carry the call, or others do.
    Carried {
        /// Being connected, or connected.
        call: NamedCall,
        /// Who runs the entry, which sees us, and not whom we talk to.
        entry: String,
        /// Who runs the exit, which sees whom we talk to, and not us.
        exit: String,
    },
    /// How a connected call is doing; once a second.
    Stats {
        /// Connected.
        call: NamedCall,
        /// Counted from the call's beginning, where they are counts.
        stats: CallStats,
    },
    /// How loud both sides are; ten times a second, where the configuration asks for it.
    Levels {
        /// Its audio runs.
        call: CallHandle,
        /// Our microphone, RMS, 0 to 1.
        input: f32,
        /// The peer's voice, RMS, 0 to 1.
        output: f32,
    },
    /// Somebody begins to speak, or ends: by what is heard of them, whatever they say of it. Pauses between words count as speaking.
    Speaking {
        /// Its audio runs.
        call: CallHandle,
        /// Whether the peer speaks now.
        speaking: bool,
    },
    /// A microphone or a speaker failed. The call goes on.
    Device {
        /// The one that uses the device.
        call: CallHandle,
        /// Which device or file it is, and what becomes of it.
        fault: DeviceFault,
    },
    /// A microphone or a speaker that was asked for in a call cannot be used. The one before goes on.
    DeviceRefused {
        /// The one that it was asked for.
        call: CallHandle,
        /// Which one it is, why, and who can mend it.
        error: OpenError,
    },
    /// What the user should know about a device, once.
    Notice {
        /// The one that uses the device.
        call: CallHandle,
        /// A sentence for the user.
        text: String,
    },
    /// The homeserver sent our kind of message in plain text: refused. Told at most once a minute.
    PlainTextRefused,
    /// Nothing comes in: the homeserver cannot be reached, or the account's store fails. Sync goes on trying.
    Offline(ServerError),
    /// It works again.
    Online,
    /// The memory of taken invites cannot be written, and so nothing rings: what arrives is missed. Told once, until it can be written again.
    ReplayMemoryFailed(ReplayMemoryError),
    /// A warning: the account is signed out, and nothing more will come from the homeserver. Calls that are connected go
    /// on and can be hung up; nothing is ended because of it. A new call needs another login.
    SessionEnded,
    /// The operating system gives no random numbers any more, and nothing is sealed with weaker ones: the client has ended at
    /// once, and its calls with it. The last event.
    NoRandomness(std::io::Error),
}

/// How a connected call is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallStats {
    /// Round-trip time of the path, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Recent share of the peer's frames that did not come, not even late: 0 to 1. Whether they were restored does not count.
    pub loss: f64,
    /// Spread of the arrival times, in milliseconds.
    pub jitter_ms: f64,
    /// How long a frame waits in the jitter buffer, in milliseconds.
    pub playout_delay_ms: f64,
    /// Sealed frames sent.
    pub frames_sent: u64,
    /// Frames of the peer opened.
    pub frames_received: u64,
    /// Frames refused: forged, repeated, too old, or of another size than their epoch has.
    pub frames_refused: u64,
    /// Audio made up because a frame was missing, in milliseconds.
    pub concealed_ms: f64,
    /// How much later than the mouth the sound card's microphone is, in milliseconds; none where it is no sound card.
    pub microphone_ms: Option<f64>,
    /// How much later the ear hears what is given to the sound card, in milliseconds.
    pub speaker_ms: Option<f64>,
    /// What a second of our frames holds inside their seals, in bits: one figure for a whole epoch.
    pub bit_rate: u32,
    /// The share of our frames of the last two seconds that did not come, by the peer's word: 0 to 0.63, which stands for more, too.
    /// Nothing until it has said so.
    pub peer_loss: Option<f64>,
}
