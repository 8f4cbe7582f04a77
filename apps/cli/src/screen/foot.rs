//! What takes the keys away from a call for a moment, and stands at its foot in their place.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use securecall_driver::{DeviceWish, MicrophoneSpec, SpeakerSpec};

use super::fitting::fit;
use super::main_screen::TypedLine;
use super::palette::Palette;
use super::state::Action;

/// From this width on there is room for the keys.
const ROOMY_WIDTH: usize = 56;

/// One of the things that are asked.
#[derive(Debug)]
pub(super) enum Foot {
    /// Who is to be brought into the call.
    Adding(TypedLine),
    /// Which microphone or speaker it goes on with.
    Sound(SoundChoice),
}

/// The microphones and speakers that a call may go on with, and the one that is shown.
#[derive(Debug, Default)]
pub(super) struct SoundChoice {
    /// `None` while they are being looked for.
    wishes: Option<Vec<DeviceWish>>,
    shown: usize,
}

impl Foot {
    /// What a key leads to: what stands there after it, and something to do.
    pub(super) fn key(self, key: KeyEvent) -> (Option<Self>, Option<Action>) {
        match (self, key.code) {
            (_, KeyCode::Esc) => (None, None),
            (Self::Adding(line), KeyCode::Enter) => {
                let who = line.text().trim().to_owned();
                (None, (!who.is_empty()).then_some(Action::Add(who)))
            }
            (Self::Adding(mut line), _) => {
                line.key(key);
                (Some(Self::Adding(line)), None)
            }
            (Self::Sound(choice), KeyCode::Enter) => match choice.shown() {
                Some(wish) => (None, Some(Action::Exchange(wish.clone()))),
                None => (Some(Self::Sound(choice)), None),
            },
            (Self::Sound(mut choice), _) => {
                choice.key(key);
                (Some(Self::Sound(choice)), None)
            }
        }
    }

    /// Draws it into a line of this width.
    pub(super) fn line(&self, width: u16, palette: Palette) -> Line<'static> {
        let width = usize::from(width);
        match self {
            Self::Adding(line) => typed(line, width),
            Self::Sound(choice) => choice.line(width, palette),
        }
    }
}

impl SoundChoice {
    /// These are there.
    pub(super) fn found(&mut self, wishes: Vec<DeviceWish>) {
        self.wishes = Some(wishes);
        self.shown = 0;
    }

    fn shown(&self) -> Option<&DeviceWish> {
        self.wishes.as_ref()?.get(self.shown)
    }

    fn key(&mut self, key: KeyEvent) {
        let count = self.wishes.as_ref().map_or(0, Vec::len);
        match key.code {
            KeyCode::Up if count > 0 => self.shown = (self.shown + count - 1) % count,
            KeyCode::Down if count > 0 => self.shown = (self.shown + 1) % count,
            _ => {}
        }
    }

    fn line(&self, width: usize, palette: Palette) -> Line<'static> {
        let Some(wishes) = &self.wishes else {
            return Line::raw("Looking for microphones and speakers …");
        };
        let Some(wish) = self.shown() else {
            return Line::raw("No sound card is known here.");
        };
        let place = format!("  {} of {}   ", self.shown + 1, wishes.len());
        let keys = palette.keys(&[("↑ ↓", "others"), ("Enter", "take it")]);
        let keys: Vec<Span<'static>> = keys.into_iter().flatten().collect();
        let taken = match width < ROOMY_WIDTH {
            true => place.len(),
            false => place.len() + keys.iter().map(Span::width).sum::<usize>(),
        };
        let words = fit(&words(wish), width.saturating_sub(taken));
        let mut line = Line::from(Span::styled(words, Palette::strong()));
        line.push_span(Span::styled(place, palette.quiet()));
        if width >= ROOMY_WIDTH {
            line.extend(keys);
        }
        line
    }
}

/// What a device is called. Only sound cards are chosen from.
fn words(wish: &DeviceWish) -> String {
    let (role, name) = match wish {
        DeviceWish::Microphone(MicrophoneSpec::Card(name)) => ("Microphone", name.as_str()),
        DeviceWish::Microphone(_) => ("Microphone", "default"),
        DeviceWish::Speaker(SpeakerSpec::Card(name)) => ("Speaker", name.as_str()),
        DeviceWish::Speaker(_) => ("Speaker", "default"),
    };
    format!("{role}: {name}")
}

/// Who is to be added, as it is typed.
fn typed(line: &TypedLine, width: usize) -> Line<'static> {
    const LABEL: &str = "Add: ";
    let (before, after) = line.shown(width.saturating_sub(LABEL.len() + 1));
    let mut at = after.chars();
    let cursor = at.next().map_or_else(|| " ".to_owned(), String::from);
    Line::from(vec![
        Span::styled(LABEL, Palette::strong()),
        Span::raw(before),
        Span::styled(cursor, Style::new().add_modifier(Modifier::REVERSED)),
        Span::raw(at.as_str().to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALETTE: Palette = Palette { colour: false };

    fn headset() -> DeviceWish {
        DeviceWish::Speaker(SpeakerSpec::Card("USB Headset".to_owned()))
    }

    fn microphone() -> DeviceWish {
        DeviceWish::Microphone(MicrophoneSpec::Default)
    }

    fn press(foot: Foot, code: KeyCode) -> (Option<Foot>, Option<Action>) {
        foot.key(code.into())
    }

    fn shown(foot: &Foot, width: u16) -> String {
        let line = foot.line(width, PALETTE);
        assert!(line.width() <= usize::from(width), "{line}");
        line.to_string()
    }

    #[test]
    fn a_device_is_taken_once_it_is_known_and_the_arrows_go_round() {
        let looking = Foot::Sound(SoundChoice::default());
        assert!(shown(&looking, 72).starts_with("Looking"));
        let (Some(Foot::Sound(mut choice)), None) = press(looking, KeyCode::Enter) else {
            panic!("it is not known yet");
        };
        choice.found(vec![microphone(), headset()]);
        let mut foot = Foot::Sound(choice);
        for (key, expected) in [
            (KeyCode::Down, "Speaker: USB Headset  2 of 2"),
            (KeyCode::Down, "Microphone: default  1 of 2"),
            (KeyCode::Up, "Speaker: USB Headset  2 of 2"),
            (KeyCode::Char('q'), "Speaker: USB Headset  2 of 2"),
        ] {
            foot = press(foot, key).0.unwrap();
            assert!(shown(&foot, 72).starts_with(expected));
            assert!(shown(&foot, 40).starts_with(expected));
            shown(&foot, 20);
        }
        let (None, action) = press(foot, KeyCode::Enter) else {
            panic!("it has been taken");
        };
        assert_eq!(action, Some(Action::Exchange(headset())));
    }

    #[test]
    fn nothing_is_taken_where_there_is_nothing_or_nobody_wants_to() {
        let mut choice = SoundChoice::default();
        choice.found(Vec::new());
        for key in [KeyCode::Down, KeyCode::Up, KeyCode::Enter] {
            let (Some(Foot::Sound(same)), None) = press(Foot::Sound(choice), key) else {
                panic!("{key}");
            };
            choice = same;
        }
        let foot = Foot::Sound(choice);
        assert!(shown(&foot, 72).starts_with("No sound card"));
        assert!(matches!(press(foot, KeyCode::Esc), (None, None)));
    }
}
