//! What the endpoint knows of the user's contacts: a snapshot, replaced as a whole.

use std::collections::BTreeMap;

use securecall_contact::{MatrixId, SecureCallId};
use securecall_crypto::IdentityKey;

use crate::event::Peer;

/// Somebody whose key the user knows, and one account of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// As the user calls them; nothing that they chose themselves.
    pub name: String,
    /// What they must prove, here and at any other account.
    pub identity: IdentityKey,
    /// Where they are called; from another account they ring as a new address.
    pub matrix_id: MatrixId,
}

/// All contacts, found by key and by account.
#[derive(Clone, Debug, Default)]
pub struct Contacts {
    by_identity: BTreeMap<[u8; 32], Vec<Contact>>,
    by_matrix_id: BTreeMap<String, IdentityKey>,
    /// People of whom no key is known, by account: what the user calls them.
    accounts: BTreeMap<String, String>,
}

/// The identity proven is not the one the sender's Matrix ID stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity proven is not the one the sender's Matrix ID stands for")]
pub(crate) struct IdentityMismatch;

impl Contacts {
    /// Takes them as they are now; a change needs a new snapshot.
    pub fn new(contacts: impl IntoIterator<Item = Contact>) -> Self {
        let mut all = Self::default();
        for contact in contacts {
            all.by_matrix_id
                .insert(contact.matrix_id.as_str().to_owned(), contact.identity);
            all.by_identity
                .entry(*contact.identity.as_bytes())
                .or_default()
                .push(contact);
        }
        all
    }

    /// With people of whom the user knows an account and no key: an account, and what the user calls them. Such calls are of tier
    /// `matrix`.
    #[must_use]
    pub fn with_accounts(mut self, accounts: impl IntoIterator<Item = (MatrixId, String)>) -> Self {
        let accounts = accounts.into_iter();
        self.accounts
            .extend(accounts.map(|(matrix_id, name)| (matrix_id.as_str().to_owned(), name)));
        self
    }

    /// What the user calls whoever has this account.
    pub(crate) fn name_at(&self, matrix_id: &MatrixId) -> Option<String> {
        let of_key = self.identity_at(matrix_id).and_then(|identity| {
            let contacts = self.by_identity.get(identity.as_bytes())?;
            let here = contacts.iter().find(|it| it.matrix_id == *matrix_id);
            here.map(|contact| contact.name.clone())
        });
        of_key.or_else(|| self.accounts.get(matrix_id.as_str()).cloned())
    }

    /// Whether an identity is a contact's.
    pub fn contains(&self, identity: &IdentityKey) -> bool {
        self.by_identity.contains_key(identity.as_bytes())
    }

    /// The identity that a contact's Matrix ID stands for.
    pub(crate) fn identity_at(&self, matrix_id: &MatrixId) -> Option<IdentityKey> {
        self.by_matrix_id.get(matrix_id.as_str()).copied()
    }

    /// Who an identity at a Matrix ID is to the user.
    ///
    /// # Errors
    /// [`IdentityMismatch`] if the Matrix ID, by itself or by our contacts, stands for another identity.
    pub(crate) fn identify(
        &self,
        identity: &IdentityKey,
        matrix_id: &MatrixId,
    ) -> Result<Peer, IdentityMismatch> {
        let id = SecureCallId::new(identity);
        let told = matrix_id.securecall_id().map(SecureCallId::identity_key);
        let known = self.identity_at(matrix_id);
        // Both must agree: neither may a contact overrule what the address itself says, nor an
        // address what the user knows of it.
        if [told, known]
            .into_iter()
            .flatten()
            .any(|expected| expected != *identity)
        {
            return Err(IdentityMismatch);
        }
        let contacts = self
            .by_identity
            .get(identity.as_bytes())
            .map_or(&[][..], Vec::as_slice);
        let here = contacts
            .iter()
            .find(|contact| contact.matrix_id == *matrix_id);
        // The key is who somebody is, so the user's name for it holds at any account; that this is
        // another one is said beside it.
        let name = here
            .or_else(|| contacts.first())
            .map(|contact| contact.name.clone());
        let new_address = here.is_none() && name.is_some();
        Ok(Peer {
            id: Some(id),
            matrix_id: matrix_id.clone(),
            name,
            new_address,
        })
    }
}
