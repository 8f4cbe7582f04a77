//! A person as others name them: an identity, and where it can be called.

use std::fmt;

use securecall_contact::{MatrixId, SecureCallId};
use serde::{Deserialize, Serialize};

/// Somebody who is named to others: who they are, and where they can be called. That they are there is shown by nothing but a call.
///
/// No person is at the certified address of another: such a pair is none.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "PersonJson", into = "PersonJson")]
pub struct Person {
    id: SecureCallId,
    matrix_id: MatrixId,
}

/// Why an ID and an address are no person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// Not an ID as it is written.
    #[error("the SecureCall ID of a person is malformed")]
    Id,
    /// Not a Matrix ID.
    #[error("the Matrix ID of a person is malformed")]
    MatrixId,
    /// The address certifies somebody else.
    #[error("the Matrix ID is the certified address of another SecureCall ID")]
    AddressOfAnother,
}

impl Person {
    /// A person at an address.
    ///
    /// # Errors
    /// [`PersonError::AddressOfAnother`] if the address holds another ID.
    pub fn new(id: SecureCallId, matrix_id: MatrixId) -> Result<Self, PersonError> {
        match matrix_id.securecall_id() {
            Some(certified) if *certified != id => Err(PersonError::AddressOfAnother),
            _ => Ok(Self { id, matrix_id }),
        }
    }

    /// Who it is.
    pub const fn id(&self) -> SecureCallId {
        self.id
    }

    /// Where they can be called.
    pub const fn matrix_id(&self) -> &MatrixId {
        &self.matrix_id
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, matrix_id: _ } = self;
        write!(f, "Person({}…)", id.short())
    }
}

/// As on the wire.
#[derive(Serialize, Deserialize)]
pub(crate) struct PersonJson {
    id: String,
    matrix_id: String,
}

impl From<Person> for PersonJson {
    fn from(person: Person) -> Self {
        Self {
            id: person.id.to_string(),
            matrix_id: person.matrix_id.to_string(),
        }
    }
}

impl TryFrom<PersonJson> for Person {
    type Error = PersonError;

    fn try_from(PersonJson { id, matrix_id }: PersonJson) -> Result<Self, Self::Error> {
        // As it is written and no other way: of two texts for one ID, only one is compared.
        let id = SecureCallId::from_canonical(&id).map_err(|_| PersonError::Id)?;
        let matrix_id = matrix_id.parse().map_err(|_| PersonError::MatrixId)?;
        Self::new(id, matrix_id)
    }
}
