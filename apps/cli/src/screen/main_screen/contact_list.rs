//! The contacts that are shown, and the one that is selected.

use securecall_contact::{MatrixId, SecureCallId};
use securecall_profile::Contact;

/// Contacts in the order of their names, narrowed by a search.
#[derive(Debug, Default)]
pub(super) struct ContactList {
    contacts: Vec<Contact>,
    search: String,
    /// Among those that are shown.
    selected: usize,
    /// The first one that is on the screen.
    first: usize,
    /// How many are on the screen.
    rows: usize,
}

impl ContactList {
    /// From now on these are the contacts. The selected one stays selected.
    pub(super) fn set(&mut self, contacts: &[Contact]) {
        let selected = self.selected().map(key_of);
        self.contacts = contacts.to_vec();
        self.contacts
            .sort_by_cached_key(|contact| (contact.name.to_lowercase(), contact.name.clone()));
        self.select(selected.as_ref());
    }

    /// Shows those only whose name or address has all words of the search in it.
    pub(super) fn narrow(&mut self, search: &str) {
        let selected = self.selected().map(key_of);
        search.clone_into(&mut self.search);
        self.select(selected.as_ref());
    }

    /// Selects the contact with this address.
    pub(super) fn select_contact(&mut self, contact: &Contact) {
        self.select(Some(&key_of(contact)));
    }

    /// Selects the next one (positive) or one before.
    pub(super) fn move_by(&mut self, steps: isize) {
        let last = self.shown().count().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(steps).min(last);
    }

    /// Selects the one that is so many screens away.
    pub(super) fn page(&mut self, pages: isize) {
        let rows = isize::try_from(self.rows.max(2) - 1).unwrap_or(isize::MAX);
        self.move_by(pages * rows);
    }

    /// Selects the first one.
    pub(super) fn go_to_start(&mut self) {
        self.selected = 0;
    }

    /// Selects the last one.
    pub(super) fn go_to_end(&mut self) {
        self.move_by(isize::MAX);
    }

    /// The ones on a screen with so many rows, and whether each is the selected one.
    pub(super) fn window(&mut self, rows: usize) -> Vec<(Contact, bool)> {
        self.rows = rows;
        let count = self.shown().count();
        self.first = self
            .first
            .min(self.selected)
            .max((self.selected + 1).saturating_sub(rows))
            .min(count.saturating_sub(rows));
        let shown = self.shown().enumerate().skip(self.first).take(rows);
        shown
            .map(|(index, contact)| (contact.clone(), index == self.selected))
            .collect()
    }

    /// The contact that keys are about.
    pub(super) fn selected(&self) -> Option<&Contact> {
        self.shown().nth(self.selected)
    }

    /// How many are shown, and how many there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.shown().count(), self.contacts.len())
    }

    /// Every contact.
    pub(super) fn all(&self) -> &[Contact] {
        &self.contacts
    }

    fn shown(&self) -> impl Iterator<Item = &Contact> {
        let words: Vec<String> = self
            .search
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        // IDs are read aloud and copied in groups.
        let joined = words.concat();
        self.contacts.iter().filter(move |contact| {
            let name = contact.name.to_lowercase();
            let matrix_id = contact.matrix_id.as_str().to_lowercase();
            let id = contact.id.map(|id| id.to_string()).unwrap_or_default();
            let has = |word: &String| {
                name.contains(word) || matrix_id.contains(word) || id.contains(word)
            };
            words.iter().all(has) || id.contains(&joined)
        })
    }

    fn select(&mut self, key: Option<&Key>) {
        let found = self
            .shown()
            .position(|contact| Some(&key_of(contact)) == key);
        self.selected = found.unwrap_or(self.selected);
        self.move_by(0);
    }
}

/// What makes a contact the same after it was renamed.
type Key = (Option<SecureCallId>, MatrixId);

fn key_of(contact: &Contact) -> Key {
    (contact.id, contact.matrix_id.clone())
}

#[cfg(test)]
mod tests {
    use super::super::tests::contact;
    use super::*;

    fn list() -> ContactList {
        let mut list = ContactList::default();
        list.set(&[contact("bo", 8), contact("Ada", 7), contact("Cy Lee", 9)]);
        list
    }

    fn names(list: &mut ContactList, rows: usize) -> Vec<String> {
        let window = list.window(rows);
        window
            .into_iter()
            .map(|(contact, _)| contact.name)
            .collect()
    }

    fn selected(list: &ContactList) -> &str {
        &list.selected().unwrap().name
    }

    #[test]
    fn contacts_are_in_the_order_of_their_names() {
        assert_eq!(names(&mut list(), 9), ["Ada", "bo", "Cy Lee"]);
    }

    #[test]
    fn a_search_looks_at_names_ids_and_addresses() {
        let mut list = list();
        for (search, found) in [
            ("BO", &["bo"][..]),
            ("lee cy", &["Cy Lee"]),
            (":example.org", &["Ada", "bo", "Cy Lee"]),
            ("nobody", &[]),
            ("", &["Ada", "bo", "Cy Lee"]),
        ] {
            list.narrow(search);
            assert_eq!(names(&mut list, 9), found, "{search}");
        }
        let id = contact("", 8).id.unwrap();
        for search in [id.to_string(), id.grouped().to_string().to_uppercase()] {
            list.narrow(&search);
            assert_eq!(names(&mut list, 9), ["bo"]);
        }
    }

    #[test]
    fn the_selected_contact_stays_selected() {
        let mut list = list();
        list.move_by(1);
        assert_eq!(selected(&list), "bo");
        list.narrow("o");
        assert_eq!(selected(&list), "bo");
        list.narrow("");
        assert_eq!(selected(&list), "bo");
        // Renamed, so that it moves; then removed.
        list.set(&[contact("Ada", 7), contact("Cy Lee", 9), contact("Zoe", 8)]);
        assert_eq!(selected(&list), "Zoe");
        list.set(&[contact("Ada", 7), contact("Cy Lee", 9)]);
        assert_eq!(selected(&list), "Cy Lee");
        list.set(&[]);
        assert_eq!(list.selected(), None);
    }

    #[test]
    fn the_selection_ends_at_both_ends() {
        let mut list = list();
        list.move_by(-1);
        assert_eq!(selected(&list), "Ada");
        list.go_to_end();
        list.move_by(1);
        assert_eq!(selected(&list), "Cy Lee");
        list.go_to_start();
        assert_eq!(selected(&list), "Ada");
    }

    #[test]
    fn the_selected_one_is_always_on_the_screen() {
        let mut list = ContactList::default();
        let many: Vec<Contact> = (10..40).map(|n| contact(&format!("n{n}"), n)).collect();
        list.set(&many);
        assert_eq!(names(&mut list, 3), ["n10", "n11", "n12"]);
        list.move_by(3);
        assert_eq!(names(&mut list, 3), ["n11", "n12", "n13"]);
        list.move_by(-1);
        assert_eq!(names(&mut list, 3), ["n11", "n12", "n13"]);
        list.page(1);
        assert_eq!(names(&mut list, 3), ["n12", "n13", "n14"]);
        list.go_to_end();
        assert_eq!(names(&mut list, 5), ["n35", "n36", "n37", "n38", "n39"]);
        assert_eq!(names(&mut list, 100).len(), 30);
        assert!(names(&mut list, 0).is_empty());
    }
}
