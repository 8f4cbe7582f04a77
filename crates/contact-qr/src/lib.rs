//! QR codes of contacts: written to a terminal, as SVG and as PNG, and read from pictures.
//!
//! A contact passes from one person to another as a picture: shown on a screen, printed, or sent through whatever chat they use.
//! What comes back is rarely the picture that was made: it is a screenshot in a bubble, a photo at an angle, recompressed twice.
//! This crate writes codes that survive that, and reads them from such pictures. It opens no files and asks no camera: bytes come
//! in, values come out.
//!
//! The pictures that people show of themselves go through the same decoders, within the same bounds, and come out with nothing but
//! their pixels ([`avatar()`]).
//!
//! ```text
//!   ContactLink ──► QrCode ──► to_terminal, to_svg, to_png
//!
//!   bytes of a file ──► picture   what it is, how large, its grey pixels; bounded memory
//!                          │
//!                       search    copies of the picture, thresholds, finder patterns, modules; bounded work
//!                          │
//!                       texts ──► contacts
//!
//!   bytes of a file ──► in colour ──► smaller, upright ──► PNG: an avatar
//! ```
//!
//! ```
//! use securecall_contact::{Address, ContactLink};
//! use securecall_contact_qr::{Background, QrCode, read_contacts};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let link: ContactLink =
//!     "securecall://contact/dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab".parse()?;
//! let code = QrCode::of_link(&link)?;
//! println!("{}", code.to_terminal(Background::Dark));
//!
//! let found = read_contacts(&code.to_png())?;
//! assert_eq!(found.contacts[0].address, Address::Link(link));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod avatar;
mod contacts;
mod grey;
mod picture;
mod picture_error;
mod png_file;
mod qr_code;
mod search;
mod svg;
mod terminal;

pub use avatar::{MAX_AVATAR_SIDE, avatar};
pub use contacts::{PictureContacts, is_picture, read_contacts};
pub use picture::MAX_FILE_BYTES;
pub use picture_error::PictureError;
pub use qr_code::{QrCode, QrCodeError};
pub use search::read_texts;
pub use terminal::Background;
