//! Frames through weather on virtual time, reports back, an epoch every ten seconds.

use securecall_netem::{Conditions, Link, virtual_start};

use super::*;
use crate::reception::Reception;

const MS: Duration = Duration::from_millis(1);
const EPOCH_FRAMES: u32 = 500;

/// Bytes a second of a path on which frames of this size just fit.
fn room_for(size: FrameSize) -> u64 {
    (size.bytes() + PACKET_OVERHEAD) as u64 * 50
}

fn clean() -> Conditions {
    Conditions {
        delay: 40 * MS,
        queue: 300 * MS,
        ..Conditions::default()
    }
}

fn narrow(rate: u64) -> Conditions {
    Conditions {
        rate: Some(rate),
        ..clean()
    }
}

fn lossy(loss: f64) -> Conditions {
    Conditions { loss, ..clean() }
}

/// What came of it, every 20 ms.
#[derive(Debug, Clone, Copy)]
struct Moment {
    size: FrameSize,
    next: FrameSize,
    report: VoiceReport,
}

fn run(seed: u64, seconds: u32, weather: impl Fn(u32, FrameSize) -> Conditions) -> Vec<Moment> {
    run_beside(seed, seconds, weather, |_| FrameSize::Kbps32)
}

/// The same where others leave no more than `ceiling`, second by second.
fn run_beside(
    seed: u64,
    seconds: u32,
    weather: impl Fn(u32, FrameSize) -> Conditions,
    ceiling: impl Fn(u32) -> FrameSize,
) -> Vec<Moment> {
    let start = virtual_start();
    let mut link = Link::new(seed, clean());
    let mut back = Link::new(seed, clean());
    let (mut reception, mut rate) = (Reception::new(), RateControl::default());
    let mut moments = Vec::new();
    for number in 0..seconds * 50 {
        let now = start + 20 * MS * number;
        if number % EPOCH_FRAMES == 0 && number > 0 {
            rate.set_ceiling(ceiling(number / 50));
            rate.begin_epoch(now);
        }
        link.set_conditions(weather(number / 50, rate.sent_size()));
        let on_wire = rate.sent_size().bytes() + PACKET_OVERHEAD;
        link.send(now, on_wire, u64::from(number));
        while let Some((at, sequence)) = link.receive(now) {
            reception.handle_frame(at, sequence);
        }
        back.send(now, 151, reception.report());
        while let Some((at, report)) = back.receive(now) {
            rate.handle_report(at, report);
        }
        moments.push(Moment {
            size: rate.sent_size(),
            next: rate.next_size(),
            report: reception.report(),
        });
    }
    moments
}

/// The sizes of the epochs.
fn sizes(moments: &[Moment]) -> Vec<FrameSize> {
    let epochs = moments.chunks(EPOCH_FRAMES as usize);
    epochs
        .map(|epoch| {
            assert!(epoch.iter().all(|it| it.size == epoch[0].size));
            epoch[0].size
        })
        .collect()
}

#[test]
fn a_path_with_room_keeps_its_size_whatever_else_it_does() {
    for seed in 0..5 {
        for weather in [
            clean(),
            lossy(0.05),
            lossy(0.1),
            Conditions {
                jitter: 100 * MS,
                ..lossy(0.05)
            },
        ] {
            let sizes = sizes(&run(seed, 300, |_, _| weather));
            assert_eq!(sizes, [FrameSize::Kbps32; 30], "{weather:?}");
        }
        // Another path; and an outage before an epoch begins.
        let moves = |second: u32, _| Conditions {
            delay: if second < 33 { 20 * MS } else { 220 * MS },
            cut: (67..69).contains(&second),
            ..clean()
        };
        assert_eq!(sizes(&run(seed, 120, moves)), [FrameSize::Kbps32; 12]);
    }
}

#[test]
fn a_narrow_path_is_noticed_within_five_seconds_and_has_smaller_frames_from_the_next_epoch_on() {
    for (seed, room) in [FrameSize::Kbps24, FrameSize::Kbps16, FrameSize::Kbps12]
        .into_iter()
        .enumerate()
    {
        let weather = |second, _| match second {
            0..21 => clean(),
            _ => narrow(room_for(room)),
        };
        let moments = run(seed as u64, 60, weather);
        let noticed = moments.iter().position(|it| it.next < FrameSize::Kbps32);
        let noticed = noticed.unwrap() - 21 * 50;
        assert!(noticed <= 5 * 50, "{room:?}: {noticed} frames");
        let sizes = sizes(&moments);
        assert_eq!(sizes[..3], [FrameSize::Kbps32; 3]);
        assert!(sizes[3] <= room && sizes[4] <= room, "{room:?}: {sizes:?}");
        assert!(
            sizes[3] >= FrameSize::Kbps16 || room == FrameSize::Kbps12,
            "{sizes:?}"
        );
        // By the end nothing waits or is lost any more.
        assert_eq!(moments.last().unwrap().report, VoiceReport::default());
    }
}

#[test]
fn a_queue_that_only_grows_is_noticed_before_anything_is_lost() {
    let endless = Conditions {
        queue: Duration::ZERO,
        ..narrow(room_for(FrameSize::Kbps24))
    };
    let moments = run(
        1,
        60,
        |second, _| if second < 21 { clean() } else { endless },
    );
    let noticed = moments.iter().position(|it| it.next < FrameSize::Kbps32);
    assert!(noticed.unwrap() <= 26 * 50);
    assert!(
        sizes(&moments)[3..]
            .iter()
            .all(|it| *it < FrameSize::Kbps32)
    );
}

#[test]
fn frames_grow_again_when_the_path_widens() {
    let weather = |second, _| match second {
        0..60 => narrow(room_for(FrameSize::Kbps16) + 200),
        _ => clean(),
    };
    let sizes = sizes(&run(1, 240, weather));
    assert!(
        sizes[2..4].iter().all(|it| *it <= FrameSize::Kbps16),
        "{sizes:?}"
    );
    assert_eq!(*sizes.last().unwrap(), FrameSize::Kbps32, "{sizes:?}");
    for pair in sizes[6..].windows(2) {
        assert!(
            larger(pair[0]) == pair[1] || pair[0] == pair[1],
            "{sizes:?}"
        );
    }
}

#[test]
fn a_path_that_stays_narrow_is_tried_ever_more_rarely() {
    let sizes = sizes(&run(1, 1_800, |_, _| {
        narrow(room_for(FrameSize::Kbps24) + 300)
    }));
    let trials: Vec<_> = sizes
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[1] == FrameSize::Kbps32 && pair[0] < pair[1])
        .map(|(epoch, _)| epoch)
        .collect();
    assert!((3..8).contains(&trials.len()), "{trials:?}");
    for three in trials.windows(3) {
        assert!(three[2] - three[1] > three[1] - three[0], "{trials:?}");
    }
    let well = sizes.iter().filter(|it| **it == FrameSize::Kbps24).count();
    assert!(well > 150, "{sizes:?}");
}

#[test]
fn much_loss_without_a_queue_has_whole_frames_beside_until_it_is_over() {
    for seed in 0..5 {
        let weather = |second, _| {
            lossy(if (11..101).contains(&second) {
                0.22
            } else {
                0.0
            })
        };
        let sizes = sizes(&run(seed, 200, weather));
        assert_eq!(sizes[..2], [FrameSize::Kbps32; 2]);
        assert_eq!(sizes[2..10], [FrameSize::Kbps32Twice; 8], "{sizes:?}");
        assert_eq!(sizes[13..], [FrameSize::Kbps32; 7], "{sizes:?}");
    }
}

#[test]
fn copies_that_make_it_worse_are_undone_and_tried_ever_more_rarely() {
    for by_queue in [true, false] {
        let weather = |_, size: FrameSize| match (size.has_copy(), by_queue) {
            (false, _) => lossy(0.2),
            (true, true) => Conditions {
                loss: 0.2,
                ..narrow(9_000)
            },
            (true, false) => lossy(0.4),
        };
        let sizes = sizes(&run(1, 1_200, weather));
        let with_copy: Vec<_> = (0..sizes.len())
            .filter(|it| sizes[*it].has_copy())
            .collect();
        assert!((2..7).contains(&with_copy.len()), "{by_queue}: {sizes:?}");
        for three in with_copy.windows(3) {
            assert!(three[2] - three[1] > three[1] - three[0], "{with_copy:?}");
        }
        // What remains of the loss is not of our making.
        assert!(
            sizes.iter().filter(|it| **it < FrameSize::Kbps32).count() <= 6,
            "{sizes:?}"
        );
    }
}

#[test]
fn a_peer_can_say_what_it_likes_and_gets_one_of_the_sizes_an_epoch_later() {
    let (start, mut rate) = (virtual_start(), RateControl::default());
    let mut bits = 1_u32;
    for number in 0..200_000_u32 {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let now = start + 20 * MS * number;
        let report = match number / 10_000 % 3 {
            0 => VoiceReport::from_bytes([(bits >> 24) as u8, (bits >> 16) as u8]),
            1 => VoiceReport::from_bytes([0xff, 0xff]),
            _ => VoiceReport::from_bytes([0xff, 0]),
        };
        let before = rate.sent_size();
        rate.handle_report(now, report);
        assert_eq!(rate.sent_size(), before);
        if number % EPOCH_FRAMES == 0 {
            rate.begin_epoch(now);
        }
    }
}

#[test]
fn what_others_leave_is_a_ceiling_from_the_next_epoch_on_and_is_had_again_at_once() {
    use FrameSize::{Kbps16, Kbps32};
    let ceiling = |second: u32| match second {
        15..55 => Kbps16,
        _ => Kbps32,
    };
    let moments = run_beside(1, 90, |_, _| clean(), ceiling);
    let expected = [
        Kbps32, Kbps32, Kbps16, Kbps16, Kbps16, Kbps16, Kbps32, Kbps32, Kbps32,
    ];
    assert_eq!(sizes(&moments), expected);
    // What the path would bear is told all the time, or nobody could have more again.
    assert!(moments.iter().all(|it| it.next == Kbps32));
}

#[test]
fn a_path_that_is_narrow_below_the_ceiling_has_less_than_that_and_rises_to_it_and_no_further() {
    use FrameSize::{Kbps16, Kbps24};
    let rate = room_for(Kbps16);
    let weather = |second: u32, _| match second {
        25..80 => narrow(rate),
        _ => clean(),
    };
    let moments = run_beside(2, 240, weather, |_| Kbps24);
    let sizes = sizes(&moments);
    assert_eq!(sizes[1], Kbps24);
    // From the first epoch after it was noticed on: a step down is one from what was sent.
    assert!(sizes[3..8].iter().all(|it| *it < Kbps24), "{sizes:?}");
    assert_eq!(sizes[sizes.len() - 1], Kbps24, "{sizes:?}");
    assert!(sizes[1..].iter().all(|it| *it <= Kbps24), "{sizes:?}");
}

#[test]
fn under_a_ceiling_no_larger_size_is_believed_in_than_was_had() {
    use FrameSize::{Kbps12, Kbps16, Kbps32};
    // It is narrow, and then others are narrower for so long that it would have risen to the top.
    let weather = |second: u32, _| match second {
        0..40 => narrow(room_for(Kbps16)),
        _ => clean(),
    };
    let ceiling = |second: u32| if second < 40 { Kbps32 } else { Kbps12 };
    let moments = run_beside(3, 600, weather, ceiling);
    let narrowed = moments[40 * 50 - 1].size;
    assert!(narrowed <= Kbps16);
    let last = moments[moments.len() - 1];
    assert_eq!(last.size, Kbps12);
    assert!(last.next <= larger(narrowed), "{last:?}");
}

#[test]
fn copies_are_for_the_path_that_loses_whatever_others_leave() {
    let weather = |second: u32, _| if second < 20 { clean() } else { lossy(0.25) };
    let moments = run_beside(4, 60, weather, |_| FrameSize::Kbps16);
    let sizes = sizes(&moments);
    assert_eq!(sizes[1], FrameSize::Kbps16);
    assert!(sizes.contains(&FrameSize::Kbps32Twice), "{sizes:?}");
}

/// Told for so long that the path is so, every 20 ms.
fn told(rate: &mut RateControl, now: &mut Instant, seconds: u32, report: VoiceReport) {
    for _ in 0..50 * seconds {
        *now += 20 * MS;
        rate.handle_report(*now, report);
    }
}

#[test]
fn what_was_said_of_larger_frames_says_nothing_of_smaller_ones() {
    let (mut rate, mut now) = (RateControl::default(), virtual_start());
    let narrow = VoiceReport::new(20, 2.0, 300 * MS);
    told(&mut rate, &mut now, 10, narrow);
    let smaller = rate.begin_epoch(now);
    assert!(
        smaller < FrameSize::Kbps32 && smaller > FrameSize::Kbps12,
        "{smaller:?}"
    );
    told(&mut rate, &mut now, 1, narrow);
    assert_eq!(rate.next_size(), smaller);
}

#[test]
fn a_ceiling_changes_no_epoch_under_way() {
    let mut rate = RateControl::default();
    rate.set_ceiling(FrameSize::Kbps12);
    assert_eq!(rate.sent_size(), FrameSize::Kbps32);
    assert_eq!(rate.begin_epoch(virtual_start()), FrameSize::Kbps12);
}

#[test]
fn a_size_that_others_leave_no_room_for_is_neither_tried_nor_known() {
    use FrameSize::{Kbps12, Kbps16, Kbps24, Kbps32};
    let (mut rate, mut now) = (RateControl::default(), virtual_start());
    rate.size = Kbps16;
    rate.next = Kbps16;
    // Smaller frames than the path would bear come well for as long as may be.
    rate.set_ceiling(Kbps12);
    for _ in 0..20 {
        assert_eq!(rate.begin_epoch(now), Kbps12);
        told(&mut rate, &mut now, 10, VoiceReport::from_bytes([0, 0]));
        assert_eq!(rate.next_size(), Kbps16);
    }
    // Its own come well, and there is no room to try more.
    rate.set_ceiling(Kbps16);
    for _ in 0..20 {
        assert_eq!(rate.begin_epoch(now), Kbps16);
        told(&mut rate, &mut now, 10, VoiceReport::from_bytes([0, 0]));
    }
    assert_eq!((rate.size, rate.next_size()), (Kbps16, Kbps24));
    rate.set_ceiling(Kbps32);
    assert_eq!(rate.begin_epoch(now), Kbps24);
}
