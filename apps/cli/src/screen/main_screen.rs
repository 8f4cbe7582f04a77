//! The main screen: the contacts, what happened, and the keys that work while there is no call.

use std::collections::VecDeque;
use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use securecall_contact::{ContactLink, FoundAddress, MatrixId, SecureCallId};
use securecall_driver::{CallEvent, Event, Peer};
use securecall_matrix::ServerError;
use securecall_profile::Contact;
use securecall_profile::contact_book::{self, Draft};

use super::fitting::fit_matrix_id;
use crate::error::Failure;
use crate::output::{missed_words, refused_words, words_for_calls_of_others};

mod contact_list;
mod dialog;
mod draw;
mod typed_line;
mod wish;

use contact_list::ContactList;
use dialog::{Dialog, Failed, Offer, Prompt, Purpose, Question};
pub(super) use typed_line::TypedLine;
pub(crate) use wish::{Wanted, Wish};

/// Things that happened and are remembered.
const MAX_NOTICES: usize = 50;
/// A stranger's Matrix ID in a notice is no wider than this.
const STRANGER_WIDTH: usize = 28;

/// Whether calls can come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Connecting,
    Online,
    Offline,
}

/// Something that happened.
#[derive(Debug)]
struct Notice {
    at: Instant,
    text: String,
}

/// The main screen's state.
#[derive(Debug)]
pub(crate) struct MainScreen {
    own_address: MatrixId,
    reach: Reach,
    list: ContactList,
    /// The addresses of the contacts that are blocked.
    blocked: Vec<MatrixId>,
    /// What is searched for, while it is being typed.
    search: Option<TypedLine>,
    dialog: Option<Dialog>,
    /// The newest first.
    notices: VecDeque<Notice>,
    /// The last one we talked to who is no contact.
    stranger: Option<ContactLink>,
}

impl MainScreen {
    /// Before anything happened.
    pub(super) fn new(own_address: MatrixId) -> Self {
        Self {
            own_address,
            reach: Reach::Connecting,
            list: ContactList::default(),
            blocked: Vec::new(),
            search: None,
            dialog: None,
            notices: VecDeque::new(),
            stranger: None,
        }
    }

    /// From now on these are the contacts.
    pub(super) fn know_contacts(&mut self, contacts: &[Contact]) {
        self.list.set(contacts);
    }

    /// From now on the contacts at these addresses are blocked.
    pub(super) fn know_blocked(&mut self, blocked: Vec<MatrixId>) {
        self.blocked = blocked;
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Ready | Event::Online => self.reach = Reach::Online,
            Event::Offline(error) => {
                self.reach = Reach::Offline;
                if let ServerError::Store { .. } = error {
                    self.note(now, error.to_string());
                }
            }
            Event::PlainTextRefused => {
                self.note(now, "a call in plain text was refused".to_owned());
            }
            Event::Call(CallEvent::Missed {
                peer, why, calls, ..
            }) => {
                self.note(now, missed_words(&name_of(peer), why.as_str(), *calls));
            }
            Event::Call(CallEvent::Refused {
                peer, why, calls, ..
            }) => {
                self.note(now, refused_words(&name_of(peer), why.as_str(), *calls));
            }
            Event::Call(CallEvent::CallsOfOthers { calls }) => {
                self.note(now, words_for_calls_of_others(*calls));
            }
            _ => {}
        }
    }

    /// A call is over.
    pub(super) fn call_ended(&mut self, now: Instant, text: String) {
        self.note(now, text);
    }

    /// The last call was with somebody who is no contact.
    pub(super) fn offer_stranger(&mut self, now: Instant, id: SecureCallId, matrix_id: &MatrixId) {
        self.stranger = ContactLink::new(id, matrix_id).ok();
        if self.stranger.is_some() {
            self.note(now, "press a to add the stranger you talked to".to_owned());
        }
    }

    /// These contacts were found in what was pasted; they are weighed against the list in the draft.
    pub(super) fn found(&mut self, found: Vec<FoundAddress>, draft: Draft) {
        if let Some(Dialog::Working(_)) = self.dialog {
            self.dialog = Offer::new(found, draft).map(Dialog::Offer);
        }
    }

    /// What was wished for is done.
    pub(super) fn done(&mut self, now: Instant, text: String, contact: Option<&Contact>) {
        if let Some(Dialog::Working(_)) = self.dialog {
            self.dialog = None;
        }
        if let Some(contact) = contact {
            self.search = None;
            self.list.narrow("");
            self.list.select_contact(contact);
        }
        self.note(now, text);
    }

    /// The person is asked whether a standard Matrix call is good enough.
    pub(super) fn ask_for_consent(&mut self, contact: Contact) {
        self.dialog = Some(Dialog::Question(Question::CallStandard(contact)));
    }

    /// What was wished for cannot be.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let back = match self.dialog.take() {
            Some(Dialog::Working(prompt) | Dialog::Prompt(prompt)) => Some(prompt),
            _ => None,
        };
        self.dialog = Some(Dialog::Failed(Failed::new(failure, back)));
    }

    /// Whether keys are letters of a text, or answers to a question.
    pub(super) fn is_being_typed_in(&self) -> bool {
        self.search.is_some() || self.dialog.is_some()
    }

    /// Takes a pasted text; on the list, it is for a new contact.
    pub(super) fn paste(&mut self, text: &str) {
        match (&mut self.dialog, &mut self.search) {
            (Some(dialog), _) => dialog.paste(text),
            (None, Some(search)) => {
                search.insert(text);
                self.list.narrow(search.text());
            }
            (None, None) => self.dialog = Some(Dialog::Prompt(Prompt::new(Purpose::Add, text))),
        }
    }

    /// What a key means now; `None` if nothing outside this screen.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if let Some(dialog) = self.dialog.take() {
            let (next, wish) = dialog.key(key);
            self.dialog = next;
            return wish;
        }
        match self.search.take() {
            Some(search) => self.key_in_search(key, search),
            None => self.key_in_list(key),
        }
    }

    fn key_in_search(&mut self, key: KeyEvent, mut search: TypedLine) -> Option<Wish> {
        match key.code {
            KeyCode::Esc => self.list.narrow(""),
            KeyCode::Enter => {
                let wish = self.call_selected();
                self.list.narrow("");
                return wish;
            }
            KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown => {
                self.move_selection(key.code);
                self.search = Some(search);
            }
            _ => {
                search.key(key);
                self.list.narrow(search.text());
                self.search = Some(search);
            }
        }
        None
    }

    fn key_in_list(&mut self, key: KeyEvent) -> Option<Wish> {
        let modified = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::META;
        if key.modifiers.intersects(modified) {
            return None;
        }
        match key.code {
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Enter => return self.call_selected(),
            KeyCode::Char('/') => self.search = Some(TypedLine::default()),
            KeyCode::Char('a') => {
                let suggested = self.stranger.take().map(|link| link.to_string());
                let prompt = Prompt::new(Purpose::Add, &suggested.unwrap_or_default());
                self.dialog = Some(Dialog::Prompt(prompt));
            }
            KeyCode::Char(letter @ ('r' | 'v' | 'u' | 'x')) => self.ask_about_selected(letter),
            KeyCode::Delete => self.ask_about_selected('x'),
            code => self.move_selection(code),
        }
        None
    }

    fn ask_about_selected(&mut self, letter: char) {
        let Some(contact) = self.list.selected().cloned() else {
            return;
        };
        let name = contact.name.clone();
        self.dialog = Some(match letter {
            'r' => Dialog::Prompt(Prompt::new(Purpose::Rename(contact), &name)),
            'v' if contact.verified => return,
            'v' if contact.id.is_none() => {
                if let Err(error) = contact_book::check_can_be_verified(&contact) {
                    self.failed(&error.into());
                }
                return;
            }
            'v' => Dialog::Prompt(Prompt::new(Purpose::Verify(contact), "")),
            'u' if !contact.verified => return,
            'u' => Dialog::Question(Question::Unverify(contact)),
            _ => Dialog::Question(Question::Remove(contact)),
        });
    }

    fn move_selection(&mut self, code: KeyCode) {
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.list.move_by(-1),
            KeyCode::Down | KeyCode::Char('j') => self.list.move_by(1),
            KeyCode::PageUp => self.list.page(-1),
            KeyCode::PageDown => self.list.page(1),
            KeyCode::Home => self.list.go_to_start(),
            KeyCode::End => self.list.go_to_end(),
            _ => {}
        }
    }

    fn call_selected(&self) -> Option<Wish> {
        self.list.selected().cloned().map(Wish::Call)
    }

    fn note(&mut self, at: Instant, text: String) {
        self.notices.push_front(Notice { at, text });
        self.notices.truncate(MAX_NOTICES);
    }
}

/// A contact's name, or that it is a stranger.
pub(super) fn name_of(peer: &Peer) -> String {
    match &peer.name {
        Some(name) => name.clone(),
        None => format!(
            "a stranger ({})",
            fit_matrix_id(peer.matrix_id.as_str(), STRANGER_WIDTH)
        ),
    }
}

#[cfg(test)]
mod tests {
    use securecall_contact::{Address, ServerName};
    use securecall_profile::contact_book::Finding;

    use super::*;
    use crate::error::ErrorKind;
    use crate::sample_contacts;

    pub(super) fn contact(name: &str, byte: u8) -> Contact {
        let address = format!("@sc_{}:example.org", sample_contacts::id(byte));
        sample_contacts::contact(name, Some(byte), &address)
    }

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    fn screen() -> MainScreen {
        let mut screen = MainScreen::new("@me:example.org".parse().unwrap());
        screen.know_contacts(&[contact("Ada", 7), contact("Bo", 8)]);
        screen
    }

    fn press(screen: &mut MainScreen, keys: &str) -> Option<Wish> {
        let press = |key| match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '↓' => KeyCode::Down,
            other => KeyCode::Char(other),
        };
        let wishes = keys
            .chars()
            .filter_map(|key| screen.key(KeyEvent::new(press(key), KeyModifiers::NONE)));
        wishes.last()
    }

    #[test]
    fn enter_calls_the_selected_contact() {
        let mut screen = screen();
        assert_eq!(
            press(&mut screen, "\n"),
            Some(Wish::Call(contact("Ada", 7)))
        );
        assert_eq!(
            press(&mut screen, "j\n"),
            Some(Wish::Call(contact("Bo", 8)))
        );
        screen.know_contacts(&[]);
        assert_eq!(press(&mut screen, "\nrvux"), None);
        assert_eq!(press(&mut screen, "q"), Some(Wish::Quit));
    }

    #[test]
    fn a_search_narrows_and_its_end_leaves_the_one_it_found_selected() {
        let mut screen = screen();
        assert_eq!(press(&mut screen, "/bo"), None);
        assert_eq!(screen.list.counts(), (1, 2));
        press(&mut screen, "\u{1b}");
        assert_eq!(screen.list.counts(), (2, 2));
        assert_eq!(press(&mut screen, "\n"), Some(Wish::Call(contact("Bo", 8))));
        // Letters are letters, not orders.
        assert_eq!(press(&mut screen, "/qrx"), None);
        assert_eq!(press(&mut screen, "\n"), None, "nobody was found");
        assert_eq!(
            press(&mut screen, "/ada↓\n"),
            Some(Wish::Call(contact("Ada", 7)))
        );
    }

    #[test]
    fn a_text_pasted_on_the_list_is_for_a_new_contact_and_presses_no_keys() {
        let mut screen = screen();
        screen.paste("quit\nx\ny\n");
        assert_eq!(
            press(&mut screen, "\n"),
            Some(Wish::FindContacts("quit\nx\ny\n".to_owned()))
        );
    }

    /// The list that the screen shows.
    pub(super) fn draft(contacts: &[Contact]) -> Draft {
        Draft::new(contacts, None, ServerName::default_domain())
    }

    /// Found without a doubt.
    pub(super) fn certain(text: &str) -> FoundAddress {
        FoundAddress {
            address: text.parse().unwrap(),
            doubts: Vec::new(),
        }
    }

    fn id(byte: u8) -> FoundAddress {
        certain(&contact("", byte).id.unwrap().to_string())
    }

    #[test]
    fn what_was_found_is_asked_about_one_by_one() {
        let mut screen = screen();
        let list = draft(screen.list.all());
        let found = [7, 9, 10].map(id).to_vec();
        screen.found(found.clone(), list.clone());
        assert!(screen.dialog.is_none(), "nothing was asked for");
        press(&mut screen, "athree\n");
        screen.found(found.clone(), list.clone());
        let Some(Dialog::Offer(offer)) = &screen.dialog else {
            panic!("{:?}", screen.dialog);
        };
        assert_eq!(offer.place(), (1, 3));
        let (_, first) = offer.current().unwrap();
        assert!(matches!(first, Ok(Finding::Same(known)) if known.name == "Ada"));
        assert_eq!(press(&mut screen, "nqy\n"), None);
        let Some(Wish::Add(wanted)) = press(&mut screen, "y") else {
            panic!("{:?}", screen.dialog);
        };
        let addresses: Vec<Address> = wanted.into_iter().map(|wanted| wanted.address).collect();
        let expected = found[1..].iter().map(|found| found.address.clone());
        assert!(addresses.into_iter().eq(expected));
        assert!(screen.dialog.is_none());

        for keys in ["athree\n", "athree\n"] {
            press(&mut screen, keys);
            screen.found(found.clone(), list.clone());
            assert_eq!(press(&mut screen, "yy\u{1b}"), None, "Esc adds none");
        }
    }

    #[test]
    fn what_would_change_somebody_known_is_shown_and_only_that_is_wished_for() {
        let mut screen = screen();
        let list = draft(screen.list.all());
        let ada = contact("Ada", 7);
        let link = format!("securecall://contact/{}?server=c.example", ada.id.unwrap());
        press(&mut screen, "aone\n");
        screen.found(vec![certain(&link)], list);
        let Some(Dialog::Offer(offer)) = &screen.dialog else {
            panic!("{:?}", screen.dialog);
        };
        let (_, meaning) = offer.current().unwrap();
        let shown = meaning.unwrap().clone();
        assert!(matches!(&shown, Finding::AddressChange { contact, .. } if *contact == ada));
        let Some(Wish::Add(wanted)) = press(&mut screen, "y") else {
            panic!("{:?}", screen.dialog);
        };
        assert_eq!(wanted[0].finding, shown);
    }

    #[test]
    fn what_would_take_a_known_key_away_cannot_be_agreed_to() {
        let mut screen = screen();
        let list = draft(screen.list.all());
        let ada = contact("Ada", 7);
        let impostor = contact("", 9).id.unwrap();
        let link = format!("securecall://contact/{impostor}?name=Ada");
        press(&mut screen, "atwo\n");
        screen.found(vec![certain(&link), id(10)], list);
        assert_eq!(press(&mut screen, "yyy"), None);
        let Some(Dialog::Offer(offer)) = &screen.dialog else {
            panic!("{:?}", screen.dialog);
        };
        let (_, first) = offer.current().unwrap();
        assert!(first.unwrap_err().message.contains(&ada.name));
        let Some(Wish::Add(wanted)) = press(&mut screen, "ny") else {
            panic!("{:?}", screen.dialog);
        };
        assert_eq!(wanted.len(), 1);
    }

    #[test]
    fn what_was_typed_can_be_changed_after_a_failure() {
        let mut screen = screen();
        assert_eq!(
            press(&mut screen, "ro\n"),
            Some(Wish::Rename(contact("Ada", 7), "Adao".to_owned()))
        );
        screen.failed(&Failure::new(ErrorKind::NameInUse, "taken"));
        assert_eq!(
            press(&mut screen, "x\n!\n"),
            Some(Wish::Rename(contact("Ada", 7), "Adao!".to_owned()))
        );
        screen.failed(&Failure::new(ErrorKind::NameInUse, "taken"));
        press(&mut screen, "\u{1b}");
        assert!(!screen.is_being_typed_in());
    }

    #[test]
    fn looking_for_contacts_can_be_given_up() {
        let mut screen = screen();
        assert_eq!(
            press(&mut screen, "ax\nq"),
            Some(Wish::FindContacts("x".to_owned()))
        );
        assert_eq!(press(&mut screen, "\u{1b}"), Some(Wish::StopReading));
        let list = draft(screen.list.all());
        screen.found(vec![id(9)], list);
        assert!(screen.dialog.is_none());
    }

    #[test]
    fn nothing_is_removed_or_unverified_without_asking() {
        let mut screen = screen();
        let verified = Contact {
            verified: true,
            ..contact("Ada", 7)
        };
        assert_eq!(press(&mut screen, "xn"), None);
        assert_eq!(press(&mut screen, "x\u{1b}"), None);
        assert_eq!(press(&mut screen, "x\n"), None);
        assert_eq!(
            press(&mut screen, "y"),
            Some(Wish::Remove(contact("Ada", 7)))
        );
        assert_eq!(press(&mut screen, "uy"), None, "not verified");
        screen.know_contacts(std::slice::from_ref(&verified));
        assert_eq!(press(&mut screen, "v"), None);
        assert!(screen.dialog.is_none(), "verified already");
        assert_eq!(press(&mut screen, "uy"), Some(Wish::Unverify(verified)));
    }

    #[test]
    fn where_no_key_is_known_there_is_nothing_to_verify() {
        let mut screen = screen();
        screen.know_contacts(&[Contact {
            id: None,
            ..contact("Ada", 7)
        }]);
        press(&mut screen, "v");
        assert!(matches!(screen.dialog, Some(Dialog::Failed(_))));
    }

    #[test]
    fn a_contact_is_verified_by_what_is_typed() {
        let mut screen = screen();
        assert_eq!(
            press(&mut screen, "vcode.png\n"),
            Some(Wish::Verify(contact("Ada", 7), "code.png".to_owned()))
        );
        screen.done(now(), "Ada is verified".to_owned(), None);
        assert!(screen.dialog.is_none());
    }

    #[test]
    fn somebody_we_talked_to_is_offered_once_and_a_pasted_text_is_kept_apart() {
        let mut screen = screen();
        let stranger = contact("", 9);
        screen.offer_stranger(now(), stranger.id.unwrap(), &stranger.matrix_id);
        press(&mut screen, "a");
        screen.paste("more");
        let link = stranger.link().unwrap();
        assert_eq!(
            press(&mut screen, "\n"),
            Some(Wish::FindContacts(format!("{link} more")))
        );
        press(&mut screen, "\u{1b}");
        assert_eq!(press(&mut screen, "a\n"), None);
    }
}
