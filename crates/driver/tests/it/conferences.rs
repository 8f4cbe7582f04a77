//! Conferences: several calls, one microphone and one speaker.

use std::collections::BTreeSet;

use securecall_driver::{CallEvent, Client, ConferenceEvent, Event};

use crate::people::{Person, direct, synapse, wait_for};
use crate::tone::{greatest_amplitude, median_amplitude};

/// Waits until so many others are in the conference, and each was heard for two seconds and to speak.
async fn hears(client: &mut Client, others: usize) {
    let (mut legs, mut speak, mut heard) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    wait_for(client, |event| {
        match event {
            Event::Call(CallEvent::Conference {
                event: ConferenceEvent::Joined { call, .. },
                ..
            }) => {
                legs.insert(call.handle);
            }
            Event::Speaking { call, speaking } if *speaking => {
                speak.insert(*call);
            }
            Event::Stats { call, stats } if stats.frames_received > 100 => {
                heard.insert(call.handle);
            }
            _ => {}
        }
        let all = legs.len() == others && speak.is_superset(&legs) && heard.is_superset(&legs);
        all.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_people_hear_each_others_tones_and_two_go_on_when_one_leaves() {
    let tones = [440_u32, 1_000, 1_600];
    let mut people = Vec::new();
    for _ in tones {
        people.push(Person::new(synapse()).await);
    }
    let mut clients = Vec::new();
    for (person, tone) in people.iter().zip(tones) {
        let client = Client::start(person.config(tone), person.account.clone());
        clients.push(client.await.unwrap());
    }
    let callees = people[1..].iter().map(Person::as_callee).collect();
    let first = clients[0].handle();
    let conference = first.call_group(callees, direct()).await.unwrap();
    let [one, two, three] = &mut clients[..] else {
        unreachable!()
    };
    tokio::join!(hears(one, 2), hears(two, 2), hears(three, 2));
    first.leave(conference.handle).await.unwrap();
    let left = |event: &Event| {
        matches!(
            event,
            Event::Call(CallEvent::Conference {
                event: ConferenceEvent::Left { .. },
                ..
            })
        )
        .then_some(())
    };
    tokio::join!(wait_for(two, left), wait_for(three, left));
    // The two are heard by each other as before.
    let later = |event: &Event| {
        matches!(event, Event::Stats { stats, .. } if stats.frames_received > 250).then_some(())
    };
    tokio::join!(wait_for(two, later), wait_for(three, later));
    for client in clients {
        client.stop().await;
    }
    for (own, person) in people.iter().enumerate() {
        for (other, tone) in tones.into_iter().enumerate() {
            // Whoever left first is there for a part of the time.
            let heard = match other {
                0 => greatest_amplitude(&person.recording(), tone as f32),
                _ => median_amplitude(&person.recording(), tone as f32),
            };
            let expected = if own == other { 0.0..0.02 } else { 0.2..0.3 };
            assert!(expected.contains(&heard), "{own} hears {other}: {heard}");
        }
    }
}
