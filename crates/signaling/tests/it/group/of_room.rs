//! The sealed legs of the call of a room: its state says who is in, and no member does.

use std::time::Duration;

use securecall_contact::MatrixId;
use securecall_signaling::group::{
    EndWhy, INTRODUCTION_PATIENCE, LeftWhy, LegEnd, MAX_TRIES, MAX_UNREACHED, Mesh, MeshOutput,
    PATIENCE, RosterRefused, Verdict,
};
use securecall_signaling::{MAX_MEMBERS, Person};

use super::lone::Lone;
use super::universe::conference;
use crate::rosters::{id, person, roster};

const SECOND: Duration = Duration::from_secs(1);

impl Lone {
    /// In the call of a room.
    fn in_room(number: u8) -> Self {
        Self::new(Mesh::of_room(id(number), conference(1)), false)
    }

    /// With a leg that works, of the number of the person.
    fn in_room_with(number: u8, other: u8) -> Self {
        let mut member = Self::in_room(number);
        member.room_names(&[other]);
        member.join(other);
        member.calls.clear();
        member
    }

    fn room_names(&mut self, others: &[u8]) {
        let people: Vec<_> = others.iter().map(|it| person(*it)).collect();
        self.mesh.room_names(self.now, &people);
        self.drain();
    }

    fn told(&self, is_it: impl Fn(&MeshOutput<u64>) -> bool) -> usize {
        self.outputs.iter().filter(|it| is_it(it)).count()
    }
}

#[test]
fn the_lesser_calls_who_is_named_at_once_and_the_greater_after_a_while() {
    for (own, other, waits) in [(1, 2, false), (2, 1, true)] {
        let mut member = Lone::in_room(own);
        member.room_names(&[own, other]);
        assert_eq!(member.calls.is_empty(), waits);
        member.pass(PATIENCE);
        assert!(member.calls.iter().all(|it| *it == person(other)));
        assert!(!member.calls.is_empty());
    }
}

#[test]
fn a_leg_is_taken_of_who_is_named_at_the_address_that_is_named_and_of_nobody_else() {
    let mut member = Lone::in_room(5);
    member.room_names(&[1]);
    let now = member.now;
    assert_eq!(member.mesh.leg_offered(now, &person(1)), Verdict::Take);
    let address = MatrixId::of_securecall_id(&id(1), &"elsewhere.example".parse().unwrap());
    let elsewhere = Person::new(id(1), address).unwrap();
    for other in [elsewhere, person(2)] {
        assert_eq!(member.mesh.leg_offered(now, &other), Verdict::Wait);
        let late = now + INTRODUCTION_PATIENCE;
        assert_eq!(member.mesh.leg_offered(late, &other), Verdict::Refuse);
        member.mesh.handle_timeout(late);
    }
    // The event that names them may come after their call.
    assert_eq!(member.mesh.leg_offered(now, &person(3)), Verdict::Wait);
    member.room_names(&[1, 3]);
    assert_eq!(member.mesh.leg_offered(now, &person(3)), Verdict::Take);
    // And who had a leg has none when the room does not name them.
    member.mesh.leg_taken(now, person(3), 77);
    member.mesh.leg_connected(now, 77);
    member.room_names(&[1]);
    assert_ne!(member.mesh.leg_offered(now, &person(3)), Verdict::Take);
}

#[test]
fn no_roster_is_told_or_taken() {
    let mut member = Lone::in_room_with(1, 2);
    let mut said = roster(8);
    said.conference_id = conference(1);
    let refused = member.mesh.handle_roster(member.now, 2, &said);
    assert_eq!(refused, Err(RosterRefused::OfARoom));
    member.pass(SECOND * 120);
    assert!(member.calls.is_empty());
    assert_eq!(member.told(|it| matches!(it, MeshOutput::Tell { .. })), 0);
    let shown = |it: &MeshOutput<u64>| matches!(it, MeshOutput::Invited { person, .. } if person.id() != id(2));
    assert_eq!(member.told(shown), 0);
}

#[test]
fn nobody_brings_anybody_and_the_last_one_stays() {
    let mut member = Lone::in_room_with(1, 2);
    let brought = |it: &MeshOutput<u64>| {
        matches!(
            it,
            MeshOutput::Joined {
                brought_by: Some(_),
                ..
            } | MeshOutput::Invited { by: Some(_), .. }
        )
    };
    assert_eq!(member.told(brought), 0);
    member.room_names(&[]);
    let ends = |it: &MeshOutput<u64>| {
        matches!(
            it,
            MeshOutput::EndLeg {
                leg: 2,
                why: EndWhy::Left
            }
        )
    };
    assert_eq!(member.told(ends), 1);
    let left = |it: &MeshOutput<u64>| {
        matches!(
            it,
            MeshOutput::Left {
                why: LeftWhy::HungUp,
                ..
            }
        )
    };
    assert_eq!(member.told(left), 1);
    member.pass(SECOND * 600);
    assert!(!member.mesh.is_over());
    // They come again, and are called.
    member.room_names(&[2]);
    member.pass(SECOND * 3);
    assert_eq!(member.calls.first(), Some(&person(2)));
}

#[test]
fn who_hung_up_is_not_called_though_the_room_still_names_them() {
    let mut member = Lone::in_room_with(1, 2);
    member.mesh.leg_ended(member.now, 2, LegEnd::Left);
    member.pass(SECOND * 14);
    assert!(member.calls.is_empty());
    // They are out, and in again.
    member.room_names(&[]);
    member.room_names(&[2]);
    member.pass(SECOND * 3);
    assert_eq!(member.calls.first(), Some(&person(2)));
    // Who does not come out is looked for when that has had its time.
    let mut member = Lone::in_room_with(1, 2);
    member.mesh.leg_ended(member.now, 2, LegEnd::Left);
    member.pass(SECOND * 16);
    assert_eq!(member.calls.first(), Some(&person(2)));
}

#[test]
fn who_leaves_before_they_are_called_is_not_and_who_comes_elsewhere_is_called_there() {
    let mut member = Lone::in_room(1);
    let now = member.now;
    member.mesh.room_names(now, &[person(2)]);
    member.mesh.room_names(now, &[]);
    member.drain();
    let ended = |it: &MeshOutput<u64>| matches!(it, MeshOutput::EndLeg { leg: 1001, .. });
    assert_eq!(member.told(ended), 1, "what was ordered ends at once");

    let mut member = Lone::in_room_with(1, 2);
    let address = MatrixId::of_securecall_id(&id(2), &"elsewhere.example".parse().unwrap());
    let elsewhere = Person::new(id(2), address).unwrap();
    member.room_names(&[]);
    member
        .mesh
        .room_names(member.now, std::slice::from_ref(&elsewhere));
    member.pass(SECOND * 3);
    assert_eq!(member.calls.first(), Some(&elsewhere));
}

#[test]
fn nobody_is_put_out_by_hearing_that_another_device_has_answered() {
    let mut member = Lone::in_room_with(1, 2);
    let ended = LegEnd::AnsweredElsewhere;
    member.mesh.leg_ended(member.now, 2, ended);
    member.pass(SECOND * 120);
    assert!(!member.mesh.is_over());
    assert!(member.calls.is_empty());
    assert_eq!(member.told(|it| matches!(it, MeshOutput::NoPath { .. })), 1);
}

#[test]
fn of_hundreds_whom_a_room_names_few_are_called_the_first_before_the_others() {
    let mut member = Lone::in_room(0);
    // The last in order is the most important.
    let mut named: Vec<u8> = (1..200).collect();
    named.insert(0, 250);
    member.room_names(&named);
    member.pass(SECOND * 3600);
    let mut called: Vec<_> = member.calls.iter().map(Person::id).collect();
    called.sort();
    called.dedup();
    assert_eq!(called.len(), MAX_UNREACHED);
    assert!(called.contains(&id(250)), "whoever stands first is called");
    let tries = usize::try_from(MAX_TRIES).unwrap();
    assert!(member.calls.len() <= MAX_UNREACHED * tries);
    let shown = member.told(|it| matches!(it, MeshOutput::NoPath { .. }));
    assert!(shown <= 2 * MAX_MEMBERS);
    // Who calls is taken all the same, shown or not.
    for number in [9, 199] {
        let offered = member.mesh.leg_offered(member.now, &person(number));
        assert_eq!(offered, Verdict::Take);
    }
}
