//! Calls between a transport of the profile `Matrix` and a page in Chromium, over loopback. Each side hears a tone of the other's.
//!
//! Chromium runs by the system's clock, and so do these tests; they wait for what is to come, as long as a busy machine may take.

mod endpoint;

use std::time::Duration;

use securecall_media::Codec;
use serde_json::json;

use self::endpoint::{Endpoint, OUR_HERTZ};

/// For the first sound: ICE, DTLS, and a jitter buffer that fills.
const FIRST: Duration = Duration::from_secs(20);

/// A call that Chromium offers.
fn answered() -> Endpoint {
    let mut call = Endpoint::new();
    let offer = call.ask_sdp(&json!({"offer": true}));
    let now = call.now();
    let answer = call.transport.accept_offer(now, &offer).unwrap();
    call.ask(&json!({"answered": answer}));
    call.tell_candidates();
    call
}

/// A call that we offer.
fn offered() -> Endpoint {
    let mut call = Endpoint::new();
    let now = call.now();
    let offer = call.transport.create_offer(now).unwrap();
    let answer = call.ask_sdp(&json!({"accept": offer}));
    let now = call.now();
    call.transport.set_answer(now, &answer).unwrap();
    call.tell_candidates();
    call
}

/// An offer of the page's in the call, which we answer.
fn reoffered(call: &mut Endpoint, order: &serde_json::Value) -> String {
    let offer = call.ask_sdp(order);
    let now = call.now();
    let answer = call.transport.accept_restart_offer(now, &offer).unwrap();
    call.ask(&json!({"answered": answer}));
    answer
}

fn assert_both_hear(call: &mut Endpoint) {
    call.run_until(FIRST, "our side hears the page", Endpoint::hears_the_page);
    let told = call.run_until_told(FIRST, |told| {
        let hertz = told["hertz"].as_f64().unwrap_or(0.0);
        (hertz - f64::from(OUR_HERTZ)).abs() < 10.0 && told["level"].as_f64() > Some(-40.0)
    });
    assert_eq!(told["state"], "connected", "{told}");
    // DTLS 1.3, whoever begins the handshake.
    assert_eq!(told["tls"], "FEFC", "{told}");
    assert_eq!(told["stream"], "our-stream", "{told}");
}

#[test]
fn a_browsers_offer_is_answered_and_both_hear_each_other() {
    let mut call = answered();
    assert_both_hear(&mut call);
    let agreed = call.transport.agreed_audio().unwrap();
    assert_eq!(agreed.codec, Codec::Opus);
    assert!(agreed.wishes.in_band_fec && agreed.we_send && agreed.peer_sends);
    assert!(agreed.peer_stream.is_some());
    // Chromium reports every five seconds.
    call.run_until(FIRST, "a receiver report", |call| call.reports > 0);
    let statistics = call.receiver.statistics();
    assert_eq!(statistics.packets_refused, 0, "{statistics:?}");
    let lost = statistics.jitter_buffer.frames_lost;
    assert!(lost <= 5, "{statistics:?}");
}

#[test]
fn a_browser_answers_our_offer_and_both_hear_each_other() {
    let mut call = offered();
    assert_both_hear(&mut call);
    assert_eq!(call.transport.agreed_audio().unwrap().codec, Codec::Opus);
}

#[test]
fn a_page_puts_us_on_hold_and_takes_us_off_again() {
    let mut call = answered();
    assert_both_hear(&mut call);
    let answer = reoffered(&mut call, &json!({"hold": true}));
    assert!(answer.contains("a=recvonly\r\n"), "{answer}");
    let before = call.ask(&json!({"listen": 500}))["received"].as_u64();
    let after = call.ask(&json!({"listen": 1000}))["received"].as_u64();
    assert_eq!(before, after, "nothing is sent to who has us on hold");
    let answer = reoffered(&mut call, &json!({"hold": false}));
    assert!(answer.contains("a=sendrecv\r\n"), "{answer}");
    call.forget_what_was_heard();
    assert_both_hear(&mut call);
}

#[test]
fn we_put_a_page_on_hold_and_take_it_off_again() {
    let mut call = offered();
    assert_both_hear(&mut call);
    for (hold, direction) in [(true, "recvonly"), (false, "sendrecv")] {
        let now = call.now();
        let offer = call.transport.create_hold_offer(now, hold).unwrap();
        let answer = call.ask_sdp(&json!({"reoffered": offer}));
        let now = call.now();
        call.transport.set_answer(now, &answer).unwrap();
        let told = call.ask(&json!({"listen": 100}));
        assert_eq!(told["directions"], json!([direction]));
    }
    call.forget_what_was_heard();
    assert_both_hear(&mut call);
}

#[test]
fn ice_restarts_of_either_side_leave_the_voice_as_it_is() {
    let mut call = answered();
    assert_both_hear(&mut call);
    reoffered(&mut call, &json!({"restart": true}));
    call.forget_what_was_heard();
    assert_both_hear(&mut call);
    let now = call.now();
    let offer = call.transport.create_restart_offer(now).unwrap();
    let answer = call.ask_sdp(&json!({"reoffered": offer}));
    let now = call.now();
    call.transport.set_answer(now, &answer).unwrap();
    call.forget_what_was_heard();
    assert_both_hear(&mut call);
}

#[test]
fn a_video_that_the_page_adds_is_declined_and_the_voice_goes_on() {
    let mut call = answered();
    assert_both_hear(&mut call);
    let answer = reoffered(&mut call, &json!({"video": true}));
    assert!(answer.contains("\r\nm=video 0 "), "{answer}");
    // A line that is declined is none of the page's any more.
    let told = call.ask(&json!({"listen": 100}));
    assert_eq!(told["directions"], json!(["sendrecv"]), "{told}");
    call.forget_what_was_heard();
    assert_both_hear(&mut call);
    // And ours after it has as many lines.
    let now = call.now();
    let offer = call.transport.create_restart_offer(now).unwrap();
    let answer = call.ask_sdp(&json!({"reoffered": offer}));
    let now = call.now();
    call.transport.set_answer(now, &answer).unwrap();
    assert_both_hear(&mut call);
}
