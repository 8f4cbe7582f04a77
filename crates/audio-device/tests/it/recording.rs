//! What the speaker writes to files.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use securecall_audio_device::{
    AudioSpec, MicrophoneSpec, OpenError, ProcessingChoice, SpeakerSpec, TICK_SAMPLES, Tick,
    open_devices, open_microphone, open_speaker,
};
use tempfile::TempDir;

use crate::{mkfifo, read, refusal};

/// Ticks whose first sample tells their number.
fn numbered(number: usize) -> Tick {
    let mut tick = [0.25; TICK_SAMPLES];
    tick[0] = number as f32 / 32_768.0;
    tick
}

fn record(path: &Path, ticks: usize) {
    let mut speaker = open_speaker(&SpeakerSpec::Wav(path.to_owned())).unwrap();
    for number in 0..ticks {
        speaker.write(&numbered(number));
    }
    speaker.finish().unwrap();
}

#[test]
fn a_recording_is_a_wav_that_holds_every_sample() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("peer.wav");
    record(&path, 250);
    assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 250 * 480);
    let mut microphone = open_microphone(&MicrophoneSpec::Wav(path)).unwrap();
    for number in 0..250 {
        assert_eq!(read(&mut *microphone, 1), numbered(number));
    }
}

#[test]
fn a_recording_replaces_an_older_one_only_when_the_call_comes_about() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("peer.wav");
    record(&path, 100);
    drop(open_speaker(&SpeakerSpec::Wav(path.clone())).unwrap());
    assert_eq!(
        hound::WavReader::open(&path).unwrap().duration(),
        100 * 480,
        "it is still there"
    );
    record(&path, 3);
    assert_eq!(
        hound::WavReader::open(&path).unwrap().duration(),
        3 * 480,
        "and now replaced"
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), 44 + 3 * 960);
}

#[test]
fn a_new_recording_without_a_sample_is_a_wav_all_the_same() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("peer.wav");
    drop(open_speaker(&SpeakerSpec::Wav(path.clone())).unwrap());
    assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 0);
}

#[test]
fn a_program_that_is_killed_leaves_a_recording_that_plays() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("peer.wav");
    let mut speaker = open_speaker(&SpeakerSpec::Wav(path.clone())).unwrap();
    for number in 0..350 {
        speaker.write(&numbered(number));
    }
    // What a kill leaves is what is in the file now. Another thread writes it, so wait for its third second.
    let pause = mpsc::channel::<()>();
    let mut seconds = 0;
    for _ in 0..1_000 {
        seconds = hound::WavReader::open(&path).map_or(0, |reader| reader.duration() / 48_000);
        if seconds >= 3 {
            break;
        }
        let _ = pause.1.recv_timeout(Duration::from_millis(10));
    }
    assert_eq!(seconds, 3);
    let left = directory.path().join("left.wav");
    fs::copy(&path, &left).unwrap();
    let mut microphone = open_microphone(&MicrophoneSpec::Wav(left)).unwrap();
    assert_eq!(read(&mut *microphone, 1), numbered(0));
    speaker.finish().unwrap();
}

#[test]
fn a_program_that_is_killed_before_the_first_sample_leaves_a_wav() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("peer.wav");
    let speaker = open_speaker(&SpeakerSpec::Wav(path.clone())).unwrap();
    assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 0);
    drop(speaker);
}

#[test]
fn raw_samples_go_to_a_new_file_as_they_are() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("peer.raw");
    let mut speaker = open_speaker(&SpeakerSpec::Raw(path.clone())).unwrap();
    speaker.write(&[0.5; TICK_SAMPLES]);
    speaker.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), [0, 0x40].repeat(TICK_SAMPLES));
}

#[test]
fn a_path_that_cannot_be_written_is_refused_before_the_call() {
    let directory = TempDir::new().unwrap();
    let open = |path: &Path| refusal(open_speaker(&SpeakerSpec::Wav(path.to_owned())));
    let error = open(&directory.path().join("no/such/directory.wav"));
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(
        error.to_string().contains("No such file or directory"),
        "{error}"
    );
    let error = open(directory.path());
    assert!(
        error.to_string().contains("is a directory, but a file"),
        "{error}"
    );
    let pipe = directory.path().join("pipe.wav");
    mkfifo(&pipe);
    assert!(open(&pipe).to_string().contains("is a pipe, but a file"));
}

#[test]
fn a_recording_over_the_microphones_own_file_is_refused_and_the_file_is_kept() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("speech.wav");
    record(&path, 5);
    let link = directory.path().join("other-name.wav");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let error = refusal(open_devices(&AudioSpec {
        microphone: MicrophoneSpec::Wav(path.clone()),
        speaker: SpeakerSpec::Wav(link.clone()),
        processing: ProcessingChoice::Automatic,
    }));
    assert!(
        matches!(&error, OpenError::SameFile { path } if *path == link),
        "{error}"
    );
    assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 5 * 480);
}
