//! What the main screen wishes for: the contact list is changed, contacts are looked for, somebody is called.

use securecall_profile::who::Person;

use super::Run;
use crate::calling::clock::now;
use crate::calling::ending::Ending;
use crate::calling::people::Done;
use crate::calling::reading::Read;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::screen::Wish;

impl Run {
    /// Does what the main screen asks for.
    pub(super) async fn grant(&mut self, wish: Wish) -> Result<(), Ending> {
        let result = match wish {
            Wish::Quit => return Err(Ending::Done(ExitCode::Done)),
            // A large picture takes a while, and a call may come in meanwhile: `handle_read` goes
            // on with what was found.
            Wish::FindContacts(text) => {
                self.reading.find_contacts(text);
                return Ok(());
            }
            Wish::Verify(contact, text) => {
                self.reading.find_proof(contact, text);
                return Ok(());
            }
            Wish::StopReading => {
                self.reading.forget();
                return Ok(());
            }
            Wish::Call(contact) if self.has_to_ask(&Person::from(&contact)) => {
                if let Some(screen) = self.shown.screen() {
                    screen.ask_for_consent(contact);
                }
                self.shown.draw(now());
                return Ok(());
            }
            Wish::CallStandard(contact) => {
                let person = Person::from(&contact);
                let called = match self.people.agree(&person) {
                    Ok(()) => self.call(&person).await,
                    Err(failure) => Err(failure),
                };
                match called {
                    Ok(()) => return Ok(()),
                    Err(failure) => Err(failure),
                }
            }
            Wish::Call(contact) => match self.call(&Person::from(&contact)).await {
                Ok(()) => return Ok(()),
                Err(failure) => Err(failure),
            },
            Wish::Add(wanted) => self.people.add(&wanted),
            Wish::Rename(contact, name) => self.people.rename(&contact, &name),
            Wish::Unverify(contact) => self.people.unverify(&contact),
            Wish::Remove(contact) => self.people.remove(&contact),
        };
        self.tell_of_change(result).await;
        Ok(())
    }

    /// Goes on with what was read.
    pub(super) async fn handle_read(&mut self, read: Read) -> Result<(), Ending> {
        let result = match read {
            Read::Contacts(Ok(found)) => {
                let draft = self.people.draft();
                if let Some(screen) = self.shown.screen() {
                    screen.found(found, draft);
                }
                self.shown.draw(now());
                return Ok(());
            }
            Read::Devices(wishes) => {
                if let Some(screen) = self.shown.screen() {
                    screen.found_devices(wishes);
                }
                self.shown.draw(now());
                return Ok(());
            }
            Read::Proof(contact, Ok(proof)) => self.people.verify(&contact, proof),
            Read::Contacts(Err(failure))
            | Read::Proof(_, Err(failure))
            | Read::Nothing(failure) => Err(failure),
        };
        self.tell_of_change(result).await;
        Ok(())
    }

    /// Screen, events and client know the contacts as they are now.
    pub(super) async fn know_contacts(&mut self) {
        self.show_contacts();
        let known = self.people.known();
        self.client.handle().set_contacts(known).await;
    }

    /// Screen and events know the contacts as they are now.
    pub(super) fn show_contacts(&mut self) {
        let verified = self.people.verified_keys();
        if let Some(screen) = self.shown.screen() {
            screen.know_contacts(self.people.contacts(), &verified, self.people.blocked());
        }
        self.teller.know_verified(verified);
    }

    async fn tell_of_change(&mut self, result: Result<Done, Failure>) {
        match result {
            Ok(Done { told, contact }) => {
                self.know_contacts().await;
                if let Some(screen) = self.shown.screen() {
                    screen.done(now(), told, contact.as_ref());
                }
            }
            Err(failure) => self.tell_failure(&failure),
        }
        self.shown.draw(now());
    }
}
