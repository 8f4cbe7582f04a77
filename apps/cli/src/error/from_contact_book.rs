//! What the contact book says, told to a person.

use securecall_profile::contact_book::{
    AddError, Finding, NameError, NameInUse, NameOfAnother, RenameError, Unasked, VerifyError,
};
use securecall_profile::who::{OtherKeyKnown, WhoError};

use super::{ErrorKind, Failure};

impl From<WhoError> for Failure {
    fn from(error: WhoError) -> Self {
        let message = error.to_string();
        match error {
            WhoError::Address(error) => error.into(),
            WhoError::Unknown(_) => Self::new(ErrorKind::UnknownContact, message)
                .help("`securecall contact list` shows them; give a SecureCall ID, a contact link or a Matrix ID for anybody else"),
            WhoError::OtherKey(error) => error.into(),
        }
    }
}

impl From<OtherKeyKnown> for Failure {
    fn from(error: OtherKeyKnown) -> Self {
        Self::new(ErrorKind::KeyMismatch, error.to_string()).help(format!(
            "ask {} on another way whether their key has changed; then `securecall contact remove`, and add the new link",
            error.name
        ))
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        let failure = Self::new(ErrorKind::Usage, error.to_string());
        match error {
            NameError::Invisible => failure,
            NameError::NotShown { would_do } => failure.help(format!("this would do: {would_do}")),
            NameError::IsAddress => {
                failure.help("an address as a name could be mistaken for that address")
            }
        }
    }
}

impl From<NameInUse> for Failure {
    fn from(error: NameInUse) -> Self {
        Self::new(ErrorKind::NameInUse, error.to_string()).help(
            "give another name; if it is the same person with a new key, ask them on another way whether their key has \
             changed, and remove the old contact first",
        )
    }
}

impl From<NameOfAnother> for Failure {
    fn from(error: NameOfAnother) -> Self {
        let name = &error.name;
        Self::new(ErrorKind::KeyMismatch, error.to_string()).help(format!(
            "ask {name} on another way whether their key has changed. If it has: `securecall contact remove`, and add the new link. \
             If this is somebody else: give another name with --name"
        ))
    }
}

impl From<RenameError> for Failure {
    fn from(error: RenameError) -> Self {
        match error {
            RenameError::Name(error) => error.into(),
            RenameError::InUse(error) => error.into(),
        }
    }
}

impl From<AddError> for Failure {
    fn from(error: AddError) -> Self {
        let message = error.to_string();
        match error {
            AddError::OwnAddress => {
                Self::new(ErrorKind::Usage, message).help("share it; add the other's")
            }
            AddError::OtherKey(error) => error.into(),
            AddError::TwoContacts { at_address, .. } => Self::new(ErrorKind::KeyMismatch, message).help(format!(
                "ask them on another way whether they are the same person. If they are: `securecall contact remove {}`, and add it again",
                at_address.matrix_id
            )),
            AddError::NameInUse(error) => error.into(),
            AddError::NameOfAnother(error) => error.into(),
            AddError::Unasked(error) => error.into(),
        }
    }
}

impl From<Unasked> for Failure {
    fn from(error: Unasked) -> Self {
        let failure = Self::new(ErrorKind::NeedsTerminal, error.to_string());
        match *error.0 {
            Finding::KeyForKeyless { contact, .. } => failure.help(format!(
                "ask them on another way whether this is their key; then add it at a terminal, or `securecall contact remove {}` \
                 first: no option allows it",
                contact.matrix_id
            )),
            _ => failure.help(
                "ask them on another way whether they have moved; then add it at a terminal, or with --change-address",
            ),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let message = error.to_string();
        match error {
            VerifyError::KeyUnknown { .. } => Self::new(ErrorKind::KeyUnknown, message)
                .help("ask for their SecureCall contact link, and add it with `securecall contact add`"),
            VerifyError::OtherKey { name, .. } => Self::new(ErrorKind::KeyMismatch, message).help(format!(
                "the contact stays unverified. One of the two links was changed on its way, or this is somebody else's: ask {name} in person"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_contact::{Address, ServerName};
    use securecall_profile::contact_book::{Draft, check_same_key, given_name};
    use securecall_profile::{Contact, who};

    use super::*;
    use crate::sample_contacts::{contact, id};

    /// Ada has a key, Bo has none.
    fn contacts() -> [Contact; 2] {
        [
            contact("Ada", Some(7), "@ada:a.example"),
            contact("Bo", None, "@bo:b.example"),
        ]
    }

    fn refused(text: &str, name: Option<&str>) -> ErrorKind {
        let draft = Draft::new(&contacts(), Some(id(9)), ServerName::default_domain());
        let address: Address = text.parse().unwrap();
        Failure::from(draft.weigh(&address, name).unwrap_err()).kind
    }

    #[test]
    fn a_contact_that_is_not_added_has_its_kind() {
        let link = |byte, query| format!("securecall://contact/{}?{query}", id(byte));
        for (text, name, kind) in [
            (id(9).to_string(), None, ErrorKind::Usage),
            (link(8, "mxid=@ada:a.example"), None, ErrorKind::KeyMismatch),
            (link(7, "mxid=@bo:b.example"), None, ErrorKind::KeyMismatch),
            (link(8, "name=ADA"), None, ErrorKind::KeyMismatch),
            (link(8, "name=Cy"), Some("ada"), ErrorKind::NameInUse),
        ] {
            assert_eq!(refused(&text, name), kind, "{text}");
        }
    }

    #[test]
    fn a_change_that_nobody_was_asked_about_needs_a_terminal_and_only_an_address_has_an_option() {
        let [ada, bo] = contacts();
        let moved = Finding::AddressChange {
            to: "@ada:c.example".parse().unwrap(),
            contact: ada,
            name: None,
        };
        let keyed = Finding::KeyForKeyless {
            contact: bo,
            key: id(8),
            name: None,
        };
        for (finding, has_option) in [(moved, true), (keyed, false)] {
            let failure = Failure::from(Unasked(Box::new(finding)));
            assert_eq!(failure.kind, ErrorKind::NeedsTerminal);
            let help = failure.help.unwrap();
            assert_eq!(help.contains("--change-address"), has_option, "{help}");
        }
    }

    #[test]
    fn names_people_and_keys_that_are_not_right_have_their_kinds() {
        let contacts = contacts();
        let kind = |text: &str| {
            let domain = ServerName::default_domain();
            Failure::from(who::resolve(text, &contacts, &domain).unwrap_err()).kind
        };
        let typo = id(10).to_string().replacen('b', "c", 1);
        let other = format!("securecall://contact/{}?mxid=@ada:a.example", id(10));
        for (text, expected) in [
            ("Eve", ErrorKind::UnknownContact),
            (&typo, ErrorKind::InvalidId),
            ("@ada", ErrorKind::InvalidMatrixId),
            ("http://example.org", ErrorKind::InvalidLink),
            (&other, ErrorKind::KeyMismatch),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
        let name = Failure::from(given_name("@ada").unwrap_err());
        assert_eq!(name.kind, ErrorKind::Usage);
        let verified = |index: usize| {
            let error = check_same_key(&contacts[index], &id(8)).unwrap_err();
            Failure::from(error).kind
        };
        assert_eq!(verified(0), ErrorKind::KeyMismatch);
        assert_eq!(verified(1), ErrorKind::KeyUnknown);
    }
}
