//! The main screen at many sizes, as text.

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
fn whoever_is_blocked_is_shown_so() {
    let mut screen = screen();
    let bo = contact("Bo", 8);
    screen.know_contacts(&[contact("Ada", 7), bo.clone()]);
    screen.know_blocked(vec![bo.matrix_id]);
    for (width, mark) in [(80, "✗ blocked"), (40, "✗")] {
        let shown = drawn(&mut screen, width, 24);
        let row = |name: &str| shown.lines().find(|line| line.contains(name)).unwrap();
        assert!(row(" Bo ").contains(mark), "{shown}");
        assert!(!row(" Ada ").contains('✗'), "{shown}");
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
