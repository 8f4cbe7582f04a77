//! Codes that we write are read back from every form.

use securecall_contact::{Address, ContactLink, MatrixId, NameLabel, SecureCallId};
use securecall_contact_qr::{Background, QrCode, read_contacts, read_texts};

use crate::pictures::png_of;

const ID: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

fn links() -> Vec<ContactLink> {
    let id: SecureCallId = ID.parse().unwrap();
    let elsewhere: MatrixId = format!("@sc_{ID}:matrix.example.org").parse().unwrap();
    let ordinary: MatrixId = "@alice:example.org".parse().unwrap();
    vec![
        ContactLink::without_account(id),
        ContactLink::new(id, &elsewhere)
            .unwrap()
            .with_name(NameLabel::new("Ada Lovelace")),
        ContactLink::new(id, &ordinary)
            .unwrap()
            .with_name(NameLabel::new(&"ж".repeat(64))),
    ]
}

/// The terminal's text as pixels: `cell` wide and twice as high a character, with a margin of the background's colour.
fn rasterized(text: &str, background: Background, cell: usize) -> Vec<u8> {
    let (ink, ground) = match background {
        Background::Dark => (230, 20),
        Background::Light => (20, 250),
    };
    let margin = 3 * cell;
    let columns = text.lines().map(|line| line.chars().count()).max().unwrap();
    let (width, height) = (
        columns * cell + 2 * margin,
        text.lines().count() * 2 * cell + 2 * margin,
    );
    let mut pixels = vec![ground; width * height];
    for (row, line) in text.lines().enumerate() {
        for (column, character) in line.chars().enumerate() {
            let (upper, lower) = match character {
                '█' => (true, true),
                '▀' => (true, false),
                '▄' => (false, true),
                ' ' => (false, false),
                other => panic!("{other:?} is no half block"),
            };
            for (half, inked) in [upper, lower].into_iter().enumerate() {
                let top = margin + (2 * row + half) * cell;
                for y in top..top + cell {
                    let left = y * width + margin + column * cell;
                    if inked {
                        pixels[left..left + cell].fill(ink);
                    }
                }
            }
        }
    }
    png_of(width, height, png::ColorType::Grayscale, &pixels)
}

#[test]
fn a_png_that_we_write_is_read_back() {
    for link in links() {
        let found = read_contacts(&QrCode::of_link(&link).unwrap().to_png()).unwrap();
        let found_links: Vec<&Address> =
            found.contacts.iter().map(|found| &found.address).collect();
        assert_eq!(found_links, [&Address::Link(link)]);
        assert_eq!((found.skipped, found.faults.len()), (0, 0));
    }
}

#[test]
fn the_terminals_text_is_read_from_a_screenshot_of_either_background() {
    for link in links() {
        let code = QrCode::of_link(&link).unwrap();
        for background in [Background::Dark, Background::Light] {
            for cell in [2, 5, 9] {
                let picture = rasterized(&code.to_terminal(background), background, cell);
                assert_eq!(
                    read_texts(&picture).unwrap(),
                    [link.to_string()],
                    "{background:?}, {cell} pixels"
                );
            }
        }
    }
}

#[test]
fn the_terminals_text_on_the_wrong_background_is_still_read() {
    let link = links().remove(0);
    let code = QrCode::of_link(&link).unwrap();
    let picture = rasterized(&code.to_terminal(Background::Dark), Background::Light, 6);
    assert_eq!(read_texts(&picture).unwrap(), [link.to_string()]);
}

#[test]
fn the_vector_picture_has_the_same_modules() {
    let link = links().remove(1);
    let code = QrCode::of_link(&link).unwrap();
    let svg = code.to_svg();
    let side = code.width() + 2 * QrCode::QUIET_ZONE;
    assert!(svg.contains(&format!(r#"viewBox="0 0 {side} {side}""#)));
    let path = svg
        .split(r#"d=""#)
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let mut pixels = vec![255; side * side];
    for run in path.split_terminator('z') {
        let (from, rest) = run[1..].split_once('h').unwrap();
        let (column, row) = from.split_once(' ').unwrap();
        let length: usize = rest.split_once('v').unwrap().0.parse().unwrap();
        let start = row.parse::<usize>().unwrap() * side + column.parse::<usize>().unwrap();
        pixels[start..start + length].fill(0);
    }
    let large: Vec<u8> = (0..side * 4 * side * 4)
        .map(|index| pixels[index / (side * 4) / 4 * side + index % (side * 4) / 4])
        .collect();
    let picture = png_of(side * 4, side * 4, png::ColorType::Grayscale, &large);
    assert_eq!(read_texts(&picture).unwrap(), [link.to_string()]);
}
