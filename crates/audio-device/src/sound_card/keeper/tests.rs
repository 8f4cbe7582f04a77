//! Scripted streams in place of a card's.

use std::collections::VecDeque;

use cpal::ErrorKind::{DeviceBusy, DeviceNotAvailable};

use super::*;

/// What happens to scripted streams, in order.
#[derive(Debug, PartialEq)]
enum Seen {
    Opened { buffer_ms: u32 },
    Refused(Occasion),
    Closed { buffer_ms: u32 },
}

struct FakeStream {
    buffer_ms: u32,
    seen: Sender<Seen>,
}

impl Drop for FakeStream {
    fn drop(&mut self) {
        let buffer_ms = self.buffer_ms;
        let _ = self.seen.send(Seen::Closed { buffer_ms });
    }
}

/// Opens or refuses as the script says, and always opens after its end.
struct Script {
    outcomes: VecDeque<Result<Option<&'static str>, cpal::ErrorKind>>,
    seen: Sender<Seen>,
    errors: Sender<StreamErrors>,
}

impl OpenStream for Script {
    type Stream = FakeStream;

    fn device(&self) -> String {
        "microphone \"USB\"".to_owned()
    }

    fn open(
        &mut self,
        buffer_ms: u32,
        occasion: Occasion,
        errors: &StreamErrors,
    ) -> Result<Opened<FakeStream>, cpal::Error> {
        let replacement = match self.outcomes.pop_front() {
            Some(Err(kind)) => {
                let _ = self.seen.send(Seen::Refused(occasion));
                return Err(cpal::Error::new(kind));
            }
            Some(Ok(name)) => name.map(str::to_owned),
            None => None,
        };
        let _ = self.seen.send(Seen::Opened { buffer_ms });
        let _ = self.errors.send(errors.clone());
        Ok(Opened {
            stream: FakeStream {
                buffer_ms,
                seen: self.seen.clone(),
            },
            replacement,
        })
    }
}

struct Played {
    kept: KeptOpen,
    seen: Receiver<Seen>,
    errors: Receiver<StreamErrors>,
}

impl Played {
    fn new(script: &[Result<Option<&'static str>, cpal::ErrorKind>]) -> Self {
        let (seen_sender, seen) = channel();
        let (errors_sender, errors) = channel();
        let script = Script {
            outcomes: script.iter().copied().collect(),
            seen: seen_sender,
            errors: errors_sender,
        };
        Self {
            kept: KeptOpen::start("microphone", script, 10),
            seen,
            errors,
        }
    }

    fn next(&self) -> Seen {
        self.seen.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    fn news(&self) -> String {
        match self
            .kept
            .news
            .recv_timeout(Duration::from_secs(60))
            .unwrap()
        {
            News::Fault(fault) => fault.to_string(),
            News::Notice(notice) => notice,
        }
    }
}

#[test]
fn a_card_that_vanishes_is_opened_again_and_the_user_hears_of_it_twice() {
    let away = Err(DeviceNotAvailable);
    let played = Played::new(&[Ok(None), away, away, Ok(Some("Built-in"))]);
    assert_eq!(played.next(), Seen::Opened { buffer_ms: 10 });
    let errors = played.errors.recv().unwrap();
    // It says so many times.
    for _ in 0..100 {
        errors.tell(cpal::Error::new(DeviceNotAvailable));
    }
    assert_eq!(played.next(), Seen::Closed { buffer_ms: 10 });
    for attempt in 1..=2 {
        assert_eq!(played.next(), Seen::Refused(Occasion::Alone { attempt }));
    }
    assert_eq!(played.next(), Seen::Opened { buffer_ms: 10 });
    assert_eq!(
        played.news(),
        "the microphone \"USB\" stopped and is opened again: The requested audio device is not available. \
         It may have been disconnected"
    );
    assert_eq!(
        played.news(),
        "the microphone \"USB\" is gone; \"Built-in\" is used in its place"
    );
    assert!(played.kept.news().is_none());
}

#[test]
fn a_card_that_is_replaced_soon_after_it_came_back_is_told_to_be_replaced() {
    let away = Err(DeviceNotAvailable);
    let other = Ok(Some("Built-in"));
    let played = Played::new(&[Ok(None), away, Ok(None), away, other, away, other]);
    let fail = || {
        let errors = played.errors.recv().unwrap();
        errors.tell(cpal::Error::new(DeviceNotAvailable));
    };
    fail();
    assert!(played.news().contains(" stopped and is opened again"));
    assert_eq!(played.news(), "the microphone \"USB\" works again");
    fail();
    let replaced = "the microphone \"USB\" is gone; \"Built-in\" is used in its place";
    assert_eq!(played.news(), replaced);
    fail();
    // Once: it is the same one.
    played.errors.recv().unwrap();
    assert!(played.kept.news().is_none());
}

#[test]
fn a_card_that_stalls_is_opened_again() {
    let played = Played::new(&[]);
    assert_eq!(played.next(), Seen::Opened { buffer_ms: 10 });
    played.kept.report_stall();
    assert_eq!(played.next(), Seen::Closed { buffer_ms: 10 });
    assert_eq!(played.next(), Seen::Opened { buffer_ms: 10 });
    assert!(played.kept.news().is_none(), "it works at once");
}

#[test]
fn another_buffer_is_open_before_the_one_before_is_closed() {
    let played = Played::new(&[]);
    assert_eq!(played.next(), Seen::Opened { buffer_ms: 10 });
    let old = played.errors.recv().unwrap();
    played.kept.reopen(20);
    assert_eq!(played.next(), Seen::Opened { buffer_ms: 20 });
    // What the old one says at its end is not about the new one.
    old.tell(cpal::Error::new(DeviceNotAvailable));
    assert_eq!(played.next(), Seen::Closed { buffer_ms: 10 });
    drop(played.kept);
    assert_eq!(played.seen.recv(), Ok(Seen::Closed { buffer_ms: 20 }));
}

#[test]
fn a_card_that_only_one_can_have_makes_room_where_it_must_and_only_there() {
    let played = Played::new(&[Ok(None), Err(DeviceBusy), Err(DeviceBusy), Ok(None)]);
    assert_eq!(played.next(), Seen::Opened { buffer_ms: 10 });
    played.kept.reopen_if_seamless(5);
    assert_eq!(played.next(), Seen::Refused(Occasion::Beside));
    played.kept.reopen(20);
    assert_eq!(played.next(), Seen::Refused(Occasion::Beside));
    assert_eq!(played.next(), Seen::Closed { buffer_ms: 10 });
    assert_eq!(played.next(), Seen::Opened { buffer_ms: 20 });
    assert!(played.kept.news().is_none(), "nobody needs to know");
}

#[test]
fn a_card_that_is_dropped_while_it_is_away_is_not_opened_again() {
    let played = Played::new(&[Err(DeviceNotAvailable); 4]);
    assert_eq!(played.next(), Seen::Refused(Occasion::Alone { attempt: 0 }));
    drop(played.kept);
    while let Ok(seen) = played.seen.recv() {
        assert!(matches!(seen, Seen::Refused(_)));
    }
}
