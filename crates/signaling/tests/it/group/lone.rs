//! One device in a conference, whose legs a test speaks for.

use std::time::Duration;

use securecall_signaling::Person;
use securecall_signaling::group::{LegEnd, Mesh, MeshOutput};
use web_time::Instant;

use crate::calls::origin;
use crate::rosters::person;

/// Legs that it places have numbers beyond this one.
const PLACED: u64 = 1000;

pub(super) struct Lone {
    pub(super) now: Instant,
    pub(super) mesh: Mesh<u64>,
    pub(super) calls: Vec<Person>,
    pub(super) outputs: Vec<MeshOutput<u64>>,
    pub(super) placed: u64,
    /// Calls that it places may ring.
    may_ring: bool,
}

impl Lone {
    pub(super) fn new(mesh: Mesh<u64>, may_ring: bool) -> Self {
        Self {
            now: origin(),
            mesh,
            calls: Vec::new(),
            outputs: Vec::new(),
            placed: PLACED,
            may_ring,
        }
    }

    /// Somebody is connected, by a leg of their number.
    pub(super) fn join(&mut self, number: u8) {
        self.mesh
            .leg_taken(self.now, person(number), u64::from(number));
        self.mesh.leg_connected(self.now, u64::from(number));
        self.drain();
    }

    pub(super) fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.mesh.poll_output() {
                MeshOutput::Timeout(at) => return at,
                MeshOutput::Call {
                    person,
                    rings,
                    members,
                } => {
                    assert!(self.may_ring || !rings);
                    assert!(members.iter().all(|it| it.id() != person.id()));
                    self.placed += 1;
                    self.mesh.leg_placed(self.now, person.id(), self.placed);
                    self.calls.push(person);
                }
                output => self.outputs.push(output),
            }
        }
    }

    /// Lets time pass. What is called does not answer, and ends at once.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.drain().filter(|at| *at <= end) {
            self.now = at;
            self.mesh.handle_timeout(at);
            self.drain();
            self.fail_calls();
        }
        self.now = end;
    }

    pub(super) fn fail_calls(&mut self) {
        for leg in PLACED + 1..=self.placed {
            self.mesh.leg_ended(self.now, leg, LegEnd::NoAnswer);
        }
        self.drain();
    }
}
