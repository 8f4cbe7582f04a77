//! What a member that lies, somebody who is no member, and a server that withholds can bring about: nothing without end.

use std::collections::BTreeSet;
use std::time::Duration;

use securecall_contact::MatrixId;
use securecall_signaling::group::{
    EndWhy, INTRODUCTION_PATIENCE, LeftWhy, LegEnd, MAX_TRIES, MAX_UNREACHED, Mesh, MeshOutput,
    OverWhy, ROSTER_BURST, ROSTER_PAUSE, RosterRefused, Verdict,
};
use securecall_signaling::{MAX_MEMBERS, Membership, MembershipState, Person, Roster};

use super::lone::Lone;
use super::universe::{Seen, Universe, conference};
use crate::rosters::{id, person};

const SECOND: Duration = Duration::from_secs(1);

impl Lone {
    /// The lesser of all, in a conference with these, who are connected by legs of their numbers.
    fn in_conference(others: &[u8]) -> Self {
        let mut victim = Self::new(Mesh::new(id(0), conference(1)), true);
        for number in others {
            victim.join(*number);
        }
        victim
    }

    fn hear(
        &mut self,
        from: u8,
        number: u32,
        people: &[(u8, MembershipState)],
    ) -> Result<(), RosterRefused> {
        let members = people.iter().map(|(number, state)| Membership {
            person: person(*number),
            state: *state,
            brought_by: None,
        });
        self.hear_members(from, number, members.collect())
    }

    fn hear_members(
        &mut self,
        from: u8,
        number: u32,
        members: Vec<Membership>,
    ) -> Result<(), RosterRefused> {
        let roster = Roster {
            conference_id: conference(1),
            number,
            members,
        };
        let heard = self.mesh.handle_roster(self.now, u64::from(from), &roster);
        self.drain();
        heard
    }

    fn names(&self) -> BTreeSet<u8> {
        let named = self.outputs.iter().filter_map(|output| match output {
            MeshOutput::Invited { person, .. }
            | MeshOutput::Joined { person, .. }
            | MeshOutput::NoPath { person, .. } => Some(person.id().identity_key().as_bytes()[0]),
            _ => None,
        });
        named.collect()
    }
}

const CONNECTED: MembershipState = MembershipState::Connected;

#[test]
fn a_member_that_names_thousands_has_eight_of_them_called() {
    let mut victim = Lone::in_conference(&[1, 2]);
    for round in 0..24_u8 {
        let people: Vec<_> = (0..8).map(|it| (10 + round * 8 + it, CONNECTED)).collect();
        victim.hear(1, u32::from(round) + 1, &people).unwrap();
        victim.pass(SECOND * 20);
    }
    let called: BTreeSet<_> = victim.calls.iter().map(Person::id).collect();
    assert_eq!(called.len(), MAX_UNREACHED);
    // Who is named by somebody else is called all the same.
    victim.hear(2, 1, &[(250, CONNECTED)]).unwrap();
    victim.pass(SECOND);
    assert_eq!(victim.calls.last(), Some(&person(250)));
}

#[test]
fn of_more_people_than_a_roster_may_name_the_rest_is_not_read() {
    let mut victim = Lone::in_conference(&[1]);
    let people: Vec<_> = (10..200).map(|it| (it, CONNECTED)).collect();
    victim.hear(1, 1, &people).unwrap();
    assert_eq!(victim.names(), (10..18).chain([1]).collect());
}

#[test]
fn no_member_has_more_people_shown_than_two_conferences_have() {
    let mut victim = Lone::in_conference(&[1, 2, 3, 4]);
    for from in 1..=4 {
        let people: Vec<_> = (0..8)
            .map(|it| (20 * from + it, MembershipState::Calling))
            .collect();
        victim.hear(from, 1, &people).unwrap();
    }
    assert!(victim.names().len() <= 2 * MAX_MEMBERS);
}

#[test]
fn what_a_member_says_of_us_and_of_itself_is_not_heard() {
    let mut victim = Lone::in_conference(&[1, 2]);
    victim.outputs.clear();
    victim
        .hear(1, 1, &[(0, CONNECTED), (1, MembershipState::NoPath)])
        .unwrap();
    victim.pass(SECOND * 3);
    assert_eq!(victim.names(), [].into());
    assert_eq!(victim.calls, []);
    // Its own word of itself would keep it here when it is gone.
    victim.mesh.leg_ended(victim.now, 1, LegEnd::NoPath);
    victim.drain();
    let left = MeshOutput::Left {
        person: person(1),
        why: LeftWhy::Vanished,
    };
    assert!(victim.outputs.contains(&left));
}

#[test]
fn a_member_does_not_say_who_brought_it() {
    let mut victim = Lone::in_conference(&[1, 2]);
    let of_itself = Membership {
        person: person(1),
        state: CONNECTED,
        brought_by: Some(id(2)),
    };
    victim.hear_members(1, 1, vec![of_itself]).unwrap();
    victim.outputs.clear();
    victim.pass(SECOND * 16);
    let told = victim.outputs.iter().rev().find_map(|output| match output {
        MeshOutput::Tell { roster, .. } => roster.members.first().cloned(),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!((told.person, told.brought_by), (person(1), Some(id(1))));
}

#[test]
fn rosters_without_end_are_refused_and_change_nothing() {
    let mut victim = Lone::in_conference(&[1]);
    let mut taken = 0;
    for number in 1..=1000 {
        let people = [(10 + (number % 2) as u8, MembershipState::Calling)];
        match victim.hear(1, number, &people) {
            Ok(()) => taken += 1,
            Err(error) => assert_eq!(error, RosterRefused::TooMany),
        }
    }
    assert_eq!(taken, 8);
    let before = victim.names();
    assert_eq!(
        victim.hear(1, 2000, &[(99, CONNECTED)]),
        Err(RosterRefused::TooMany)
    );
    assert_eq!(victim.names(), before);
    victim.pass(SECOND);
    assert_eq!(victim.hear(1, 2001, &[]), Ok(()));
    assert_eq!(victim.hear(1, 2002, &[]), Err(RosterRefused::TooMany));
}

#[test]
fn the_first_changes_are_told_at_once_and_the_rest_once_a_second() {
    let mut victim = Lone::in_conference(&[1]);
    let told = |victim: &mut Lone| {
        let outputs = std::mem::take(&mut victim.outputs);
        let rosters = outputs
            .iter()
            .filter(|it| matches!(it, MeshOutput::Tell { leg: 1, .. }));
        rosters.count()
    };
    assert_eq!(told(&mut victim), 1);
    for number in 2..=6 {
        victim.join(number);
    }
    assert_eq!(told(&mut victim), ROSTER_BURST as usize - 1);
    victim.pass(ROSTER_PAUSE);
    assert_eq!(told(&mut victim), 1);
    victim.pass(ROSTER_PAUSE * 10);
    assert_eq!(told(&mut victim), 0, "there is nothing more to tell");
}

#[test]
fn a_roster_of_another_conference_or_from_nowhere_is_refused() {
    let mut victim = Lone::in_conference(&[1]);
    let mut roster = Roster {
        conference_id: conference(2),
        number: 1,
        members: Vec::new(),
    };
    let now = victim.now;
    assert_eq!(
        victim.mesh.handle_roster(now, 1, &roster),
        Err(RosterRefused::OtherConference)
    );
    roster.conference_id = conference(1);
    assert_eq!(
        victim.mesh.handle_roster(now, 77, &roster),
        Err(RosterRefused::NoLeg)
    );
    victim.mesh.leave();
    victim.drain();
    assert_eq!(
        victim.mesh.handle_roster(now, 1, &roster),
        Err(RosterRefused::Over)
    );
}

#[test]
fn a_roster_that_was_overtaken_is_not_heard() {
    let mut victim = Lone::in_conference(&[1]);
    victim.hear(1, 5, &[]).unwrap();
    for number in [4, 5] {
        victim.hear(1, number, &[(9, CONNECTED)]).unwrap();
    }
    assert_eq!(victim.calls, []);
    victim.hear(1, 6, &[(9, CONNECTED)]).unwrap();
    assert_eq!(victim.calls, [person(9)]);
}

#[test]
fn a_roster_before_the_leg_works_counts_when_it_does_and_not_before() {
    let mut victim = Lone::in_conference(&[1]);
    victim.mesh.leg_taken(victim.now, person(2), 2);
    victim.hear(2, 1, &[(9, CONNECTED)]).unwrap();
    assert_eq!(victim.calls, []);
    victim.mesh.leg_connected(victim.now, 2);
    victim.drain();
    assert_eq!(victim.calls, [person(9)]);
}

#[test]
fn a_leg_of_somebody_whom_nobody_has_named_waits_a_while_and_is_refused() {
    let mut victim = Lone::in_conference(&[1]);
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(9)),
        Verdict::Wait
    );
    victim.now += INTRODUCTION_PATIENCE - SECOND;
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(9)),
        Verdict::Wait
    );
    victim.now += SECOND;
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(9)),
        Verdict::Refuse
    );
    // Those who wait are few.
    let waiting =
        (20..60).filter(|it| victim.mesh.leg_offered(victim.now, &person(*it)) == Verdict::Wait);
    assert!(waiting.count() <= MAX_MEMBERS);
}

#[test]
fn a_leg_that_waits_is_taken_when_its_introduction_comes() {
    let mut victim = Lone::in_conference(&[1]);
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(9)),
        Verdict::Wait
    );
    // In whatever state the member is with them.
    victim.hear(1, 1, &[(9, MembershipState::NoPath)]).unwrap();
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(9)),
        Verdict::Take
    );
}

#[test]
fn legs_without_end_of_one_person_are_refused() {
    let mut victim = Lone::in_conference(&[1]);
    victim.hear(1, 1, &[(9, CONNECTED)]).unwrap();
    let mut taken = 0;
    for _ in 0..100 {
        taken += u32::from(victim.mesh.leg_offered(victim.now, &person(9)) == Verdict::Take);
    }
    assert_eq!(taken, 4);
    victim.now += SECOND * 8;
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(9)),
        Verdict::Take
    );
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(9)),
        Verdict::Refuse
    );
}

#[test]
fn there_are_legs_with_seven_others_and_no_more() {
    let mut victim = Lone::in_conference(&[1, 2, 3, 4, 5, 6, 7]);
    victim.hear(1, 1, &[(9, CONNECTED)]).unwrap();
    victim.pass(SECOND * 30);
    assert_eq!(victim.calls, []);
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(9)),
        Verdict::Refuse
    );
    assert!(victim.mesh.invite(victim.now, person(10)).is_err());
    victim.mesh.leg_taken(victim.now, person(9), 9);
    victim.drain();
    let end = MeshOutput::EndLeg {
        leg: 9,
        why: EndWhy::Full,
    };
    assert_eq!(victim.outputs.last(), Some(&end));
    assert_eq!(victim.mesh.people_connected().count(), 7);
}

#[test]
fn our_own_identity_is_taken_from_nobody() {
    let mut victim = Lone::in_conference(&[1]);
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(0)),
        Verdict::Refuse
    );
    victim.mesh.introduce(&[person(0)]);
    assert_eq!(
        victim.mesh.leg_offered(victim.now, &person(0)),
        Verdict::Refuse
    );
    assert!(victim.mesh.invite(victim.now, person(0)).is_err());
}

#[test]
fn who_never_answers_is_called_more_and_more_rarely_and_then_no_more() {
    let mut victim = Lone::in_conference(&[1]);
    let begin = victim.now;
    // The member says it again and again, also as if they had gone and come.
    for number in 0..2000_u32 {
        let people: &[_] = if number % 3 == 0 {
            &[]
        } else {
            &[(9, CONNECTED)]
        };
        victim.hear(1, number + 1, people).unwrap();
        victim.pass(SECOND * 5);
    }
    assert!(victim.now - begin > SECOND * 9000);
    assert_eq!(victim.calls.len(), MAX_TRIES as usize);
}

#[test]
fn a_member_that_comes_and_goes_does_not_have_others_called_anew() {
    let mut victim = Lone::in_conference(&[1, 2]);
    for _ in 0..50 {
        victim.hear(1, 1, &[(9, CONNECTED)]).unwrap();
        victim.pass(SECOND * 60);
        victim.mesh.leg_ended(victim.now, 1, LegEnd::NoPath);
        victim.pass(SECOND * 60);
        victim.join(1);
    }
    assert_eq!(
        victim.calls.iter().filter(|it| **it == person(9)).count(),
        MAX_TRIES as usize
    );
}

#[test]
fn who_is_reached_for_a_moment_again_and_again_is_not_called_for_ever() {
    let mut victim = Lone::in_conference(&[1]);
    victim.hear(1, 1, &[(9, CONNECTED)]).unwrap();
    for _ in 0..100 {
        let before = victim.placed;
        victim.mesh.leg_connected(victim.now, before);
        victim.drain();
        victim.now += SECOND * 5;
        victim.mesh.leg_ended(victim.now, before, LegEnd::NoPath);
        for _ in 0..70 {
            if victim.placed == before {
                let now = victim.now + SECOND;
                victim.now = now;
                victim.mesh.handle_timeout(now);
                victim.drain();
            }
        }
    }
    assert_eq!(victim.calls.len(), MAX_TRIES as usize);
}

#[test]
fn a_wrong_address_of_one_member_gives_way_to_that_of_another() {
    let mut victim = Lone::in_conference(&[1, 2]);
    let wrong = Person::new(
        id(9),
        "@somebody:elsewhere.example".parse::<MatrixId>().unwrap(),
    )
    .unwrap();
    let member = |person: Person| Membership {
        person,
        state: CONNECTED,
        brought_by: None,
    };
    victim
        .hear_members(1, 1, vec![member(wrong.clone())])
        .unwrap();
    victim.hear_members(2, 1, vec![member(person(9))]).unwrap();
    victim.fail_calls();
    victim.pass(SECOND * 10);
    assert_eq!(victim.calls[..2], [wrong, person(9)]);
}

#[test]
fn one_member_cannot_say_for_another_that_they_left_or_have_a_leg() {
    let mut victim = Lone::in_conference(&[1, 2]);
    victim.hear(1, 1, &[(2, MembershipState::NoPath)]).unwrap();
    victim.hear(1, 2, &[]).unwrap();
    assert_eq!(victim.mesh.people_connected().count(), 2);
    // What it said goes with its leg.
    victim.hear(1, 3, &[(9, CONNECTED)]).unwrap();
    victim.mesh.leg_ended(victim.now, 1, LegEnd::Left);
    victim.drain();
    let left = MeshOutput::Left {
        person: person(9),
        why: LeftWhy::NotNamed,
    };
    assert!(victim.outputs.contains(&left));
}

#[test]
fn one_member_cannot_throw_us_out_by_saying_that_we_answered_elsewhere() {
    let mut victim = Lone::in_conference(&[1, 2, 3]);
    victim
        .mesh
        .leg_ended(victim.now, 1, LegEnd::AnsweredElsewhere);
    victim.drain();
    assert!(!victim.mesh.is_over());
    // It is not called again, although others are connected with it.
    victim.hear(2, 1, &[(1, CONNECTED)]).unwrap();
    victim.pass(SECOND * 100);
    assert_eq!(victim.calls, []);
    // A second one says the same: it is true.
    victim
        .mesh
        .leg_ended(victim.now, 2, LegEnd::AnsweredElsewhere);
    victim.drain();
    assert_eq!(
        victim.outputs.last(),
        Some(&MeshOutput::Over(OverWhy::AnsweredElsewhere))
    );
    let end = MeshOutput::EndLeg {
        leg: 3,
        why: EndWhy::NoPath,
    };
    assert!(victim.outputs.contains(&end));
}

#[test]
fn two_calls_that_cross_end_nothing() {
    let mut victim = Lone::in_conference(&[]);
    victim.mesh.invite(victim.now, person(9)).unwrap();
    victim.drain();
    victim
        .mesh
        .leg_ended(victim.now, victim.placed, LegEnd::Crossed);
    victim.drain();
    victim.mesh.leg_taken(victim.now, person(9), 9);
    victim.mesh.leg_connected(victim.now, 9);
    victim.drain();
    assert!(!victim.mesh.is_over());
    let left = |it: &MeshOutput<u64>| matches!(it, MeshOutput::Left { .. });
    assert!(!victim.outputs.iter().any(left));
}

#[test]
fn our_own_newer_leg_is_no_other_device_of_ours() {
    let mut victim = Lone::in_conference(&[1]);
    // It connects there first, where the older one gives way to it.
    victim.mesh.leg_taken(victim.now, person(1), 11);
    let end = LegEnd::AnsweredElsewhere;
    victim.mesh.leg_ended(victim.now, 1, end);
    victim.mesh.leg_connected(victim.now, 11);
    victim.drain();
    assert!(!victim.mesh.is_over());
    assert_eq!(victim.mesh.people_connected().count(), 1);
}

#[test]
fn who_left_and_is_brought_again_is_called_as_soon_as_a_member_says_so_anew() {
    let mut victim = Lone::in_conference(&[1, 9]);
    victim.hear(1, 1, &[(9, CONNECTED)]).unwrap();
    victim.mesh.leg_ended(victim.now, 9, LegEnd::Left);
    victim.hear(1, 2, &[(9, CONNECTED)]).unwrap();
    victim.pass(SECOND * 4);
    assert_eq!(victim.calls, [], "it does not know yet that they left");
    victim.hear(1, 3, &[]).unwrap();
    victim.hear(1, 4, &[(9, CONNECTED)]).unwrap();
    victim.pass(SECOND);
    assert_eq!(victim.calls, [person(9)]);
}

#[test]
fn who_cannot_be_called_is_not_asked_for_again() {
    let mut victim = Lone::in_conference(&[1]);
    let roster = Roster {
        conference_id: conference(1),
        number: 1,
        members: vec![Membership {
            person: person(9),
            state: CONNECTED,
            brought_by: None,
        }],
    };
    victim.mesh.handle_roster(victim.now, 1, &roster).unwrap();
    victim.mesh.not_placed(victim.now, id(9));
    // Not even when a call of theirs has come to nothing.
    victim.mesh.leg_taken(victim.now, person(9), 9);
    victim.mesh.leg_ended(victim.now, 9, LegEnd::NoPath);
    let orders = |victim: &mut Lone| {
        let mut orders = 0;
        while let output @ (MeshOutput::Call { .. }
        | MeshOutput::Tell { .. }
        | MeshOutput::Invited { .. }
        | MeshOutput::NoPath { .. }) = victim.mesh.poll_output()
        {
            orders += u32::from(matches!(output, MeshOutput::Call { .. }));
        }
        orders
    };
    assert_eq!(orders(&mut victim), 1, "the one that could not be placed");
    victim.pass(SECOND * 600);
    assert_eq!(victim.calls, []);
}

#[test]
fn a_server_that_withholds_the_calls_of_one_to_another_does_not_keep_them_apart() {
    for seed in 0..10 {
        let mut universe = Universe::new(4, seed);
        universe.withheld.insert((1, 2));
        universe.call_group(0, conference(1), 1..4);
        // The other calls too. Which of two calls that cross goes on is chance, so it may take some tries.
        universe.run(SECOND * 400);
        universe.assert_all_in(&[0, 1, 2, 3]);
    }
}

#[test]
fn a_leg_that_is_withheld_for_ever_is_named_at_both_ends_and_given_up() {
    for seed in 0..10 {
        let mut universe = Universe::new(4, seed);
        universe.withheld.extend([(1, 2), (2, 1)]);
        universe.call_group(0, conference(1), 1..4);
        universe.run(SECOND * 7200);
        assert_eq!(universe.sees(1, Seen::NoPath), [2].into());
        assert_eq!(universe.sees(2, Seen::NoPath), [1].into());
        assert_eq!(universe.sees(0, Seen::Joined), [1, 2, 3].into());
        for pair in [(1, 2), (2, 1)] {
            assert_eq!(universe.placed[&pair], MAX_TRIES);
        }
    }
}

#[test]
fn who_says_that_they_brought_somebody_is_believed_before_who_says_that_another_did() {
    let mut victim = Lone::in_conference(&[1, 2, 3]);
    let member = |brought_by| {
        vec![Membership {
            person: person(9),
            state: MembershipState::Calling,
            brought_by,
        }]
    };
    // Of somebody who is not with us, that is not even heard.
    victim.hear_members(1, 1, member(Some(id(77)))).unwrap();
    let by = |victim: &Lone| {
        victim.outputs.iter().rev().find_map(|output| match output {
            MeshOutput::Invited { by, .. } | MeshOutput::Joined { brought_by: by, .. } => Some(*by),
            _ => None,
        })
    };
    assert_eq!(by(&victim), Some(Some(id(1))));
    victim.hear_members(2, 1, member(None)).unwrap();
    victim.mesh.leg_taken(victim.now, person(9), 9);
    victim.mesh.leg_connected(victim.now, 9);
    victim.drain();
    assert_eq!(by(&victim), Some(Some(id(2))));
}
