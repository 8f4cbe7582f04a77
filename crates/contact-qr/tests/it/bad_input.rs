//! Files that are no pictures, damaged pictures, pictures without contacts: each has its message.

use securecall_contact::{AddressError, ContactLinkError, SecureCallIdError};
use securecall_contact_qr::{PictureError, QrCode, read_contacts, read_texts};
use securecall_pictures::{Kind, Picture};

use crate::pictures::png_of;

fn error_of(file: &[u8]) -> PictureError {
    read_contacts(file).unwrap_err()
}

fn grey_png(width: usize, height: usize) -> Vec<u8> {
    png_of(
        width,
        height,
        png::ColorType::Grayscale,
        &vec![200; width * height],
    )
}

/// One small picture in each format.
fn one_of_each() -> [Picture; 3] {
    let find = |ending: &str| {
        (0..40)
            .map(|number| Picture::new(Kind::ScaledDown, 3, number))
            .find(|picture| picture.name.ends_with(ending))
            .unwrap()
    };
    [find("png"), find("jpg"), find("webp")]
}

#[test]
fn an_empty_file_and_other_files_are_named() {
    assert_eq!(error_of(b""), PictureError::Empty);
    assert_eq!(error_of(b"").to_string(), "the file is empty");
    assert_eq!(
        error_of(b"GIF89a\x01\0\x01\0").to_string(),
        "not a PNG, JPEG or WebP picture but a GIF picture"
    );
    assert_eq!(
        error_of(b"hello").to_string(),
        "not a PNG, JPEG or WebP picture but a text"
    );
    assert_eq!(
        error_of(&[1, 2, 3, 4]).to_string(),
        "not a PNG, JPEG or WebP picture"
    );
}

#[test]
fn a_file_that_is_too_large_is_not_even_looked_at() {
    let mut file = grey_png(10, 10);
    file.resize(64_000_001, 0);
    assert_eq!(error_of(&file), PictureError::FileTooLarge);
}

#[test]
fn a_picture_without_a_code_has_none() {
    assert_eq!(error_of(&grey_png(300, 200)), PictureError::NoCode);
    assert_eq!(error_of(&grey_png(1, 1)), PictureError::NoCode);
    assert_eq!(error_of(&grey_png(1, 900)), PictureError::NoCode);
    let chat = Picture::screenshot_without_code(1, 0);
    assert_eq!(error_of(&chat.file), PictureError::NoCode);
}

#[test]
fn a_code_that_holds_something_else_is_said_to() {
    let wifi = QrCode::of_text("WIFI:S:guests;T:WPA;P:secret;;").unwrap();
    assert_eq!(
        error_of(&wifi.to_png()),
        PictureError::NoContact {
            codes: 1,
            fault: None
        }
    );
}

#[test]
fn what_is_wrong_with_a_would_be_contact_is_said() {
    let broken = "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnaa";
    let error = error_of(&QrCode::of_text(broken).unwrap().to_png());
    assert_eq!(
        error,
        PictureError::NoContact {
            codes: 1,
            fault: Some(AddressError::Link(ContactLinkError::Id(
                SecureCallIdError::Checksum
            )))
        }
    );
    assert!(
        error
            .to_string()
            .starts_with("the QR code holds no valid contact: "),
        "{error}"
    );
}

#[test]
fn a_truncated_picture_is_damaged_or_read_and_never_a_panic() {
    for picture in one_of_each() {
        assert!(read_texts(&picture.file).is_ok(), "{}", picture.name);
        let length = picture.file.len();
        // Every length at the start, where headers are, then one in some.
        let lengths = (1..length.min(200)).chain((200..length).step_by((length / 40).max(1)));
        for length in lengths {
            match read_texts(&picture.file[..length]) {
                Err(PictureError::Damaged(_)) => {}
                Err(PictureError::Format { .. }) => assert!(length < 12, "{length}"),
                // What there is of it holds the code.
                Ok(texts) => assert!(
                    texts.iter().all(|text| picture.texts.contains(text)),
                    "{length}"
                ),
                other => panic!("{} cut to {length}: {other:?}", picture.name),
            }
        }
    }
}

#[test]
fn changed_bytes_are_never_a_panic() {
    for picture in one_of_each() {
        for position in (0..picture.file.len()).step_by((picture.file.len() / 120).max(1)) {
            let mut file = picture.file.clone();
            file[position] ^= 0x5a;
            let _ = read_texts(&file);
        }
    }
}

#[test]
fn a_header_without_a_picture_is_damaged() {
    for file in [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        b"\xff\xd8\xff\xd9",
        b"RIFF\0\0\0\0WEBP",
        b"RIFF\x04\0\0\0WEBPVP8 \xff\xff\xff\xff",
    ] {
        assert!(
            matches!(error_of(file), PictureError::Damaged(_)),
            "{file:?}: {:?}",
            error_of(file)
        );
    }
}
