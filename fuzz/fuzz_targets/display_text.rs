//! Text from outside as a person is shown it: nothing in it does more than be drawn, a line is one line of bounded length, and what
//! was made fit once stays as it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_contact::{MAX_MARKS, display_line, display_text, is_harmful, is_mark};

fuzz_target!(|input: (u8, &str)| {
    let (length, text) = input;
    let length = usize::from(length).max(1);

    let line = display_line(text, length);
    assert!(line.chars().count() <= length);
    assert!(!line.contains(is_harmful), "{line:?}");
    assert!(!line.contains("   "), "{line:?}");
    assert_no_pile(&line);
    assert_eq!(display_line(&line, length), line);

    let lines = display_text(text);
    assert!(lines.chars().count() <= text.chars().count());
    let harms = |c: char| is_harmful(c) && !matches!(c, '\n' | '\t');
    assert!(!lines.contains(harms), "{lines:?}");
    assert_no_pile(&lines);
    assert_eq!(display_text(&lines), lines);

    // The separators of lines and paragraphs are spaces in a line, and nothing in a text that has lines.
    if !text.contains(['\u{2028}', '\u{2029}']) {
        let whole = display_line(text, usize::MAX);
        assert_eq!(display_line(&lines, usize::MAX), whole);
    }
});

fn assert_no_pile(text: &str) {
    let runs = text.split(|c: char| !is_mark(c));
    let longest = runs.map(|run| run.chars().count()).max();
    assert!(longest <= Some(MAX_MARKS), "{text:?}");
}
