//! What the profile's owner has decided about people: who is blocked, and what a contact's calls must be like.

use securecall_contact::{MatrixId, SecureCallId};
use serde::{Deserialize, Serialize};

use crate::content::{Contact, Content, as_optional_text, as_text};
use crate::who::Person;

/// The least protection that calls with a contact may have, whatever else is required: of all that is said the strictest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// Any.
    Any,
    /// End-to-end encrypted between two known keys.
    SecureCall,
}

impl Requirement {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::SecureCall => "securecall",
        }
    }
}

/// Somebody who is blocked, contact or not. Whoever is removed from the contacts stays so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedPerson {
    /// Their key; `None` if only an account is known.
    #[serde(with = "as_optional_text")]
    pub id: Option<SecureCallId>,
    /// Their account.
    #[serde(with = "as_text")]
    pub matrix_id: MatrixId,
}

/// An account with which calls of tier `matrix` were agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgreedAccount {
    #[serde(with = "as_text")]
    pub(crate) matrix_id: MatrixId,
}

/// Nobody blocks themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is your own address")]
pub struct OwnAddress;

impl BlockedPerson {
    /// Whether this is somebody with this key, or at this account.
    fn is(&self, id: Option<&SecureCallId>, matrix_id: &MatrixId) -> bool {
        let has_key = |key: &SecureCallId| self.id.as_ref() == Some(key);
        self.matrix_id == *matrix_id
            || id.is_some_and(has_key)
            || matrix_id.securecall_id().is_some_and(has_key)
    }
}

impl Content {
    /// Whether somebody with this key, or at this account, is blocked.
    pub fn is_blocked(&self, id: Option<&SecureCallId>, matrix_id: &MatrixId) -> bool {
        self.blocked.iter().any(|it| it.is(id, matrix_id))
    }

    /// Whether a contact is blocked.
    pub fn has_blocked(&self, contact: &Contact) -> bool {
        self.is_blocked(contact.id.as_ref(), &contact.matrix_id)
    }

    /// Those who are blocked and are no contacts.
    pub fn blocked_others(&self) -> impl Iterator<Item = &BlockedPerson> {
        self.blocked.iter().filter(|blocked| {
            let is = |it: &Contact| blocked.is(it.id.as_ref(), &it.matrix_id);
            !self.contacts.iter().any(is)
        })
    }

    /// Blocks somebody, by key and by account, as far as they are known.
    ///
    /// # Errors
    ///
    /// It is the profile's own address.
    pub fn block(&mut self, person: &Person) -> Result<(), OwnAddress> {
        let id = person.id.or(person.matrix_id.securecall_id().copied());
        let own_account = self.account.as_ref().map(|account| &account.matrix_id);
        if (id.is_some() && id == self.own_id()) || own_account == Some(&person.matrix_id) {
            return Err(OwnAddress);
        }
        let blocked = BlockedPerson {
            id,
            matrix_id: person.matrix_id.clone(),
        };
        let is_here = |it: &BlockedPerson| it.matrix_id == blocked.matrix_id;
        let says_no_more = |it: &BlockedPerson| blocked.id.is_none() || it.id == blocked.id;
        if !self
            .blocked
            .iter()
            .any(|it| is_here(it) && says_no_more(it))
        {
            // Who was blocked before a key was known is blocked once.
            self.blocked.retain(|it| !is_here(it) || it.id.is_some());
            self.blocked.push(blocked);
        }
        Ok(())
    }

    /// Takes it back. Whoever is not blocked stays so.
    pub fn unblock(&mut self, person: &Person) {
        let (id, matrix_id) = (person.id.as_ref(), &person.matrix_id);
        self.blocked.retain(|it| !it.is(id, matrix_id));
    }

    /// Whether calls of tier `matrix` with somebody were agreed to: by what a contact's calls must be like, or once for an account.
    pub fn takes_standard_calls(&self, person: &Person) -> bool {
        let account = &person.matrix_id;
        match self.contacts.iter().find(|it| it.matrix_id == *account) {
            Some(Contact {
                require: Some(least),
                ..
            }) => *least == Requirement::Any,
            _ => self.agreed.iter().any(|it| it.matrix_id == *account),
        }
    }

    /// The owner has agreed to such calls with somebody, and is not asked again. What a contact requires stays as it is: a yes loosens
    /// nothing.
    pub fn agree_to_standard_calls(&mut self, person: &Person) {
        if self.takes_standard_calls(person) {
            return;
        }
        let account = &person.matrix_id;
        let mut contacts = self.contacts.iter_mut();
        match contacts.find(|it| it.matrix_id == *account) {
            Some(contact) => contact.require = contact.require.or(Some(Requirement::Any)),
            None => self.agreed.push(AgreedAccount {
                matrix_id: account.clone(),
            }),
        }
    }

    /// A contact was changed, perhaps its key or its address: if it was blocked before, it is after that.
    pub(crate) fn keep_blocked(&mut self, was_blocked: bool, contact: &Contact) {
        if was_blocked && let Err(OwnAddress) = self.block(&Person::from(contact)) {
            tracing::warn!("a contact has the profile's own address");
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_contact::ServerName;
    use securecall_crypto::IdentitySeed;

    use super::*;
    use crate::contact_book::{self, Consent};
    use crate::content::Identity;
    use crate::sample_contacts::{contact, id};

    fn person(key: Option<u8>, matrix_id: &str) -> Person {
        Person::from(&contact("somebody", key, matrix_id))
    }

    fn address_of(key: u8) -> String {
        format!("@sc_{}:example.org", id(key))
    }

    fn is_blocked(content: &Content, key: Option<u8>, matrix_id: &str) -> bool {
        content.is_blocked(key.map(id).as_ref(), &matrix_id.parse().unwrap())
    }

    #[test]
    fn somebody_is_blocked_by_key_and_by_account_and_not_any_more() {
        let mut content = Content::default();
        content.block(&person(Some(7), "@ada:example.org")).unwrap();
        content.block(&person(Some(7), "@ada:example.org")).unwrap();
        content.block(&person(None, "@bo:example.org")).unwrap();
        content.block(&person(None, &address_of(8))).unwrap();
        assert_eq!(content.blocked.len(), 3);
        for (key, matrix_id, expected) in [
            (Some(7), "@ada:other.example", true),
            (None, "@ada:example.org", true),
            (Some(9), "@ada:example.org", true),
            (None, &address_of(7), true),
            (Some(9), "@ada:other.example", false),
            (Some(9), "@bo:example.org", true),
            (Some(8), "@cy:example.org", true),
            (None, "@cy:example.org", false),
        ] {
            assert_eq!(
                is_blocked(&content, key, matrix_id),
                expected,
                "{key:?} {matrix_id}"
            );
        }
        // By whatever they are named.
        content.unblock(&person(Some(7), "@ada:other.example"));
        assert!(!is_blocked(&content, Some(7), "@ada:example.org"));
        content.unblock(&person(None, "@bo:example.org"));
        content.unblock(&person(None, &address_of(8)));
        content.unblock(&person(None, "@nobody:example.org"));
        assert_eq!(content.blocked, []);
    }

    #[test]
    fn standard_calls_are_agreed_to_once_for_an_account_and_by_what_a_contact_requires() {
        let mut content = Content::default();
        let (ada, bo) = (
            person(None, "@ada:example.org"),
            person(None, "@bo:example.org"),
        );
        assert!(!content.takes_standard_calls(&ada));
        content.agree_to_standard_calls(&ada);
        content.agree_to_standard_calls(&ada);
        assert_eq!(content.agreed.len(), 1);
        assert!(content.takes_standard_calls(&ada) && !content.takes_standard_calls(&bo));
        let mut contact = contact("Bo", None, "@bo:example.org");
        for (require, expected) in [
            (None, false),
            (Some(Requirement::SecureCall), false),
            (Some(Requirement::Any), true),
        ] {
            contact.require = require;
            content.contacts = vec![contact.clone()];
            assert_eq!(content.takes_standard_calls(&bo), expected, "{require:?}");
        }
        // What is said of a contact is the rule that `contact require` writes.
        content.contacts[0].require = None;
        content.agree_to_standard_calls(&bo);
        assert_eq!(content.contacts[0].require, Some(Requirement::Any));
        assert_eq!(content.agreed.len(), 1);
        content.contacts[0].require = Some(Requirement::SecureCall);
        content.agree_to_standard_calls(&bo);
        assert_eq!(content.contacts[0].require, Some(Requirement::SecureCall));
        // What was agreed to with an account holds once it is a contact's, unless that says otherwise.
        contact.matrix_id = ada.matrix_id.clone();
        for (require, expected) in [(None, true), (Some(Requirement::SecureCall), false)] {
            contact.require = require;
            content.contacts = vec![contact.clone()];
            assert_eq!(content.takes_standard_calls(&ada), expected, "{require:?}");
        }
    }

    #[test]
    fn nobody_blocks_themselves() {
        let mut content = Content {
            identity: Some(Identity::new(IdentitySeed::from_bytes([7; 32]))),
            ..Content::default()
        };
        let own = contact(
            "me",
            None,
            &format!("@sc_{}:a.example", content.own_id().unwrap()),
        );
        assert_eq!(content.block(&Person::from(&own)), Err(OwnAddress));
        assert_eq!(content.blocked, []);
    }

    #[test]
    fn a_blocked_contact_that_moves_or_gets_a_key_stays_blocked_and_so_does_one_that_is_removed() {
        let domain = ServerName::default_domain();
        let mut content = Content {
            contacts: vec![contact("Ada", None, "@ada:example.org")],
            ..Content::default()
        };
        content.block(&person(None, "@ada:example.org")).unwrap();
        let link = |account: &str| {
            let link = format!("securecall://contact/{}?mxid={account}", id(7));
            link.parse().unwrap()
        };
        let add = |content: &mut Content, account: &str| {
            let draft = contact_book::Draft::new(&content.contacts, None, domain.clone());
            let finding = draft.weigh(&link(account), None).unwrap();
            let consent = Consent::To(&finding);
            contact_book::add(content, &link(account), None, &domain, consent).unwrap();
        };
        add(&mut content, "@ada:example.org");
        assert_eq!(content.contacts[0].id, Some(id(7)));
        assert!(
            is_blocked(&content, Some(7), "@ada:third.example"),
            "the key"
        );
        add(&mut content, "@ada:other.example");
        assert!(content.has_blocked(&content.contacts[0]));
        assert!(
            is_blocked(&content, None, "@ada:other.example"),
            "the account"
        );
        assert_eq!(content.blocked_others().count(), 0);
        content.contacts.clear();
        assert!(is_blocked(&content, Some(7), "@ada:fourth.example"));
        assert!(content.blocked_others().count() > 0);
    }
}
