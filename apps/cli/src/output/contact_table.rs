//! The contact list for a person at a terminal.

use ratatui::text::Span;
use securecall_profile::{BlockedPerson, Contact};

const TITLES: [&str; 4] = ["NAME", "KEY", "SECURECALL ID", "MATRIX ID"];
/// Between two columns.
const GAP: usize = 2;

/// A table where the terminal is wide enough for it, else a few lines for each contact, of whom is told whether they are blocked.
/// Addresses are never broken. Those who are blocked and no contacts come last.
pub(crate) fn contact_list<'a>(
    contacts: impl Iterator<Item = (&'a Contact, bool)>,
    others: impl Iterator<Item = &'a BlockedPerson>,
    width: usize,
) -> String {
    let contacts = contacts.map(|(contact, is_blocked)| row(contact, is_blocked));
    let rows: Vec<[String; 4]> = contacts.chain(others.map(row_of_other)).collect();
    let widths: [usize; 4] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| columns(&row[column]))
            .chain([columns(TITLES[column])])
            .max()
            .unwrap_or_default()
    });
    if widths.iter().sum::<usize>() + 3 * GAP <= width {
        return table(&rows, &widths);
    }
    rows.iter()
        .map(|[name, key, id, matrix_id]| {
            let padding = " ".repeat(widths[0].saturating_sub(columns(name)) + GAP);
            let id = match id.as_str() {
                "-" => String::new(),
                id => format!("\n  {id}"),
            };
            format!("{name}{padding}{key}{id}\n  {matrix_id}")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn table(rows: &[[String; 4]], widths: &[usize; 4]) -> String {
    let titles = TITLES.map(str::to_owned);
    std::iter::once(&titles)
        .chain(rows)
        .map(|row| {
            let cells = row.iter().zip(widths);
            let line: String = cells
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - columns(cell) + GAP)))
                .collect();
            line.trim_end().to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn row(contact: &Contact, blocked: bool) -> [String; 4] {
    let key = match (&contact.id, contact.verified) {
        (None, _) => "no key known",
        (Some(_), true) => "verified",
        (Some(_), false) => "not verified",
    };
    let blocked = if blocked { ", blocked" } else { "" };
    let require = contact.require.map_or_else(String::new, |require| {
        format!(", requires {}", require.as_str())
    });
    [
        contact.name.clone(),
        format!("{key}{blocked}{require}"),
        contact
            .id
            .map_or_else(|| "-".to_owned(), |id| id.to_string()),
        contact.matrix_id.to_string(),
    ]
}

fn row_of_other(person: &BlockedPerson) -> [String; 4] {
    [
        "-".to_owned(),
        "blocked".to_owned(),
        person
            .id
            .map_or_else(|| "-".to_owned(), |id| id.to_string()),
        person.matrix_id.to_string(),
    ]
}

/// How many columns of a terminal a text takes.
fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

#[cfg(test)]
mod tests {
    use securecall_profile::Requirement;

    use super::*;
    use crate::sample_contacts::{contact, id};

    fn contacts() -> Vec<Contact> {
        let contact = |name, key| contact(name, key, "@someone:example.org");
        vec![
            Contact {
                verified: true,
                ..contact("Ada", Some(7))
            },
            contact("山田 太郎", Some(7)),
            contact("Bo", None),
        ]
    }

    fn shown(width: usize) -> String {
        let contacts = contacts();
        let contacts = contacts.iter().map(|contact| (contact, false));
        contact_list(contacts, [].iter(), width)
    }

    #[test]
    fn whoever_is_blocked_is_marked_and_others_come_last() {
        let mut contacts = contacts();
        contacts[0].require = Some(Requirement::SecureCall);
        let others = [BlockedPerson {
            id: Some(id(9)),
            matrix_id: "@eve:example.org".parse().unwrap(),
        }];
        let with_marks = contacts.iter().map(|it| (it, it.name != "Bo"));
        let shown = contact_list(with_marks, others.iter(), 160);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[1].starts_with("Ada        verified, blocked, requires securecall  "),
            "{shown}"
        );
        assert!(lines[2].contains("  not verified, blocked  "), "{shown}");
        assert!(lines[3].contains("  no key known  "), "{shown}");
        assert!(lines[4].starts_with("-          blocked  "), "{shown}");
        assert!(lines[4].ends_with("@eve:example.org"), "{shown}");
    }

    #[test]
    fn a_wide_terminal_shows_a_table_with_straight_columns() {
        let shown = shown(120);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("NAME       KEY"), "{shown}");
        assert!(lines[1].starts_with("Ada        verified"), "{shown}");
        assert!(lines[2].starts_with("山田 太郎  not verified"), "{shown}");
        assert!(
            lines[3].starts_with("Bo         no key known  -"),
            "{shown}"
        );
    }

    #[test]
    fn a_narrow_one_shows_whole_addresses_below_the_names() {
        let shown = shown(80);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[1].trim().len(), 56);
        assert_eq!(lines[2], "  @someone:example.org");
    }
}
