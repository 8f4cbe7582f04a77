//! What the endpoint knows of people, and what the user has decided about them: a snapshot, replaced as a whole.

use std::collections::BTreeMap;

use securecall_contact::{MatrixId, SecureCallId};
use securecall_crypto::IdentityKey;

use crate::command::{CallError, Callee};
use crate::event::Peer;
use crate::tier::Require;

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

/// What the user has decided about one person, contact or not. It holds for their key at every account, and for their account
/// whatever key it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Their key; `None` if only an account is known.
    pub identity: Option<IdentityKey>,
    /// Their account.
    pub matrix_id: MatrixId,
    /// They never ring, and are not called.
    pub blocked: bool,
    /// A call of a lower tier is neither placed nor taken, whatever else is required.
    pub require: Require,
}

/// All contacts, found by key and by account, and the rules about people.
#[derive(Clone, Debug, Default)]
pub struct Contacts {
    by_identity: BTreeMap<[u8; 32], Vec<Contact>>,
    by_matrix_id: BTreeMap<String, IdentityKey>,
    rules_by_identity: BTreeMap<[u8; 32], Decision>,
    rules_by_matrix_id: BTreeMap<String, Decision>,
    /// People of whom no key is known, by account: what the user calls them.
    accounts: BTreeMap<String, String>,
}

/// What all rules about a person come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) blocked: bool,
    pub(crate) require: Require,
}

impl Decision {
    /// Both: the strictest wins.
    fn and(self, other: Self) -> Self {
        Self {
            blocked: self.blocked || other.blocked,
            require: self.require.max(other.require),
        }
    }
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
            all.add(contact);
        }
        all
    }

    /// Adds one.
    pub fn add(&mut self, contact: Contact) {
        self.by_matrix_id
            .insert(contact.matrix_id.as_str().to_owned(), contact.identity);
        self.by_identity
            .entry(*contact.identity.as_bytes())
            .or_default()
            .push(contact);
    }

    /// The same with rules about people. Of several about one person the strictest wins.
    #[must_use]
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        for rule in rules {
            let Rule {
                identity,
                matrix_id,
                blocked,
                require,
            } = rule;
            let decision = Decision { blocked, require };
            let of_address = matrix_id.securecall_id().map(SecureCallId::identity_key);
            for identity in [identity, of_address].into_iter().flatten() {
                let all = self.rules_by_identity.entry(*identity.as_bytes());
                let all = all.or_default();
                *all = all.and(decision);
            }
            let all = self.rules_by_matrix_id.entry(matrix_id.as_str().to_owned());
            let all = all.or_default();
            *all = all.and(decision);
        }
        self
    }

    /// Whom a call would be with: the identity that must prove itself, or `None` if no key is known, which makes it one of tier
    /// `matrix`. It may not be of a lower tier than `require`, nor than the rules about this person ask for.
    ///
    /// # Errors
    /// [`CallError::Blocked`]; [`CallError::TierTooLow`] as [`Callee::identity`].
    pub fn identity_of(
        &self,
        callee: &Callee,
        require: Require,
    ) -> Result<Option<IdentityKey>, CallError> {
        // A contact's key is known whoever forgets to name it: nobody is called without it.
        let known = callee
            .identity
            .or_else(|| self.identity_at(&callee.matrix_id));
        let decision = self.decision(known.as_ref(), &callee.matrix_id);
        if decision.blocked {
            return Err(CallError::Blocked);
        }
        let callee = Callee {
            identity: known,
            matrix_id: callee.matrix_id.clone(),
        };
        callee.identity(require.max(decision.require))
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

    /// The accounts of all whose key is known.
    pub(crate) fn accounts_with_key(&self) -> impl Iterator<Item = &MatrixId> {
        let contacts = self.by_identity.values().flatten();
        contacts.map(|contact| &contact.matrix_id)
    }

    /// Whether an identity is a contact's.
    pub fn contains(&self, identity: &IdentityKey) -> bool {
        self.by_identity.contains_key(identity.as_bytes())
    }

    /// The identity that a contact's Matrix ID stands for.
    pub(crate) fn identity_at(&self, matrix_id: &MatrixId) -> Option<IdentityKey> {
        self.by_matrix_id.get(matrix_id.as_str()).copied()
    }

    /// What the user has decided about an identity at a Matrix ID.
    pub(crate) fn decision(
        &self,
        identity: Option<&IdentityKey>,
        matrix_id: &MatrixId,
    ) -> Decision {
        // Each account that the identity has in our contacts is theirs, and each key that the account stands for is, too.
        let of_identity = identity.and_then(|it| self.by_identity.get(it.as_bytes()));
        let their_accounts = of_identity.into_iter().flatten();
        let accounts = their_accounts
            .map(|contact| &contact.matrix_id)
            .chain([matrix_id]);
        let by_account = accounts.filter_map(|it| self.rules_by_matrix_id.get(it.as_str()));
        let of_address = matrix_id.securecall_id().map(SecureCallId::identity_key);
        let keys = [identity.copied(), of_address, self.identity_at(matrix_id)];
        let by_key = keys
            .iter()
            .flatten()
            .filter_map(|it| self.rules_by_identity.get(it.as_bytes()));
        by_account
            .chain(by_key)
            .fold(Decision::default(), |all, decision| all.and(*decision))
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
            device_id: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use securecall_contact::ServerName;
    use securecall_crypto::{IdentityKeyPair, IdentitySeed};

    use super::*;

    #[test]
    fn a_rule_about_a_key_holds_for_every_account_that_stands_for_it_whoever_names_the_key() {
        let identity = IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([3; 32])).public();
        let server: ServerName = "other.example".parse().unwrap();
        let address = MatrixId::of_securecall_id(&SecureCallId::new(&identity), &server);
        let account: MatrixId = "@ada:example.org".parse().unwrap();
        let rule = Rule {
            identity: Some(identity),
            matrix_id: "@ada:old.example".parse().unwrap(),
            blocked: true,
            require: Require::SecureCall,
        };
        let known = Contacts::new([Contact {
            name: "Ada".to_owned(),
            identity,
            matrix_id: account.clone(),
        }]);
        let expected = Decision {
            blocked: true,
            require: Require::SecureCall,
        };
        let rules = Contacts::default().with_rules([rule.clone()]);
        assert_eq!(rules.decision(None, &address), expected);
        assert_eq!(rules.decision(None, &account), Decision::default());
        assert_eq!(known.with_rules([rule]).decision(None, &account), expected);
    }
}
