//! Names of contacts: what can be one, and which are free.

use securecall_contact::{Address, NameLabel};

use crate::content::Contact;

/// A text cannot be a contact's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It draws nothing.
    #[error("this cannot be a contact's name: there is nothing to be seen in it")]
    Invisible,
    /// It would have to be changed.
    #[error(
        "this cannot be a contact's name: it is too long or has characters that cannot be shown"
    )]
    NotShown {
        /// What is left of it.
        would_do: NameLabel,
    },
    /// It could be mistaken for that address.
    #[error("this cannot be a contact's name: it is an address")]
    IsAddress,
}

/// Another contact has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another contact is called '{name}' already")]
pub struct NameInUse {
    /// The name.
    pub name: String,
}

/// A link suggests the name of a contact with another key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("you have a contact called '{name}', and this is another key")]
pub struct NameOfAnother {
    /// The contact's name.
    pub name: String,
}

/// A name as somebody gives it.
///
/// # Errors
///
/// There is nothing to be seen in it, it could deceive, or it is an address.
pub fn given_name(text: &str) -> Result<String, NameError> {
    let name = NameLabel::new(text).ok_or(NameError::Invisible)?;
    if name.as_str() != text.trim() {
        return Err(NameError::NotShown { would_do: name });
    }
    if is_address(name.as_str()) {
        return Err(NameError::IsAddress);
    }
    Ok(name.as_str().to_owned())
}

/// The name the link suggests, else the first 8 characters of the ID, else the Matrix ID's name; these with a number if taken.
///
/// # Errors
///
/// The link suggests the name of a contact with another key: that is how an impostor would do it.
pub(super) fn free_name(address: &Address, contacts: &[Contact]) -> Result<String, NameOfAnother> {
    let label = address
        .name()
        .map(|label| label.as_str().to_owned())
        .filter(|label| !is_address(label));
    if let Some(label) = label {
        return match contacts
            .iter()
            .find(|contact| same_name(&contact.name, &label))
        {
            None => Ok(label),
            Some(known) => Err(NameOfAnother {
                name: known.name.clone(),
            }),
        };
    }
    let base = match (address.securecall_id(), address) {
        (Some(id), _) => id.short(),
        (None, Address::MatrixId(matrix_id)) => matrix_id.localpart().to_owned(),
        (None, Address::Link(_) | Address::Id(_)) => String::new(),
    };
    let is_free = |name: &str| {
        contacts
            .iter()
            .all(|contact| !same_name(&contact.name, name))
    };
    let numbered = (2..).map(|number| format!("{base} {number}"));
    Ok(std::iter::once(base.clone())
        .chain(numbered)
        .find(|name| is_free(name))
        .unwrap_or(base))
}

/// Refuses a name that another contact has.
pub(super) fn check_name_is_free(
    name: &str,
    except: Option<usize>,
    contacts: &[Contact],
) -> Result<(), NameInUse> {
    let taken = contacts
        .iter()
        .enumerate()
        .any(|(index, contact)| Some(index) != except && same_name(&contact.name, name));
    if taken {
        return Err(NameInUse {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn same_name(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn is_address(name: &str) -> bool {
    name.starts_with('@') || name.contains("://") || name.parse::<Address>().is_ok()
}
