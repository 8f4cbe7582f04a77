//! An address that was found, and what is not certain about it.

use crate::{Address, ServerName};

/// An address in a text, and what is not certain about how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAddress {
    /// The first form in which the text gives it, unless a later one says more.
    pub address: Address,
    /// Why somebody should look at it before it is used; empty if there is but one way to read the text.
    pub doubts: Vec<Doubt>,
}

impl FoundAddress {
    /// The same contact in another form: the first stays, unless it says less or is less certain.
    pub(super) fn hear_again(&mut self, other: Self) {
        let says_account = |address: &Address| !matches!(address, Address::Id(_));
        match (says_account(&self.address), says_account(&other.address)) {
            (_, false) => {}
            (false, true) => *self = other,
            (true, true) => {
                let default_domain = ServerName::default_domain();
                if self.address.matrix_id(&default_domain)
                    == other.address.matrix_id(&default_domain)
                {
                    if other.doubts.len() < self.doubts.len() {
                        *self = other;
                    }
                } else if !self.doubts.contains(&Doubt::TwoAddresses) {
                    self.doubts.push(Doubt::TwoAddresses);
                }
            }
        }
    }
}

/// Why an address in a text might be meant in another way than it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Doubt {
    /// It was inside another link, as mail gateways write them.
    Wrapped,
    /// The text was encoded for mail (quoted-printable).
    MailEncoded,
    /// It was put together from pieces with space between them.
    PutTogether,
    /// A letter follows at once that could belong to it.
    LetterBehind,
    /// It had no beginning: an ID with a query, or with a server.
    NoScheme,
    /// The text holds another address for the same key.
    TwoAddresses,
}

impl Doubt {
    /// What is not certain, for a person.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Wrapped => "it was inside another link, as mail gateways write them",
            Self::MailEncoded => "the text was encoded for mail, and was decoded",
            Self::PutTogether => "it was put together from pieces with space between them",
            Self::LetterBehind => "a letter follows at once that could belong to it",
            Self::NoScheme => "the beginning of the link was missing",
            Self::TwoAddresses => "the text holds another address for the same key",
        }
    }
}
