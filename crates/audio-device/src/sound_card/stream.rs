//! One cpal stream: its thread, its errors.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use cpal::BufferSize;
use cpal::traits::StreamTrait;

use super::choice::Choice;
use super::format::Format;
use super::quiet_alsa::keep_terminal_clean;
use crate::fault::DeviceFault;

/// Between two attempts to open a card that failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A headset is plugged in again within 30 s, or it is lost.
const MAX_ATTEMPTS: u32 = 60;

/// How long cpal may take to open a stream.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// Says how to open a stream; called on the stream's thread, again after each failure.
pub(super) trait OpenStream: Send + 'static {
    /// Builds a stream and hands the tick's end of its ring over.
    fn open(
        &mut self,
        device: &cpal::Device,
        format: Format,
        on_error: Sender<Message>,
    ) -> Result<cpal::Stream, cpal::Error>;
}

/// What reaches the stream's thread.
pub(super) enum Message {
    /// From cpal's error callback.
    Failed(cpal::Error),
    /// The device is dropped.
    Stop,
}

/// A thread that keeps a stream open until it is dropped.
pub(super) struct StreamThread {
    messages: Sender<Message>,
    faults: Receiver<DeviceFault>,
}

impl StreamThread {
    pub(super) fn start(choice: Choice, opener: impl OpenStream) -> Self {
        let role = choice.role;
        let (messages, inbox) = channel();
        let (fault_sender, faults) = channel();
        let keeper = Keeper {
            choice,
            opener,
            messages: messages.clone(),
            inbox,
            faults: fault_sender.clone(),
        };
        let thread = thread::Builder::new()
            .name(role.name().to_owned())
            .spawn(move || keeper.run());
        if let Err(error) = thread {
            let _ = fault_sender.send(DeviceFault::Lost {
                role: role.name(),
                detail: error.to_string(),
            });
        }
        Self { messages, faults }
    }

    pub(super) fn take_fault(&self) -> Option<DeviceFault> {
        self.faults.try_recv().ok()
    }
}

impl Drop for StreamThread {
    fn drop(&mut self) {
        // The thread closes the stream on its own time: closing may wait for the card.
        let _ = self.messages.send(Message::Stop);
    }
}

struct Keeper<O> {
    choice: Choice,
    opener: O,
    messages: Sender<Message>,
    inbox: Receiver<Message>,
    faults: Sender<DeviceFault>,
}

/// Why a stream is no longer there.
enum Closed {
    Stopped,
    Failed(String),
}

impl<O: OpenStream> Keeper<O> {
    fn run(mut self) {
        keep_terminal_clean();
        let mut attempts = 0;
        let mut reported = false;
        loop {
            let detail = match self.open() {
                Ok(stream) => {
                    attempts = 0;
                    reported = false;
                    match self.hold(&stream) {
                        Closed::Stopped => return,
                        Closed::Failed(detail) => detail,
                    }
                }
                Err(error) => error.to_string(),
            };
            attempts += 1;
            let role = self.choice.role.name();
            if attempts > MAX_ATTEMPTS {
                let _ = self.faults.send(DeviceFault::Lost { role, detail });
                return;
            }
            // Once for each interruption, however many attempts it takes.
            if !reported {
                reported = true;
                let _ = self.faults.send(DeviceFault::Interrupted { role, detail });
            }
            if self.is_stopped_while_waiting() {
                return;
            }
        }
    }

    /// Waits for the next attempt; says whether the device was dropped meanwhile.
    fn is_stopped_while_waiting(&self) -> bool {
        // A stream that fails says so many times: what the last one said must not shorten the pause.
        while let Ok(message) = self.inbox.try_recv() {
            if matches!(message, Message::Stop) {
                return true;
            }
        }
        match self.inbox.recv_timeout(RETRY_AFTER) {
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => true,
            Ok(Message::Failed(_)) | Err(RecvTimeoutError::Timeout) => false,
        }
    }

    fn open(&mut self) -> Result<cpal::Stream, cpal::Error> {
        let host = cpal::default_host();
        let device = self
            .choice
            .device(&host)
            .ok_or_else(|| cpal::Error::new(cpal::ErrorKind::DeviceNotAvailable))?;
        let mut format = Format::choose(&device, self.choice.role)?;
        let stream = match self.opener.open(&device, format, self.messages.clone()) {
            // Some drivers offer periods that they then refuse.
            Err(error) if error.kind() == cpal::ErrorKind::UnsupportedConfig => {
                format.config.buffer_size = BufferSize::Default;
                self.opener.open(&device, format, self.messages.clone())?
            }
            other => other?,
        };
        stream.play()?;
        Ok(stream)
    }

    /// Waits until the stream fails or is no longer needed.
    fn hold(&self, _stream: &cpal::Stream) -> Closed {
        use cpal::ErrorKind::{DeviceChanged, RealtimeDenied, Xrun};
        loop {
            match self.inbox.recv() {
                Ok(Message::Failed(error)) => match error.kind() {
                    DeviceChanged | RealtimeDenied | Xrun => tracing::debug!(%error, "sound card"),
                    _ => return Closed::Failed(error.to_string()),
                },
                Ok(Message::Stop) | Err(_) => return Closed::Stopped,
            }
        }
    }
}

/// The limit for [`cpal::traits::DeviceTrait::build_input_stream`] and its twin.
pub(super) fn open_limit() -> Option<Duration> {
    Some(OPEN_LIMIT)
}

/// Samples to keep in the ring: what the callback handles at once, what a tick handles at once, and a little for both
/// being late.
pub(super) fn target(stream: &cpal::Stream, rate: u32) -> usize {
    let tick = rate as usize / 100;
    let period = stream
        .buffer_size()
        .map_or(2 * tick, |frames| frames as usize);
    tick + period.min(8 * tick) + tick / 2
}
