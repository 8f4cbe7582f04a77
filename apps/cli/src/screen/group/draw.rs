//! The picture of a group call.

use std::time::Instant;

use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use securecall_contact::DeviceId;
use securecall_driver::Tier;

use super::{GroupScreen, InClear, LegState, Member};
use crate::output::tier_words;
use crate::screen::draw::{Rank, bars, labelled, place};
use crate::screen::fitting::{fit, fit_matrix_id, padded};
use crate::screen::foot::Foot;
use crate::screen::main_screen::name_of;
use crate::screen::palette::Palette;
use crate::screen::state::clock;

/// The tallest the box grows: eight people, and what is said of one of them.
const MAX_HEIGHT: u16 = 24;
/// Below this width, rows have a name and one thing more.
const NARROW: usize = 56;
/// What marks the selected row, and whoever speaks, takes.
const MARKS: usize = 4;
/// A name takes no more than this.
const MAX_NAME: usize = 20;
/// Characters of a meter in a row.
const METER: usize = 12;
/// Below this width, meters are short and nothing is said of how long it has lasted.
const TINY: usize = 30;
/// Characters of a meter there.
const SHORT_METER: usize = 8;
/// What is said of a leg that is not connected has this room beside the name, or that of a short meter.
const STATE: usize = 14;
/// Between two columns.
const GAP: usize = 2;

impl GroupScreen {
    /// Draws the whole screen. `typed`: what stands in place of the keys.
    pub(in crate::screen) fn draw(
        &self,
        frame: &mut Frame<'_>,
        now: Instant,
        palette: Palette,
        foot: Option<&Foot>,
    ) {
        let keys = |width| match foot {
            Some(foot) => foot.line(width, palette),
            None => self.keys(palette),
        };
        let lines = |width| self.lines(now, width, palette);
        place(frame, MAX_HEIGHT, self.border(palette), lines, keys);
    }

    fn border(&self, palette: Palette) -> Style {
        match (&self.ended, self.connected_at) {
            (Some(_), _) => palette.quiet(),
            (None, Some(_)) => palette.paint(Color::Green),
            (None, None) => palette.paint(Color::Cyan),
        }
    }

    fn lines(&self, now: Instant, width: u16, palette: Palette) -> Vec<(Rank, Line<'_>)> {
        let width = usize::from(width);
        let blank = || (Rank::Nothing, Line::default());
        let mut lines = vec![blank(), (Rank::Call, self.status(now, width, palette))];
        if let Some(in_clear) = self.room {
            let said = Span::styled(room_words(in_clear), palette.paint(Color::Yellow));
            lines.push((Rank::Protection, Line::from(said)));
        }
        if let Some(words) = &self.words {
            lines.push((Rank::Protection, self.group_words(words, width, palette)));
        }
        lines.push(blank());
        lines.push((Rank::Meter, self.own_row(width, palette)));
        let rows = self.members.iter().enumerate();
        lines.extend(rows.map(|(place, member)| {
            let is_selected = place == self.selected;
            let device = member.peer.device_id.as_ref();
            let device = device.filter(|_| self.has_another_device_of(member));
            let name = member.name(device.map(DeviceId::as_str), width);
            (Rank::Call, member.row(&name, is_selected, width, palette))
        }));
        if let Some(member) = self.members.get(self.selected) {
            lines.push(blank());
            lines.extend(member.details(width, palette));
            if self.room.is_some() && member.words.is_some() {
                let tier = tier_words(Tier::SecureCall.as_str());
                let said = Line::styled(tier, palette.paint(Color::Green));
                lines.push((Rank::Protection, said));
            }
        }
        if let Some(notice) = &self.notice {
            let notice = Line::styled(notice.as_str(), palette.paint(Color::Yellow));
            lines.push(blank());
            lines.push((Rank::Notice, notice));
        }
        lines
    }

    /// Whether there is a row of the same account beside: then which device it is says which row is whose.
    fn has_another_device_of(&self, member: &Member) -> bool {
        let of_account = |it: &&Member| it.peer.matrix_id == member.peer.matrix_id;
        self.members.iter().filter(of_account).count() > 1
    }

    fn status(&self, now: Instant, width: usize, palette: Palette) -> Line<'_> {
        let strong = |colour| palette.paint(colour).add_modifier(Modifier::BOLD);
        let connected = self.members.iter();
        let connected = connected
            .filter(|it| it.state == LegState::Connected)
            .count();
        let mut line = match &self.ended {
            Some(why) => Line::styled(format!("Group call ended: {why}"), strong(Color::Gray)),
            // Nobody is called into it.
            None if self.connected_at.is_none() && self.room.is_some() => {
                Line::styled("Group call of a room, nobody else yet", strong(Color::Cyan))
            }
            None if self.connected_at.is_none() => {
                Line::styled("Group call, calling …", strong(Color::Cyan))
            }
            // With ourselves.
            None => Line::styled(
                format!("Group call of {}", connected + 1),
                strong(Color::Green),
            ),
        };
        if let Some(since) = self.connected_at.filter(|_| width >= TINY) {
            let duration = clock(now.saturating_duration_since(since));
            line.push_span(Span::raw(format!("  {duration}")));
        }
        line
    }

    fn group_words(&self, words: &[String; 4], width: usize, palette: Palette) -> Line<'_> {
        let words = Span::styled(words.join(" "), Palette::strong());
        match width < NARROW {
            true => Line::from(words),
            false => labelled("Group words", words, palette),
        }
    }

    fn own_row(&self, width: usize, palette: Palette) -> Line<'_> {
        let mut spans = vec![Span::raw(format!(
            "{}{}",
            " ".repeat(MARKS),
            padded("You", name_width(width) + GAP)
        ))];
        spans.extend(meter(self.input_level, self.is_muted, width, palette));
        Line::from(spans)
    }

    fn keys(&self, palette: Palette) -> Line<'_> {
        let mut keys = Vec::new();
        if self.ended.is_none() {
            keys.push(("m", if self.is_muted { "unmute" } else { "mute" }));
            keys.push(("q", "leave"));
            if self.selected().is_some_and(Member::can_be_verified) {
                keys.push(("v", "words are the same"));
            }
            if self.room.is_none() {
                keys.push(("i", "add"));
            }
            keys.extend([("+ -", "volume"), ("↑ ↓", "select"), ("d", "sound")]);
        }
        Line::from_iter(palette.keys(&keys).into_iter().flatten())
    }
}

impl Member {
    fn row(&self, name: &str, is_selected: bool, width: usize, palette: Palette) -> Line<'_> {
        let mark = if is_selected { "▸" } else { " " };
        let voice = if self.is_speaking { "•" } else { " " };
        let mut style = match self.peer.name {
            Some(_) => Style::new(),
            None => palette.paint(Color::Yellow),
        };
        if self.is_speaking || is_selected {
            style = style.add_modifier(Modifier::BOLD);
        }
        let mut spans = vec![
            Span::raw(format!("{mark} ")),
            Span::styled(format!("{voice} "), palette.paint(Color::Green)),
            Span::styled(padded(name, name_width(width) + GAP), style),
        ];
        if self.state == LegState::Connected {
            spans.extend(meter(self.level, self.is_muted, width, palette));
            if width >= NARROW {
                let room = width - MARKS - name_width(width) - 2 * GAP - METER;
                let said = format!("{}{}", " ".repeat(GAP), fit(&self.quality(), room));
                spans.push(Span::styled(said, palette.quiet()));
            }
        } else {
            let room = width.saturating_sub(MARKS + name_width(width) + GAP);
            let (said, colour) = self.said();
            spans.push(Span::styled(fit(&said, room), palette.paint(colour)));
        }
        Line::from(spans)
    }

    /// The name, which leaves room for the mark of a key that was compared, or for the device.
    fn name(&self, device: Option<&str>, width: usize) -> String {
        let room = name_width(width);
        if let Some(device) = device {
            let device = fit(device, room / 2);
            let name = match &self.peer.name {
                Some(name) => fit(name, room / 2 - 1),
                None => fit_matrix_id(self.peer.matrix_id.as_str(), room / 2 - 1),
            };
            return format!("{name} {device}");
        }
        match (&self.peer.name, self.is_verified) {
            (Some(name), true) => format!("{} ✓", fit(name, room.saturating_sub(2))),
            (Some(name), false) => fit(name, room),
            (None, _) => fit_matrix_id(self.peer.matrix_id.as_str(), room),
        }
    }

    fn said(&self) -> (String, Color) {
        match &self.state {
            LegState::CalledBy(by) => (format!("called by {by}"), Color::Cyan),
            LegState::Calling => ("calling …".to_owned(), Color::Cyan),
            LegState::Rings => ("ringing …".to_owned(), Color::Cyan),
            LegState::Connecting => ("connecting …".to_owned(), Color::Cyan),
            LegState::Connected => ("connected".to_owned(), Color::Green),
            LegState::Reconnecting => ("reconnecting …".to_owned(), Color::Yellow),
            LegState::NoPath => ("no path".to_owned(), Color::Red),
        }
    }

    fn quality(&self) -> String {
        let route = self.route.unwrap_or_default();
        let loss = self.stats.as_ref().map_or_else(String::new, |stats| {
            format!("  loss {:.1} %", stats.loss * 100.0)
        });
        let volume = match self.volume.percent() {
            100 => String::new(),
            percent => format!("  volume {percent} %"),
        };
        format!("{route}{loss}{volume}")
    }

    /// What is said of the member whose row is selected.
    fn details(&self, width: usize, palette: Palette) -> Vec<(Rank, Line<'_>)> {
        let who = match (&self.peer.name, &self.brought_by) {
            (None, None) => "Not in your contacts".to_owned(),
            (None, Some(by)) => format!("Not in your contacts, brought by {by}"),
            (Some(_), Some(by)) => format!("{}, brought by {by}", name_of(&self.peer)),
            (Some(_), None) => name_of(&self.peer),
        };
        let mut lines = vec![(Rank::Explanation, Line::styled(who, Palette::strong()))];
        let id = self.peer.id.map(|id| id.to_string());
        let id = id.unwrap_or_else(|| match &self.peer.device_id {
            Some(device) => format!("{} {device}", self.peer.matrix_id),
            None => self.peer.matrix_id.to_string(),
        });
        lines.push((Rank::Address, Line::styled(id, palette.quiet())));
        if let Some(words) = &self.words {
            let words = Span::styled(words.join(" "), Palette::strong());
            let words = match width < NARROW {
                true => Line::from(words),
                false => labelled("Safety words", words, palette),
            };
            lines.push((Rank::Words, words));
        }
        if width < NARROW && self.state == LegState::Connected {
            lines.push((Rank::Explanation, Line::raw(self.quality())));
        }
        lines
    }
}

/// What protects the calls in a room.
fn room_words(InClear(in_clear): InClear) -> String {
    let tier = tier_words(Tier::Matrix.as_str());
    match in_clear {
        true => format!("in clear; {tier}"),
        false => tier.to_owned(),
    }
}

/// How wide names are in rows.
fn name_width(width: usize) -> usize {
    let beside = if width < TINY { SHORT_METER } else { STATE };
    let room = width.saturating_sub(MARKS + GAP + beside);
    room.clamp(4, MAX_NAME)
}

/// How wide meters are in rows.
const fn meter_width(width: usize) -> usize {
    match width < TINY {
        true => SHORT_METER,
        false => METER,
    }
}

fn meter(level: f32, is_muted: bool, width: usize, palette: Palette) -> Vec<Span<'static>> {
    let width = meter_width(width);
    if is_muted {
        let style = palette.paint(Color::Red).add_modifier(Modifier::BOLD);
        return vec![Span::styled(padded("muted", width), style)];
    }
    let filled = bars(level, width);
    vec![
        Span::styled("█".repeat(filled), palette.paint(Color::Green)),
        Span::styled("·".repeat(width - filled), palette.quiet()),
    ]
}
