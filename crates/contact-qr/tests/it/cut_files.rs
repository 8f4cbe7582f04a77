//! Pictures whose end is missing, as broken downloads leave them: what there is is searched.

use securecall_contact_qr::{PictureError, QrCode, read_texts};
use securecall_pictures::{Kind, Picture};

use crate::pictures::{dark_pixels, png_of};

const LINK: &str = "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

/// A code at the top of a tall picture.
fn tall_png() -> Vec<u8> {
    let (side, dark) = dark_pixels(&QrCode::of_text(LINK).unwrap(), 4);
    let mut pixels = vec![255_u8; side * side * 3];
    for (index, _) in dark.iter().enumerate().filter(|(_, dark)| **dark) {
        pixels[index] = 0;
    }
    // Below it something that does not compress, so that its bytes are at the end.
    let mut state = 7_u32;
    for pixel in &mut pixels[side * side * 2..] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *pixel = (state >> 24) as u8;
    }
    png_of(side, side * 3, png::ColorType::Grayscale, &pixels)
}

#[test]
fn a_png_that_is_cut_behind_the_code_is_read() {
    let file = tall_png();
    assert_eq!(read_texts(&file).unwrap(), [LINK]);
    for tenths in [9, 8, 7] {
        let cut = &file[..file.len() * tenths / 10];
        assert_eq!(read_texts(cut).unwrap(), [LINK], "{tenths}");
    }
    // So is one with a wrong byte behind the code.
    let mut wrong = file.clone();
    let place = file.len() * 8 / 10;
    wrong[place] ^= 0xff;
    assert_eq!(read_texts(&wrong).unwrap(), [LINK]);
    // Where the code is not whole, the reason is that something is missing, not that there is no code.
    assert_eq!(
        read_texts(&file[..200]),
        Err(PictureError::Damaged("the file ends early".to_owned()))
    );
}

/// Pictures in a format, and the texts in them.
fn pictures(ending: &str) -> Vec<Picture> {
    (0..40)
        .map(|number| Picture::new(Kind::ScaledDown, 3, number))
        .filter(|picture| picture.name.ends_with(ending))
        .filter(|picture| read_texts(&picture.file).is_ok())
        .take(8)
        .collect()
}

/// How many of them are read without so many of their bytes; the others are said to end early.
fn read_without(pictures: &[Picture], missing: impl Fn(usize) -> usize) -> usize {
    let is_read = |picture: &&Picture| {
        let length = picture.file.len();
        match read_texts(&picture.file[..length - missing(length)]) {
            Ok(texts) => {
                assert_eq!(texts, picture.texts, "{}", picture.name);
                true
            }
            Err(error) => {
                let early = PictureError::Damaged("the file ends early".to_owned());
                assert_eq!(error, early, "{}", picture.name);
                false
            }
        }
    };
    pictures.iter().filter(is_read).count()
}

#[test]
fn a_jpeg_that_is_cut_behind_the_code_is_read() {
    let pictures = pictures(".jpg");
    // Without the mark of the end nothing is missing of the picture; without more, its last rows are.
    assert_eq!(read_without(&pictures, |_| 1), pictures.len());
    assert_eq!(read_without(&pictures, |_| 2), pictures.len());
    let read = read_without(&pictures, |length| length / 50);
    assert!(read * 2 > pictures.len(), "{read}");
}

#[test]
fn a_lossy_webp_that_is_cut_behind_the_code_is_read() {
    let file = include_bytes!("lossy.webp");
    let whole = read_texts(file).unwrap();
    for missing in [1, 2] {
        let cut = &file[..file.len() - missing];
        assert_eq!(read_texts(cut).as_ref(), Ok(&whole), "{missing}");
    }
}

#[test]
fn a_lossy_webp_that_is_cut_before_the_code_is_said_to_end_early() {
    let file = include_bytes!("lossy.webp");
    for tenths in 2..6 {
        assert_eq!(
            read_texts(&file[..file.len() * tenths / 10]),
            Err(PictureError::Damaged("the file ends early".to_owned())),
            "{tenths}"
        );
    }
}

/// Its decoder gives nothing of what it has where the rest is nonsense: it is read or said to end early, never to hold no code.
#[test]
fn a_lossless_webp_that_is_cut_is_read_or_said_to_be() {
    let pictures = pictures(".webp");
    for missing in [2, 20, 200] {
        read_without(&pictures, |_| missing);
    }
}

#[test]
fn apples_own_form_of_png_is_named() {
    let error = read_texts(include_bytes!("cgbi.png")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a PNG, JPEG or WebP picture but a PNG picture in Apple's own form, as apps for iPhones hold them"
    );
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let file = tall_png();
    for place in (8..file.len().min(600)).step_by(3) {
        let mut wrong = file.clone();
        wrong[place] ^= 0x41;
        if let Err(error) = read_texts(&wrong[..wrong.len() / 3]) {
            let said = error.to_string();
            let is_words = |c: char| c.is_alphanumeric() || " ,:;()'.×".contains(c);
            assert!(said.chars().all(is_words), "{said}");
        }
    }
}
