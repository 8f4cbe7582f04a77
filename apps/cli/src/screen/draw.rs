//! The picture.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Padding, Paragraph, Wrap};

use super::foot::Foot;
use super::palette::Palette;
use super::state::{CallScreen, Stage, clock};
use crate::output::tier_words;

/// The quietest level a meter shows, in dB below full scale.
const METER_FLOOR_DB: f32 = -50.0;
/// Characters of a meter.
const METER_WIDTH: usize = 32;
/// From this width on, a SecureCall ID fits into the box with room to spare.
const ROOMY_WIDTH: u16 = 64;
/// From this width on, the safety words fit beside their label.
const LABELLED_WIDTH: u16 = 14 + 4 * 8 + 3 * 2;
/// Below this height of the terminal, there is no box.
const BORDERED: u16 = 10;
/// The widest the box grows.
const MAX_WIDTH: u16 = 78;
/// The tallest.
const MAX_HEIGHT: u16 = 20;

/// How much a line is needed, from the most to the least: without the first there is no call on the screen, and the words
/// are read aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Call,
    Words,
    Notice,
    Protection,
    Address,
    Meter,
    Explanation,
    Nothing,
}

impl CallScreen {
    /// Draws the whole screen. `foot`: what stands in place of the keys.
    pub(super) fn draw(
        &self,
        frame: &mut Frame<'_>,
        now: Instant,
        palette: Palette,
        foot: Option<&Foot>,
    ) {
        let lines = |width| self.lines(now, width, palette);
        let keys = |width| match foot {
            Some(foot) => foot.line(width, palette),
            None => self.keys(palette),
        };
        place(frame, MAX_HEIGHT, self.border(palette), lines, keys);
    }

    fn border(&self, palette: Palette) -> Style {
        match self.stage {
            Stage::Connected => palette.paint(Color::Green),
            Stage::Reconnecting => palette.paint(Color::Yellow),
            Stage::RingingHere | Stage::RingingThere => palette.paint(Color::Cyan),
            _ => palette.quiet(),
        }
    }

    fn lines(&self, now: Instant, width: u16, palette: Palette) -> Vec<(Rank, Line<'_>)> {
        let blank = || (Rank::Nothing, Line::default());
        let mut lines = vec![blank()];
        if self.id.is_empty() {
            let starting = Line::styled("Starting …", Palette::strong());
            lines.push((Rank::Call, starting));
        } else {
            let name = if self.stranger {
                palette.paint(Color::Yellow)
            } else {
                Style::new()
            };
            let mut who = Line::styled(self.who.as_str(), name.add_modifier(Modifier::BOLD));
            if self.is_verified {
                who.push_span(Span::styled("  ✓ verified", palette.paint(Color::Green)));
            }
            lines.push((Rank::Call, who));
            let id = Line::styled(self.id.as_str(), palette.quiet());
            lines.push((Rank::Address, id));
            lines.push(blank());
            lines.push((Rank::Call, self.status(now, palette)));
        }
        if let Some(tier) = self.tier {
            lines.push((Rank::Protection, self.protection(tier, palette)));
        }
        if let Some(words) = &self.words {
            // On a narrow terminal all four are shown before anything is said of them.
            let words = if width < LABELLED_WIDTH {
                Line::styled(words.join(" "), Palette::strong())
            } else {
                let words = Span::styled(words.join("  "), Palette::strong());
                labelled("Safety words", words, palette)
            };
            let meaning = Span::styled(
                "the same on both sides: nobody is in between",
                palette.quiet(),
            );
            lines.push(blank());
            lines.push((Rank::Words, words));
            lines.push((Rank::Explanation, labelled("", meaning, palette)));
        }
        if self.connected_at.is_some() {
            lines.push(blank());
            let you = self.meter("You", self.input_level, self.muted, palette);
            let peer = self.meter("Peer", self.output_level, self.peer_muted, palette);
            lines.push((Rank::Meter, you));
            lines.push((Rank::Meter, peer));
            lines.push(blank());
            lines.push((Rank::Explanation, self.quality(palette)));
        }
        if let Some(hint) = &self.hint {
            lines.push(blank());
            lines.push((Rank::Notice, Line::raw(hint.as_str())));
        }
        if let Some(notice) = &self.notice {
            let notice = Line::styled(notice.as_str(), palette.paint(Color::Yellow));
            lines.push(blank());
            lines.push((Rank::Notice, notice));
        }
        lines
    }

    fn status(&self, now: Instant, palette: Palette) -> Line<'_> {
        let (text, colour) = match &self.stage {
            Stage::Waiting => ("starting …".to_owned(), Color::Gray),
            Stage::Dialing => ("calling …".to_owned(), Color::Cyan),
            Stage::RingingThere => ("ringing …".to_owned(), Color::Cyan),
            Stage::RingingHere => ("is calling".to_owned(), Color::Cyan),
            Stage::Connecting => ("connecting …".to_owned(), Color::Cyan),
            Stage::Connected if self.held => ("on hold".to_owned(), Color::Yellow),
            Stage::Connected if self.peer_holds => {
                ("the other side holds the call".to_owned(), Color::Yellow)
            }
            Stage::Connected => ("connected".to_owned(), Color::Green),
            Stage::Reconnecting => ("reconnecting …".to_owned(), Color::Yellow),
            Stage::Ended(reason) => (format!("ended: {reason}"), Color::Gray),
        };
        let mut spans = vec![Span::styled(
            text,
            palette.paint(colour).add_modifier(Modifier::BOLD),
        )];
        if let Some(duration) = self.duration(now) {
            spans.push(Span::raw(format!("  {}", clock(duration))));
        }
        Line::from(spans)
    }

    /// How the call is protected and how it travels.
    fn protection(&self, tier: &'static str, palette: Palette) -> Line<'_> {
        let colour = match tier {
            "securecall" => Color::Green,
            _ => Color::Yellow,
        };
        let text = Span::styled(tier_words(tier), palette.paint(colour));
        let mut line = labelled("Protection", text, palette);
        if let Some(route) = self.route {
            line.push_span(Span::styled(format!("   route {route}"), palette.quiet()));
        }
        if let (Some("ghostnet"), Some([entry, exit])) = (self.route, &self.relays) {
            let relays = format!(" ({entry}, {exit})");
            line.push_span(Span::styled(relays, palette.quiet()));
        }
        line
    }

    fn meter(&self, label: &'static str, level: f32, muted: bool, palette: Palette) -> Line<'_> {
        if muted {
            return labelled(
                label,
                Span::styled(
                    "muted",
                    palette.paint(Color::Red).add_modifier(Modifier::BOLD),
                ),
                palette,
            );
        }
        let filled = bars(level, METER_WIDTH);
        let mut line = labelled(
            label,
            Span::styled("█".repeat(filled), palette.paint(Color::Green)),
            palette,
        );
        line.push_span(Span::styled(
            "·".repeat(METER_WIDTH - filled),
            palette.quiet(),
        ));
        line
    }

    fn quality(&self, palette: Palette) -> Line<'_> {
        let Some(stats) = &self.stats else {
            return labelled(
                "Quality",
                Span::styled("measuring …", palette.quiet()),
                palette,
            );
        };
        let rtt = stats
            .rtt_ms
            .map_or_else(String::new, |rtt| format!("   round trip {rtt:.0} ms"));
        let text = format!(
            "loss {:.1} %   delay {:.0} ms{rtt}",
            stats.loss * 100.0,
            stats.playout_delay_ms
        );
        labelled("Quality", Span::raw(text), palette)
    }

    fn keys(&self, palette: Palette) -> Line<'_> {
        let mut keys: Vec<(&str, &str)> = match self.stage {
            Stage::RingingHere => vec![("a", "answer"), ("r", "decline")],
            Stage::Connected | Stage::Reconnecting => vec![
                ("m", if self.muted { "unmute" } else { "mute" }),
                ("q", "hang up"),
                ("h", if self.held { "resume" } else { "hold" }),
            ],
            Stage::Waiting => vec![("q", "quit")],
            Stage::Ended(_) => Vec::new(),
            _ => vec![("q", "hang up")],
        };
        if self.words.is_some() && !self.stranger && !self.is_verified {
            keys.push(("v", "words are the same"));
        }
        if self.has_sound() {
            keys.push(("d", "sound"));
        }
        Line::from_iter(palette.keys(&keys).into_iter().flatten())
    }
}

/// Draws lines into a box in the middle of the screen, with the keys at its foot. What is not shown, where there is no room for
/// all, is what can be done without.
pub(super) fn place<'a>(
    frame: &mut Frame<'_>,
    max_height: u16,
    border: Style,
    lines: impl FnOnce(u16) -> Vec<(Rank, Line<'a>)>,
    keys: impl FnOnce(u16) -> Line<'a>,
) {
    let area = centred(frame.area(), max_height);
    let block = if area.height < BORDERED {
        Block::new()
    } else {
        Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(border)
            .title(Line::styled(" SecureCall ", Palette::strong()))
            .padding(Padding::horizontal(if area.width < ROOMY_WIDTH {
                1
            } else {
                2
            }))
    };
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(inside);
    let mut lines = lines(body.width);
    let has_room = |lines: &[(Rank, Line<'_>)]| {
        let width = usize::from(body.width.max(1));
        let rows = lines
            .iter()
            .map(|(_, line)| line.width().div_ceil(width).max(1));
        rows.sum::<usize>() <= usize::from(body.height)
    };
    if !has_room(&lines) {
        lines.retain(|(_, line)| line.width() > 0);
    }
    if !has_room(&lines) {
        lines.sort_by_key(|(rank, _)| *rank);
    }
    let lines: Vec<Line<'_>> = lines.into_iter().map(|(_, line)| line).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), body);
    frame.render_widget(Paragraph::new(keys(foot.width)), foot);
}

pub(super) fn labelled<'a>(label: &'a str, value: Span<'a>, palette: Palette) -> Line<'a> {
    Line::from(vec![
        Span::styled(format!("{label:<14}"), palette.quiet()),
        value,
    ])
}

/// The box in the middle of the screen.
fn centred(area: Rect, max_height: u16) -> Rect {
    let width = area.width.min(MAX_WIDTH);
    let height = area.height.min(max_height);
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// How many of so many characters of a meter a level (RMS, 0 to 1) fills, on a scale of decibels.
pub(super) fn bars(level: f32, width: usize) -> usize {
    if level <= 0.0 {
        return 0;
    }
    let share = 1.0 - (20.0 * level.log10()) / METER_FLOOR_DB;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=width"
    )]
    let filled = (share.clamp(0.0, 1.0) * width as f32).round() as usize;
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_empty_in_silence_and_full_at_full_scale() {
        assert_eq!(bars(0.0, METER_WIDTH), 0);
        assert_eq!(bars(1e-6, METER_WIDTH), 0);
        assert_eq!(bars(1.0, METER_WIDTH), METER_WIDTH);
        assert!(bars(0.1, METER_WIDTH) > bars(0.01, METER_WIDTH));
    }

    #[test]
    fn the_smallest_terminal_shows_who_what_and_the_words() {
        use ratatui::Terminal;
        use ratatui::backend::TestBackend;

        let mut screen = CallScreen::new();
        screen.id = "i".repeat(56);
        screen.who = "Peer 山田".to_owned();
        screen.stage = Stage::Connected;
        screen.tier = Some("securecall");
        screen.words = Some(["abandon", "ability", "able", "about"].map(str::to_owned));
        let drawn = |screen: &CallScreen, width, height| {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            #[expect(clippy::disallowed_methods, reason = "any time will do")]
            let now = Instant::now();
            let palette = Palette { colour: false };
            terminal
                .draw(|frame| screen.draw(frame, now, palette, None))
                .unwrap();
            terminal.backend().to_string()
        };
        let mut ringing = CallScreen::new();
        ringing.id = "i".repeat(56);
        ringing.who = "Peer 山".to_owned();
        ringing.stage = Stage::RingingHere;
        for (width, height) in [(20, 5), (40, 10), (80, 24)] {
            let shown = drawn(&ringing, width, height);
            for part in ["Peer 山", "is calling", "a  answer"] {
                assert!(shown.contains(part), "{part} {width}×{height}:\n{shown}");
            }
        }
        for (width, height) in [(20, 5), (40, 10), (80, 24), (1, 1)] {
            let shown = drawn(&screen, width, height);
            if width == 1 {
                continue;
            }
            for part in ["Peer 山", "connected", "abandon ", "about", "hang"] {
                assert!(shown.contains(part), "{part} {width}×{height}:\n{shown}");
            }
        }
    }
}
