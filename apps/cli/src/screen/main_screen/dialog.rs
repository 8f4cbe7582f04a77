//! What is asked below the list, and what the keys mean meanwhile.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent};
use securecall_contact::{Address, FoundAddress};
use securecall_profile::Contact;
use securecall_profile::contact_book::{Draft, Finding};

use super::typed_line::TypedLine;
use super::wish::{Wanted, Wish};
use crate::error::Failure;
use crate::exit_code::ExitCode;

/// Something that takes the keys away from the list.
#[derive(Debug)]
pub(super) enum Dialog {
    /// A line is typed.
    Prompt(Prompt),
    /// What was typed is being looked at.
    Working(Prompt),
    /// Contacts were found and are asked about one by one.
    Offer(Offer),
    /// Yes or no.
    Question(Question),
    /// Something did not work.
    Failed(Failed),
}

/// What a line is typed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Add,
    Rename(Contact),
    Verify(Contact),
}

/// A line with a purpose.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) purpose: Purpose,
    pub(super) line: TypedLine,
}

/// The contacts that were found; which ones are wanted is asked for one by one.
#[derive(Debug)]
pub(super) struct Offer {
    found: VecDeque<FoundAddress>,
    count: usize,
    /// The contact list with what is wanted so far.
    draft: Draft,
    /// What the first of those that are left means, or why it cannot be taken.
    current: Result<Finding, Box<Failed>>,
    wanted: Vec<Wanted>,
}

/// What is done only after asking.
#[derive(Debug)]
pub(super) enum Question {
    CallStandard(Contact),
    Remove(Contact),
    Unverify(Contact),
}

/// What did not work.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Somebody may be about to deceive.
    pub(super) is_security: bool,
    /// What was typed, to be changed.
    pub(super) back: Option<Prompt>,
}

/// What comes after a key: another dialog or the list, and something to do.
type Next = (Option<Dialog>, Option<Wish>);

impl Dialog {
    /// What a key leads to.
    pub(super) fn key(self, key: KeyEvent) -> Next {
        match self {
            Self::Prompt(prompt) => prompt.key(key),
            Self::Working(_) if key.code == KeyCode::Esc => (None, Some(Wish::StopReading)),
            Self::Working(prompt) => (Some(Self::Working(prompt)), None),
            Self::Offer(offer) => offer.key(key),
            Self::Question(question) => question.key(key),
            Self::Failed(failed) => failed.key(key),
        }
    }

    /// Takes a pasted text where one can be typed.
    pub(super) fn paste(&mut self, text: &str) {
        if let Self::Prompt(prompt) = self {
            prompt.paste(text);
        }
    }
}

impl Prompt {
    /// An empty line, or one that holds something to be changed.
    pub(super) fn new(purpose: Purpose, text: &str) -> Self {
        Self {
            purpose,
            line: TypedLine::new(text),
        }
    }

    /// Takes a pasted text. What was there before stays a word of its own.
    pub(super) fn paste(&mut self, text: &str) {
        let is_apart = self
            .line
            .text()
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace);
        if self.purpose == Purpose::Add && !is_apart {
            self.line.insert(" ");
        }
        self.line.insert(text);
    }

    fn key(mut self, key: KeyEvent) -> Next {
        match key.code {
            KeyCode::Esc => (None, None),
            KeyCode::Enter if self.line.text().trim().is_empty() => {
                (Some(Dialog::Prompt(self)), None)
            }
            KeyCode::Enter => {
                let text = self.line.text().to_owned();
                let wish = match &self.purpose {
                    Purpose::Add => Wish::FindContacts(text),
                    Purpose::Rename(contact) => Wish::Rename(contact.clone(), text),
                    Purpose::Verify(contact) => Wish::Verify(contact.clone(), text),
                };
                (Some(Dialog::Working(self)), Some(wish))
            }
            _ => {
                self.line.key(key);
                (Some(Dialog::Prompt(self)), None)
            }
        }
    }
}

impl Offer {
    /// Asks about the first; `None` if nothing was found.
    pub(super) fn new(found: Vec<FoundAddress>, draft: Draft) -> Option<Self> {
        let found = VecDeque::from(found);
        let current = weigh(&draft, &found.front()?.address);
        Some(Self {
            count: found.len(),
            found,
            draft,
            current,
            wanted: Vec::new(),
        })
    }

    /// The one that is asked about, and what it means.
    pub(super) fn current(&self) -> Option<(&FoundAddress, Result<&Finding, &Failed>)> {
        Some((
            self.found.front()?,
            self.current.as_ref().map_err(Box::as_ref),
        ))
    }

    /// Which one it is, and of how many.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.count + 1 - self.found.len(), self.count)
    }

    fn key(mut self, key: KeyEvent) -> Next {
        let is_wanted = match key.code {
            // What cannot be taken can only be passed over.
            KeyCode::Char('y' | 'Y') if self.current.is_err() => {
                return (Some(Dialog::Offer(self)), None);
            }
            KeyCode::Char('y' | 'Y') => true,
            KeyCode::Char('n' | 'N') => false,
            KeyCode::Esc => return (None, None),
            _ => return (Some(Dialog::Offer(self)), None),
        };
        let asked = self.found.pop_front();
        if let (true, Some(found), Ok(finding)) = (is_wanted, asked, &self.current) {
            self.draft.take(finding);
            let (address, finding) = (found.address, finding.clone());
            self.wanted.push(Wanted { address, finding });
        }
        if let Some(next) = self.found.front() {
            self.current = weigh(&self.draft, &next.address);
            return (Some(Dialog::Offer(self)), None);
        }
        let wish = (!self.wanted.is_empty()).then_some(Wish::Add(self.wanted));
        (None, wish)
    }
}

fn weigh(draft: &Draft, address: &Address) -> Result<Finding, Box<Failed>> {
    let weighed = draft.weigh(address, None);
    weighed.map_err(|error| Box::new(Failed::new(&error.into(), None)))
}

impl Question {
    fn key(self, key: KeyEvent) -> Next {
        match key.code {
            KeyCode::Char('y' | 'Y') => {
                let wish = match self {
                    Self::CallStandard(contact) => Wish::CallStandard(contact),
                    Self::Remove(contact) => Wish::Remove(contact),
                    Self::Unverify(contact) => Wish::Unverify(contact),
                };
                (None, Some(wish))
            }
            KeyCode::Char('n' | 'N') | KeyCode::Esc => (None, None),
            _ => (Some(Dialog::Question(self)), None),
        }
    }
}

impl Failed {
    /// What is told of a failure.
    pub(super) fn new(failure: &Failure, back: Option<Prompt>) -> Self {
        Self {
            message: failure.message.to_string(),
            help: failure.help.as_ref().map(ToString::to_string),
            is_security: failure.kind.exit_code() == ExitCode::Security,
            back,
        }
    }

    fn key(self, key: KeyEvent) -> Next {
        match key.code {
            KeyCode::Esc => (None, None),
            KeyCode::Enter => (self.back.map(Dialog::Prompt), None),
            _ => (Some(Dialog::Failed(self)), None),
        }
    }
}
