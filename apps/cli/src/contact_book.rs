//! The contact list, and what may happen to it. Nothing here replaces a key, and nothing changes somebody known unasked.

use securecall_contact::{Address, NameLabel, SecureCallId, ServerName};

use crate::error::{ErrorKind, Failure};
use crate::profile::{Contact, Content};

mod finding;

pub(crate) use finding::{ChangeQuestion, Consent, Draft, Finding};

/// Adds a contact, or changes the one that is known, if that was agreed to. Gives what it has done.
///
/// # Errors
///
/// It is the profile's own address; a known contact with the same Matrix ID or the same name has another key; the key is one
/// contact's and the Matrix ID another's; the name is taken; it would change somebody known, and nobody has agreed to that.
pub(crate) fn add(
    content: &mut Content,
    address: &Address,
    name: Option<&str>,
    domain: &ServerName,
    consent: Consent<'_>,
) -> Result<Finding, Failure> {
    let own = finding::own_id(content);
    let finding = finding::weigh(&content.contacts, own, address, name, domain)?;
    consent.check(&finding)?;
    finding.carry_out(&mut content.contacts);
    Ok(finding)
}

/// Refuses what changes somebody known where nobody can be asked.
///
/// # Errors
///
/// It changes somebody known.
pub(crate) fn refuse_unasked(finding: &Finding) -> Result<(), Failure> {
    Consent::Nothing.check(finding)
}

/// Gives a contact another name.
///
/// # Errors
///
/// The name cannot be one, or another contact has it.
pub(crate) fn rename(
    contacts: &mut [Contact],
    index: usize,
    name: &str,
) -> Result<Contact, Failure> {
    let name = given_name(name)?;
    check_name_is_free(&name, Some(index), contacts)?;
    let contact = &mut contacts[index];
    contact.name = name;
    Ok(contact.clone())
}

/// Marks a contact as verified: somebody has compared the key by a way that no server controls.
///
/// # Errors
///
/// Its key is not known, so there is nothing to compare.
pub(crate) fn verify(contacts: &mut [Contact], index: usize) -> Result<Contact, Failure> {
    let contact = &mut contacts[index];
    check_can_be_verified(contact)?;
    contact.verified = true;
    Ok(contact.clone())
}

/// Refuses to verify a contact whose key is not known.
pub(crate) fn check_can_be_verified(contact: &Contact) -> Result<SecureCallId, Failure> {
    contact.id.ok_or_else(|| {
        Failure::new(
            ErrorKind::KeyUnknown,
            format!(
                "the key of {} is not known, so there is nothing to verify",
                contact.name
            ),
        )
        .help("ask for their SecureCall contact link, and add it with `securecall contact add`")
    })
}

/// The ID that proves to be the contact's, or not: from a picture, or read aloud and typed.
///
/// # Errors
///
/// It is another key's.
pub(crate) fn check_same_key(contact: &Contact, proven: &SecureCallId) -> Result<(), Failure> {
    let known = check_can_be_verified(contact)?;
    if known == *proven {
        return Ok(());
    }
    Err(Failure::new(
        ErrorKind::KeyMismatch,
        format!("this is not the key that you have for {}: yours is {known}, this is {proven}", contact.name),
    )
    .help(format!(
        "the contact stays unverified. One of the two links was changed on its way, or this is somebody else's: ask {} in person",
        contact.name
    )))
}

/// A name as somebody gives it.
///
/// # Errors
///
/// There is nothing to be seen in it, it could deceive, or it is an address.
pub(crate) fn given_name(text: &str) -> Result<String, Failure> {
    let unusable = |reason: &str| {
        Failure::new(
            ErrorKind::Usage,
            format!("this cannot be a contact's name: {reason}"),
        )
    };
    let name = NameLabel::new(text).ok_or_else(|| unusable("there is nothing to be seen in it"))?;
    if name.as_str() != text.trim() {
        return Err(
            unusable("it is too long or has characters that cannot be shown")
                .help(format!("this would do: {name}")),
        );
    }
    if is_address(name.as_str()) {
        return Err(unusable("it is an address")
            .help("an address as a name could be mistaken for that address"));
    }
    Ok(name.as_str().to_owned())
}

/// The name the link suggests, else the first 8 characters of the ID, else the Matrix ID's name; these with a number if taken.
///
/// # Errors
///
/// The link suggests the name of a contact with another key: that is how an impostor would do it.
fn free_name(address: &Address, contacts: &[Contact]) -> Result<String, Failure> {
    let label = address
        .name()
        .map(|label| label.as_str().to_owned())
        .filter(|label| !is_address(label));
    if let Some(label) = label {
        return match contacts
            .iter()
            .find(|contact| same_name(&contact.name, &label))
        {
            None => Ok(label),
            Some(known) => Err(taken_by_another_key(&known.name)),
        };
    }
    let base = match (address.securecall_id(), address) {
        (Some(id), _) => id.short(),
        (None, Address::MatrixId(matrix_id)) => matrix_id.localpart().to_owned(),
        (None, Address::Link(_) | Address::Id(_)) => String::new(),
    };
    let is_free = |name: &str| {
        contacts
            .iter()
            .all(|contact| !same_name(&contact.name, name))
    };
    let numbered = (2..).map(|number| format!("{base} {number}"));
    Ok(std::iter::once(base.clone())
        .chain(numbered)
        .find(|name| is_free(name))
        .unwrap_or(base))
}

fn taken_by_another_key(name: &str) -> Failure {
    Failure::new(
        ErrorKind::KeyMismatch,
        format!("you have a contact called '{name}', and this is another key"),
    )
    .help(format!(
        "ask {name} on another way whether their key has changed. If it has: `securecall contact remove`, and add the new link. \
         If this is somebody else: give another name with --name"
    ))
}

fn check_name_is_free(
    name: &str,
    except: Option<usize>,
    contacts: &[Contact],
) -> Result<(), Failure> {
    let taken = contacts
        .iter()
        .enumerate()
        .any(|(index, contact)| Some(index) != except && same_name(&contact.name, name));
    if taken {
        let message = format!("another contact is called '{name}' already");
        return Err(Failure::new(ErrorKind::NameInUse, message).help(
            "give another name; if it is the same person with a new key, ask them on another way whether their key has \
             changed, and remove the old contact first",
        ));
    }
    Ok(())
}

fn same_name(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn is_address(name: &str) -> bool {
    name.starts_with('@') || name.contains("://") || name.parse::<Address>().is_ok()
}

#[cfg(test)]
mod tests {
    use securecall_crypto::{IdentityKey, IdentitySeed};

    use super::*;
    use crate::profile::Identity;

    fn id(byte: u8) -> SecureCallId {
        SecureCallId::new(&IdentityKey::from_bytes([byte; 32]).unwrap())
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn add_to(content: &mut Content, text: &str, name: Option<&str>) -> Result<Contact, Failure> {
        let domain = ServerName::default_domain();
        let finding = add(content, &address(text), name, &domain, Consent::Nothing)?;
        Ok(finding.after())
    }

    #[test]
    fn the_name_of_a_known_contact_does_not_get_to_another_key() {
        let mut content = Content::default();
        add_to(
            &mut content,
            &format!("securecall://contact/{}?name=Ada", id(7)),
            None,
        )
        .unwrap();
        let impostor = format!("securecall://contact/{}?name=ADA", id(8));
        let failure = add_to(&mut content, &impostor, None).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::KeyMismatch);
        let failure = add_to(&mut content, &impostor, Some("ada")).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::NameInUse);
        assert_eq!(content.contacts.len(), 1);
        assert_eq!(
            add_to(&mut content, &impostor, Some("Other")).unwrap().name,
            "Other"
        );
        // The same key again is the same contact, under the name it has.
        let again = add_to(
            &mut content,
            &format!("securecall://contact/{}?name=Eve", id(7)),
            None,
        );
        assert_eq!(again.unwrap().name, "Ada");
    }

    #[test]
    fn neither_ones_own_key_nor_another_key_of_a_known_account_is_added() {
        let own = Identity::new(IdentitySeed::from_bytes([9; 32]));
        let own_id = own.id();
        let mut content = Content {
            identity: Some(own),
            ..Content::default()
        };
        for text in [
            own_id.to_string(),
            format!("securecall://contact/{own_id}?server=c.example&name=Me"),
            format!("@sc_{own_id}:c.example"),
        ] {
            let failure = add_to(&mut content, &text, Some("Me")).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Usage, "{text}");
        }
        let link = |byte| format!("securecall://contact/{}?mxid=@bo:b.example", id(byte));
        add_to(&mut content, &link(7), Some("Bo")).unwrap();
        for name in [None, Some("Cy")] {
            let failure = add_to(&mut content, &link(8), name).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::KeyMismatch);
        }
        assert_eq!(content.contacts.len(), 1);
        assert_eq!(content.contacts[0].id, Some(id(7)));
    }

    #[test]
    fn no_name_is_an_address_or_hides_something() {
        let an_id = id(8).to_string();
        for name in [
            "@ada",
            "x://y",
            an_id.as_str(),
            "Ada\u{202e}",
            "\u{200b}",
            "",
        ] {
            assert!(given_name(name).is_err(), "{name:?}");
        }
        assert_eq!(given_name(" Ada L ").unwrap(), "Ada L");
        // What a link suggests is no better.
        let mut content = Content::default();
        let link = format!("securecall://contact/{}?name=%40bo%3Ab.example", id(7));
        let added = add_to(&mut content, &link, None).unwrap();
        assert_eq!(added.name, id(7).short());
    }

    #[test]
    fn a_contact_is_renamed_to_what_nobody_else_is_called() {
        let mut content = Content::default();
        add_to(&mut content, "@bo:b.example", Some("Bo")).unwrap();
        add_to(&mut content, "@cy:c.example", Some("Cy")).unwrap();
        let failure = rename(&mut content.contacts, 1, "BO").unwrap_err();
        assert_eq!(failure.kind, ErrorKind::NameInUse);
        assert_eq!(content.contacts[1].name, "Cy");
        rename(&mut content.contacts, 1, "CY").unwrap();
        assert_eq!(content.contacts[1].name, "CY");
    }

    #[test]
    fn only_a_known_key_can_be_verified_and_only_by_itself() {
        let mut content = Content::default();
        add_to(&mut content, "@bo:example.org", None).unwrap();
        assert_eq!(
            verify(&mut content.contacts, 0).unwrap_err().kind,
            ErrorKind::KeyUnknown
        );
        content.contacts[0].id = Some(id(7));
        let contact = content.contacts[0].clone();
        assert_eq!(
            check_same_key(&contact, &id(8)).unwrap_err().kind,
            ErrorKind::KeyMismatch
        );
        check_same_key(&contact, &id(7)).unwrap();
        assert!(verify(&mut content.contacts, 0).unwrap().verified);
    }
}
