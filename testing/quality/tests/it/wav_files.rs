use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use securecall_quality::{SAMPLE_RATE, level_dbfs, read_wav, write_wav, write_wav_at};

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn tone(rate: u32, seconds: f32) -> Vec<f32> {
    let length = (rate as f32 * seconds) as usize;
    (0..length)
        .map(|i| 0.25 * (i as f32 / rate as f32 * 440.0 * std::f32::consts::TAU).sin())
        .collect()
}

#[test]
fn what_is_written_is_read_again() {
    let (path, samples) = (scratch("round-trip.wav"), tone(SAMPLE_RATE, 0.5));
    write_wav(&path, &samples).unwrap();
    let again = read_wav(&path).unwrap();
    assert_eq!(again.len(), samples.len());
    assert!(
        samples
            .iter()
            .zip(&again)
            .all(|(a, b)| (a - b).abs() < 1e-4)
    );
}

#[test]
fn stereo_at_another_rate_becomes_48_khz_mono() {
    let path = scratch("stereo.wav");
    let spec = WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 24,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(&path, spec).unwrap();
    for sample in tone(44_100, 1.0) {
        writer.write_sample((sample * 8_388_607.0) as i32).unwrap();
        writer.write_sample(0).unwrap();
    }
    writer.finalize().unwrap();
    let samples = read_wav(&path).unwrap();
    assert_eq!(samples.len(), 48_000);
    // A quarter, halved by the silent channel, and a sine's crest: −18.06 − 3.01 dB.
    assert!(
        (level_dbfs(&samples) + 21.07).abs() < 0.05,
        "{}",
        level_dbfs(&samples)
    );
}

#[test]
fn what_is_no_wav_is_named() {
    let path = scratch("not-a.wav");
    std::fs::write(&path, b"RIFFnothing").unwrap();
    assert!(
        read_wav(&path)
            .unwrap_err()
            .to_string()
            .contains("not-a.wav")
    );
    assert!(read_wav(scratch("absent.wav")).is_err());
}

#[test]
fn the_committed_voices_are_of_the_length_and_level_that_tests_count_on() {
    for name in ["a.wav", "b.wav"] {
        let samples = read_wav(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../speech")
                .join(name),
        )
        .unwrap();
        assert!(
            (8 * 48_000..10 * 48_000).contains(&samples.len()),
            "{name}: {}",
            samples.len()
        );
        assert!(
            (-30.0..-12.0).contains(&level_dbfs(&samples)),
            "{name}: {}",
            level_dbfs(&samples)
        );
    }
}

#[test]
fn another_rate_is_written_as_it_is() {
    let path = scratch("at-16-khz.wav");
    write_wav_at(&path, &tone(16_000, 0.5), 16_000).unwrap();
    let reader = hound::WavReader::open(&path).unwrap();
    assert_eq!(
        (reader.spec().sample_rate, reader.duration()),
        (16_000, 8_000)
    );
    assert_eq!(read_wav(&path).unwrap().len(), 24_000);
}
