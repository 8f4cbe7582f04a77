//! The picture of the main screen.

mod dialogs;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Padding, Paragraph};
use securecall_profile::Contact;

use super::dialog::{Dialog, Failed};
use super::{MainScreen, Notice, Reach, TypedLine};
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
            .map(|(contact, is_selected)| {
                let is_blocked = self.blocked.contains(&contact.matrix_id);
                row(&contact, is_blocked, is_selected, name, width, palette)
            })
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

fn row(
    contact: &Contact,
    is_blocked: bool,
    is_selected: bool,
    name: usize,
    width: usize,
    palette: Palette,
) -> Line<'static> {
    let (key, sign, style) = match (contact.id, contact.verified) {
        _ if is_blocked => ("✗ blocked", "✗", palette.paint(Color::Red)),
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
    let id = id.unwrap_or_else(|| {
        "no key is known: calls are standard Matrix calls, or ask for a contact link".to_owned()
    });
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
