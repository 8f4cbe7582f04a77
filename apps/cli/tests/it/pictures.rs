//! Contacts as QR codes: written by one profile, read by another.

use std::process::Stdio;

use securecall_contact_qr::QrCode;
use serde_json::Value;

use crate::command::{Machine, end, expect, text};

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

#[test]
fn a_code_that_is_shared_as_a_picture_adds_the_contact() {
    let (ada, ada_id) = Machine::with_identity();
    let (bo, _) = Machine::with_identity();
    let (png, svg) = (bo.file("ada.png", ""), bo.file("ada.svg", ""));
    let shared = ada.json(&[
        "contact",
        "share",
        "--name",
        "Ada",
        "--png",
        text(&png),
        "--svg",
        text(&svg),
    ]);
    let added = bo.json(&["contact", "add", text(&png)]).remove(0);
    assert_eq!(
        (&added["name"], &added["id"], &added["link"]),
        (
            &Value::from("Ada"),
            &Value::from(ada_id),
            &shared[0]["deep_link"]
        )
    );
    assert!(std::fs::read_to_string(&svg).unwrap().starts_with("<svg"));

    // As a picture that comes over a pipe, too.
    let (cleo, _) = Machine::with_identity();
    let mut piped = cleo.command(&["--json", "contact", "add", "-"]);
    piped.stdin(Stdio::from(std::fs::File::open(&png).unwrap()));
    assert_eq!(end(&mut piped).code, 0);
}

#[test]
fn a_code_is_printed_for_dark_and_light_backgrounds_and_for_scripts() {
    let (ada, _) = Machine::with_identity();
    let shown = |option: &str| ada.run(&["contact", "share", option]).stdout;
    let (plain, dark, light) = (shown("--qr"), shown("--qr=dark"), shown("--qr=light"));
    assert_eq!(
        plain, dark,
        "where there is no terminal, there are no colours"
    );
    let blocks = |text: &str| {
        text.chars()
            .filter(|c| matches!(c, '█' | '▀' | '▄'))
            .count()
    };
    assert!(blocks(&dark) > 400 && blocks(&light) > 200, "{dark}{light}");
    assert_ne!(dark, light);
    assert!(
        dark.contains("securecall://contact/"),
        "the text is there as well: {dark}"
    );
    let event = ada.json(&["contact", "share", "--qr=light"]).remove(0);
    assert!(light.contains(event["qr"].as_str().unwrap().trim_end_matches('\n')));
    let without = ada.json(&["contact", "share"]).remove(0);
    assert_eq!(without.get("qr"), None);
}

#[test]
fn a_pasted_message_comes_over_standard_input() {
    let (machine, _) = Machine::with_identity();
    let message = format!("Hi, this is me: securecall://contact/{A}?name=Ada — call me!\nRegards");
    let added = machine.run_with_input(&["--json", "contact", "add"], &message);
    assert_eq!(
        (added.code, &added.events()[0]["name"]),
        (0, &Value::from("Ada"))
    );
    let again = machine.run_with_input(&["--json", "contact", "add", "-"], "nothing in here");
    expect(again.error(), 2, "invalid_link");
    let empty = machine.run_with_input(&["--json", "contact", "add"], "");
    expect(empty.error(), 2, "invalid_link");
    let long = machine.run_with_input(&["--json", "contact", "add"], &"word ".repeat(2_000_000));
    expect(long.error(), 2, "invalid_link");
    assert_eq!(machine.json(&["contact", "list"]).len(), 1);
}

/// The checksum of a PNG's chunk.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn what_is_no_picture_of_a_contact_adds_nothing_and_says_why() {
    let (ada, _) = Machine::with_identity();
    let (machine, _) = Machine::with_identity();
    let good = machine.file("good.png", "");
    ada.json(&["contact", "share", "--png", text(&good)]);
    let bytes = std::fs::read(&good).unwrap();
    // Only the header is true: 60,000 × 60,000 pixels.
    let mut bomb = bytes.clone();
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let checksum = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
    for (name, content, said) in [
        ("empty.png", &b""[..], "empty"),
        ("text.png", b"these are only words", "not a PNG"),
        ("cut.png", &bytes[..bytes.len() / 2], "damaged"),
        ("bomb.png", &bomb[..], "pixels"),
    ] {
        let path = machine.file(name, content);
        let error = expect(
            machine.refused(&["contact", "add", text(&path)]),
            2,
            "invalid_picture",
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(said) && message.contains(name),
            "{name}: {message}"
        );
        assert!(error["help"].is_string(), "{error}");
    }
    expect(
        machine.refused(&["contact", "add", "/nonexistent/code.png"]),
        2,
        "invalid_file",
    );
    expect(
        machine.refused(&["contact", "add", text(&machine.profile())]),
        2,
        "invalid_file",
    );
    expect(
        machine.refused(&["contact", "share", "--png", "/nonexistent/code.png"]),
        2,
        "invalid_file",
    );
    assert_eq!(machine.json(&["contact", "list"])[0]["count"], 0);
}

/// A grey PNG without compression.
fn png(width: usize, rows: &[Vec<u8>]) -> Vec<u8> {
    let mut raw = Vec::new();
    for row in rows {
        assert_eq!(row.len(), width);
        raw.push(0);
        raw.extend(row);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in &raw {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let mut data = vec![0x78, 0x01];
    let blocks: Vec<&[u8]> = raw.chunks(65_535).collect();
    for (index, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        data.push(u8::from(index + 1 == blocks.len()));
        data.extend(length.to_le_bytes());
        data.extend((!length).to_le_bytes());
        data.extend(*block);
    }
    data.extend(((b << 16) | a).to_be_bytes());

    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let header = [&size(width)[..], &size(rows.len()), &[8, 0, 0, 0, 0]].concat();
    for (kind, content) in [(b"IHDR", &header[..]), (b"IDAT", &data), (b"IEND", &[])] {
        let chunk = [&kind[..], content].concat();
        file.extend(size(content.len()));
        file.extend(&chunk);
        file.extend(crc32(&chunk).to_be_bytes());
    }
    file
}

#[test]
fn a_damaged_contact_beside_a_good_one_is_said() {
    const PIXELS: usize = 6;
    let good = format!("securecall://contact/{A}");
    let damaged = format!("securecall://contact/{}", &A[1..]);
    let codes = [good.clone(), damaged, "https://example.org/".to_owned()]
        .map(|text| QrCode::of_text(&text).unwrap());
    let widths = codes.iter().map(|code| code.width() + 8);
    let (width, height) = (widths.clone().sum::<usize>(), widths.max().unwrap());
    let mut rows = vec![vec![255_u8; width * PIXELS]; height * PIXELS];
    let mut left = 4;
    for code in &codes {
        for (y, row) in rows.iter_mut().enumerate() {
            for x in 0..code.width() * PIXELS {
                let (column, line) = (x / PIXELS, (y / PIXELS).wrapping_sub(4));
                if line < code.width() && code.is_dark(column, line) {
                    row[left * PIXELS + x] = 0;
                }
            }
        }
        left += code.width() + 8;
    }
    let (machine, _) = Machine::with_identity();
    let picture = machine.file("codes.png", png(width * PIXELS, &rows));
    let ended = machine.run(&["--json", "contact", "add", text(&picture)]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(
        ended.events()[0]["link"],
        format!("{good}?name={}", &A[..8])
    );
    assert!(
        ended.stderr.contains("another QR code in the picture"),
        "{ended:?}"
    );
}
