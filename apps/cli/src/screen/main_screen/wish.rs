//! What the main screen wishes for.

use securecall_contact::Address;
use securecall_profile::Contact;
use securecall_profile::contact_book::Finding;

/// What the person wants, and others have to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Call somebody.
    Call(Contact),
    /// Call somebody, in a standard Matrix call from now on.
    CallStandard(Contact),
    /// Look for contacts in what was pasted, or in the picture it names.
    FindContacts(String),
    /// Forget what is being looked for.
    StopReading,
    /// Add these, and change those known as was shown.
    Add(Vec<Wanted>),
    /// Give a contact another name.
    Rename(Contact, String),
    /// Compare a contact's key with an ID, or with the picture that the text names.
    Verify(Contact, String),
    /// Take the mark away.
    Unverify(Contact),
    /// Remove a contact.
    Remove(Contact),
    /// End the program.
    Quit,
}

/// One of the contacts that were found, and what the person was shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) address: Address,
    pub(crate) finding: Finding,
}
