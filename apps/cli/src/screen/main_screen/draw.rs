//! The picture of the main screen.

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Padding, Paragraph};

use super::dialog::{Dialog, Failed, Offer, Prompt, Purpose, Question};
use super::{MainScreen, Notice, Reach, TypedLine};
use crate::contact_book::Finding;
use crate::profile::Contact;
use crate::screen::fitting::{columns, fit, fit_matrix_id, harmless, padded, wrap};
use crate::screen::palette::Palette;

/// The widest the box grows.
const MAX_WIDTH: u16 = 110;
/// A name in the list takes no more than this.
const MAX_NAME: usize = 28;
/// As wide as the longest text about a key.
const KEY_WIDTH: usize = 12;
/// Between two columns.
const GAP: usize = 2;
/// What marks the selected row takes.
const MARK_WIDTH: usize = 2;
/// A key on a narrow terminal is a sign of one column.
const SIGN_WIDTH: usize = 1;
/// Below this width, rows have but a name and a sign.
const NARROW: usize = 44;
/// Below this height of the terminal, there is no box.
const BORDERED: usize = 10;
/// Rows of the list that are not given up for what is below it.
const FEWEST_ROWS: usize = 3;
/// From this height on, keys stand apart.
const ROOMY: usize = 20;
/// Lines of what happened, where there is room.
const NOTICES: usize = 4;

impl MainScreen {
    /// Draws the whole screen.
    pub(in crate::screen) fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        now: Instant,
        palette: Palette,
    ) {
        let area = middle(frame.area());
        let block = self.frame(area, palette);
        let inside = block.inner(area);
        frame.render_widget(block, area);
        let width = usize::from(inside.width);
        let height = usize::from(inside.height);

        let mut keys = in_rows(palette.keys(self.keys()), width);
        // The list comes before the keys, of which the first are used most.
        keys.truncate((height / 4).max(usize::from(height > 1)));
        if height >= ROOMY {
            keys.insert(0, Line::default());
        }
        let head = if usize::from(area.height) < BORDERED {
            self.short_head(width, height, palette)
        } else {
            self.head(width, height, palette)
        };
        // A question comes before the list.
        let fewest = match self.dialog {
            Some(_) => usize::from(height >= BORDERED),
            None => FEWEST_ROWS,
        };
        let room = height.saturating_sub(head.len() + fewest + keys.len());
        let mut below = self.below(width, room, palette);
        if self.dialog.is_none() {
            let room = room.saturating_sub(below.len());
            below.extend(self.happened(now, width, room, palette));
        }
        let rows = height.saturating_sub(head.len() + below.len() + keys.len());
        let list = self.rows(rows, width, palette);
        let areas = Layout::vertical([
            Constraint::Length(length(head.len())),
            Constraint::Min(0),
            Constraint::Length(length(below.len())),
            Constraint::Length(length(keys.len())),
        ]);
        let areas: [Rect; 4] = areas.areas(inside);
        for (lines, area) in [head, list, below, keys].into_iter().zip(areas) {
            frame.render_widget(Paragraph::new(lines), area);
        }
    }

    /// The box around everything, where there is room for one.
    fn frame(&self, area: Rect, palette: Palette) -> Block<'static> {
        if usize::from(area.height) < BORDERED {
            return Block::new();
        }
        let block = Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(palette.quiet())
            .title(self.reach(palette).right_aligned())
            .padding(Padding::horizontal(1));
        if usize::from(area.width) < NARROW {
            return block;
        }
        block.title(Line::styled(" SecureCall ", Palette::strong()))
    }

    fn reach(&self, palette: Palette) -> Line<'static> {
        let (mark, text, colour) = match self.reach {
            Reach::Connecting => ("○", "connecting …", Color::Yellow),
            Reach::Online => ("●", "online", Color::Green),
            Reach::Offline => ("○", "offline, trying on", Color::Yellow),
        };
        Line::styled(format!(" {mark} {text} "), palette.paint(colour))
    }

    /// Who we are, and what is searched for.
    fn head(&self, width: usize, height: usize, palette: Palette) -> Vec<Line<'static>> {
        let waiting = "Waiting for calls";
        let room = width.saturating_sub(columns(waiting) + GAP);
        let address = fit_matrix_id(self.own_address.as_str(), room);
        let between = " ".repeat(width.saturating_sub(columns(waiting) + columns(&address)));
        let who = Line::from(vec![
            Span::styled(waiting, Palette::strong()),
            Span::raw(between),
            Span::styled(address, palette.quiet()),
        ]);
        let mut lines = vec![who];
        match &self.search {
            Some(search) => lines.push(self.search_line(search, width, palette)),
            None if height >= ROOMY / 2 => lines.push(Line::default()),
            None => {}
        }
        lines
    }

    /// What is to be known above the list, where there is hardly room for that.
    fn short_head(&self, width: usize, height: usize, palette: Palette) -> Vec<Line<'static>> {
        match (&self.dialog, &self.search) {
            (None, Some(search)) => vec![self.search_line(search, width, palette)],
            (None, None) if height > FEWEST_ROWS => vec![self.reach(palette)],
            _ => Vec::new(),
        }
    }

    fn search_line(&self, search: &TypedLine, width: usize, palette: Palette) -> Line<'static> {
        let (shown, all) = self.list.counts();
        let count = format!("  {shown} of {all}");
        let room = width.saturating_sub(columns("Search ") + columns(&count));
        let mut line = Line::styled("Search ", palette.quiet());
        line.extend(typed(search, room));
        line.push_span(Span::styled(count, palette.quiet()));
        line
    }

    fn rows(&mut self, rows: usize, width: usize, palette: Palette) -> Vec<Line<'static>> {
        let advice = match self.list.counts() {
            (_, 0) => {
                "No contacts yet. Press a to add one, or paste what somebody sent you: a contact link, an ID, a whole message."
            }
            (0, _) => "Nobody is called so. Esc shows all.",
            _ => "",
        };
        if !advice.is_empty() {
            return lines_of(advice, width, palette.quiet());
        }
        let names = self.list.all().iter();
        let widest = names.map(|contact| columns(&contact.name)).max();
        let most = if width < NARROW {
            width.saturating_sub(MARK_WIDTH + GAP + SIGN_WIDTH)
        } else {
            MAX_NAME.min(width / 3)
        };
        let name = widest.unwrap_or_default().min(most);
        self.list
            .window(rows)
            .into_iter()
            .map(|(contact, is_selected)| row(&contact, is_selected, name, width, palette))
            .collect()
    }

    /// What is below the list: a dialog, or who is selected.
    fn below(&self, width: usize, room: usize, palette: Palette) -> Vec<Line<'static>> {
        let rule = Line::styled("─".repeat(width), palette.quiet());
        let mut lines = match &self.dialog {
            None => match self.list.selected() {
                Some(contact) => addresses(
                    contact.id.map(|id| id.to_string()),
                    contact.matrix_id.as_str(),
                    width,
                    palette,
                ),
                None => return Vec::new(),
            },
            Some(Dialog::Prompt(prompt)) => prompt.lines(width, palette),
            Some(Dialog::Working(prompt)) => {
                vec![Line::styled(prompt.working(), palette.quiet())]
            }
            Some(Dialog::Offer(offer)) => offer.lines(width, palette),
            Some(Dialog::Question(question)) => question.lines(width, palette),
            Some(Dialog::Failed(failed)) => failed.lines(width, palette),
        };
        // A part of an ID is none.
        if self.dialog.is_none() && lines.len() >= room {
            return Vec::new();
        }
        if !lines.is_empty() && lines.len() < room {
            lines.insert(0, rule);
        }
        if lines.len() > room {
            // What is typed is in the last line, and comes before advice.
            let last = match self.dialog {
                Some(Dialog::Prompt(_)) => lines.pop(),
                _ => None,
            };
            lines.truncate(room.saturating_sub(usize::from(last.is_some())));
            lines.extend(last.filter(|_| room > 0));
        }
        lines
    }

    /// What happened, where there is room.
    fn happened(
        &self,
        now: Instant,
        width: usize,
        room: usize,
        palette: Palette,
    ) -> Vec<Line<'static>> {
        if self.notices.is_empty() || room < 2 {
            return Vec::new();
        }
        let mut lines = vec![Line::styled("─".repeat(width), palette.quiet())];
        let room = room.min(NOTICES + 1);
        for notice in &self.notices {
            let told = notice.lines(now, width, palette);
            // The newest is shown if only in part.
            if lines.len() > 1 && lines.len() + told.len() > room {
                break;
            }
            lines.extend(told);
        }
        lines.truncate(room);
        lines
    }

    fn keys(&self) -> &'static [(&'static str, &'static str)] {
        match &self.dialog {
            Some(Dialog::Prompt(_)) => &[("Enter", "go on"), ("Esc", "cancel")],
            Some(Dialog::Working(_)) => &[("Esc", "cancel")],
            Some(Dialog::Offer(offer)) => offer.keys(),
            Some(Dialog::Question(_)) => &[("y", "yes"), ("n", "no")],
            Some(Dialog::Failed(Failed { back: Some(_), .. })) => {
                &[("Enter", "change it"), ("Esc", "back to the list")]
            }
            Some(Dialog::Failed(_)) => &[("Enter", "back to the list")],
            None if self.search.is_some() => {
                &[("Enter", "call"), ("↑ ↓", "select"), ("Esc", "show all")]
            }
            None => match self.list.selected() {
                None => &[("a", "add"), ("q", "quit")],
                Some(contact) if contact.verified => &[
                    ("Enter", "call"),
                    ("/", "search"),
                    ("a", "add"),
                    ("r", "rename"),
                    ("u", "unverify"),
                    ("x", "remove"),
                    ("q", "quit"),
                ],
                Some(_) => &[
                    ("Enter", "call"),
                    ("/", "search"),
                    ("a", "add"),
                    ("r", "rename"),
                    ("v", "verify"),
                    ("x", "remove"),
                    ("q", "quit"),
                ],
            },
        }
    }
}

impl Notice {
    /// The text, and behind its first line how long ago it was.
    fn lines(&self, now: Instant, width: usize, palette: Palette) -> Vec<Line<'static>> {
        let age = age(now.saturating_duration_since(self.at));
        let room = width.saturating_sub(columns(&age) + GAP);
        let mut lines: Vec<Line<'static>> = wrap(&harmless(&self.text), room)
            .into_iter()
            .map(|line| Line::raw(padded(&line, room + GAP)))
            .collect();
        if let Some(first) = lines.first_mut() {
            first.push_span(Span::styled(age, palette.quiet()));
        }
        lines
    }
}

impl Prompt {
    fn lines(&self, width: usize, palette: Palette) -> Vec<Line<'static>> {
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

    fn working(&self) -> &'static str {
        match &self.purpose {
            Purpose::Add => "Looking for contacts …",
            Purpose::Rename(_) => "Writing …",
            Purpose::Verify(_) => "Comparing …",
        }
    }
}

impl Offer {
    fn lines(&self, width: usize, palette: Palette) -> Vec<Line<'static>> {
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

    fn keys(&self) -> &'static [(&'static str, &'static str)] {
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
    fn lines(&self, width: usize, palette: Palette) -> Vec<Line<'static>> {
        let (title, meaning) = match self {
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
    fn lines(&self, width: usize, palette: Palette) -> Vec<Line<'static>> {
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

fn row(
    contact: &Contact,
    is_selected: bool,
    name: usize,
    width: usize,
    palette: Palette,
) -> Line<'static> {
    let (key, sign, style) = match (contact.id, contact.verified) {
        (Some(_), true) => ("✓ verified", "✓", palette.paint(Color::Green)),
        (Some(_), false) => ("not verified", " ", palette.quiet()),
        (None, _) => ("no key", "!", palette.paint(Color::Yellow)),
    };
    let room = width.saturating_sub(GAP + name + GAP + KEY_WIDTH + GAP);
    let (mark, weight) = if is_selected {
        (
            "▸ ",
            palette.paint(Color::Cyan).add_modifier(Modifier::BOLD),
        )
    } else {
        ("  ", Style::new())
    };
    let shown = harmless(&contact.name);
    if width < NARROW {
        return Line::from(vec![
            Span::styled(mark, weight),
            Span::styled(padded(&fit(&shown, name), name + GAP), weight),
            Span::styled(sign, style),
        ]);
    }
    Line::from(vec![
        Span::styled(mark, weight),
        Span::styled(padded(&fit(&shown, name), name + GAP), weight),
        Span::styled(padded(key, KEY_WIDTH + GAP), style),
        Span::styled(
            fit_matrix_id(contact.matrix_id.as_str(), room),
            palette.quiet(),
        ),
    ])
}

/// ID and Matrix ID in full.
fn addresses(
    id: Option<String>,
    matrix_id: &str,
    width: usize,
    palette: Palette,
) -> Vec<Line<'static>> {
    let id =
        id.unwrap_or_else(|| "no key is known: ask for a contact link before you call".to_owned());
    let mut lines = lines_of(&id, width, Style::new());
    lines.extend(lines_of(matrix_id, width, palette.quiet()));
    lines
}

/// A line with its cursor.
fn typed(line: &TypedLine, width: usize) -> [Span<'static>; 3] {
    let (before, mut after) = line.shown(width);
    let under = if after.is_empty() {
        ' '
    } else {
        after.remove(0)
    };
    [
        Span::raw(before),
        Span::styled(
            under.to_string(),
            Style::new().add_modifier(Modifier::REVERSED),
        ),
        Span::raw(after),
    ]
}

fn lines_of(text: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    wrap(&harmless(text), width)
        .into_iter()
        .map(|line| Line::styled(line, style))
        .collect()
}

/// Pairs of spans in as many rows as they need.
fn in_rows(pairs: Vec<[Span<'static>; 2]>, width: usize) -> Vec<Line<'static>> {
    let mut rows: Vec<Line<'static>> = vec![Line::default()];
    for pair in pairs {
        // The spaces at the end need no room.
        let needed = pair[0].width() + columns(pair[1].content.trim_end());
        let is_full = rows
            .last()
            .is_some_and(|row| row.width() > 0 && row.width() + needed > width);
        if is_full {
            rows.push(Line::default());
        }
        if let Some(row) = rows.last_mut() {
            row.extend(pair);
        }
    }
    rows
}

fn middle(area: Rect) -> Rect {
    let width = area.width.min(MAX_WIDTH);
    Rect {
        x: area.x + (area.width - width) / 2,
        width,
        ..area
    }
}

fn length(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

fn age(age: Duration) -> String {
    match age.as_secs() / 60 {
        0 => "just now".to_owned(),
        minutes @ 1..60 => format!("{minutes} min ago"),
        minutes @ 60..1440 => format!("{} h ago", minutes / 60),
        minutes if minutes < 2880 => "yesterday".to_owned(),
        minutes => format!("{} days ago", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::tests::{certain, contact, draft};
    use super::*;
    use crate::error::{ErrorKind, Failure};

    fn screen() -> MainScreen {
        let own = contact("", 5).matrix_id;
        let mut screen = MainScreen::new(own);
        let contacts: Vec<Contact> = (10..40)
            .map(|number| {
                contact(
                    &format!("山田 太郎 the {number}th of a long line of people"),
                    number,
                )
            })
            .collect();
        screen.know_contacts(&contacts);
        screen
    }

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    fn drawn(screen: &mut MainScreen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let palette = Palette { colour: false };
        terminal
            .draw(|frame| screen.draw(frame, now(), palette))
            .unwrap();
        terminal.backend().to_string()
    }

    fn failure() -> Failure {
        Failure::new(
            ErrorKind::KeyMismatch,
            format!(
                "this is not the key: yours is {0}, this is {0}",
                "abcd".repeat(14)
            ),
        )
        .help("ask them in person, and believe nobody else. ".repeat(3))
    }

    #[test]
    fn nothing_breaks_at_any_size() {
        let mut offering = screen();
        offering.paste("three");
        offering.key(crossterm::event::KeyCode::Enter.into());
        let list = draft(offering.list.all());
        let found = certain(contact("", 9).matrix_id.as_str());
        offering.found(vec![found], list);
        let mut failing = screen();
        failing.failed(&failure());
        let mut typing = screen();
        typing.paste(&"山田\n".repeat(500));
        let mut telling = screen();
        telling.note(now(), "a long story ".repeat(20));
        telling.note(now(), "a short one".to_owned());
        let mut searching = screen();
        searching.key(crossterm::event::KeyCode::Char('/').into());
        searching.paste("1");
        for mut screen in [screen(), offering, failing, typing, telling, searching] {
            for width in (0..130).step_by(3) {
                for height in [0, 1, 2, 3, 5, 8, 16, 40] {
                    if width > 0 && height > 0 {
                        drawn(&mut screen, width, height);
                    }
                }
            }
        }
    }

    #[test]
    fn the_selected_contact_is_shown_in_full_on_a_small_terminal() {
        let mut screen = screen();
        screen.list.go_to_end();
        let shown = drawn(&mut screen, 60, 16);
        let contact = screen.list.selected().unwrap();
        let id = contact.id.unwrap().to_string();
        assert!(shown.contains(&id), "{shown}");
        assert!(shown.contains("▸ 山"), "{shown}");
        let joined: String = shown
            .lines()
            .map(|line| line.trim_matches(['"', '│', ' ']))
            .collect();
        assert!(joined.contains(contact.matrix_id.as_str()), "{shown}");
    }

    #[test]
    fn an_error_is_shown_in_full_on_a_small_terminal() {
        let mut screen = screen();
        screen.failed(&failure());
        let shown = drawn(&mut screen, 60, 16);
        assert!(shown.contains("Careful"), "{shown}");
        let last = shown.lines().filter(|line| line.contains("else.")).count();
        assert!(last >= 1, "{shown}");
    }

    #[test]
    fn what_happened_is_told_in_full_on_a_small_terminal() {
        let mut screen = screen();
        screen.note(now(), "an older one".to_owned());
        screen.note(
            now(),
            "call with Ada ended: the homeserver cannot be reached".to_owned(),
        );
        let shown = drawn(&mut screen, 60, 18);
        assert!(shown.contains("│ reached "), "{shown}");
        assert!(shown.contains("just now"), "{shown}");
    }

    #[test]
    fn every_key_is_shown_in_full_at_any_width() {
        let mut screen = screen();
        for width in 40..110 {
            let shown = drawn(&mut screen, width, 24);
            for key in ["/  search", "a  add", "x  remove", "q  quit"] {
                assert!(shown.contains(key), "{shown}");
            }
        }
    }

    #[test]
    fn the_selected_contact_is_shown_on_the_smallest_terminals() {
        for (width, height) in [
            (20, 5),
            (20, 4),
            (20, 3),
            (12, 5),
            (40, 10),
            (20, 24),
            (80, 6),
        ] {
            let mut screen = screen();
            for steps in [0, 1, 7, 100] {
                screen.list.move_by(steps);
                let shown = drawn(&mut screen, width, height);
                assert!(shown.contains("▸ 山"), "{width}×{height}:\n{shown}");
                assert_eq!(shown.lines().count(), usize::from(height));
            }
        }
        let sizes = (20..100)
            .step_by(5)
            .flat_map(|width| (5..20).map(move |height| (width, height)));
        for (width, height) in sizes {
            let mut screen = screen();
            let shown = drawn(&mut screen, width, height);
            let id = screen.list.selected().unwrap().id.unwrap().to_string();
            let inside = |line: &str| line.trim_matches(['"', '│', ' ']).to_owned();
            let lines: Vec<String> = shown.lines().map(inside).collect();
            let is_begun = lines.iter().any(|line| line.starts_with(&id[..8]));
            assert_eq!(is_begun, lines.concat().contains(&id), "in part:\n{shown}");
        }
        let shown = drawn(&mut screen(), 20, 5);
        assert_eq!(shown.matches("山").count(), 3, "{shown}");
        assert!(shown.contains("Enter  call"), "{shown}");
    }

    #[test]
    fn what_is_typed_is_shown_on_the_smallest_terminals() {
        let mut screen = screen();
        screen.paste("what is typed");
        for (width, height) in [(20, 5), (20, 3), (20, 2), (40, 10)] {
            let shown = drawn(&mut screen, width, height);
            assert!(
                shown.contains("> what is typed"),
                "{width}×{height}:\n{shown}"
            );
        }
        let mut failing = self::screen();
        failing.failed(&failure());
        assert!(drawn(&mut failing, 20, 5).contains("Careful"));
        let mut searching = self::screen();
        searching.key(crossterm::event::KeyCode::Char('/').into());
        searching.paste("17th");
        let shown = drawn(&mut searching, 20, 5);
        assert!(
            shown.contains("Search") && shown.contains("▸ 山"),
            "{shown}"
        );
    }

    #[test]
    fn columns_stay_straight_under_names_of_every_kind() {
        let names = [
            "Ada",
            "山田 太郎",
            "🦊 fox",
            "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306} marks",
            "ｗｉｄｅ",
            "ไทยกี่",
            "한글 이름",
            "한글",
            "a very long name that has no room at all in a row of this width",
        ];
        let mut screen = screen();
        let contacts: Vec<Contact> = names
            .iter()
            .zip(10..)
            .map(|(name, number)| contact(name, number))
            .collect();
        screen.know_contacts(&contacts);
        for width in [50, 80, 110] {
            let mut terminal = Terminal::new(TestBackend::new(width, 24)).unwrap();
            let palette = Palette { colour: false };
            terminal
                .draw(|frame| screen.draw(frame, now(), palette))
                .unwrap();
            let buffer = terminal.backend().buffer();
            // In each row, what is said of the key begins in the same column.
            let columns: Vec<usize> = (0..24)
                .filter_map(|y| {
                    let row: Vec<&str> = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
                    row.windows(7).position(|cells| cells.concat() == "not ver")
                })
                .collect();
            assert_eq!(columns.len(), names.len(), "{width}");
            assert!(
                columns.iter().all(|column| *column == columns[0]),
                "{columns:?}"
            );
        }
    }

    #[test]
    fn an_age_is_told_roughly() {
        for (seconds, told) in [
            (59, "just now"),
            (60, "1 min ago"),
            (3600, "1 h ago"),
            (86_400, "yesterday"),
            (200_000, "2 days ago"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), told);
        }
    }
}
