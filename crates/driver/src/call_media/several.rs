//! Conversations of three and of eight, on virtual time: what each hears of each, and what the network sees.

mod virtual_group;

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_quality::tone_amplitude;

use self::virtual_group::{Group, Script};

/// What was heard last, without the beginning.
fn last_second(heard: &[f32]) -> &[f32] {
    &heard[heard.len() - 48_000..]
}

#[test]
fn everybody_hears_everybody_and_nobody_themselves() {
    for people in [3, 8] {
        let mut group = Group::of(people, Script::Tones);
        group.run_for(Duration::from_secs(3));
        for (own, member) in group.members.iter().enumerate() {
            for other in 0..people {
                let heard = tone_amplitude(last_second(&member.heard), Script::hertz(other));
                let expected = if own == other { 0.0..0.01 } else { 0.06..0.14 };
                assert!(
                    expected.contains(&heard),
                    "{own} hears {other} of {people}: {heard}"
                );
            }
        }
    }
}

/// What of each other member each hears.
fn heard_by_leg(group: &Group) -> BTreeMap<(usize, usize), Vec<f32>> {
    let legs = group.members.iter().enumerate().flat_map(|(own, member)| {
        let legs = member.legs.iter();
        legs.map(move |leg| ((own, leg.to), leg.heard.clone()))
    });
    legs.collect()
}

#[test]
fn loss_on_the_leg_of_two_changes_no_bit_of_what_others_say() {
    let run = |loss_percent| {
        let mut group = Group::of(4, Script::Tones);
        group.path(0, 1).loss_percent = loss_percent;
        group.path(1, 0).loss_percent = loss_percent;
        group.run_for(Duration::from_secs(5));
        group
    };
    let (clear, lossy) = (run(0), run(30));
    let (before, after) = (heard_by_leg(&clear), heard_by_leg(&lossy));
    for (leg, heard) in &before {
        // How the two spend the bytes of their frames follows that leg, for all who hear them. They are heard whole all the same.
        let of_the_two = leg.1 < 2;
        assert_eq!(after[leg] == *heard, !of_the_two, "{leg:?}");
    }
    for (own, member) in lossy.members.iter().enumerate() {
        for other in (0..4).filter(|other| *other != own) {
            let lossy_leg = own < 2 && other < 2;
            let heard = tone_amplitude(last_second(&member.heard), Script::hertz(other));
            assert!(heard > 0.06, "{own} hears {other}: {heard}");
            let leg = member.legs.iter().find(|leg| leg.to == other).unwrap();
            let statistics = leg.voice.receive().statistics().jitter_buffer;
            assert_eq!(statistics.loss > 0.1, lossy_leg, "{own} hears {other}");
        }
    }
}

/// The sizes of the sealed frames of each leg, epoch by epoch. Each epoch has one.
fn sizes(group: &Group) -> BTreeMap<(usize, usize), Vec<usize>> {
    let legs = group.members.iter().enumerate().flat_map(|(own, member)| {
        member.legs.iter().map(move |leg| {
            let mut epochs = BTreeMap::new();
            for (epoch, size) in &leg.sealed {
                let first = *epochs.entry(*epoch).or_insert(*size);
                assert_eq!(first, *size, "{own} to {}, epoch {epoch}", leg.to);
            }
            ((own, leg.to), epochs.into_values().collect())
        })
    });
    legs.collect()
}

#[test]
fn each_leg_has_one_size_in_an_epoch_and_it_says_nothing_of_what_is_said() {
    let run = |script| {
        let mut group = Group::of(8, script).without_ears();
        group.run_for(Duration::from_secs(25));
        group
    };
    let spoken = run(Script::Tones);
    let with_tones = sizes(&spoken);
    assert_eq!(with_tones, sizes(&run(Script::Silence)));
    assert_eq!(with_tones, sizes(&run(Script::MuteNowAndThen)));
    for (leg, sizes) in with_tones {
        // Seven others: less for each of them, from the leg's own next epoch on.
        assert_eq!((sizes[0], sizes[sizes.len() - 1]), (101, 81), "{leg:?}");
    }
    // The first leg that goes down has the encoder go down, and until their own next epochs the others pad.
    let padded = |leg: &virtual_group::LegTo| {
        let frames = leg.sealed.iter().zip(&spoken.members[0].encoded);
        frames
            .filter(|((_, sealed), encoded)| *sealed == 101 && **encoded == 58)
            .count()
    };
    assert!(spoken.members[0].legs.iter().any(|leg| padded(leg) > 50));
}

#[test]
fn a_narrow_path_makes_the_frames_of_one_member_smaller_and_they_grow_again() {
    let mut group = Group::of(3, Script::Tones).without_ears();
    // Room for 24 kbit/s with all that is around a frame, and not for 32.
    group.path(0, 1).bytes_per_second = Some((81 + 54 + 3) * 50);
    group.run_for(Duration::from_secs(40));
    let narrow = sizes(&group);
    let last = |sizes: &BTreeMap<_, Vec<usize>>, leg| *sizes[&leg].last().unwrap();
    assert!(last(&narrow, (0, 1)) < 101, "{narrow:?}");
    assert_eq!(last(&narrow, (0, 2)), last(&narrow, (0, 1)));
    // What others send is no concern of that path.
    for leg in [(1, 0), (1, 2), (2, 0), (2, 1)] {
        assert!(narrow[&leg].iter().all(|size| *size == 101), "{leg:?}");
    }
    group.path(0, 1).bytes_per_second = None;
    group.run_for(Duration::from_secs(150));
    let wide = sizes(&group);
    assert_eq!(last(&wide, (0, 1)), 101, "{wide:?}");
    assert_eq!(last(&wide, (0, 2)), 101, "{wide:?}");
}

#[test]
fn when_others_leave_those_who_stay_have_more_again() {
    let mut group = Group::of(5, Script::Tones).without_ears();
    group.run_for(Duration::from_secs(22));
    let many = sizes(&group);
    assert!(many.values().all(|it| it.last() == Some(&81)), "{many:?}");
    group.leaves(4);
    group.run_for(Duration::from_secs(22));
    let few = sizes(&group);
    let stay = few.iter().filter(|(leg, _)| leg.0 != 4);
    for (leg, sizes) in stay {
        assert_eq!(sizes.last(), Some(&101), "{leg:?}");
    }
}
