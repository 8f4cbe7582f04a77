//! Microphone and speaker of one call, and the pipelines between them and the transport.

use std::time::Duration;

use securecall_audio_device::{AudioDevices, OpenError};
use securecall_media::{ReceivePipeline, SendPipeline, TICK_SAMPLES, VoiceEncoder};
use securecall_session::{MediaEvent, MediaFailure};
use tokio::task::JoinHandle;
use web_time::Instant;

use super::{LEVELS_TICKS, MUTE_INTERVAL, TICK, Task};
use crate::audio::begin_to_open;
use crate::clock;
use crate::event::{CallStats, Event};
use crate::peer_connection::frames::{Opener, Sealer};

impl Task {
    pub(super) fn start_audio(&mut self, now: Instant, sealer: Sealer, opener: Opener) {
        match (VoiceEncoder::new(), ReceivePipeline::new(opener)) {
            (Ok(encoder), Ok(receive)) => {
                self.encoder = Some(encoder);
                self.send = Some(SendPipeline::new(sealer));
                self.receive = Some(receive);
            }
            (Err(error), _) | (_, Err(error)) => return self.fail_here(error.to_string()),
        }
        match self.devices.take() {
            Some(devices) => self.use_devices(now, devices),
            None => self.opening = Some(begin_to_open(&self.audio)),
        }
    }

    pub(super) fn take_devices(&mut self, opened: Result<AudioDevices, String>) {
        match opened {
            Ok(devices) => self.use_devices(clock::now(), devices),
            Err(why) => self.fail_here(why),
        }
    }

    fn use_devices(&mut self, now: Instant, devices: AudioDevices) {
        let notices = [devices.microphone.notice(), devices.speaker.notice()];
        for notice in notices.into_iter().flatten() {
            self.notice(notice.to_owned());
        }
        self.devices = Some(devices);
        if self.path_up {
            self.start_ticks(now);
        }
    }

    /// Something on this machine makes the call impossible.
    fn fail_here(&self, why: String) {
        self.notice(why);
        self.tell(MediaEvent::Failed {
            reason: MediaFailure::Local,
        });
    }

    /// From now on a tick every 10 ms, and at once the two that make the first frame: the peer waits for it.
    pub(super) fn start_ticks(&mut self, now: Instant) {
        if self.send.is_some() && self.devices.is_some() && self.next_tick.is_none() {
            self.next_tick = Some(now.checked_sub(TICK).unwrap_or(now));
        }
    }

    /// 10 ms for the speaker, 10 ms from the microphone. `late` is how long ago they were due.
    pub(super) fn tick(&mut self, now: Instant, late: Duration) {
        let (Some(devices), Some(encoder), Some(send), Some(receive)) = (
            &mut self.devices,
            &mut self.encoder,
            &mut self.send,
            &mut self.receive,
        ) else {
            return;
        };
        self.ticks += 1;
        receive.opener_mut().handle_timeout(now);
        let due_us = clock::unix_us().saturating_sub(micros(late));
        let mut samples = [0.0; TICK_SAMPLES];
        receive.playback(now, &mut samples);
        devices.speaker.write(&samples);
        self.speaker_at.get_or_insert(due_us);
        if self.microphone_open {
            devices.microphone.read(&mut samples);
            self.microphone_at
                .get_or_insert(due_us.saturating_sub(micros(TICK)));
        } else {
            devices.microphone.discard();
            samples.fill(0.0);
        }
        let faults = [
            devices.microphone.take_fault(),
            devices.speaker.take_fault(),
        ];
        let first_audio = receive.has_played();
        let peer_is_muted = receive.peer_is_muted();

        match encoder.push(&samples) {
            Ok(Some(encoded)) => {
                if let Ok(frame) = send.seal(encoded)
                    && let Some(transport) = &mut self.transport
                    && let Err(error) = transport.send_frame(now, frame.media_time, frame.bytes)
                {
                    self.fail(&error);
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a frame was not encoded"),
        }
        for fault in faults.into_iter().flatten() {
            self.told(Event::Device {
                call: self.call,
                fault,
            });
        }
        if first_audio && !self.first_audio_told {
            self.first_audio_told = true;
            self.tell(MediaEvent::FirstAudioPlayed);
        }
        self.tell_peer_mute(now, peer_is_muted);
        self.tell_audio_started();
        self.tell_levels();
    }

    fn tell_peer_mute(&mut self, now: Instant, muted: bool) {
        let (told, recently) = self.peer_mute.map_or((false, false), |(told, at)| {
            (told, now.saturating_duration_since(at) < MUTE_INTERVAL)
        });
        if muted != told && !recently {
            self.peer_mute = Some((muted, now));
            self.tell(MediaEvent::PeerMuted(muted));
        }
    }

    fn tell_audio_started(&mut self) {
        if self.audio_told {
            return;
        }
        if let (Some(microphone_at_unix_us), Some(speaker_at_unix_us)) =
            (self.microphone_at, self.speaker_at)
        {
            self.audio_told = true;
            self.told(Event::AudioStarted {
                call: self.call,
                microphone_at_unix_us,
                speaker_at_unix_us,
            });
        }
    }

    fn tell_levels(&mut self) {
        if !self.levels || !self.ticks.is_multiple_of(LEVELS_TICKS) {
            return;
        }
        if let (Some(encoder), Some(receive)) = (&self.encoder, &self.receive) {
            let (input, output) = (encoder.level().rms, receive.level().rms);
            self.told(Event::Levels {
                call: self.call,
                input,
                output,
            });
        }
    }

    pub(super) fn tell_stats(&mut self) {
        let (Some(send), Some(receive), Some(transport)) =
            (&self.send, &self.receive, &self.transport)
        else {
            return;
        };
        let received = receive.statistics();
        let buffer = received.jitter_buffer;
        let stats = CallStats {
            rtt_ms: transport.stats().rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            loss: f64::from(buffer.loss),
            jitter_ms: f64::from(buffer.jitter_ms),
            playout_delay_ms: f64::from(buffer.playout_delay_ms),
            frames_sent: send.frames_sent(),
            frames_received: received.frames_received,
            frames_refused: received.frames_refused,
            concealed_ms: buffer.concealed_ms,
        };
        self.told(Event::Stats {
            call: self.call,
            stats,
        });
    }

    /// Closes microphone and speaker; recordings get their headers, which waits for the disk elsewhere.
    pub(super) fn stop_audio(&mut self) {
        self.next_tick = None;
        self.opening = None;
        self.encoder = None;
        self.send = None;
        self.receive = None;
        if let Some(AudioDevices {
            microphone,
            mut speaker,
        }) = self.devices.take()
        {
            drop(microphone);
            self.recording = Some(tokio::task::spawn_blocking(move || speaker.finish().err()));
        }
    }
}

/// Waits for devices that are being opened; for ever where none are.
pub(super) async fn until_opened(
    opening: &mut Option<JoinHandle<Result<AudioDevices, OpenError>>>,
) -> Result<AudioDevices, String> {
    let Some(handle) = opening else {
        return std::future::pending().await;
    };
    let joined = handle.await;
    *opening = None;
    match joined {
        Ok(opened) => opened.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
