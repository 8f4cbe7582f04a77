//! The profile's contacts while a client runs: what client, screen and events know of them, and how they change.

use std::collections::BTreeSet;

use securecall_contact::{MatrixId, SecureCallId, ServerName};
use securecall_driver::{Contact as KnownKey, Contacts, Require, Rule};
use securecall_profile::contact_book::{self, Consent, Draft, Finding};
use securecall_profile::who::{self, Person};
use securecall_profile::{Contact, Content, NoAccount, Profile, Proof, Requirement};

use super::consent;
use crate::cli::RequireChoice;
use crate::error::{ErrorKind, Failure};
use crate::screen::Wanted;

/// Whom the profile knows. Every change is on disk before anybody is told of it.
#[derive(Debug)]
pub(super) struct People {
    profile: Profile,
    /// Where an address names no server.
    domain: ServerName,
}

/// What was done, for the person.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) told: String,
    /// The contact it was done to, if it is still there.
    pub(super) contact: Option<Contact>,
}

impl People {
    /// The contacts of `profile`, where an address that names no server is at `domain`.
    pub(super) const fn new(profile: Profile, domain: ServerName) -> Self {
        Self { profile, domain }
    }

    /// Adds contacts: all or none, and nothing of somebody known but what was shown.
    ///
    /// # Errors
    ///
    /// One of them is refused.
    pub(super) fn add(&mut self, wanted: &[Wanted]) -> Result<Done, Failure> {
        let domain = &self.domain;
        let done = self.profile.change(|content| {
            wanted
                .iter()
                .map(|Wanted { address, finding }| {
                    let consent = Consent::To(finding);
                    Ok(contact_book::add(content, address, None, domain, consent)?)
                })
                .collect::<Result<Vec<_>, Failure>>()
        })?;
        let (changed, added): (Vec<_>, Vec<_>) =
            done.iter().partition(|finding| finding.change().is_some());
        let mut told: Vec<String> = changed.into_iter().filter_map(Finding::told).collect();
        if !added.is_empty() {
            let names: Vec<String> = added.iter().map(|new| new.after().name).collect();
            told.insert(0, format!("added {}", names.join(", ")));
        }
        Ok(Done {
            told: told.join("; "),
            contact: done.first().map(Finding::after),
        })
    }

    /// Gives a contact another name.
    ///
    /// # Errors
    ///
    /// It cannot be one, or another contact has it.
    pub(super) fn rename(&mut self, shown: &Contact, name: &str) -> Result<Done, Failure> {
        let renamed = self.change(shown, |content, index| {
            Ok(contact_book::rename(&mut content.contacts, index, name)?)
        })?;
        Ok(Done {
            told: format!("{} is called {} now", shown.name, renamed.name),
            contact: Some(renamed),
        })
    }

    /// Marks a contact as verified, by what was read.
    ///
    /// # Errors
    ///
    /// It is another key.
    pub(super) fn verify(&mut self, shown: &Contact, proof: Proof) -> Result<Done, Failure> {
        let contact = self.change(shown, |content, index| {
            Ok(proof.verify(&mut content.contacts, index)?)
        })?;
        Ok(Done {
            told: format!("{} is verified now", contact.name),
            contact: Some(contact),
        })
    }

    /// Marks the contact with this key as verified.
    ///
    /// # Errors
    ///
    /// There is none: then `stranger`.
    pub(super) fn verify_key(
        &mut self,
        key: SecureCallId,
        stranger: impl FnOnce() -> Failure,
    ) -> Result<Contact, Failure> {
        self.profile.change(|content| {
            let contacts = &mut content.contacts;
            match contacts.iter().position(|contact| contact.id == Some(key)) {
                Some(index) => Ok(contact_book::verify(contacts, index)?),
                None => Err(stranger()),
            }
        })
    }

    /// Takes the mark away.
    ///
    /// # Errors
    ///
    /// The contact is gone.
    pub(super) fn unverify(&mut self, shown: &Contact) -> Result<Done, Failure> {
        let contact = self.change(shown, |content, index| {
            content.contacts[index].verified = false;
            Ok(content.contacts[index].clone())
        })?;
        Ok(Done {
            told: format!("{} is not verified any more", contact.name),
            contact: Some(contact),
        })
    }

    /// Removes a contact.
    ///
    /// # Errors
    ///
    /// It is gone already.
    pub(super) fn remove(&mut self, shown: &Contact) -> Result<Done, Failure> {
        let contact = self.change(shown, |content, index| Ok(content.contacts.remove(index)))?;
        let stays = match self.has_blocked(&contact) {
            true => ", and stays blocked",
            false => "",
        };
        Ok(Done {
            told: format!("{} was removed{stays}", contact.name),
            contact: None,
        })
    }

    /// Reads the contacts again if another process has changed them.
    pub(super) fn refresh(&mut self) -> bool {
        self.profile.refresh()
    }

    /// All of them.
    pub(super) fn contacts(&self) -> &[Contact] {
        &self.profile.content().contacts
    }

    /// The address of the profile's owner.
    ///
    /// # Errors
    ///
    /// There is no account.
    pub(super) fn own_address(&self) -> Result<&MatrixId, NoAccount> {
        Ok(&self.profile.account()?.matrix_id)
    }

    /// The list that found contacts are weighed against.
    pub(super) fn draft(&self) -> Draft {
        let content = self.profile.content();
        Draft::new(&content.contacts, content.own_id(), self.domain.clone())
    }

    /// Who is meant.
    ///
    /// # Errors
    ///
    /// Nobody is.
    pub(super) fn resolve(&self, who: &str) -> Result<Person, Failure> {
        Ok(who::resolve(who, self.contacts(), &self.domain)?)
    }

    /// Whether a call to this person is one that has to be agreed to first.
    pub(super) fn lacks_consent(&self, person: &Person, asked: Option<RequireChoice>) -> bool {
        consent::is_missing(person, self.profile.content(), asked)
    }

    /// The person agrees to standard Matrix calls with somebody.
    ///
    /// # Errors
    ///
    /// The profile cannot be written.
    pub(super) fn agree(&mut self, person: &Person) -> Result<(), Failure> {
        self.profile.change(|content| {
            content.agree_to_standard_calls(person);
            Ok(())
        })
    }

    /// What the client has to know of people.
    pub(super) fn known(&self) -> Contacts {
        known(self.profile.content())
    }

    /// Whether a contact is blocked.
    pub(super) fn has_blocked(&self, contact: &Contact) -> bool {
        self.profile.content().has_blocked(contact)
    }

    /// The addresses of the contacts that are blocked.
    pub(super) fn blocked(&self) -> Vec<MatrixId> {
        let blocked = self.contacts().iter().filter(|it| self.has_blocked(it));
        blocked.map(|contact| contact.matrix_id.clone()).collect()
    }

    /// The keys that have been compared by a way that no server controls.
    pub(super) fn verified_keys(&self) -> BTreeSet<SecureCallId> {
        let contacts = self.contacts().iter();
        contacts
            .filter(|contact| contact.verified)
            .filter_map(|contact| contact.id)
            .collect()
    }

    /// Changes a contact that the screen has shown: the one with the same key, whatever else has changed meanwhile.
    fn change(
        &mut self,
        shown: &Contact,
        change: impl FnOnce(&mut Content, usize) -> Result<Contact, Failure>,
    ) -> Result<Contact, Failure> {
        self.profile.change(|content| {
            let index = position(&content.contacts, shown.id, shown).ok_or_else(|| {
                Failure::new(
                    ErrorKind::UnknownContact,
                    format!("{} is not in your contacts any more", shown.name),
                )
                .help("another process has changed them")
            })?;
            change(content, index)
        })
    }
}

/// The contacts, by key where one is known and else by account; and what is decided about people.
pub(crate) fn known(content: &Content) -> Contacts {
    let contacts = content.contacts.iter();
    let with_keys = contacts.clone().filter_map(|contact| {
        Some(KnownKey {
            name: contact.name.clone(),
            identity: contact.id?.identity_key(),
            matrix_id: contact.matrix_id.clone(),
        })
    });
    let without = contacts.clone().filter(|contact| contact.id.is_none());
    let without = without.map(|contact| (contact.matrix_id.clone(), contact.name.clone()));
    let required = contacts.filter_map(|contact| {
        Some(Rule {
            identity: contact.id.map(|id| id.identity_key()),
            matrix_id: contact.matrix_id.clone(),
            blocked: false,
            require: match contact.require? {
                Requirement::Any => Require::Any,
                Requirement::SecureCall => Require::SecureCall,
            },
        })
    });
    let blocked = content.blocked.iter().map(|person| Rule {
        identity: person.id.map(|id| id.identity_key()),
        matrix_id: person.matrix_id.clone(),
        blocked: true,
        require: Require::Any,
    });
    Contacts::new(with_keys)
        .with_accounts(without)
        .with_rules(required.chain(blocked))
}

fn position(contacts: &[Contact], id: Option<SecureCallId>, shown: &Contact) -> Option<usize> {
    contacts.iter().position(|contact| match id {
        Some(_) => contact.id == id,
        None => contact.id.is_none() && contact.matrix_id == shown.matrix_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_contacts::contact;

    #[test]
    fn a_contact_that_was_shown_is_known_by_its_key_and_only_without_one_by_its_address() {
        let contact = |key, matrix_id| contact("Ada", key, matrix_id);
        let place = |shown: &Contact, now: &[Contact]| position(now, shown.id, shown);
        let (keyed, keyless) = (
            contact(Some(7), "@ada:a.example"),
            contact(None, "@ada:a.example"),
        );
        // It has moved, and somebody else is where it was.
        let moved = contact(Some(7), "@ada:b.example");
        let other = contact(Some(8), "@ada:a.example");
        let now = [other, moved];
        assert_eq!(place(&keyed, &now), Some(1));
        // Whoever got a key meanwhile is not the one that was shown without.
        assert_eq!(place(&keyless, &now), None);
        assert_eq!(place(&keyless, &[keyed, keyless.clone()]), Some(1));
    }
}
