//! Pictures as people send them, from the seeded generator.

use std::collections::BTreeMap;

use securecall_contact::{Address, ContactLink};
use securecall_contact_qr::{QrCode, read_contacts, read_texts};
use securecall_pictures::{Kind, Picture};

/// A PNG file of eight-bit pixels.
pub(crate) fn png_of(width: usize, height: usize, color: png::ColorType, pixels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
    file
}

/// The modules of a code as pixels: `module` a module, quiet zone included; dark ones are `true`.
pub(crate) fn dark_pixels(code: &QrCode, module: usize) -> (usize, Vec<bool>) {
    let side = (code.width() + 2 * QrCode::QUIET_ZONE) * module;
    let place = |v: usize| (v / module).wrapping_sub(QrCode::QUIET_ZONE);
    let dark = (0..side * side)
        .map(|index| code.is_dark(place(index % side), place(index / side)))
        .collect();
    (side, dark)
}

/// A seed that no figure is published for. 12-megapixel photos take a while to draw: two of each kind are enough.
#[test]
fn pictures_as_people_send_them_are_read() {
    let mut read: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut missed = Vec::new();
    let mut pictures = 0;
    for kind in Kind::ALL {
        let numbers = match kind {
            Kind::PhotoLarge | Kind::PhotoSmall => 2,
            _ => 4,
        };
        for number in 0..numbers {
            let picture = Picture::new(kind, 77, number);
            let found = read_texts(&picture.file).unwrap_or_default();
            assert!(
                found.iter().all(|text| picture.texts.contains(text)),
                "{}: {found:?}",
                picture.name
            );
            pictures += 1;
            if found.len() == picture.texts.len() {
                *read.entry(kind).or_default() += 1;
            } else {
                missed.push(picture.name);
            }
        }
    }
    let total: usize = read.values().sum();
    assert!(pictures >= 60, "{pictures}");
    assert!(
        total + 2 >= pictures,
        "{total} of {pictures}, not {missed:?}"
    );
}

#[test]
fn all_contacts_of_a_picture_are_found() {
    let mut several = 0;
    for number in 0..4 {
        let picture = Picture::new(Kind::Several, 5, number);
        let found = read_contacts(&picture.file).unwrap();
        several += usize::from(found.contacts.len() > 1);
        let mut links: Vec<String> = found
            .contacts
            .iter()
            .map(|contact| match &contact.address {
                Address::Link(link) => link.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        let mut texts = picture.texts;
        links.sort();
        texts.sort();
        assert_eq!(links, texts, "{}", picture.name);
    }
    assert_eq!(several, 4);
}

#[test]
fn a_code_that_is_no_contact_is_skipped_beside_one_that_is() {
    let link: ContactLink =
        "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab"
            .parse()
            .unwrap();
    let [(left, a), (right, b)] = [
        QrCode::of_text("https://example.org/menu").unwrap(),
        QrCode::of_link(&link).unwrap(),
    ]
    .map(|code| dark_pixels(&code, 5));
    let (width, height) = (left + right, left.max(right));
    let mut pixels = vec![255; width * height];
    for (side, from, dark) in [(left, 0, a), (right, left, b)] {
        for (index, _) in dark.iter().enumerate().filter(|(_, dark)| **dark) {
            pixels[index / side * width + from + index % side] = 0;
        }
    }
    let found = read_contacts(&png_of(width, height, png::ColorType::Grayscale, &pixels)).unwrap();
    assert_eq!(found.contacts.len(), 1);
    assert_eq!(found.contacts[0].address, Address::Link(link));
    assert_eq!(found.skipped, 1);
}

#[test]
fn a_code_drawn_on_nothing_is_read_whatever_its_colour() {
    let code = QrCode::of_text("securecall").unwrap();
    let (side, dark) = dark_pixels(&code, 6);
    // Dark modules in black, or light modules in white, on transparent pixels of the same colour.
    for (ink, drawn) in [(0_u8, true), (255, false)] {
        let pixels: Vec<u8> = dark
            .iter()
            .flat_map(|dark| [ink, if *dark == drawn { 255 } else { 0 }])
            .collect();
        let file = png_of(side, side, png::ColorType::GrayscaleAlpha, &pixels);
        assert_eq!(read_texts(&file).unwrap(), ["securecall"], "ink {ink}");
    }
}

#[test]
fn every_layout_of_png_is_read() {
    let code = QrCode::of_text("securecall").unwrap();
    let (side, dark) = dark_pixels(&code, 4);
    let value = |dark: &bool| if *dark { 0 } else { 255 };
    let grey: Vec<u8> = dark.iter().map(value).collect();
    let rgb: Vec<u8> = dark.iter().flat_map(|dark| [value(dark); 3]).collect();
    let rgba: Vec<u8> = dark
        .iter()
        .flat_map(|dark| [value(dark), value(dark), value(dark), 255])
        .collect();
    for (color, pixels) in [
        (png::ColorType::Grayscale, &grey),
        (png::ColorType::Rgb, &rgb),
        (png::ColorType::Rgba, &rgba),
    ] {
        let file = png_of(side, side, color, pixels);
        assert_eq!(read_texts(&file).unwrap(), ["securecall"], "{color:?}");
    }
    // Sixteen bits, and a palette.
    let wide: Vec<u8> = grey.iter().flat_map(|value| [*value, *value]).collect();
    let palette: Vec<u8> = dark.iter().map(|dark| u8::from(!dark)).collect();
    for (color, depth, pixels) in [
        (png::ColorType::Grayscale, png::BitDepth::Sixteen, &wide),
        (png::ColorType::Indexed, png::BitDepth::Eight, &palette),
    ] {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side as u32, side as u32);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == png::ColorType::Indexed {
            encoder.set_palette([10, 20, 90, 240, 240, 200].as_slice());
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(pixels).unwrap();
        writer.finish().unwrap();
        assert_eq!(read_texts(&file).unwrap(), ["securecall"], "{color:?}");
    }
}

/// A PNG whose rows come in the seven passes of Adam7; a file, because our encoder does not write such.
#[test]
fn an_interlaced_png_is_read() {
    let file = include_bytes!("interlaced.png");
    assert_eq!(read_texts(file).unwrap(), ["securecall, interlaced"]);
}
