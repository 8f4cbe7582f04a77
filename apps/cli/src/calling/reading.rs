//! Texts and pictures that a person has given, on their way to be read, and sound devices that are looked for.

use securecall_audio_device::sound_cards;
use securecall_contact::FoundAddress;
use securecall_driver::DeviceWish;
use securecall_profile::{Contact, Proof, sources};
use tokio::task::JoinHandle;

use crate::error::Failure;

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    /// Contacts to add.
    Contacts(Result<Vec<FoundAddress>, Failure>),
    /// What a contact is to be verified by.
    Proof(Contact, Result<Proof, Failure>),
    /// The microphones and speakers that a call may go on with.
    Devices(Vec<DeviceWish>),
    /// The reader has failed.
    Nothing(Failure),
}

/// Something that is being read, on a thread of its own: a large picture takes seconds, and so may sound cards.
#[derive(Debug, Default)]
pub(super) struct Reading(Option<JoinHandle<Read>>);

impl Reading {
    /// Looks for contacts in a text, or in the picture that it names.
    pub(super) fn find_contacts(&mut self, text: String) {
        self.start(move || Read::Contacts(sources::in_pasted(&text).map_err(Into::into)));
    }

    /// Looks for the key that a contact is to be verified by.
    pub(super) fn find_proof(&mut self, contact: Contact, text: String) {
        self.start(move || Read::Proof(contact, Proof::pasted(&text).map_err(Into::into)));
    }

    /// Looks which microphones and speakers there are.
    pub(super) fn find_devices(&mut self) {
        self.start(|| Read::Devices(sound_cards()));
    }

    fn start(&mut self, read: impl FnOnce() -> Read + Send + 'static) {
        self.0 = Some(tokio::task::spawn_blocking(read));
    }

    /// What it holds is of no interest any more.
    pub(super) fn forget(&mut self) {
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
