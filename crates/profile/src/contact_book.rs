//! The contact list, and what may happen to it. Nothing here replaces a key, and nothing changes somebody known unasked.

use securecall_contact::{Address, SecureCallId, ServerName};

use crate::content::{Contact, Content};

mod finding;
mod names;

pub use finding::{AddError, ChangeQuestion, Consent, Draft, Finding, Unasked};
pub use names::{NameError, NameInUse, NameOfAnother, given_name};

use names::check_name_is_free;

/// A contact keeps its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// The new one cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another contact has it.
    #[error(transparent)]
    InUse(#[from] NameInUse),
}

/// A contact is not verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is nothing to compare.
    #[error("the key of {name} is not known, so there is nothing to verify")]
    KeyUnknown {
        /// The contact's name.
        name: String,
    },
    /// What was compared is another key.
    #[error("this is not the key that you have for {name}: yours is {known}, this is {proven}")]
    OtherKey {
        /// The contact's name.
        name: String,
        /// The contact's.
        known: SecureCallId,
        /// The other one.
        proven: SecureCallId,
    },
}

/// Adds a contact, or changes the one that is known, if that was agreed to. Gives what it has done.
///
/// # Errors
///
/// It is the profile's own address; a known contact with the same Matrix ID or the same name has another key; the key is one
/// contact's and the Matrix ID another's; the name is taken; it would change somebody known, and nobody has agreed to that.
pub fn add(
    content: &mut Content,
    address: &Address,
    name: Option<&str>,
    domain: &ServerName,
    consent: Consent<'_>,
) -> Result<Finding, AddError> {
    let own = content.own_id();
    let finding = finding::weigh(&content.contacts, own, address, name, domain)?;
    consent.check(&finding)?;
    let was_blocked = finding.before().is_some_and(|it| content.has_blocked(it));
    finding.carry_out(&mut content.contacts);
    content.keep_blocked(was_blocked, &finding.after());
    Ok(finding)
}

/// Refuses what changes somebody known where nobody can be asked.
///
/// # Errors
///
/// It changes somebody known.
pub fn refuse_unasked(finding: &Finding) -> Result<(), Unasked> {
    Consent::Nothing.check(finding)
}

/// Gives a contact another name.
///
/// # Errors
///
/// The name cannot be one, or another contact has it.
pub fn rename(contacts: &mut [Contact], index: usize, name: &str) -> Result<Contact, RenameError> {
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
pub fn verify(contacts: &mut [Contact], index: usize) -> Result<Contact, VerifyError> {
    let contact = &mut contacts[index];
    check_can_be_verified(contact)?;
    contact.verified = true;
    Ok(contact.clone())
}

/// Refuses to verify a contact whose key is not known.
pub fn check_can_be_verified(contact: &Contact) -> Result<SecureCallId, VerifyError> {
    contact.id.ok_or_else(|| VerifyError::KeyUnknown {
        name: contact.name.clone(),
    })
}

/// The ID that proves to be the contact's, or not: from a picture, or read aloud and typed.
///
/// # Errors
///
/// It is another key's.
pub fn check_same_key(contact: &Contact, proven: &SecureCallId) -> Result<(), VerifyError> {
    let known = check_can_be_verified(contact)?;
    if known == *proven {
        return Ok(());
    }
    Err(VerifyError::OtherKey {
        name: contact.name.clone(),
        known,
        proven: *proven,
    })
}

#[cfg(test)]
mod tests {
    use securecall_crypto::IdentitySeed;

    use super::*;
    use crate::content::Identity;
    use crate::sample_contacts::id;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn add_to(content: &mut Content, text: &str, name: Option<&str>) -> Result<Contact, AddError> {
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
        let error = add_to(&mut content, &impostor, None).unwrap_err();
        assert!(matches!(error, AddError::NameOfAnother(_)), "{error}");
        let error = add_to(&mut content, &impostor, Some("ada")).unwrap_err();
        assert!(matches!(error, AddError::NameInUse(_)), "{error}");
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
            let error = add_to(&mut content, &text, Some("Me")).unwrap_err();
            assert_eq!(error, AddError::OwnAddress, "{text}");
        }
        let link = |byte| format!("securecall://contact/{}?mxid=@bo:b.example", id(byte));
        add_to(&mut content, &link(7), Some("Bo")).unwrap();
        for name in [None, Some("Cy")] {
            let error = add_to(&mut content, &link(8), name).unwrap_err();
            assert!(matches!(error, AddError::OtherKey(_)), "{error}");
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
        let error = rename(&mut content.contacts, 1, "BO").unwrap_err();
        assert!(matches!(error, RenameError::InUse(_)), "{error}");
        assert_eq!(content.contacts[1].name, "Cy");
        rename(&mut content.contacts, 1, "CY").unwrap();
        assert_eq!(content.contacts[1].name, "CY");
    }

    #[test]
    fn only_a_known_key_can_be_verified_and_only_by_itself() {
        let mut content = Content::default();
        add_to(&mut content, "@bo:example.org", None).unwrap();
        assert!(matches!(
            verify(&mut content.contacts, 0),
            Err(VerifyError::KeyUnknown { .. })
        ));
        content.contacts[0].id = Some(id(7));
        let contact = content.contacts[0].clone();
        assert!(matches!(
            check_same_key(&contact, &id(8)),
            Err(VerifyError::OtherKey { .. })
        ));
        check_same_key(&contact, &id(7)).unwrap();
        assert!(verify(&mut content.contacts, 0).unwrap().verified);
    }
}
