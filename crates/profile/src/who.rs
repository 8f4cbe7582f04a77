//! Whom the user means: a contact's name, or an address in any form.

use securecall_contact::{Address, AddressError, MatrixId, SecureCallId, ServerName};

use crate::content::Contact;

/// It is not clear, or not safe to say, who is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhoError {
    /// It should be an address, and is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It is neither an address nor the name of a contact.
    #[error("you have no contact called '{}'", .0.escape_debug())]
    Unknown(String),
    /// The address has another key than the contact at it.
    #[error(transparent)]
    OtherKey(#[from] OtherKeyKnown),
}

/// The contact at a Matrix ID has another key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{matrix_id} is your contact {name}, whose key is another one")]
pub struct OtherKeyKnown {
    /// The Matrix ID.
    pub matrix_id: MatrixId,
    /// The contact's name.
    pub name: String,
}

/// Somebody to call, to remove or to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name in the contact list; `None` for a stranger.
    pub name: Option<String>,
    /// `None` for an ordinary account whose key is not known.
    pub id: Option<SecureCallId>,
    /// The account.
    pub matrix_id: MatrixId,
}

/// Finds out who `who` is. An address is an address even if a contact has it for a name.
///
/// # Errors
///
/// It is neither a contact's name nor an address; or the address holds another key than the contact at that address.
pub fn resolve(
    who: &str,
    contacts: &[Contact],
    default_domain: &ServerName,
) -> Result<Person, WhoError> {
    match who.parse::<Address>() {
        Ok(address) => at_address(&address, contacts, default_domain),
        Err(error) => match by_name(who, contacts) {
            Some(contact) => Ok(Person::from(contact)),
            None if looks_like_address(who) => Err(error.into()),
            None => Err(WhoError::Unknown(who.to_owned())),
        },
    }
}

/// The place in the list of the contact that is meant by `who`.
///
/// # Errors
///
/// As [`resolve`]; or no contact has this address.
pub fn contact_index(
    who: &str,
    contacts: &[Contact],
    default_domain: &ServerName,
) -> Result<usize, WhoError> {
    let person = resolve(who, contacts, default_domain)?;
    let found = contacts.iter().position(|contact| match person.id {
        Some(id) => contact.id == Some(id),
        None => contact.matrix_id == person.matrix_id,
    });
    found.ok_or_else(|| WhoError::Unknown(who.to_owned()))
}

/// The contact that is called so: as written, else in another case if only one is.
pub fn by_name<'a>(name: &str, contacts: &'a [Contact]) -> Option<&'a Contact> {
    let name = name.trim();
    let exact = contacts.iter().find(|contact| contact.name == name);
    exact.or_else(|| {
        let folded = name.to_lowercase();
        let mut alike = contacts
            .iter()
            .filter(|contact| contact.name.to_lowercase() == folded);
        alike.next().filter(|_| alike.next().is_none())
    })
}

/// Refuses a pair of key and Matrix ID where the contact list has another key for that Matrix ID.
pub(crate) fn check_known_key(
    id: Option<&SecureCallId>,
    matrix_id: &MatrixId,
    contacts: &[Contact],
) -> Result<(), OtherKeyKnown> {
    let known = contacts
        .iter()
        .find(|contact| contact.matrix_id == *matrix_id);
    match known {
        Some(Contact {
            name,
            id: Some(known),
            ..
        }) if id.is_some_and(|id| id != known) => Err(OtherKeyKnown {
            matrix_id: matrix_id.clone(),
            name: name.clone(),
        }),
        _ => Ok(()),
    }
}

impl From<&Contact> for Person {
    fn from(contact: &Contact) -> Self {
        Self {
            name: Some(contact.name.clone()),
            id: contact.id,
            matrix_id: contact.matrix_id.clone(),
        }
    }
}

fn at_address(
    address: &Address,
    contacts: &[Contact],
    default_domain: &ServerName,
) -> Result<Person, WhoError> {
    let matrix_id = address.matrix_id(default_domain);
    let Some(id) = address.securecall_id() else {
        let known = contacts
            .iter()
            .find(|contact| contact.matrix_id == matrix_id);
        return Ok(known.map_or(
            Person {
                name: None,
                id: None,
                matrix_id,
            },
            Person::from,
        ));
    };
    check_known_key(Some(id), &matrix_id, contacts)?;
    let known = contacts
        .iter()
        .find(|contact| contact.id.as_ref() == Some(id));
    // A bare ID says nothing about the account: the contact list knows better than the default domain.
    Ok(match (known, address) {
        (Some(contact), Address::Id(_)) => Person::from(contact),
        (known, _) => Person {
            name: known.map(|contact| contact.name.clone()),
            id: Some(*id),
            matrix_id,
        },
    })
}

/// Whether a text that is no address was meant to be one.
fn looks_like_address(text: &str) -> bool {
    let text = text.trim();
    text.contains("://")
        || text.starts_with('@')
        || (text.len() >= 36 && !text.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_contacts::{contact, id};

    fn contacts() -> Vec<Contact> {
        vec![
            contact("Ada", Some(7), "@ada:example.org"),
            contact("Bo", Some(8), &format!("@sc_{}:example.org", id(8))),
            contact("bo", Some(9), &format!("@sc_{}:example.org", id(9))),
        ]
    }

    fn find(who: &str) -> Result<Person, WhoError> {
        resolve(who, &contacts(), &ServerName::default_domain())
    }

    #[test]
    fn names_are_found_exactly_and_then_in_another_case() {
        assert_eq!(find("Ada").unwrap().id, Some(id(7)));
        assert_eq!(find(" ADA ").unwrap().id, Some(id(7)));
        assert_eq!(find("bo").unwrap().id, Some(id(9)));
        assert_eq!(find("BO"), Err(WhoError::Unknown("BO".to_owned())));
        assert_eq!(find("Eve"), Err(WhoError::Unknown("Eve".to_owned())));
    }

    #[test]
    fn a_known_id_is_called_at_the_account_we_know() {
        let person = find(&id(7).to_string()).unwrap();
        assert_eq!(
            (person.name.as_deref(), person.matrix_id.as_str()),
            (Some("Ada"), "@ada:example.org")
        );
        let stranger = find(&id(10).to_string()).unwrap();
        assert_eq!(stranger.name, None);
        assert_eq!(
            stranger.matrix_id.as_str(),
            format!("@sc_{}:stealthx.tech", id(10))
        );
    }

    #[test]
    fn a_known_account_is_called_with_the_key_we_know() {
        assert_eq!(find("@ada:example.org").unwrap().id, Some(id(7)));
        assert_eq!(find("@eve:example.org").unwrap().id, None);
    }

    #[test]
    fn a_link_with_another_key_for_a_known_account_is_refused() {
        let link = format!("securecall://contact/{}?mxid=@ada:example.org", id(10));
        assert!(matches!(find(&link), Err(WhoError::OtherKey(_))));
    }

    #[test]
    fn a_broken_address_is_told_as_such() {
        let typo = id(10).to_string().replacen('b', "c", 1);
        use AddressError::{Id, Link, MatrixId};
        let fault = |who: &str| match find(who) {
            Err(WhoError::Address(fault)) => fault,
            other => panic!("{who}: {other:?}"),
        };
        assert!(matches!(fault(&typo), Id(_)));
        assert!(matches!(fault(&typo[1..]), Id(_)));
        assert!(matches!(fault("@ada"), MatrixId(_)));
        assert!(matches!(fault("http://example.org"), Link(_)));
    }

    #[test]
    fn a_contact_is_found_by_any_of_its_forms() {
        let contacts = contacts();
        let domain = ServerName::default_domain();
        for who in [
            "Bo".to_owned(),
            id(8).to_string(),
            format!("@sc_{}:example.org", id(8)),
            format!("securecall://contact/{}", id(8)),
        ] {
            assert_eq!(contact_index(&who, &contacts, &domain).unwrap(), 1, "{who}");
        }
        let eve = "@eve:example.org".to_owned();
        assert_eq!(
            contact_index(&eve, &contacts, &domain),
            Err(WhoError::Unknown(eve))
        );
    }
}
