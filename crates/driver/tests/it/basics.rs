//! Calls that go well.

use std::time::Duration;

use securecall_driver::{AnswerPolicy, CallEvent, Client, DeviceWish, EndReason, Event};

use crate::people::{
    InCall, Person, connected, direct, ended, hears, incoming, placed, synapse, wait_for,
};
use crate::tone::{greatest_amplitude, median_amplitude};

#[tokio::test(flavor = "multi_thread")]
async fn two_strangers_hear_each_others_tone() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let configs = [caller.config(440), callee.config(1000)];
    let mut call = InCall::between(caller, callee, configs).await;
    for client in [&mut call.calling, &mut call.called] {
        wait_for(client, |event| {
            matches!(event, Event::AudioStarted { .. }).then_some(())
        })
        .await;
        hears(client).await;
    }
    call.hang_up().await;
    call.calling.stop().await;
    call.called.stop().await;
    for (person, own, theirs) in [(&call.caller, 440.0, 1000.0), (&call.callee, 1000.0, 440.0)] {
        let heard = median_amplitude(&person.recording(), theirs);
        assert!(
            (0.2..0.3).contains(&heard),
            "a tone of amplitude 0.25 came as {heard}"
        );
        assert!(median_amplitude(&person.recording(), own) < 0.02, "an echo");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_exchanged_in_a_call_and_one_that_cannot_be_changes_nothing() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let configs = [caller.config(440), callee.config(1000)];
    let mut call = InCall::between(caller, callee, configs).await;
    let nowhere = call.callee.recording().with_file_name("nowhere.wav");
    let elsewhere = call.callee.recording().with_file_name("elsewhere.wav");
    let wish = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let handle = call.calling.handle();
    let id = call.call.handle;
    // The tone of the first microphone, which the first recording is to have.
    hears(&mut call.called).await;
    let refused = DeviceWish::Microphone(wish(&nowhere).parse().unwrap());
    handle.exchange(id, refused).await.unwrap();
    let why = wait_for(&mut call.calling, |event| match event {
        Event::DeviceRefused { error, .. } => Some(error.to_string()),
        _ => None,
    });
    assert!(why.await.ends_with("nowhere.wav does not exist"));
    handle
        .exchange(id, DeviceWish::Microphone("tone:880".parse().unwrap()))
        .await
        .unwrap();
    told(&mut call.calling, "the microphone is now tone:880").await;
    let answered = call.callees_call.handle;
    let sink = DeviceWish::Speaker(wish(&elsewhere).parse().unwrap());
    call.called.handle().exchange(answered, sink).await.unwrap();
    told(&mut call.called, "elsewhere.wav").await;
    for _ in 0..3 {
        hears(&mut call.called).await;
    }
    call.hang_up().await;
    let over = handle.exchange(id, DeviceWish::Speaker("null".parse().unwrap()));
    assert!(over.await.is_err(), "the call is over");
    call.calling.stop().await;
    call.called.stop().await;
    // The first recording is whole, too.
    assert!(greatest_amplitude(&call.callee.recording(), 440.0) > 0.1);
    let heard = median_amplitude(&elsewhere, 880.0);
    assert!((0.2..0.3).contains(&heard), "{heard}");
    assert!(median_amplitude(&elsewhere, 440.0) < 0.02);
}

/// Waits until the user is told this of a device.
async fn told(client: &mut Client, words: &str) {
    wait_for(client, |event| match event {
        Event::Notice { text, .. } if text.contains(words) => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_call_of_the_same_pair_works_the_other_way_round() {
    let (one, other) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let configs = [one.config(440), other.config(1000)];
    let mut first = InCall::between(one, other, configs).await;
    first
        .calling
        .handle()
        .hangup(first.call.handle)
        .await
        .unwrap();
    ended(&mut first.called).await;
    ended(&mut first.calling).await;
    let second = first
        .called
        .handle()
        .call(first.caller.as_callee(), direct())
        .await
        .unwrap();
    let ((_, words), (_, same_words)) =
        tokio::join!(connected(&mut first.calling), connected(&mut first.called));
    assert_eq!(words, same_words);
    assert_ne!(second.id, first.call.id);
    first.calling.stop().await;
    first.called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_answers_mutes_and_the_other_hangs_up_by_stopping() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut asked = callee.config(1000);
    asked.answer = AnswerPolicy::Ask;
    let (mut calling, mut called, call) =
        placed(&caller, &callee, [caller.config(440), asked]).await;
    let ringing = wait_for(&mut called, |event| match event {
        Event::Call(CallEvent::Incoming { call, accepted, .. }) => Some((call.clone(), *accepted)),
        _ => None,
    });
    let (rings, accepted) = ringing.await;
    assert_eq!((&rings.id, accepted), (&call.id, false));
    wait_for(&mut calling, |event| {
        matches!(event, Event::Call(CallEvent::Ringing { .. })).then_some(())
    })
    .await;
    called.handle().answer(rings.handle).await.unwrap();
    tokio::join!(connected(&mut calling), connected(&mut called));

    calling.handle().set_muted(call.handle, true).await.unwrap();
    let muted = wait_for(&mut called, |event| match event {
        Event::Call(CallEvent::Muted { local, muted, .. }) => Some((*local, *muted)),
        _ => None,
    });
    assert_eq!(muted.await, (false, true));

    calling.stop().await;
    assert_eq!(ended(&mut called).await, EndReason::RemoteHangup);
    called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_call_ends_on_both_sides() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut asked = callee.config(1000);
    asked.answer = AnswerPolicy::Ask;
    let (mut calling, mut called, call) =
        placed(&caller, &callee, [caller.config(440), asked]).await;
    let rings = incoming(&mut called).await;
    assert_eq!(rings.id, call.id);
    called.handle().reject(rings.handle).await.unwrap();
    assert_eq!(ended(&mut calling).await, EndReason::Declined);
    assert_eq!(ended(&mut called).await, EndReason::LocalReject);
    calling.stop().await;
    called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_client_leaves_no_message_at_the_homeserver() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let configs = [caller.config(440), callee.config(1000)];
    let call = InCall::between(caller, callee, configs).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    call.calling.stop().await;
    call.called.stop().await;
    let waiting = crate::people::waiting_messages(synapse(), &[&call.caller, &call.callee]);
    assert_eq!(waiting, 0);
}
