//! What pair carries the call, and when another takes over.

use super::*;

const MS: Duration = Duration::from_millis(1);

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time needs an origin, and any will do"
)]
fn start() -> Instant {
    Instant::now()
}

fn pair(local: u16, remote: u16) -> SelectedPair {
    SelectedPair {
        local: SocketAddr::from(([10, 0, 0, 1], local)),
        remote: SocketAddr::from(([10, 0, 0, 2], remote)),
    }
}

fn message(kind: [u8; 2], transaction: u32) -> Vec<u8> {
    let mut message = kind.to_vec();
    message.extend_from_slice(&[0; 14]);
    message.extend_from_slice(&transaction.to_be_bytes());
    message
}

fn answer(selection: &mut Selection, now: Instant, of: SelectedPair, transaction: u32) {
    selection.check_sent(of, &message(BINDING_REQUEST, transaction));
    let success = message(BINDING_SUCCESS, transaction);
    selection.answer_came(now, of, &success, || true, |_| false);
}

/// Over the first pair, from whose other end the peer was heard.
fn talking(now: Instant) -> Selection {
    let mut selection = Selection::default();
    answer(&mut selection, now, pair(1, 1), 1);
    assert_eq!(selection.route(now, pair(1, 1)), Some(pair(1, 1)));
    selection.heard(now, pair(1, 1));
    selection
}

#[test]
fn packets_from_where_no_check_was_answered_are_not_followed() {
    let now = start();
    let mut selection = talking(now);
    for ms in (20..2000).step_by(20) {
        selection.heard(now + ms * MS, pair(1, 2));
    }
    assert_eq!(selection.pair(), Some(pair(1, 1)));
    // Nor does an answer help that comes from somebody else, or to what was never asked.
    let later = now + 2000 * MS;
    selection.check_sent(pair(1, 3), &message(BINDING_REQUEST, 7));
    for transaction in [7, 8] {
        let success = message(BINDING_SUCCESS, transaction);
        selection.answer_came(later, pair(1, 2), &success, || true, |_| false);
    }
    selection.heard(later, pair(1, 2));
    assert_eq!(selection.pair(), Some(pair(1, 1)));
    answer(&mut selection, later, pair(1, 2), 9);
    selection.heard(later, pair(1, 2));
    assert_eq!(selection.pair(), Some(pair(1, 2)));
}

#[test]
fn a_forged_answer_counts_for_nothing_and_the_true_one_behind_it_does() {
    let now = start();
    let mut selection = talking(now);
    let later = now + 2000 * MS;
    selection.check_sent(pair(1, 1), &message(BINDING_REQUEST, 7));
    let success = message(BINDING_SUCCESS, 7);
    for (is_genuine, answered_at) in [(false, now), (true, later)] {
        selection.answer_came(later, pair(1, 1), &success, || is_genuine, |_| false);
        assert_eq!(selection.last_answer(), Some(answered_at));
    }
    // What is no answer of anybody is not looked at.
    let other = message(BINDING_SUCCESS, 8);
    selection.answer_came(later, pair(1, 1), &other, || unreachable!(), |_| false);
}

#[test]
fn the_peer_is_followed_when_it_has_been_silent_where_it_was_and_back_again() {
    let now = start();
    let mut selection = talking(now);
    answer(&mut selection, now, pair(1, 2), 2);
    selection.heard(now + 149 * MS, pair(1, 2));
    assert_eq!(selection.pair(), Some(pair(1, 1)));
    selection.heard(now + 150 * MS, pair(1, 2));
    assert_eq!(selection.pair(), Some(pair(1, 2)));
    selection.heard(now + 300 * MS, pair(1, 1));
    assert_eq!(selection.pair(), Some(pair(1, 1)));
}

#[test]
fn two_sides_that_use_different_pairs_do_not_go_round_in_circles() {
    let now = start();
    let mut selection = Selection::default();
    for (of, transaction) in [(pair(1, 1), 1), (pair(1, 2), 2)] {
        answer(&mut selection, now, of, transaction);
    }
    selection.route(now, pair(1, 1));
    for ms in (0..2000).step_by(20) {
        selection.heard(now + ms * MS, pair(1, 2));
    }
    assert_eq!(selection.pair(), Some(pair(1, 1)));
}

#[test]
fn what_the_engine_nominates_in_place_of_a_lost_pair_counts_if_it_works() {
    let now = start();
    let mut selection = talking(now);
    answer(&mut selection, now, pair(2, 1), 2);
    selection.local_gone(now, pair(1, 1).local, |_| false);
    assert_eq!(
        (selection.pair(), selection.is_lost()),
        (Some(pair(2, 1)), false)
    );
    // It prefers one that has answered once and is dead now.
    assert_eq!(selection.route(now, pair(3, 1)), Some(pair(2, 1)));
    answer(&mut selection, now, pair(4, 1), 3);
    assert_eq!(selection.route(now, pair(4, 1)), Some(pair(4, 1)));
}

#[test]
fn a_relay_is_the_second_choice_and_what_answered_long_ago_is_none() {
    let now = start();
    let mut selection = talking(now);
    answer(&mut selection, now, pair(2, 1), 2);
    answer(&mut selection, now + MS, pair(3, 1), 3);
    let relays = |of: SelectedPair| of.local == pair(3, 1).local;
    selection.local_gone(now + 2 * MS, pair(1, 1).local, relays);
    assert_eq!(selection.pair(), Some(pair(2, 1)));
    selection.local_gone(now + 3 * MS, pair(2, 1).local, relays);
    assert_eq!(selection.pair(), Some(pair(3, 1)));

    let mut selection = talking(now);
    answer(&mut selection, now, pair(2, 1), 2);
    selection.local_gone(now + VALID_FOR + MS, pair(1, 1).local, relays);
    assert!(selection.is_lost());
    answer(&mut selection, now + VALID_FOR + 2 * MS, pair(2, 1), 4);
    assert_eq!(
        (selection.pair(), selection.is_lost()),
        (Some(pair(2, 1)), false)
    );
}

#[test]
fn of_pairs_that_lead_nowhere_none_takes_over_from_another() {
    let now = start();
    let dead = |pair: SelectedPair| pair.local.port() <= 2;
    let mut selection = talking(now);
    answer(&mut selection, now, pair(2, 1), 2);
    selection.distrust_those(now, |_| false, |_| false);
    assert!(!selection.is_lost());
    selection.distrust_those(now, dead, |_| false);
    assert!(selection.is_lost());
    answer(&mut selection, now, pair(3, 1), 3);
    assert_eq!(selection.pair(), Some(pair(3, 1)));
    // Another that works is taken at once, and one in use that works is kept.
    let mut selection = talking(now);
    answer(&mut selection, now, pair(3, 1), 2);
    for _ in 0..2 {
        selection.distrust_those(now, dead, |_| false);
        assert_eq!(
            (selection.pair(), selection.is_lost()),
            (Some(pair(3, 1)), false)
        );
    }
    // Should they work nevertheless, their answers say so.
    let mut selection = talking(now);
    selection.distrust_those(now, dead, |_| false);
    answer(&mut selection, now, pair(1, 1), 4);
    assert_eq!(
        (selection.pair(), selection.is_lost()),
        (Some(pair(1, 1)), false)
    );
}

#[test]
fn while_the_peer_is_silent_another_pair_is_taken_if_it_answers_and_the_one_in_use_does_not() {
    let relays = |of: SelectedPair| of.local.port() == 2;
    let ask = |selection: &mut Selection, at, of, transaction| {
        selection.check_sent(of, &message(BINDING_REQUEST, transaction));
        let success = message(BINDING_SUCCESS, transaction);
        selection.answer_came(at, of, &success, || true, relays);
    };
    let silent = |now: Instant| {
        let mut selection = talking(now - 400 * MS);
        selection.check_sent(pair(2, 1), &message(BINDING_REQUEST, 7));
        selection.trial_begins(now);
        // What was sent before says nothing.
        let late = message(BINDING_SUCCESS, 7);
        selection.answer_came(now, pair(2, 1), &late, || true, relays);
        assert!(!selection.answered.contains_key(&pair(2, 1)));
        // Nor is what the engine takes for a moment taken here.
        assert_eq!(selection.route(now, pair(2, 1)), Some(pair(1, 1)));
        selection
    };
    let now = start() + 400 * MS;
    let soon = now + IN_USE_FIRST / 2;
    let decided = now + IN_USE_FIRST;
    for answers in [false, true] {
        let mut selection = silent(now);
        ask(&mut selection, soon, pair(2, 1), 8);
        assert_eq!(selection.pair(), Some(pair(1, 1)), "it has time to answer");
        if answers {
            ask(&mut selection, soon, pair(1, 1), 9);
        }
        assert_eq!(selection.trial_ends(), Some(decided));
        selection.decide_trial(decided, relays);
        assert_eq!(selection.trial_ends(), None);
        let expected = if answers { pair(1, 1) } else { pair(2, 1) };
        assert_eq!(selection.pair(), Some(expected));
    }
    // Later the first answer decides, and a peer that is heard where it was ends it.
    let mut selection = silent(now);
    selection.decide_trial(decided, relays);
    assert_eq!(selection.pair(), Some(pair(1, 1)));
    ask(&mut selection, decided + IN_USE_FIRST, pair(2, 1), 8);
    assert_eq!(selection.pair(), Some(pair(2, 1)));
    let mut selection = silent(now);
    selection.heard(soon, pair(1, 1));
    ask(&mut selection, decided, pair(2, 1), 8);
    assert_eq!(selection.pair(), Some(pair(1, 1)));
}

#[test]
fn a_direct_path_that_the_engine_has_not_let_go_of_is_taken_again_when_it_answers() {
    let now = start();
    let relays = |of: SelectedPair| of.local.port() == 2;
    let mut selection = talking(now);
    answer(&mut selection, now, pair(2, 1), 2);
    selection.distrust(now, relays);
    assert_eq!(selection.pair(), Some(pair(2, 1)));
    selection.check_sent(pair(1, 1), &message(BINDING_REQUEST, 3));
    let success = message(BINDING_SUCCESS, 3);
    selection.answer_came(now, pair(1, 1), &success, || true, relays);
    assert_eq!(selection.pair(), Some(pair(1, 1)));
}

#[test]
fn an_answer_that_was_under_way_when_its_pair_was_distrusted_does_not_count() {
    let now = start();
    let mut selection = talking(now);
    selection.check_sent(pair(1, 1), &message(BINDING_REQUEST, 7));
    selection.distrust(now, |_| false);
    let success = message(BINDING_SUCCESS, 7);
    selection.answer_came(now, pair(1, 1), &success, || true, |_| false);
    assert!(selection.is_lost());
}

#[test]
fn whatever_comes_takes_bounded_memory() {
    let now = start();
    let mut selection = talking(now);
    for number in 0..5000_u16 {
        answer(
            &mut selection,
            now + u32::from(number) * MS,
            pair(1, number),
            number.into(),
        );
        selection.check_sent(
            pair(1, 1),
            &message(BINDING_REQUEST, 10_000 + u32::from(number)),
        );
        selection.heard(now, pair(1, number));
    }
    assert_eq!(selection.checks.len(), MAX_CHECKS);
    assert_eq!(
        (selection.answered.len(), selection.heard.len()),
        (MAX_KNOWN, MAX_KNOWN)
    );
    // The newest are known.
    assert!(selection.answered.contains_key(&pair(1, 4999)));
}
