//! What makes a person notice a call: tones on a sound card, and a notification on the desktop.
//!
//! Neither holds anything up: tones have a thread of their own, the notification a task, and what does not work is a notice or
//! a line in the log, never an error. Nothing of it reaches the peer, a recording or a pipe.

use std::sync::Arc;

use securecall_audio_device::{
    CallTone, OpenError, Speaker, SpeakerSpec, TonePlayer, ToneSource, open_speaker,
};
use securecall_driver::{CallEvent, CallHandle};
use tokio::time::{Duration, sleep, timeout};

use crate::cli::RingTone;

mod notification;
mod sounds;

pub(crate) use notification::Pressed;
use notification::{Kind, Notifications};
use sounds::{Change, Sounds};

/// How often an ending tone is asked whether it is over.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long the end of the program waits for it: a sound server may not answer.
const FINISH_WITHIN: Duration = Duration::from_secs(4);

/// What the settings say about alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AlertSettings {
    pub(crate) ring: RingTone,
    /// Another sound card for the ring tone than the speaker.
    pub(crate) ring_device: Option<String>,
    pub(crate) notifications: bool,
}

type OpenCard = dyn Fn(&SpeakerSpec) -> Result<Box<dyn Speaker>, OpenError> + Send + Sync;

/// The alerts of a run.
pub(crate) struct Alerts {
    settings: AlertSettings,
    /// The sound card that the peer's voice goes to. Files, pipes and silence get no tones.
    speaker: Option<SpeakerSpec>,
    sounds: Sounds,
    open: Arc<OpenCard>,
    playing: Option<(CallTone, TonePlayer)>,
    notifications: Notifications,
}

impl Alerts {
    /// Checks the ring tone's file.
    ///
    /// # Errors
    ///
    /// It cannot be played.
    pub(crate) fn new(settings: AlertSettings, speaker: &SpeakerSpec) -> Result<Self, OpenError> {
        Self::with(settings, speaker, open_speaker)
    }

    fn with(
        settings: AlertSettings,
        speaker: &SpeakerSpec,
        open: impl Fn(&SpeakerSpec) -> Result<Box<dyn Speaker>, OpenError> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        if let RingTone::File(path) = &settings.ring {
            ToneSource::file(path)?;
        }
        Ok(Self {
            notifications: Notifications::new(settings.notifications),
            settings,
            speaker: speaker.is_card().then(|| speaker.clone()),
            sounds: Sounds::default(),
            open: Arc::new(open),
            playing: None,
        })
    }

    /// Follows a call.
    pub(crate) fn follow(&mut self, event: &CallEvent) {
        let change = self.sounds.follow(event);
        match event {
            CallEvent::Incoming {
                call,
                peer,
                tier,
                accepted: false,
                conference,
            } => {
                let kind = Kind::of(*tier, conference.as_ref());
                self.notifications.show(call.handle, peer, kind);
            }
            _ if change != Change::Keep => self.notifications.close(),
            _ => {}
        }
        self.apply(change);
    }

    /// The person has decided about the call that rings: quiet, before anything else is done about it.
    pub(crate) fn decided(&mut self) {
        self.playing.take_if(|(tone, _)| *tone == CallTone::Ring);
        self.notifications.close();
    }

    /// Whether anything may be heard when a call comes in.
    pub(crate) fn may_ring(&self) -> bool {
        self.settings.ring != RingTone::Off
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Keep => {}
            Change::Stop => self.playing = None,
            Change::Play(tone) => self.play(tone),
        }
    }

    fn play(&mut self, tone: CallTone) {
        // The one before gives its sound card back first.
        self.playing = None;
        let Some(card) = self.card(tone) else {
            return;
        };
        let source = match (&self.settings.ring, tone) {
            // A file that has gone meanwhile must not make a call silent.
            (RingTone::File(path), CallTone::Ring) => ToneSource::file(path)
                .inspect_err(|error| tracing::warn!(%error, "the ring tone is ours instead"))
                .unwrap_or_else(|_| ToneSource::synthesised(tone)),
            _ => ToneSource::synthesised(tone),
        };
        let open = Arc::clone(&self.open);
        self.playing = Some((tone, TonePlayer::start(source, move || open(&card))));
    }

    /// Where a tone is heard, if anywhere.
    fn card(&self, tone: CallTone) -> Option<SpeakerSpec> {
        let own = self
            .settings
            .ring_device
            .as_ref()
            .filter(|_| tone == CallTone::Ring);
        match (&self.settings.ring, own) {
            (RingTone::Off, _) => None,
            (_, Some(name)) => Some(SpeakerSpec::Card(name.clone())),
            (_, None) => self.speaker.clone(),
        }
    }

    /// Why a tone is not heard, once.
    pub(crate) fn take_notice(&mut self) -> Option<String> {
        let (tone, player) = self.playing.as_mut()?;
        let outcome = player.poll()?;
        let what = match tone {
            CallTone::Ring => "the ring tone",
            CallTone::Ringback | CallTone::Busy | CallTone::End => "the tone",
        };
        self.playing = None;
        let problem = outcome.err()?;
        Some(format!("{what} cannot be heard: {problem}"))
    }

    /// What the person presses on the notification.
    pub(crate) async fn pressed(&mut self) -> (CallHandle, Pressed) {
        self.notifications.pressed().await
    }

    /// Lets a tone that ends by itself end, and takes the notification away.
    pub(crate) async fn finish(&mut self) {
        self.notifications.finish().await;
        let ending = async {
            while let Some((CallTone::Busy | CallTone::End, _)) = self.playing {
                let _ = self.take_notice();
                sleep(ASK_EVERY).await;
            }
        };
        let _ = timeout(FINISH_WITHIN, ending).await;
        self.playing = None;
    }
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerts").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::sync::mpsc::{self, Receiver, Sender};

    use securecall_audio_device::{Device, Tick};
    use securecall_driver::EndReason;

    use super::sounds::tests::{ended, incoming, ringing};
    use super::*;
    use crate::sample_calls::call;

    /// A sound card that tells when it plays something and when it is closed.
    struct TestCard(SpeakerSpec, Sender<(SpeakerSpec, bool)>, bool);

    impl Device for TestCard {}

    impl Speaker for TestCard {
        fn write(&mut self, samples: &Tick) {
            if !self.2 && samples.iter().any(|sample| sample.abs() > 0.01) {
                self.2 = true;
                let _ = self.1.send((self.0.clone(), true));
            }
        }
    }

    impl Drop for TestCard {
        fn drop(&mut self) {
            let _ = self.1.send((self.0.clone(), false));
        }
    }

    /// Alerts whose cards tell what they do: `true` when sound is heard, `false` when the card is closed.
    fn on_cards(
        settings: AlertSettings,
        speaker: &SpeakerSpec,
    ) -> (Alerts, Receiver<(SpeakerSpec, bool)>) {
        let (sender, heard) = mpsc::channel();
        let sender = Mutex::new(sender);
        let alerts = Alerts::with(settings, speaker, move |card| {
            let sender = sender.lock().unwrap().clone();
            Ok(Box::new(TestCard(card.clone(), sender, false)) as Box<dyn Speaker>)
        });
        (alerts.unwrap(), heard)
    }

    #[test]
    fn a_call_rings_on_the_card_until_the_person_decides() {
        let (mut alerts, heard) = on_cards(AlertSettings::default(), &SpeakerSpec::Default);
        assert!(heard.try_recv().is_err(), "the card is not opened before");
        alerts.follow(&incoming(1));
        assert_eq!(heard.recv().unwrap(), (SpeakerSpec::Default, true));
        alerts.decided();
        assert_eq!(heard.recv().unwrap(), (SpeakerSpec::Default, false));
        assert!(alerts.take_notice().is_none());
    }

    #[test]
    fn the_ring_has_a_card_of_its_own_where_one_is_named_and_the_other_tones_have_not() {
        let settings = AlertSettings {
            ring_device: Some("Loud".to_owned()),
            ..AlertSettings::default()
        };
        let loud = SpeakerSpec::Card("Loud".to_owned());
        let (alerts, _) = on_cards(settings.clone(), &SpeakerSpec::Default);
        assert_eq!(alerts.card(CallTone::Ring), Some(loud.clone()));
        for tone in [CallTone::Ringback, CallTone::Busy, CallTone::End] {
            assert_eq!(alerts.card(tone), Some(SpeakerSpec::Default));
        }
        // With headphones as a recording, the named card still rings, for it is a sound card.
        let (alerts, _) = on_cards(settings, &SpeakerSpec::Null);
        assert_eq!(alerts.card(CallTone::Ring), Some(loud));
        assert_eq!(alerts.card(CallTone::Ringback), None);
    }

    #[test]
    fn files_pipes_and_silence_get_no_tone_and_off_is_off() {
        let recording = PathBuf::from("heard.wav");
        let pipe = PathBuf::from("/tmp/pipe");
        for speaker in [
            SpeakerSpec::Null,
            SpeakerSpec::Stdout,
            SpeakerSpec::Wav(recording),
            SpeakerSpec::Raw(pipe),
        ] {
            let (mut alerts, heard) = on_cards(AlertSettings::default(), &speaker);
            for event in [
                incoming(1),
                ended(1, EndReason::RemoteHangup, true),
                ringing(2),
                ended(2, EndReason::Busy, false),
            ] {
                alerts.follow(&event);
            }
            drop(alerts);
            // The sender is gone, and nothing was ever sent.
            assert_eq!(heard.recv(), Err(mpsc::RecvError), "{speaker}");
        }
        let off = AlertSettings {
            ring: RingTone::Off,
            ring_device: Some("Loud".to_owned()),
            notifications: false,
        };
        let (mut alerts, heard) = on_cards(off, &SpeakerSpec::Default);
        alerts.follow(&incoming(1));
        drop(alerts);
        assert_eq!(heard.recv(), Err(mpsc::RecvError));
    }

    #[test]
    fn a_card_that_cannot_be_opened_is_a_notice() {
        let mut alerts = Alerts::with(AlertSettings::default(), &SpeakerSpec::Default, |_| {
            Err(OpenError::UnknownDevice {
                name: "Loud".to_owned(),
                available: Vec::new(),
            })
        })
        .unwrap();
        alerts.follow(&incoming(1));
        let notice = loop {
            if let Some(notice) = alerts.take_notice() {
                break notice;
            }
            std::thread::yield_now();
        };
        assert!(
            notice.starts_with(
                "the ring tone cannot be heard: this machine has no sound device \"Loud\""
            ),
            "{notice}"
        );
        assert!(alerts.take_notice().is_none(), "once");
    }

    #[test]
    fn a_ring_tone_that_is_no_wav_is_refused_before_anything_rings() {
        let settings = AlertSettings {
            ring: RingTone::File("Cargo.toml".into()),
            ..AlertSettings::default()
        };
        let refused = Alerts::new(settings, &SpeakerSpec::Null).unwrap_err();
        assert!(
            refused.to_string().contains("is not a WAV file"),
            "{refused}"
        );
    }

    #[test]
    fn a_missed_call_does_not_silence_the_one_that_rings() {
        let (mut alerts, heard) = on_cards(AlertSettings::default(), &SpeakerSpec::Default);
        alerts.follow(&incoming(1));
        assert_eq!(heard.recv().unwrap(), (SpeakerSpec::Default, true));
        alerts.follow(&CallEvent::Reconnecting { call: call(2) });
        assert!(alerts.playing.is_some());
    }
}
