//! When the voice is processed.

use securecall_audio_device::{
    AudioSpec, MicrophoneSpec, ProcessingChoice, SpeakerSpec, open_devices,
};

use crate::read;

/// Loudness (RMS) of the last second of five, of a steady tone.
fn tone_level(processing: ProcessingChoice) -> f64 {
    let spec = AudioSpec {
        microphone: MicrophoneSpec::Tone(440.0),
        speaker: SpeakerSpec::Null,
        processing,
    };
    let mut devices = open_devices(&spec).unwrap();
    let samples = read(&mut *devices.microphone, 500);
    let last = &samples[samples.len() - 48_000..];
    (last
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum::<f64>()
        / last.len() as f64)
        .sqrt()
}

#[test]
fn a_tone_is_left_alone_unless_processing_is_forced() {
    let untouched = 0.25 / 2.0_f64.sqrt();
    for choice in [ProcessingChoice::Automatic, ProcessingChoice::Off] {
        let level = tone_level(choice);
        assert!((level - untouched).abs() < 1e-4, "{choice:?}: {level}");
    }
    let level = tone_level(ProcessingChoice::On);
    assert!(
        (level - untouched).abs() > 0.01,
        "noise suppression and gain control change it: {level}"
    );
}

#[test]
fn only_on_and_off_can_be_given() {
    assert_eq!("on".parse(), Ok(ProcessingChoice::On));
    assert_eq!("off".parse(), Ok(ProcessingChoice::Off));
    let error = "maybe".parse::<ProcessingChoice>().unwrap_err();
    assert_eq!(error.to_string(), "\"maybe\" is neither `on` nor `off`");
}
