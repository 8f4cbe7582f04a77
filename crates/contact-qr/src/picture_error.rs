//! Why a picture gave nothing.

use securecall_contact::AddressError;

/// What is wrong with a picture that should hold a contact's QR code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// A file of zero bytes.
    #[error("the file is empty")]
    Empty,
    /// A file that is larger than any picture that is read.
    #[error("the file has more than 64 MB, and no more are read")]
    FileTooLarge,
    /// Another kind of file.
    #[error("not a PNG, JPEG or WebP picture{}", .found.map(|found| format!(" but {found}")).unwrap_or_default())]
    Format {
        /// What it seems to be, in words; `None` if it cannot be told.
        found: Option<&'static str>,
    },
    /// More pixels than are read; known from the header, before anything is decoded.
    #[error("the picture has {width} × {height} pixels, at most 50 megapixels are read")]
    TooLarge {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
    /// A picture of allowed size whose kind takes more memory to decode than is given to it.
    #[error("{width} × {height} pixels in a picture of this kind take too much memory to decode")]
    TooMuchMemory {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
    /// A picture that cannot be decoded, with what the decoder said.
    #[error("the picture is damaged: {0}")]
    Damaged(String),
    /// No QR code in the picture, or none that can be read.
    #[error("no QR code can be read in the picture")]
    NoCode,
    /// There are QR codes, but none holds a contact.
    #[error("{}", no_contact(*.codes, .fault.as_ref()))]
    NoContact {
        /// QR codes that were read.
        codes: usize,
        /// What is wrong with one that should be a contact, if one should.
        fault: Option<AddressError>,
    },
}

fn no_contact(codes: usize, fault: Option<&AddressError>) -> String {
    match (codes, fault) {
        (_, Some(fault)) => format!("the QR code holds no valid contact: {fault}"),
        (1, None) => "the QR code in the picture holds something else than a contact".to_owned(),
        (codes, None) => {
            format!("none of the {codes} QR codes in the picture holds a contact")
        }
    }
}
