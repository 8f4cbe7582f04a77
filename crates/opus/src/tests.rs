use opusic_sys as ffi;

use super::{error::count, *};

const FRAME: usize = 960;

/// A buzz of falling harmonics, louder and softer.
fn buzz(index: usize) -> [f32; FRAME] {
    std::array::from_fn(|i| {
        let t = (index * FRAME + i) as f32 / SAMPLE_RATE as f32;
        let harmonics =
            (1..20).map(|h| (t * 120.0 * h as f32 * std::f32::consts::TAU).sin() / h as f32);
        harmonics.sum::<f32>() * 0.2 * (0.6 + 0.4 * (t * 25.0).sin())
    })
}

fn packets(redundancy: u8) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Application::Voip).unwrap();
    encoder.set_variable_bit_rate(false).unwrap();
    encoder.set_bit_rate(64_000).unwrap();
    encoder.set_expected_loss(20).unwrap();
    encoder.set_redundancy_duration(redundancy).unwrap();
    (0..50)
        .map(|index| {
            let mut packet = vec![0; 160];
            assert_eq!(encoder.encode(&buzz(index), &mut packet), Ok(160));
            packet
        })
        .collect()
}

#[test]
fn redundancy_is_decoded_only_once_it_is_processed() {
    let packets = packets(40);
    let mut decoder = Decoder::new().unwrap();
    let mut samples = [0.0; FRAME];
    decoder.decode(&packets[40], &mut samples).unwrap();
    let mut redundancy = Redundancy::new().unwrap();
    assert_eq!(redundancy.process(), Err(OpusError::BadArgument));
    let refused = decoder.decode_redundancy(&redundancy, FRAME, &mut samples);
    assert_eq!(refused, Err(OpusError::BadArgument));

    let span = redundancy.parse(&packets[49]).unwrap();
    assert!(span.oldest >= 8 * FRAME && span.newest < FRAME, "{span:?}");
    let refused = decoder.decode_redundancy(&redundancy, FRAME, &mut samples);
    assert_eq!(refused, Err(OpusError::BadArgument), "parsed only");
    redundancy.process().unwrap();
    for back in (1..=8).rev() {
        let decoded = decoder.decode_redundancy(&redundancy, back * FRAME, &mut samples);
        assert_eq!(decoded, Ok(FRAME));
        assert!(samples.iter().any(|sample| sample.abs() > 0.01), "{back}");
    }
    let far = decoder.decode_redundancy(&redundancy, usize::MAX, &mut samples);
    assert_eq!(far, Err(OpusError::BadArgument));

    // What follows holds nothing, and takes what was held.
    assert_eq!(redundancy.parse(&[]), Err(OpusError::InvalidPacket));
    assert_eq!(redundancy.process(), Err(OpusError::BadArgument));
    redundancy.parse(&packets[49]).unwrap();
    assert_eq!(redundancy.parse(&[0x78, 0]), Ok(Span::default()));
    assert_eq!(redundancy.process(), Err(OpusError::BadArgument));
}

#[test]
fn a_packet_without_redundancy_spans_nothing() {
    let mut redundancy = Redundancy::new().unwrap();
    for packet in packets(0) {
        assert_eq!(redundancy.parse(&packet), Ok(Span::default()));
    }
}

#[test]
fn what_libopus_refuses_is_an_error() {
    let mut encoder = Encoder::new(Application::Audio).unwrap();
    assert!(encoder.encode(&[0.0; 961], &mut [0; 80]).is_err());
    assert!(encoder.encode(&[0.0; FRAME], &mut []).is_err());
    assert_eq!(encoder.set_complexity(11), Err(OpusError::BadArgument));
    assert_eq!(encoder.set_expected_loss(101), Err(OpusError::BadArgument));
    assert_eq!(
        encoder.set_redundancy_duration(105),
        Err(OpusError::BadArgument)
    );
    let mut decoder = Decoder::new().unwrap();
    assert_eq!(
        decoder.decode(&[], &mut [0.0; FRAME]),
        Err(OpusError::InvalidPacket)
    );
    assert_eq!(
        decoder.decode_fec(&[], &mut [0.0; FRAME]),
        Err(OpusError::InvalidPacket)
    );
    assert_eq!(
        decoder.decode(&packets(0)[0], &mut [0.0; 480]),
        Err(OpusError::BufferTooSmall)
    );
    assert_eq!(
        decoder.conceal(&mut [0.0; 100]),
        Err(OpusError::BadArgument)
    );
    assert_eq!(decoder.set_complexity(11), Err(OpusError::BadArgument));
}

#[test]
fn a_padded_packet_sounds_the_same() {
    let packet = &packets(0)[1];
    let mut room = [0; 200];
    room[..160].copy_from_slice(packet);
    packet::pad(&mut room, 160).unwrap();
    assert_eq!(packet::samples(&room), Ok(FRAME));
    let decoded = |packet: &[u8]| {
        let mut samples = [0.0; FRAME];
        Decoder::new()
            .unwrap()
            .decode(packet, &mut samples)
            .unwrap();
        samples
    };
    assert_eq!(decoded(packet), decoded(&room));
    assert_eq!(packet::pad(&mut room, 0), Err(OpusError::BadArgument));
    assert_eq!(packet::pad(&mut room, 201), Err(OpusError::BadArgument));
}

#[test]
fn packets_that_are_none_say_nothing() {
    assert_eq!(packet::samples(&[]), Err(OpusError::InvalidPacket));
    assert!(packet::samples(&[0xff]).is_err(), "code 3 without a count");
    assert!(!packet::has_fec(&[]) && !packet::has_fec(&[0x08]) && !packet::has_fec(&[0xff, 0]));
}

/// What others send in two channels is heard in one.
#[test]
fn stereo_is_mixed_down() {
    let mut code = ffi::OPUS_OK;
    // SAFETY: `code` outlives the call; the state is destroyed below, and nobody uses it after.
    let encoder = unsafe {
        ffi::opus_encoder_create(SAMPLE_RATE_C, 2, ffi::OPUS_APPLICATION_AUDIO, &raw mut code)
    };
    assert_eq!(code, ffi::OPUS_OK);
    let mut decoder = Decoder::new().unwrap();
    let mut heard = Vec::new();
    for number in 0..50 {
        // Another tone on each side.
        let samples: Vec<f32> = (number * FRAME..(number + 1) * FRAME)
            .flat_map(|i| {
                [400.0, 1_000.0].map(|hertz| {
                    let turn = i as f32 * hertz / SAMPLE_RATE as f32;
                    0.5 * (turn.fract() * std::f32::consts::TAU).sin()
                })
            })
            .collect();
        let mut packet = vec![0; 1_000];
        // SAFETY: the state is alive; of two channels libopus reads twice as many samples as it is told, which is what the slice
        // holds, and writes no more bytes than it is told.
        let bytes = count(unsafe {
            let (samples, room) = (samples.as_ptr(), length(&packet));
            ffi::opus_encode_float(encoder, samples, FRAME as i32, packet.as_mut_ptr(), room)
        });
        let mut frame = [0.0; FRAME];
        let packet = &packet[..bytes.unwrap()];
        assert_eq!(packet[0] & 0b100, 0b100, "two channels");
        assert_eq!(decoder.decode(packet, &mut frame), Ok(FRAME));
        heard.extend(frame);
    }
    // SAFETY: libopus made the state, and nobody uses it after this.
    unsafe { ffi::opus_encoder_destroy(encoder) };
    for hertz in [400.0, 1_000.0] {
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (i, sample) in heard[FRAME * 10..].iter().enumerate() {
            let turn = (i as f32 * hertz / SAMPLE_RATE as f32).fract();
            sine += sample * (turn * std::f32::consts::TAU).sin();
            cosine += sample * (turn * std::f32::consts::TAU).cos();
        }
        let amplitude = 2.0 * f32::hypot(sine, cosine) / (FRAME * 40) as f32;
        assert!((amplitude - 0.25).abs() < 0.03, "{hertz}: {amplitude}");
    }
}
