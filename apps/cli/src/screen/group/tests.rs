//! The screen of a group call at many sizes, as text.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use securecall_driver::{LeftReason, PathRoute, Tier};

use super::*;
use crate::sample_calls::{call, device_of, room_keeps};
use crate::sample_contacts::id;
use crate::screen::palette::Palette;

fn somebody(number: u8, name: Option<&str>) -> Peer {
    let id = id(number);
    Peer {
        id: Some(id),
        matrix_id: format!("@sc_{id}:a-long-name.example.org").parse().unwrap(),
        name: name.map(str::to_owned),
        new_address: false,
        device_id: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "any time will do")]
fn now() -> Instant {
    Instant::now()
}

/// What happens, one thing after the other.
struct Story {
    at: Instant,
    screen: GroupScreen,
}

impl Story {
    fn new() -> Self {
        Self {
            at: now(),
            screen: GroupScreen::new([id(1)].into()),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "events are made where they are told"
    )]
    fn happens(&mut self, event: ConferenceEvent) -> &mut Self {
        self.screen.handle_conference(self.at, &event);
        self
    }

    fn call_is(&mut self, event: CallEvent) -> &mut Self {
        self.screen.handle(&Event::Call(event));
        self
    }

    /// We call somebody.
    fn invites(&mut self, number: u8, peer: &Peer) -> &mut Self {
        let (call, invited, leg) = (call(number), peer.clone(), peer.clone());
        self.happens(ConferenceEvent::Invited {
            peer: invited,
            by: None,
        });
        self.happens(ConferenceEvent::Leg { call, peer: leg })
    }

    /// Somebody is there.
    fn joins(&mut self, number: u8, peer: &Peer, by: Option<&Peer>) -> &mut Self {
        let connected = CallEvent::Connected {
            call: call(number),
            peer: peer.clone(),
            tier: Tier::SecureCall,
            route: PathRoute::Direct,
            safety_words: None,
            setup: Duration::ZERO,
        };
        self.happens(ConferenceEvent::Leg {
            call: call(number),
            peer: peer.clone(),
        });
        self.call_is(connected);
        self.screen.member(peer).words = Some(words());
        self.happens(ConferenceEvent::Joined {
            call: call(number),
            peer: peer.clone(),
            brought_by: by.cloned(),
        })
    }

    fn drawn(&self, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let palette = Palette { colour: false };
        terminal
            .draw(|frame| self.screen.draw(frame, self.at, palette, None))
            .unwrap();
        terminal.backend().to_string()
    }
}

/// Safety words come of a handshake; these are as long as any.
fn words() -> [String; 4] {
    ["absolute", "together", "marginal", "purchase"].map(str::to_owned)
}

/// Ada is there, Bo rings, Cy is called by Ada, a stranger has no path, Di is being connected.
fn busy() -> Story {
    let mut story = Story::new();
    let ada = somebody(1, Some("Ada"));
    let bo = somebody(2, Some("Bo"));
    let cy = somebody(3, Some("Cy"));
    let stranger = somebody(4, None);
    let di = somebody(5, Some("Di"));
    story.invites(1, &ada).invites(2, &bo);
    story.joins(1, &ada, None);
    story.call_is(CallEvent::Ringing { call: call(2) });
    story.happens(ConferenceEvent::Invited {
        peer: cy,
        by: Some(ada),
    });
    story.happens(ConferenceEvent::NoPath { peer: stranger });
    story.happens(ConferenceEvent::Leg {
        call: call(5),
        peer: di,
    });
    story.screen.handle(&Event::Levels {
        call: call(1).handle,
        input: 0.1,
        output: 0.3,
    });
    story
}

fn row<'a>(shown: &'a str, name: &str) -> &'a str {
    let mut lines = shown.lines();
    let found = lines.find(|line| line.contains(name));
    found.unwrap_or_else(|| panic!("no {name}:\n{shown}"))
}

#[test]
fn everybody_has_a_row_that_says_how_far_we_are_with_them() {
    let story = busy();
    for (width, height) in [(80, 24), (40, 24)] {
        let shown = story.drawn(width, height);
        assert!(row(&shown, "Group call of 2").contains("00:00"), "{shown}");
        for (name, said) in [
            ("Ada ✓", "█"),
            ("Bo", "ringing"),
            ("Cy", "called by"),
            ("@sc_", "no path"),
            ("Di", "connecting"),
            ("You", "█"),
        ] {
            assert!(row(&shown, name).contains(said), "{name}:\n{shown}");
        }
    }
}

#[test]
fn whoever_comes_is_said_to_be_brought_by_somebody_and_whoever_leaves_has_no_row() {
    let mut story = busy();
    let (ada, cy) = (somebody(1, Some("Ada")), somebody(3, Some("Cy")));
    story.joins(3, &cy, Some(&ada));
    let shown = story.drawn(80, 30);
    assert!(shown.contains("Cy is here, brought by Ada"), "{shown}");
    assert!(shown.contains("Group call of 3"), "{shown}");
    story.happens(ConferenceEvent::Left {
        peer: cy,
        why: LeftReason::Vanished,
    });
    let shown = story.drawn(80, 30);
    assert!(
        shown.contains("Cy is not here: nothing was heard"),
        "{shown}"
    );
    assert_eq!(shown.matches("Cy").count(), 1, "{shown}");
}

#[test]
fn the_selected_member_is_shown_in_full_and_what_keys_do_is_about_them() {
    let mut story = busy();
    let (ada, bo) = (somebody(1, Some("Ada")), somebody(2, Some("Bo")));
    story.joins(2, &bo, Some(&ada));
    let press = |story: &mut Story, code: KeyCode| story.screen.key(code.into());
    // Ada is verified already.
    assert_eq!(press(&mut story, KeyCode::Char('v')), None);
    assert_eq!(press(&mut story, KeyCode::Down), None);
    let shown = story.drawn(80, 24);
    assert!(shown.contains(&id(2).to_string()), "{shown}");
    assert!(shown.contains("Bo, brought by Ada"), "{shown}");
    assert!(shown.contains(&words().join(" ")), "{shown}");
    assert_eq!(
        press(&mut story, KeyCode::Char('v')),
        Some(Action::VerifyMember(id(2)))
    );
    let louder = Volume::AS_IT_CAME.stepped(true);
    assert_eq!(
        press(&mut story, KeyCode::Char('+')),
        Some(Action::SetVolume(call(2).handle, louder))
    );
    story.screen.set_volume(call(2).handle, louder);
    assert!(row(&story.drawn(80, 24), "▸ ").contains("volume 125 %"));
    assert_eq!(
        press(&mut story, KeyCode::Char('m')),
        Some(Action::SetMuted(true))
    );
    assert_eq!(press(&mut story, KeyCode::Esc), Some(Action::Hangup));
}

#[test]
fn the_same_row_stays_selected_when_one_above_it_goes() {
    let mut story = busy();
    story.screen.key(KeyCode::Down.into());
    story.happens(ConferenceEvent::Left {
        peer: somebody(1, Some("Ada")),
        why: LeftReason::HungUp,
    });
    assert!(row(&story.drawn(80, 24), "▸ ").contains("Bo"));
    // Below the last there is nothing to select.
    for _ in 0..9 {
        story.screen.key(KeyCode::Down.into());
    }
    assert!(row(&story.drawn(80, 24), "▸ ").contains("Di"));
}

#[test]
fn columns_stay_straight_under_names_of_every_kind_and_nothing_breaks_at_any_size() {
    let names = [
        "Ada",
        "山田 太郎",
        "🦊 fox",
        "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306} marks",
        "ไทยกี่",
        "\u{202e}desrever \u{1b}[31m red\nsecond line",
        "a very long name that has no room at all in a row of this width",
    ];
    let mut story = Story::new();
    for (name, number) in names.iter().zip(11..) {
        story.joins(number, &somebody(number, Some(name)), None);
        story.screen.handle(&Event::Levels {
            call: call(number).handle,
            input: 0.0,
            output: 1.0,
        });
    }
    for width in [40, 60, 80, 120] {
        let mut terminal = Terminal::new(TestBackend::new(width, 30)).unwrap();
        let palette = Palette { colour: false };
        terminal
            .draw(|frame| story.screen.draw(frame, story.at, palette, None))
            .unwrap();
        let buffer = terminal.backend().buffer();
        let columns: Vec<u16> = (0..30)
            .filter_map(|y| (0..width).find(|x| buffer[(*x, y)].symbol() == "█"))
            .collect();
        assert_eq!(columns.len(), names.len(), "{width}");
        assert!(columns.iter().all(|it| *it == columns[0]), "{columns:?}");
        assert!(!story.drawn(width, 30).contains('\u{202e}'));
    }
    for width in (1..130).step_by(3) {
        for height in [1, 2, 3, 5, 8, 16, 40] {
            story.drawn(width, height);
        }
    }
}

#[test]
fn the_smallest_terminals_show_the_rows() {
    let story = busy();
    for (width, height) in [(20, 9), (30, 10), (40, 12)] {
        let shown = story.drawn(width, height);
        for name in ["Ada", "Bo", "Cy", "Di", "leave"] {
            assert!(shown.contains(name), "{width}×{height}:\n{shown}");
        }
    }
}

#[test]
fn eight_people_have_room_on_an_ordinary_terminal() {
    let mut story = Story::new();
    for number in 1..8 {
        let name = format!("Member {number}");
        story.joins(number, &somebody(number, Some(&name)), None);
    }
    story.screen.words = Some(words());
    let shown = story.drawn(80, 24);
    for part in ["Group call of 8", "Member 1", "Member 7", "Group words"] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    assert!(shown.contains(&id(1).to_string()), "{shown}");
}

/// We are in the call of a room, with two devices of Ada and one of a stranger.
fn in_a_room(in_clear: bool) -> Story {
    let mut story = Story::new();
    let ConferenceEvent::Keeps(room) = room_keeps(in_clear) else {
        unreachable!("it says so")
    };
    story.screen = GroupScreen::of_room([id(1)].into(), &room);
    let devices = [
        device_of("@ada:example.org", "PHONE", Some("Ada")),
        device_of("@ada:example.org", "LAPTOP", Some("Ada")),
        device_of("@bo:example.org", "PHONE", None),
    ];
    for (number, peer) in (1..).zip(devices) {
        story.joins(number, &peer, None);
        story.screen.member(&peer).words = None;
    }
    story
}

#[test]
fn in_a_room_each_device_has_a_row_and_what_protects_it_is_said() {
    let mut story = in_a_room(false);
    for (width, height) in [(80, 24), (60, 24)] {
        let shown = story.drawn(width, height);
        assert!(shown.contains("Group call of 4"), "{shown}");
        assert!(shown.contains("your servers and the other app"), "{shown}");
        assert!(shown.contains("@ada:example.org PHONE"), "{shown}");
        // Which of the two of one account a row is.
        for row in ["Ada PHONE ", "Ada LAPTOP ", "@bo:example.org "] {
            assert!(shown.contains(row), "{row}:\n{shown}");
        }
        assert!(!shown.contains("in clear"), "{shown}");
        // Nobody is asked in, and there is nothing to compare.
        for key in ["i add", "v words"] {
            assert!(!shown.contains(key), "{shown}");
        }
    }
    assert!(in_a_room(true).drawn(80, 24).contains("in clear"));
    assert!(!story.screen.takes_others());
    story.happens(ConferenceEvent::Left {
        peer: device_of("@ada:example.org", "PHONE", Some("Ada")),
        why: LeftReason::HungUp,
    });
    let shown = story.drawn(80, 24);
    assert!(shown.contains("Group call of 3"), "{shown}");
    assert!(shown.contains("@ada:example.org LAPTOP"), "{shown}");
}

#[test]
fn in_a_room_who_has_a_sealed_leg_has_a_row_without_a_device_and_words() {
    let mut story = in_a_room(false);
    let sealed = somebody(2, Some("Bo"));
    story.joins(4, &sealed, None);
    assert!(
        !story
            .drawn(100, 30)
            .contains("end-to-end encrypted (securecall)")
    );
    story.screen.selected = 3;
    let shown = story.drawn(100, 30);
    for said in ["end-to-end encrypted (securecall)", "absolute together"] {
        assert!(shown.contains(said), "{shown}");
    }
    assert!(shown.contains(&id(2).to_string()), "{shown}");
}

#[test]
fn who_is_called_again_and_again_has_no_path_until_there_is_one() {
    let mut story = in_a_room(false);
    let sealed = somebody(2, Some("Bo"));
    story.happens(ConferenceEvent::NoPath {
        peer: sealed.clone(),
    });
    story.happens(ConferenceEvent::Leg {
        call: call(4),
        peer: sealed.clone(),
    });
    assert!(story.drawn(100, 30).contains("no path"));
    story.joins(4, &sealed, None);
    assert!(!story.drawn(100, 30).contains("no path"));
}

#[test]
fn who_is_in_a_room_and_not_called_as_the_others_are_is_said() {
    let mut story = in_a_room(false);
    let mut known = device_of("@ada:example.org", "PHONE", Some("Ada"));
    known.id = Some(id(1));
    story.happens(ConferenceEvent::SealedInstead { peer: known });
    assert!(story.drawn(300, 24).contains("end-to-end encrypted"));
    let peer = device_of("@cy:example.org", "OLD", None);
    story.happens(ConferenceEvent::InClearRefused { peer });
    assert!(story.drawn(300, 24).contains("--in-clear"));
}
