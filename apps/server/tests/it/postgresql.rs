//! Two servers of one domain on one PostgreSQL.

use securecall_contact::enrolment::{EnrolmentOutcome, Refusal};
use securecall_interop::Postgres;

use crate::client::Person;
use crate::process::{Lab, Server, obliging};

const ENROLLED: Result<EnrolmentOutcome, Refusal> = Ok(EnrolmentOutcome::Enrolled);

const MORE: &str = "[enrolment]\nper_network_per_hour = 1000\nper_day = 1\n[limits]\nper_network_per_minute = 10000\n";

#[test]
fn two_servers_count_as_one() {
    let database = Postgres::start().unwrap();
    let homeserver = obliging();
    // Both begin with an empty database at the same time.
    let twins: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..2)
            .map(|_| {
                let url = database.url();
                let homeserver = homeserver.address();
                scope.spawn(move || Lab::of_kind("synapse", homeserver, &url, MORE).start())
            })
            .collect();
        starting
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect()
    });
    let addresses = [twins[0].address(), twins[1].address()];

    // One challenge, at both at once: it is answered once.
    let person = Person::new(1);
    let challenge = person.challenge(addresses[0]);
    let request = person.request(&challenge);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let (person, request) = (&person, &request);
        let all: Vec<_> = (0..20)
            .map(|number| scope.spawn(move || person.send(addresses[number % 2], request)))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let enrolled = outcomes.iter().filter(|it| **it == ENROLLED).count();
    let over = outcomes
        .iter()
        .filter(|it| **it == Err(Refusal::ChallengeOver))
        .count();
    assert_eq!((enrolled, over), (1, 19), "{outcomes:?}");

    // Fifty proofs for one name are one account; the day's only place is gone already, so it is by invitation.
    assert_eq!(Person::new(2).enroll(addresses[1]), Err(Refusal::TooMany));
    let made = twins[0].lab.told(&["invite", "new", "--uses", "2"]);
    let code = made[0]["code"].as_str().unwrap();
    let invited = |number| {
        let mut person = Person::new(number);
        person.invitation = Some(code.to_owned());
        person
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let invited = &invited;
        let all: Vec<_> = (0..50)
            .map(|number| scope.spawn(move || invited(2).enroll(addresses[number % 2])))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|it| *it == ENROLLED), "{outcomes:?}");
    // One use is left, for one of many.
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let invited = &invited;
        let all: Vec<_> = (10..30)
            .map(|number| {
                scope.spawn(move || invited(number).enroll(addresses[number as usize % 2]))
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let enrolled = outcomes.iter().filter(|it| **it == ENROLLED).count();
    assert_eq!(enrolled, 1, "{outcomes:?}");
    assert_eq!(twins[1].lab.told(&["invite", "list"])[0]["used"], 2);
    assert_eq!(twins[1].lab.told(&["user", "list"]).len(), 3);
    // Backups of it are not made here.
    let (code, _) = twins[0].lab.ended(&["backup", "/nowhere/copy"]);
    assert_eq!(code, 2);
}
