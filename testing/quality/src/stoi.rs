//! Short-time objective intelligibility (Taal, Hendriks, Heusdens, Jensen 2011), figure for figure as PyPI `pystoi` computes it.

use realfft::RealFftPlanner;

use crate::resample::resample_f64;

const RATE: u32 = 10_000;
const WINDOW: usize = 256;
const HOP: usize = WINDOW / 2;
const FFT: usize = 512;
const BANDS: usize = 15;
const LOWEST_BAND_HZ: f64 = 150.0;
/// Frames in a segment: 384 ms.
const SEGMENT: usize = 30;
const LOWEST_SDR_DB: f64 = -15.0;
const DYNAMIC_RANGE_DB: f64 = 40.0;

/// How intelligible `degraded` is, 0 to 1, given what was said. The signals must be aligned; what one has beyond the other's end is left out.
///
/// 0.00001 if there are not 30 frames (0.4 s) of speech.
pub fn stoi(clean: &[f32], degraded: &[f32], rate: u32) -> f64 {
    let length = clean.len().min(degraded.len());
    let at_rate = |samples: &[f32]| -> Vec<f64> {
        let wide: Vec<f64> = samples[..length]
            .iter()
            .map(|sample| f64::from(*sample))
            .collect();
        resample_f64(&wide, rate, RATE)
    };
    let (clean, degraded) = without_silence(&at_rate(clean), &at_rate(degraded));
    let (clean, degraded) = (band_envelopes(&clean), band_envelopes(&degraded));
    if clean.len() < SEGMENT {
        return 1e-5;
    }

    let segments = clean.len() - SEGMENT + 1;
    let mut sum = 0.0;
    for start in 0..segments {
        for band in 0..BANDS {
            let envelope = |bands: &[[f64; BANDS]]| -> [f64; SEGMENT] {
                std::array::from_fn(|i| bands[start + i][band])
            };
            sum += correlation(envelope(&clean), envelope(&degraded));
        }
    }
    sum / (segments * BANDS) as f64
}

/// The correlation of two envelopes of one band, the degraded one scaled and clipped.
fn correlation(mut clean: [f64; SEGMENT], mut degraded: [f64; SEGMENT]) -> f64 {
    let scale = norm(&clean) / (norm(&degraded) + f64::EPSILON);
    let clip = 1.0 + 10_f64.powf(-LOWEST_SDR_DB / 20.0);
    for (degraded, clean) in degraded.iter_mut().zip(&clean) {
        *degraded = (*degraded * scale).min(clean * clip);
    }
    for envelope in [&mut clean, &mut degraded] {
        let mean = envelope.iter().sum::<f64>() / SEGMENT as f64;
        envelope.iter_mut().for_each(|value| *value -= mean);
        let norm = norm(envelope) + f64::EPSILON;
        envelope.iter_mut().for_each(|value| *value /= norm);
    }
    clean.iter().zip(&degraded).map(|(a, b)| a * b).sum()
}

/// Leaves out the frames in which `clean` is 40 dB below its loudest frame.
fn without_silence(clean: &[f64], degraded: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let window = hann();
    let levels: Vec<f64> = frame_starts(clean.len())
        .map(|start| {
            let windowed: Vec<f64> = clean[start..start + WINDOW]
                .iter()
                .zip(&window)
                .map(|(s, w)| s * w)
                .collect();
            20.0 * (norm(&windowed) + f64::EPSILON).log10()
        })
        .collect();
    let loudest = levels.iter().copied().fold(f64::MIN, f64::max);
    let kept: Vec<usize> = frame_starts(clean.len())
        .zip(&levels)
        .filter(|(_, level)| loudest - DYNAMIC_RANGE_DB - **level < 0.0)
        .map(|(start, _)| start)
        .collect();
    let joined = |samples: &[f64]| -> Vec<f64> {
        let mut out = vec![
            0.0;
            if kept.is_empty() {
                0
            } else {
                (kept.len() - 1) * HOP + WINDOW
            }
        ];
        for (i, start) in kept.iter().enumerate() {
            for (j, weight) in window.iter().enumerate() {
                out[i * HOP + j] += samples[start + j] * weight;
            }
        }
        out
    };
    (joined(clean), joined(degraded))
}

/// The magnitude in each third-octave band, frame by frame.
fn band_envelopes(samples: &[f64]) -> Vec<[f64; BANDS]> {
    let window = hann();
    let bands = third_octaves();
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(FFT);
    let (mut input, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    frame_starts(samples.len())
        .map(|start| {
            input.fill(0.0);
            for ((slot, sample), weight) in input
                .iter_mut()
                .zip(&samples[start..start + WINDOW])
                .zip(&window)
            {
                *slot = sample * weight;
            }
            if fft.process(&mut input, &mut spectrum).is_err() {
                return [0.0; BANDS];
            }
            std::array::from_fn(|band| {
                let (from, to) = bands[band];
                spectrum[from..to]
                    .iter()
                    .map(|bin| bin.norm_sqr())
                    .sum::<f64>()
                    .sqrt()
            })
        })
        .collect()
}

/// First and last-but-one FFT bin of each band.
fn third_octaves() -> [(usize, usize); BANDS] {
    let bin_hz = f64::from(RATE) / FFT as f64;
    let nearest = |hz: f64| (hz / bin_hz).round() as usize;
    std::array::from_fn(|band| {
        let edge = |sixths: f64| LOWEST_BAND_HZ * 2_f64.powf(sixths / 6.0);
        (
            nearest(edge(2.0 * band as f64 - 1.0)),
            nearest(edge(2.0 * band as f64 + 1.0)),
        )
    })
}

fn frame_starts(length: usize) -> impl Iterator<Item = usize> {
    (0..length.saturating_sub(WINDOW)).step_by(HOP)
}

/// MATLAB's `hanning`: without the zeros at the ends.
fn hann() -> [f64; WINDOW] {
    std::array::from_fn(|i| {
        0.5 - 0.5 * (std::f64::consts::TAU * (i + 1) as f64 / (WINDOW + 1) as f64).cos()
    })
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
