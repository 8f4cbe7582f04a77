//! What a found contact means against the contact list.

use securecall_contact::{Address, MatrixId, SecureCallId, ServerName};

use super::names::{NameInUse, NameOfAnother, check_name_is_free, free_name};
use crate::content::Contact;
use crate::who::{self, OtherKeyKnown};

/// An address is not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// It is the profile's own.
    #[error("this is your own address")]
    OwnAddress,
    /// A known contact with the same Matrix ID has another key.
    #[error(transparent)]
    OtherKey(#[from] OtherKeyKnown),
    /// The key is one contact's, the account another's, who has no key.
    #[error(
        "this is the key of your contact {of_key} at the address of your contact {}, {}",
        at_address.name,
        at_address.matrix_id
    )]
    TwoContacts {
        /// The name of the contact with the key.
        of_key: String,
        /// The contact with the account.
        at_address: Box<Contact>,
    },
    /// The name that was given is taken.
    #[error(transparent)]
    NameInUse(#[from] NameInUse),
    /// The name that the link suggests is that of a contact with another key: that is how an impostor would do it.
    #[error(transparent)]
    NameOfAnother(#[from] NameOfAnother),
    /// It would change somebody known, and nobody has agreed to that.
    #[error(transparent)]
    Unasked(#[from] Unasked),
}

/// Somebody known would change, and nobody was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody was asked about this change, so nothing was changed. {}", question_on_one_line(.0))]
pub struct Unasked(pub Box<Finding>);

/// What adding an address would do. Every front end shows this and none decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nobody in the list: this contact would be added.
    New(Contact),
    /// In the list, just so.
    Same(Contact),
    /// In the list under another name than the one that is given.
    NewName {
        /// As it is in the list.
        contact: Contact,
        /// The name that is given.
        to: String,
    },
    /// The key of a contact, at another address.
    AddressChange {
        /// As it is in the list.
        contact: Contact,
        /// The other address.
        to: MatrixId,
        /// Another name, if one is given.
        name: Option<String>,
    },
    /// A key for a contact that had none.
    KeyForKeyless {
        /// As it is in the list.
        contact: Contact,
        /// The key.
        key: SecureCallId,
        /// Another name, if one is given.
        name: Option<String>,
    },
}

/// What a person is asked before somebody they know is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeQuestion {
    /// The question alone.
    pub title: String,
    /// From what to what, and what it means.
    pub lines: Vec<String>,
}

/// What somebody has agreed to.
#[derive(Clone, Copy, Debug)]
pub enum Consent<'a> {
    /// Nobody was asked.
    Nothing,
    /// Nobody was asked, but addresses may change.
    AddressChanges,
    /// A person was shown this, and wants it.
    To(&'a Finding),
}

impl Finding {
    /// The contact as it is in the list; `None` for somebody new.
    pub const fn before(&self) -> Option<&Contact> {
        match self {
            Self::New(_) => None,
            Self::Same(contact)
            | Self::NewName { contact, .. }
            | Self::AddressChange { contact, .. }
            | Self::KeyForKeyless { contact, .. } => Some(contact),
        }
    }

    /// The contact as it would be.
    pub fn after(&self) -> Contact {
        let named = |contact: &Contact, name: &Option<String>| Contact {
            name: name.clone().unwrap_or_else(|| contact.name.clone()),
            ..contact.clone()
        };
        match self {
            Self::New(contact) | Self::Same(contact) => contact.clone(),
            Self::NewName { contact, to } => named(contact, &Some(to.clone())),
            // The mark is the key's, and the key stays.
            Self::AddressChange { contact, to, name } => Contact {
                matrix_id: to.clone(),
                ..named(contact, name)
            },
            Self::KeyForKeyless { contact, key, name } => Contact {
                id: Some(*key),
                verified: false,
                ..named(contact, name)
            },
        }
    }

    /// What to ask where somebody known would change; `None` where nobody would.
    pub fn change(&self) -> Option<ChangeQuestion> {
        match self {
            Self::New(_) | Self::Same(_) => None,
            Self::NewName { contact, to } => Some(ChangeQuestion {
                title: format!("Rename {} to {to}?", contact.name),
                lines: vec!["This key is in your contacts already.".to_owned()],
            }),
            Self::AddressChange { contact, to, name } => {
                let mark = match contact.verified {
                    true => "The key stays the same, and so it stays verified.",
                    false => "The key stays the same. It has not been verified.",
                };
                let mut lines = vec![
                    format!("from {}", contact.matrix_id),
                    format!("to   {to}"),
                    format!("{mark} Calls go to the new address alone; the old one is not kept."),
                ];
                lines.extend(new_name(name.as_deref()));
                Some(ChangeQuestion {
                    title: format!("Change the address of {}?", contact.name),
                    lines,
                })
            }
            Self::KeyForKeyless { contact, key, name } => {
                let mut lines = vec![
                    format!("so far no key is known for {}", contact.matrix_id),
                    format!("the key would be {}", key.grouped()),
                    "Only the link says that this key is theirs. Ask them on another way before you say yes, and verify the \
                     contact then."
                        .to_owned(),
                ];
                lines.extend(new_name(name.as_deref()));
                Some(ChangeQuestion {
                    title: format!("Give {} this key?", contact.name),
                    lines,
                })
            }
        }
    }

    /// What was changed of somebody known, in one sentence.
    pub fn told(&self) -> Option<String> {
        let name = self.after().name;
        match self {
            Self::New(_) | Self::Same(_) => None,
            Self::NewName { contact, .. } => Some(format!("{} is called {name} now", contact.name)),
            Self::AddressChange { contact, to, .. } => {
                let mark = match contact.verified {
                    true => "the key is the same, and still verified",
                    false => "the key is the same",
                };
                Some(format!(
                    "the address of {name} was {} and is {to} now; {mark}",
                    contact.matrix_id
                ))
            }
            Self::KeyForKeyless { key, .. } => {
                Some(format!("{name} has a key now: {key}; it is not verified"))
            }
        }
    }

    /// Makes the list so.
    pub(super) fn carry_out(&self, contacts: &mut Vec<Contact>) {
        let place = self
            .before()
            .and_then(|before| contacts.iter().position(|contact| contact == before));
        match place {
            Some(index) => contacts[index] = self.after(),
            None => contacts.push(self.after()),
        }
    }
}

impl ChangeQuestion {
    /// All of it, the question last.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.lines.join("\n"), self.title)
    }
}

impl Consent<'_> {
    /// Refuses a change of somebody known that nobody has agreed to.
    pub(super) fn check(self, finding: &Finding) -> Result<(), Unasked> {
        match (self, finding) {
            (_, Finding::New(_) | Finding::Same(_) | Finding::NewName { .. })
            | (Self::AddressChanges, Finding::AddressChange { .. }) => Ok(()),
            (Self::To(shown), _) if shown == finding => Ok(()),
            (_, Finding::AddressChange { .. } | Finding::KeyForKeyless { .. }) => {
                Err(Unasked(Box::new(finding.clone())))
            }
        }
    }
}

/// The contact list as it would be, while somebody is asked about one found contact after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    contacts: Vec<Contact>,
    own: Option<SecureCallId>,
    /// Where an ID names no server.
    domain: ServerName,
}

impl Draft {
    /// The list as it is, of the owner of `own`; an ID that names no server is at `domain`.
    pub fn new(contacts: &[Contact], own: Option<SecureCallId>, domain: ServerName) -> Self {
        Self {
            contacts: contacts.to_vec(),
            own,
            domain,
        }
    }

    /// What adding this address would do, after what was taken before.
    ///
    /// # Errors
    ///
    /// As [`super::add`].
    pub fn weigh(&self, address: &Address, name: Option<&str>) -> Result<Finding, AddError> {
        weigh(&self.contacts, self.own, address, name, &self.domain)
    }

    /// Takes what is wanted.
    pub fn take(&mut self, finding: &Finding) {
        finding.carry_out(&mut self.contacts);
    }
}

/// The one place that decides what an address means for the contact list.
pub(super) fn weigh(
    contacts: &[Contact],
    own: Option<SecureCallId>,
    address: &Address,
    name: Option<&str>,
    domain: &ServerName,
) -> Result<Finding, AddError> {
    let matrix_id = address.matrix_id(domain);
    let id = address.securecall_id().copied();
    if id.is_some() && id == own {
        return Err(AddError::OwnAddress);
    }
    who::check_known_key(id.as_ref(), &matrix_id, contacts)?;
    let at_address = contacts
        .iter()
        .position(|known| known.matrix_id == matrix_id);
    let of_key = id.and_then(|id| contacts.iter().position(|known| known.id == Some(id)));
    let known = of_key.or(at_address);
    if let Some(name) = name {
        check_name_is_free(name, known, contacts)?;
    }
    let Some(index) = known else {
        let name = match name {
            Some(name) => name.to_owned(),
            None => free_name(address, contacts)?,
        };
        return Ok(Finding::New(Contact {
            name,
            id,
            matrix_id,
            verified: false,
            require: None,
        }));
    };
    let contact = contacts[index].clone();
    let name = name.filter(|name| *name != contact.name).map(str::to_owned);
    if let Some(other) = at_address.filter(|other| of_key.is_some() && *other != index) {
        return Err(two_contacts(&contact, &contacts[other]));
    }
    // A bare ID says nothing about the account: it does not move a contact to the default domain.
    let names_no_account = matches!(address, Address::Id(_));
    Ok(match (id, contact.id) {
        (Some(key), None) => Finding::KeyForKeyless { contact, key, name },
        _ if !names_no_account && contact.matrix_id != matrix_id => Finding::AddressChange {
            contact,
            to: matrix_id,
            name,
        },
        _ => match name {
            Some(to) => Finding::NewName { contact, to },
            None => Finding::Same(contact),
        },
    })
}

fn two_contacts(of_key: &Contact, at_address: &Contact) -> AddError {
    AddError::TwoContacts {
        of_key: of_key.name.clone(),
        at_address: Box::new(at_address.clone()),
    }
}

fn question_on_one_line(finding: &Finding) -> String {
    let question = finding.change();
    let shown = question.map(|it| format!("{} {}", it.title, it.lines.join("; ")));
    shown.unwrap_or_default()
}

fn new_name(name: Option<&str>) -> Option<String> {
    name.map(|name| format!("The name would be {name}."))
}

#[cfg(test)]
mod tests {
    use super::super::add;
    use super::*;
    use crate::content::Content;
    use crate::sample_contacts::{contact, id};

    /// Ada is verified, Bo has no key.
    fn content() -> Content {
        Content {
            contacts: vec![
                Contact {
                    verified: true,
                    ..contact("Ada", Some(7), &format!("@sc_{}:a.example", id(7)))
                },
                contact("Bo", None, "@bo:b.example"),
            ],
            ..Content::default()
        }
    }

    fn link(byte: u8, query: &str) -> Address {
        let text = format!("securecall://contact/{}{query}", id(byte));
        text.parse().unwrap()
    }

    fn weighed(address: &Address, name: Option<&str>) -> Result<Finding, AddError> {
        let content = content();
        let domain = ServerName::default_domain();
        Draft::new(&content.contacts, content.own_id(), domain).weigh(address, name)
    }

    #[test]
    fn every_finding_has_its_case() {
        use Finding::*;
        let stranger = weighed(&link(8, "?server=c.example&name=Cy"), None).unwrap();
        assert!(matches!(&stranger, New(contact) if contact.name == "Cy" && !contact.verified));
        for same in [
            link(7, "?server=a.example"),
            link(7, "?server=A.example&name=Eve"),
            Address::Id(id(7)),
            "@bo:b.example".parse().unwrap(),
        ] {
            assert!(matches!(weighed(&same, None), Ok(Same(_))), "{same:?}");
        }
        let renamed = weighed(&Address::Id(id(7)), Some("Ada L")).unwrap();
        assert!(matches!(renamed, NewName { to, .. } if to == "Ada L"));
        // A link without a server means the default domain, which is another address.
        for moved in [
            link(7, "?server=c.example"),
            link(7, ""),
            link(7, "?mxid=@ada:a.example"),
        ] {
            assert!(
                matches!(weighed(&moved, None), Ok(AddressChange { .. })),
                "{moved:?}"
            );
        }
        let keyed = weighed(&link(8, "?mxid=@bo:b.example"), None).unwrap();
        assert!(matches!(keyed, KeyForKeyless { key, .. } if key == id(8)));
        for conflict in [
            link(8, "?mxid=@bo:b.example&name=Ada"),
            link(7, "?mxid=@bo:b.example"),
        ] {
            let result = weighed(&conflict, None);
            match conflict.securecall_id() {
                // The name that a link suggests is never given to somebody known.
                Some(key) if *key == id(8) => assert_eq!(result.unwrap().after().name, "Bo"),
                _ => assert!(matches!(result, Err(AddError::TwoContacts { .. }))),
            }
        }
    }

    #[test]
    fn an_address_changes_only_by_consent_and_keeps_the_mark() {
        let moved = link(7, "?server=c.example");
        let domain = ServerName::default_domain();
        let mut content = content();
        let before = content.contacts.clone();
        let error = add(&mut content, &moved, None, &domain, Consent::Nothing).unwrap_err();
        assert!(matches!(error, AddError::Unasked(_)), "{error}");
        for part in [":a.example", ":c.example", "verified"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(content.contacts, before);
        // Consent to something else is none.
        let other = weighed(&link(7, "?server=d.example"), None).unwrap();
        assert!(add(&mut content, &moved, None, &domain, Consent::To(&other)).is_err());
        assert_eq!(content.contacts, before);

        let finding = weighed(&moved, None).unwrap();
        let told = finding.told().unwrap();
        assert!(
            told.contains(":a.example") && told.contains(":c.example"),
            "{told}"
        );
        for consent in [Consent::AddressChanges, Consent::To(&finding)] {
            let mut content = self::content();
            add(&mut content, &moved, None, &domain, consent).unwrap();
            let changed = &content.contacts[0];
            assert_eq!(changed.matrix_id.server_name().as_str(), "c.example");
            assert_eq!((changed.id, changed.verified), (Some(id(7)), true));
            assert_eq!(content.contacts.len(), 2);
        }
    }

    #[test]
    fn no_option_gives_a_contact_a_key() {
        let keyed = link(8, "?mxid=@bo:b.example");
        let domain = ServerName::default_domain();
        let mut content = content();
        for consent in [Consent::Nothing, Consent::AddressChanges] {
            let error = add(&mut content, &keyed, None, &domain, consent).unwrap_err();
            assert!(matches!(error, AddError::Unasked(_)), "{error}");
            assert_eq!(content.contacts[1].id, None);
        }
        let finding = weighed(&keyed, None).unwrap();
        let question = finding.change().unwrap().text();
        assert!(
            question.contains(&id(8).grouped().to_string()),
            "{question}"
        );
        add(&mut content, &keyed, None, &domain, Consent::To(&finding)).unwrap();
        assert_eq!(content.contacts[1].id, Some(id(8)));
        assert!(!content.contacts[1].verified);
    }

    #[test]
    fn two_addresses_together_do_no_more_than_each_alone() {
        let domain = ServerName::default_domain();
        let account: Address = "@cy:c.example".parse().unwrap();
        let key = link(8, "?mxid=@cy:c.example");
        let mut content = content();
        add(&mut content, &account, None, &domain, Consent::Nothing).unwrap();
        // What was weighed before the first one was added is no consent to what it means now.
        let stale = weighed(&key, None).unwrap();
        assert!(matches!(stale, Finding::New(_)));
        assert!(add(&mut content, &key, None, &domain, Consent::To(&stale)).is_err());
        // A draft that has taken the first one asks about it.
        let mut draft = Draft::new(&self::content().contacts, None, domain);
        let first = draft.weigh(&account, None).unwrap();
        draft.take(&first);
        assert!(matches!(
            draft.weigh(&key, None),
            Ok(Finding::KeyForKeyless { .. })
        ));
    }
}
