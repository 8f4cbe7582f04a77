//! The pictures of what is asked about: a line to type, an offer, a question, a failure.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use securecall_profile::contact_book::Finding;

use super::{addresses, lines_of, typed};
use crate::screen::fitting::fit;
use crate::screen::main_screen::dialog::{Failed, Offer, Prompt, Purpose, Question};
use crate::screen::palette::Palette;

impl Prompt {
    pub(super) fn lines(&self, width: usize, palette: Palette) -> Vec<Line<'static>> {
        let (title, advice) = match &self.purpose {
            Purpose::Add => (
                "Add a contact".to_owned(),
                "Paste a contact link, an ID or a whole message, or type the name of a picture with a QR code.",
            ),
            Purpose::Rename(contact) => (format!("Rename {}", contact.name), ""),
            Purpose::Verify(contact) => (
                format!("Verify {}", contact.name),
                "Type the ID as they read it to you, or the name of a picture of the QR code on their screen. \
                 An ID from a chat proves nothing.",
            ),
        };
        let mut lines = vec![Line::styled(fit(&title, width), Palette::strong())];
        lines.extend(lines_of(advice, width, palette.quiet()));
        let mut line = Line::styled("> ", palette.paint(Color::Cyan));
        line.extend(typed(&self.line, width.saturating_sub(2)));
        lines.push(line);
        lines
    }

    pub(super) fn working(&self) -> &'static str {
        match &self.purpose {
            Purpose::Add => "Looking for contacts …",
            Purpose::Rename(_) => "Writing …",
            Purpose::Verify(_) => "Comparing …",
        }
    }
}

impl Offer {
    pub(super) fn lines(&self, width: usize, palette: Palette) -> Vec<Line<'static>> {
        let Some((found, meaning)) = self.current() else {
            return Vec::new();
        };
        let place = match self.place() {
            (_, 1) => String::new(),
            (place, count) => format!(" ({place} of {count})"),
        };
        let finding = match meaning {
            Ok(finding) => finding,
            Err(refused) => return refused.lines(width, palette),
        };
        let change = finding.change();
        let title = change
            .as_ref()
            .map_or("Add this contact?", |change| &change.title);
        let mut lines = lines_of(&format!("{title}{place}"), width, Palette::strong());
        for doubt in &found.doubts {
            let careful = format!("Careful: {}.", doubt.description());
            lines.extend(lines_of(&careful, width, palette.paint(Color::Yellow)));
        }
        if let Some(change) = change {
            let told = change.lines.iter();
            lines.extend(told.flat_map(|line| lines_of(line, width, Style::new())));
            return lines;
        }
        let name = match (finding, found.address.name()) {
            (Finding::Same(known), _) => format!("In your contacts already, as {}", known.name),
            (_, Some(name)) => format!("{name} (the name that the link suggests)"),
            (_, None) => "No name is suggested".to_owned(),
        };
        lines.extend(lines_of(&name, width, Style::new()));
        let contact = finding.after();
        lines.extend(addresses(
            contact.id.map(|id| id.grouped().to_string()),
            contact.matrix_id.as_str(),
            width,
            palette,
        ));
        lines
    }

    pub(super) fn keys(&self) -> &'static [(&'static str, &'static str)] {
        match self.current() {
            Some((_, Err(_))) => &[("n", "go on without it"), ("Esc", "add none")],
            Some((_, Ok(finding))) if finding.change().is_some() => {
                &[("y", "change"), ("n", "leave it"), ("Esc", "add none")]
            }
            _ => &[("y", "add"), ("n", "do not add"), ("Esc", "add none")],
        }
    }
}

impl Question {
    pub(super) fn lines(&self, width: usize, palette: Palette) -> Vec<Line<'static>> {
        let (title, meaning) = match self {
            Self::CallStandard(contact) => (
                format!("Call {}, now and from now on?", contact.name),
                "You know no SecureCall key of theirs. This is a standard Matrix call: your servers and the other app are trusted with keys.",
            ),
            Self::Remove(contact) => (
                format!("Remove {}?", contact.name),
                "When they call, they will be a stranger.",
            ),
            Self::Unverify(contact) => (
                format!("Take the mark \"verified\" from {}?", contact.name),
                "The key stays the same.",
            ),
        };
        let mut lines = lines_of(&title, width, Palette::strong());
        lines.extend(lines_of(meaning, width, palette.quiet()));
        lines
    }
}

impl Failed {
    pub(super) fn lines(&self, width: usize, palette: Palette) -> Vec<Line<'static>> {
        let (title, colour) = if self.is_security {
            ("Careful: refused for your security", Color::Red)
        } else {
            ("This did not work", Color::Yellow)
        };
        let loud = palette.paint(colour).add_modifier(Modifier::BOLD);
        let mut lines = lines_of(title, width, loud);
        lines.extend(lines_of(&self.message, width, Style::new()));
        let help = self.help.as_deref().unwrap_or_default();
        lines.extend(lines_of(help, width, palette.quiet()));
        lines
    }
}
