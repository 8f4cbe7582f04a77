//! Raw PCM through real named pipes: nobody at the other end, stalls, and partners that come and go.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use securecall_audio_device::{
    MicrophoneSpec, SpeakerSpec, TICK_SAMPLES, Tick, open_microphone, open_speaker,
};
use tempfile::TempDir;

use crate::{mkfifo, read, refusal};

const TICK: Tick = [0.5; TICK_SAMPLES];

fn pipe() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("voice");
    mkfifo(&path);
    (directory, path)
}

/// Opens the writing end; a reader must be there.
fn writer(path: &PathBuf) -> File {
    OpenOptions::new().write(true).open(path).unwrap()
}

/// Opens the reading end without waiting for a writer.
fn reader(path: &PathBuf) -> File {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .unwrap()
}

/// Everything that is in the pipe.
fn drain(reader: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = reader.read_to_end(&mut bytes);
    bytes
}

/// Waits until the other end of this one is closed everywhere. A program that another test starts at this moment
/// holds a copy of every open file until it has become that program.
fn wait_for_end(end: &File, event: PollFlags) {
    let mut ends = [PollFd::new(end, PollFlags::empty())];
    let patience = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut ends, Some(&patience)), Ok(1));
    assert_eq!(ends[0].revents(), event);
}

fn ticks_of(value: i16, ticks: usize) -> Vec<u8> {
    value.to_le_bytes().repeat(ticks * TICK_SAMPLES)
}

#[test]
fn a_microphone_without_a_writer_is_silence() {
    let (_directory, path) = pipe();
    let mut microphone = open_microphone(&MicrophoneSpec::Raw(path)).unwrap();
    microphone.discard();
    assert!(
        read(&mut *microphone, 10)
            .iter()
            .all(|sample| *sample == 0.0)
    );
    assert!(microphone.take_fault().is_none());
}

#[test]
fn a_writer_that_stalls_is_silence_and_is_heard_again_afterwards() {
    let (_directory, path) = pipe();
    let mut microphone = open_microphone(&MicrophoneSpec::Raw(path.clone())).unwrap();
    let mut writer = writer(&path);
    writer.write_all(&ticks_of(16_384, 2)).unwrap();
    let samples = read(&mut *microphone, 100);
    assert!(samples[..960].iter().all(|sample| *sample == 0.5));
    assert!(samples[960..].iter().all(|sample| *sample == 0.0));
    writer.write_all(&ticks_of(-16_384, 2)).unwrap();
    let samples = read(&mut *microphone, 2);
    assert!(samples.iter().all(|sample| *sample == -0.5));
}

#[test]
fn a_writer_is_never_held_up_before_the_call_and_its_old_sound_is_not_heard() {
    let (_directory, path) = pipe();
    let mut microphone = open_microphone(&MicrophoneSpec::Raw(path.clone())).unwrap();
    let mut writer = writer(&path);
    // Ten seconds: fifteen times what a pipe holds. Without draining the writer would stay blocked.
    for _ in 0..1_000 {
        writer.write_all(&ticks_of(-16_384, 1)).unwrap();
        microphone.discard();
    }
    writer.write_all(&ticks_of(16_384, 1)).unwrap();
    assert!(
        read(&mut *microphone, 1)
            .iter()
            .all(|sample| *sample == 0.5)
    );
}

#[test]
fn a_second_writer_is_heard_after_the_first_has_gone() {
    let (_directory, path) = pipe();
    let mut microphone = open_microphone(&MicrophoneSpec::Raw(path.clone())).unwrap();
    let beside = reader(&path);
    for value in [16_384, -16_384] {
        let mut writer = writer(&path);
        // The last byte is half a sample that must not shift what follows.
        writer.write_all(&ticks_of(value, 1)).unwrap();
        writer.write_all(&[1]).unwrap();
        drop(writer);
        wait_for_end(&beside, PollFlags::HUP);
        let expected = f32::from(value) / 32_768.0;
        assert!(
            read(&mut *microphone, 1)
                .iter()
                .all(|sample| *sample == expected)
        );
        assert!(
            read(&mut *microphone, 1)
                .iter()
                .all(|sample| *sample == 0.0)
        );
    }
}

#[test]
fn a_raw_file_is_played_from_its_start() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("speech.raw");
    std::fs::write(&path, ticks_of(16_384, 10)).unwrap();
    let mut microphone = open_microphone(&MicrophoneSpec::Raw(path)).unwrap();
    microphone.discard();
    let samples = read(&mut *microphone, 11);
    assert!(samples[..4_800].iter().all(|sample| *sample == 0.5));
    assert!(samples[4_800..].iter().all(|sample| *sample == 0.0));
}

#[test]
fn a_speaker_without_a_reader_loses_samples_and_reaches_a_reader_that_comes_later() {
    let (_directory, path) = pipe();
    let mut speaker = open_speaker(&SpeakerSpec::Raw(path.clone())).unwrap();
    for _ in 0..100 {
        speaker.write(&TICK);
    }
    let mut reader = reader(&path);
    speaker.write(&TICK);
    assert_eq!(
        drain(&mut reader),
        ticks_of(16_384, 1),
        "nothing from before"
    );
    assert!(speaker.take_fault().is_none());
}

#[test]
fn a_reader_that_stalls_blocks_nothing_and_hears_whole_samples_afterwards() {
    let (_directory, path) = pipe();
    let mut reader = reader(&path);
    let mut speaker = open_speaker(&SpeakerSpec::Raw(path)).unwrap();
    for _ in 0..1_000 {
        speaker.write(&TICK);
    }
    let kept = drain(&mut reader);
    assert!(
        kept.len() < 100 * 960 && kept.len().is_multiple_of(960),
        "{}",
        kept.len()
    );
    speaker.write(&TICK);
    assert_eq!(drain(&mut reader), ticks_of(16_384, 1));
    assert!(speaker.take_fault().is_none());
}

#[test]
fn a_reader_that_goes_is_no_fault_and_the_next_one_is_served() {
    let (_directory, path) = pipe();
    let first = reader(&path);
    let mut speaker = open_speaker(&SpeakerSpec::Raw(path.clone())).unwrap();
    speaker.write(&TICK);
    let beside = writer(&path);
    drop(first);
    wait_for_end(&beside, PollFlags::ERR);
    drop(beside);
    speaker.write(&TICK);
    let mut second = reader(&path);
    speaker.write(&TICK);
    assert_eq!(drain(&mut second), ticks_of(16_384, 1));
    assert!(speaker.take_fault().is_none());
    assert_eq!(speaker.finish(), Ok(()));
}

#[test]
fn a_directory_is_neither_microphone_nor_speaker() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().to_owned();
    let error = refusal(open_microphone(&MicrophoneSpec::Raw(path.clone())));
    assert!(
        error
            .to_string()
            .ends_with("is a directory, but a pipe or a file is needed"),
        "{error}"
    );
    let error = refusal(open_speaker(&SpeakerSpec::Raw(path)));
    assert!(
        error
            .to_string()
            .ends_with("is a directory, but a pipe or a file is needed"),
        "{error}"
    );
}
