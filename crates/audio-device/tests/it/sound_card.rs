//! The default devices, on machines with and without a sound card.

#[cfg(target_os = "linux")]
mod sound_server;

use securecall_audio_device::{
    Blame, MicrophoneSpec, OpenError, SpeakerSpec, TICK_SAMPLES, open_microphone, open_speaker,
};

fn check(error: &OpenError, role: &str) {
    assert_eq!(error.blame(), Blame::Machine);
    let message = error.to_string();
    assert!(message.contains(role), "{message}");
    assert!(error.help().contains("`null`"));
}

#[test]
fn a_machine_without_a_sound_card_says_so_and_one_with_a_card_works() {
    match open_microphone(&MicrophoneSpec::Default) {
        Ok(mut microphone) => {
            let mut tick = [9.0; TICK_SAMPLES];
            microphone.read(&mut tick);
            assert!(tick.iter().all(|sample| sample.abs() <= 1.0));
        }
        Err(error) => check(&error, "microphone"),
    }
    match open_speaker(&SpeakerSpec::Default) {
        Ok(mut speaker) => speaker.write(&[0.0; TICK_SAMPLES]),
        Err(error) => check(&error, "speaker"),
    }
}
