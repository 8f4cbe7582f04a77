//! From the texts of QR codes to contacts.

use securecall_contact::{AddressError, FoundAddress, find_addresses};

use crate::{PictureError, picture::Format, read_texts};

/// What the QR codes of a picture hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureContacts {
    /// The contacts, each once; at least one.
    pub contacts: Vec<FoundAddress>,
    /// Codes that hold something else.
    pub skipped: usize,
    /// What is wrong with codes that should be contacts and are none.
    pub faults: Vec<AddressError>,
}

/// Reads the contacts in a PNG, JPEG or WebP picture, given the bytes of its file.
///
/// A code counts as a contact if its text holds an address in any form: contact link, its web form, a whole share text, Matrix ID
/// or SecureCall ID. Contacts with the same key are one contact, the first.
///
/// # Errors
///
/// As [`read_texts`], and [`PictureError::NoContact`] if no code holds a contact.
pub fn read_contacts(file: &[u8]) -> Result<PictureContacts, PictureError> {
    let texts = read_texts(file)?;
    let codes = texts.len();
    let mut found = contacts_of(&texts);
    if found.contacts.is_empty() {
        let fault = (!found.faults.is_empty()).then(|| found.faults.swap_remove(0));
        return Err(PictureError::NoContact { codes, fault });
    }
    Ok(found)
}

/// Whether a file is a picture of a format that is read, by its first bytes.
#[must_use]
pub fn is_picture(file: &[u8]) -> bool {
    Format::of(file).is_ok()
}

fn contacts_of(texts: &[String]) -> PictureContacts {
    let mut found = PictureContacts {
        contacts: Vec::new(),
        skipped: 0,
        faults: Vec::new(),
    };
    for text in texts {
        match find_addresses(text) {
            Ok(addresses) if addresses.is_empty() => found.skipped += 1,
            Ok(addresses) => {
                for new in addresses {
                    let is_same =
                        |known: &FoundAddress| known.address.is_same_contact(&new.address);
                    if !found.contacts.iter().any(is_same) {
                        found.contacts.push(new);
                    }
                }
            }
            Err(fault) => found.faults.push(fault),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use securecall_contact::{ContactLinkError, SecureCallIdError};

    use super::*;

    const ID: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

    fn contacts(texts: &[&str]) -> PictureContacts {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        contacts_of(&texts)
    }

    #[test]
    fn every_form_of_an_address_is_the_same_contact() {
        let forms = [
            format!("securecall://contact/{ID}"),
            format!("https://a.example/add/#{ID}"),
            format!("Call me: https://a.example/add/#{ID} or securecall://contact/{ID}"),
            format!("@sc_{ID}:a.example"),
            ID.to_owned(),
        ];
        for form in &forms {
            assert_eq!(contacts(&[form]).contacts.len(), 1, "{form}");
        }
        let all: Vec<&str> = forms.iter().map(String::as_str).collect();
        assert_eq!(contacts(&all).contacts.len(), 1);
    }

    #[test]
    fn codes_that_are_no_contacts_are_counted_and_broken_ones_named() {
        let link = format!("securecall://contact/{ID}");
        let broken = format!("securecall://contact/{}", &ID[1..]);
        let found = contacts(&["https://example.org/", &link, &broken, "WIFI:S:a;P:b;;"]);
        assert_eq!(found.contacts.len(), 1);
        assert_eq!(found.skipped, 2);
        assert_eq!(
            found.faults,
            [AddressError::Link(ContactLinkError::Id(
                SecureCallIdError::Length { found: 55 }
            ))]
        );
    }
}
