//! Whom a group call is with: several people, each of whom has a known key.

use std::collections::BTreeSet;

use securecall_contact::{MatrixId, SecureCallId};
use securecall_profile::who::Person;

use crate::error::{ErrorKind, Failure};

/// The most people in a group call, with ourselves.
const MAX_PEOPLE: usize = 8;

/// The people that are meant, as a group of whom none is named twice.
///
/// # Errors
///
/// They are too many; somebody is named twice, or is ourselves; or somebody's key is not known, and with whoever has none
/// there is no sealed leg.
pub(crate) fn as_group(
    people: Vec<Person>,
    own_id: Option<SecureCallId>,
    own_address: Option<&MatrixId>,
) -> Result<Vec<Person>, Failure> {
    if people.len() >= MAX_PEOPLE {
        return Err(too_many(people.len()));
    }
    let mut named = BTreeSet::new();
    for person in &people {
        let id = identity(person).ok_or_else(|| no_key(person))?;
        if Some(id) == own_id || Some(&person.matrix_id) == own_address {
            return Err(ourselves(person));
        }
        if !named.insert(id) {
            return Err(named_twice(person));
        }
    }
    Ok(people)
}

/// The key of a person, as the contact list or the address says it.
pub(super) fn identity(person: &Person) -> Option<SecureCallId> {
    person
        .id
        .or_else(|| person.matrix_id.securecall_id().copied())
}

/// What is said of a group with somebody of whom no key is known.
pub(super) fn no_key(person: &Person) -> Failure {
    Failure::new(
        ErrorKind::NoSecureCallDevice,
        format!(
            "{} cannot be in a group call: no SecureCall key of theirs is known, and every leg of a group call is end-to-end encrypted between known keys",
            shown(person)
        ),
    )
    .help("ask them for a SecureCall contact link, and add it with `securecall contact add`; or call them by themselves")
}

fn too_many(count: usize) -> Failure {
    Failure::new(
        ErrorKind::Usage,
        format!(
            "a group call has at most {MAX_PEOPLE} people, you among them: {} can be called, and {count} are named",
            MAX_PEOPLE - 1
        ),
    )
}

fn ourselves(person: &Person) -> Failure {
    Failure::new(
        ErrorKind::Usage,
        format!("{} is you, and you are in the call anyway", shown(person)),
    )
    .help("name the others only")
}

fn named_twice(person: &Person) -> Failure {
    Failure::new(
        ErrorKind::Usage,
        format!("{} is named twice", shown(person)),
    )
    .help("name everybody once; a contact's name, ID, link and Matrix ID all mean the same person")
}

fn shown(person: &Person) -> String {
    let name = person.name.clone();
    name.unwrap_or_else(|| person.matrix_id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_contacts::contact;

    fn person(name: &str, key: Option<u8>, matrix_id: &str) -> Person {
        Person::from(&contact(name, key, matrix_id))
    }

    fn refused(people: Vec<Person>) -> Failure {
        let own = contact("Me", Some(5), "@me:a.example");
        as_group(people, own.id, Some(&own.matrix_id)).unwrap_err()
    }

    #[test]
    fn everybody_is_in_a_group_once_and_nobody_without_a_key() {
        let ada = || person("Ada", Some(7), "@ada:a.example");
        let again = person("", Some(7), "@ada:b.example");
        let me = person("Myself", Some(5), "@other:a.example");
        let keyless = person("Cy", None, "@cy:a.example");
        for (second, kind, said) in [
            (again, ErrorKind::Usage, "twice"),
            (me, ErrorKind::Usage, "is you"),
            (keyless, ErrorKind::NoSecureCallDevice, "Cy"),
        ] {
            let failure = refused(vec![ada(), second]);
            assert_eq!(failure.kind, kind);
            assert!(failure.message.to_string().contains(said), "{failure}");
        }
    }

    #[test]
    fn a_group_has_eight_people_at_most() {
        let people = |count: u8| -> Vec<Person> {
            let numbers = 10..10 + count;
            numbers
                .map(|key| person("Somebody", Some(key), "@somebody:a.example"))
                .collect()
        };
        let own = contact("Me", Some(5), "@me:a.example");
        assert_eq!(
            as_group(people(7), own.id, Some(&own.matrix_id))
                .unwrap()
                .len(),
            7
        );
        assert!(
            refused(people(8))
                .message
                .to_string()
                .contains("8 are named")
        );
    }
}
