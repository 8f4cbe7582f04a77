//! The contact list for a person at a terminal.

use ratatui::text::Span;
use securecall_profile::Contact;

const TITLES: [&str; 4] = ["NAME", "KEY", "SECURECALL ID", "MATRIX ID"];
/// Between two columns.
const GAP: usize = 2;

/// A table where the terminal is wide enough for it, else a few lines for each contact. Addresses are never broken.
pub(crate) fn contact_list(contacts: &[Contact], width: usize) -> String {
    let rows: Vec<[String; 4]> = contacts.iter().map(row).collect();
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

fn row(contact: &Contact) -> [String; 4] {
    let key = match (&contact.id, contact.verified) {
        (None, _) => "no key known",
        (Some(_), true) => "verified",
        (Some(_), false) => "not verified",
    };
    [
        contact.name.clone(),
        key.to_owned(),
        contact
            .id
            .map_or_else(|| "-".to_owned(), |id| id.to_string()),
        contact.matrix_id.to_string(),
    ]
}

/// How many columns of a terminal a text takes.
fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_contacts::contact;

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

    #[test]
    fn a_wide_terminal_shows_a_table_with_straight_columns() {
        let shown = contact_list(&contacts(), 120);
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
        let shown = contact_list(&contacts(), 80);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[1].trim().len(), 56);
        assert_eq!(lines[2], "  @someone:example.org");
    }
}
