//! What the main screen wishes for: the contact list is changed, contacts are looked for, somebody is called.

use securecall_contact::{FoundAddress, SecureCallId};
use securecall_profile::contact_book::{self, Consent, Draft, Finding};
use securecall_profile::who::Person;
use securecall_profile::{Contact, Content, Proof, sources};
use tokio::task::JoinHandle;

use super::{Ending, Run, call_options, callee, known_keys, now, verified_keys};
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::screen::{Wanted, Wish};

/// What was read of a text or a picture.
#[derive(Debug)]
pub(super) enum Read {
    /// Contacts to add.
    Contacts(Result<Vec<FoundAddress>, Failure>),
    /// What a contact is to be verified by.
    Proof(Contact, Result<Proof, Failure>),
    /// The reader has failed.
    Nothing(Failure),
}

/// A text or a picture that is being read, on a thread of its own: a large picture takes seconds.
#[derive(Debug, Default)]
pub(super) struct Reading(Option<JoinHandle<Read>>);

impl Reading {
    fn start(&mut self, read: impl FnOnce() -> Read + Send + 'static) {
        self.0 = Some(tokio::task::spawn_blocking(read));
    }

    /// What it holds is of no interest any more.
    fn forget(&mut self) {
        self.0 = None;
    }

    /// What was read; never, if nothing is.
    pub(super) async fn next(&mut self) -> Read {
        let Some(task) = &mut self.0 else {
            return std::future::pending().await;
        };
        let read = task.await;
        self.0 = None;
        read.unwrap_or_else(|error| Read::Nothing(Failure::bug(error)))
    }
}

/// What was done, for the person; and the contact it was done to, if it is still there.
type Done = (String, Option<Contact>);

impl Run {
    /// Does what the main screen asks for.
    pub(super) async fn grant(&mut self, wish: Wish) -> Result<(), Ending> {
        let result = match wish {
            Wish::Quit => return Err(Ending::Done(ExitCode::Done)),
            Wish::FindContacts(text) => {
                self.reading.start(move || {
                    Read::Contacts(sources::in_pasted(&text).map_err(Failure::from))
                });
                return Ok(());
            }
            Wish::Verify(contact, text) => {
                self.reading.start(move || {
                    Read::Proof(contact, Proof::pasted(&text).map_err(Failure::from))
                });
                return Ok(());
            }
            Wish::StopReading => {
                self.reading.forget();
                return Ok(());
            }
            Wish::Call(contact) => match self.call_contact(&contact).await {
                Ok(()) => return Ok(()),
                Err(failure) => Err(failure),
            },
            Wish::Add(wanted) => self.add_contacts(&wanted),
            Wish::Rename(contact, name) => self
                .change_contact(&contact, |content, index| {
                    Ok(contact_book::rename(&mut content.contacts, index, &name)?)
                })
                .map(|renamed| {
                    let told = format!("{} is called {} now", contact.name, renamed.name);
                    (told, Some(renamed))
                }),
            Wish::Unverify(contact) => self
                .change_contact(&contact, |content, index| {
                    content.contacts[index].verified = false;
                    Ok(content.contacts[index].clone())
                })
                .map(|contact| {
                    (
                        format!("{} is not verified any more", contact.name),
                        Some(contact),
                    )
                }),
            Wish::Remove(contact) => self
                .change_contact(&contact, |content, index| {
                    Ok(content.contacts.remove(index))
                })
                .map(|contact| (format!("{} was removed", contact.name), None)),
        };
        self.tell_of(result).await;
        Ok(())
    }

    /// Goes on with what was read.
    pub(super) async fn handle_read(&mut self, read: Read) -> Result<(), Ending> {
        let result = match read {
            Read::Contacts(Ok(found)) => {
                let content = self.profile.content();
                let domain = self.context.settings.domain();
                let draft = Draft::new(&content.contacts, content.own_id(), domain);
                if let Some((_, screen)) = &mut self.screen {
                    screen.found(found, draft);
                }
                self.draw();
                return Ok(());
            }
            Read::Proof(contact, Ok(proof)) => self
                .change_contact(&contact, |content, index| {
                    Ok(proof.verify(&mut content.contacts, index)?)
                })
                .map(|contact| (format!("{} is verified now", contact.name), Some(contact))),
            Read::Contacts(Err(failure))
            | Read::Proof(_, Err(failure))
            | Read::Nothing(failure) => Err(failure),
        };
        self.tell_of(result).await;
        Ok(())
    }

    /// Screen, events and client know the contacts as they are now.
    pub(super) async fn know_contacts(&mut self) {
        self.show_contacts();
        self.client
            .handle()
            .set_contacts(known_keys(&self.profile))
            .await;
    }

    /// Screen and events know the contacts as they are now.
    pub(super) fn show_contacts(&mut self) {
        let verified = verified_keys(&self.profile);
        if let Some((_, screen)) = &mut self.screen {
            screen.know_contacts(&self.profile.content().contacts, &verified);
        }
        self.narrator.know_verified(verified);
    }

    async fn tell_of(&mut self, result: Result<Done, Failure>) {
        match result {
            Ok((text, contact)) => {
                self.know_contacts().await;
                if let Some((_, screen)) = &mut self.screen {
                    screen.done(now(), text, contact.as_ref());
                }
            }
            Err(failure) => self.tell_failure(&failure),
        }
        self.draw();
    }

    async fn call_contact(&mut self, contact: &Contact) -> Result<(), Failure> {
        let callee = callee(&Person::from(contact), &self.plan.media)?;
        self.client
            .handle()
            .call(callee, call_options(&self.plan.media))
            .await?;
        Ok(())
    }

    /// All or none, and nothing of somebody known but what was shown.
    fn add_contacts(&mut self, wanted: &[Wanted]) -> Result<Done, Failure> {
        let domain = self.context.settings.domain();
        let done = self.profile.change(|content| {
            wanted
                .iter()
                .map(|Wanted { address, finding }| {
                    let consent = Consent::To(finding);
                    Ok(contact_book::add(content, address, None, &domain, consent)?)
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
        let first = done.first().map(Finding::after);
        Ok((told.join("; "), first))
    }

    /// Changes a contact that the screen has shown: the one with the same key, whatever else has changed meanwhile.
    fn change_contact(
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

fn position(contacts: &[Contact], id: Option<SecureCallId>, shown: &Contact) -> Option<usize> {
    contacts.iter().position(|contact| match id {
        Some(_) => contact.id == id,
        None => contact.id.is_none() && contact.matrix_id == shown.matrix_id,
    })
}

#[cfg(test)]
mod tests {
    use securecall_crypto::IdentityKey;

    use super::*;

    #[test]
    fn a_contact_that_was_shown_is_known_by_its_key_and_only_without_one_by_its_address() {
        let id = |byte| SecureCallId::new(&IdentityKey::from_bytes([byte; 32]).unwrap());
        let contact = |key: Option<u8>, matrix_id: &str| Contact {
            name: "Ada".to_owned(),
            id: key.map(id),
            matrix_id: matrix_id.parse().unwrap(),
            verified: false,
        };
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
