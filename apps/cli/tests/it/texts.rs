//! Contacts in texts as they arrive: files and standard input in several encodings, what a mail has made of a link, and what could
//! be read in another way.

use crate::command::{Machine, end_with_bytes, expect, text};
use crate::pseudo_terminal::PseudoTerminal;

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

fn message() -> String {
    format!("Grüße! securecall://contact/{A}?server=bugs.test")
}

fn in_every_encoding(text: &str) -> Vec<Vec<u8>> {
    let units = |write: fn(u16) -> [u8; 2], mark: &str| {
        let marked = format!("{mark}{text}");
        marked.encode_utf16().flat_map(write).collect::<Vec<u8>>()
    };
    vec![
        text.as_bytes().to_vec(),
        format!("\u{feff}{text}").into_bytes(),
        units(u16::to_le_bytes, "\u{feff}"),
        units(u16::to_be_bytes, "\u{feff}"),
        units(u16::to_le_bytes, ""),
        units(u16::to_be_bytes, ""),
        text.chars().map(|character| character as u8).collect(),
    ]
}

#[test]
fn a_message_is_read_in_every_encoding_from_a_file_and_from_standard_input() {
    let (machine, _) = Machine::with_identity();
    for bytes in in_every_encoding(&message()) {
        let file = machine.file("message.txt", &bytes);
        let from_file = machine.run(&["--json", "contact", "add", text(&file)]);
        let from_input =
            end_with_bytes(&mut machine.command(&["--json", "contact", "add"]), &bytes);
        for ended in [from_file, from_input] {
            assert_eq!(ended.code, 0, "{bytes:?}: {ended:?}");
            assert_eq!(ended.events()[0]["matrix_id"], format!("@sc_{A}:bugs.test"));
        }
    }
    let utf32: Vec<u8> = format!("\u{feff}{}", message())
        .chars()
        .flat_map(|character| (character as u32).to_le_bytes())
        .collect();
    let file = machine.file("message.txt", utf32);
    let error = expect(
        machine.refused(&["contact", "add", text(&file)]),
        2,
        "invalid_file",
    );
    assert!(
        error["message"].as_str().unwrap().contains("UTF-32"),
        "{error}"
    );
}

#[test]
fn what_could_be_read_in_another_way_is_shown_first() {
    let (machine, _) = Machine::with_identity();
    let link = format!("securecall://contact/{A}?server=bugs.test");
    for doubtful in [
        format!("{link}谢谢"),
        format!("securecall://contact/{A}?server=3Dbugs.test"),
        format!(
            "securecall://contact/{}=\n{}?server=3Dbugs.test",
            &A[..20],
            &A[20..]
        ),
        format!(
            "https://gate.example/?url=https%3A%2F%2Fa.example%2Fadd%2F%23{A}%3Fserver%3Dbugs.test"
        ),
        format!("securecall://contact/{A}\n?server=bugs.test"),
        format!("a.example/add/#{A}?server=bugs.test"),
    ] {
        let add = ["contact", "add", &doubtful];
        let error = expect(machine.refused(&add), 2, "needs_terminal");
        assert!(
            error["message"].as_str().unwrap().contains(&link),
            "{error}"
        );
        let mut asked = PseudoTerminal::run(machine.command(&add));
        let shown = asked.wait_for("[y/N]");
        assert!(shown.contains("Careful"), "{shown}");
        asked.press("\n");
        assert_eq!(asked.end().0, 0);
        assert_eq!(
            machine.json(&["contact", "list"])[0]["count"],
            0,
            "{doubtful}"
        );
        let added = machine.json(&["contact", "add", "--uncertain", &doubtful]);
        assert_eq!(
            added[0]["matrix_id"],
            format!("@sc_{A}:bugs.test"),
            "{doubtful}"
        );
        machine.json(&["contact", "remove", A]);
    }
}

#[test]
fn a_name_of_no_file_and_a_directory_are_said_to_be_so() {
    let (machine, _) = Machine::with_identity();
    for (name, said) in [
        ("nothing.png", "there is no file nothing.png"),
        ("nothing.txt", "there is no file nothing.txt"),
        ("./nothing", "there is no file ./nothing"),
        ("/", "/ is a directory, not a file"),
    ] {
        let error = expect(
            machine.refused(&["contact", "add", name]),
            2,
            "invalid_file",
        );
        assert_eq!(error["message"], said);
        assert!(error["help"].is_string());
    }
}
