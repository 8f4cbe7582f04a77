//! The contacts that the arguments of `contact add` name: addresses, texts, files, standard input.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use securecall_contact::FoundAddress;
use securecall_contact_qr::MAX_FILE_BYTES;
use securecall_profile::sources::{self, Found};

use crate::error::{ErrorKind, Failure};
use crate::output::Output;

/// The contacts that all these hold, each once: addresses, texts, names of picture files, `-` for standard input.
///
/// # Errors
///
/// The first one that holds none, or a damaged one.
pub(super) fn addresses(what: &[OsString], output: Output) -> Result<Vec<FoundAddress>, Failure> {
    let mut all: Vec<FoundAddress> = Vec::new();
    for argument in what {
        let found = match argument.to_str() {
            Some("-") => in_standard_input(output)?,
            Some(argument) => sources::in_argument(argument)?,
            // What is no text can be the name of a file only.
            None => sources::in_file(Path::new(argument))?,
        };
        for fault in &found.damaged {
            output.note(&format!(
                "note: another QR code in the picture should be a contact and is not: {fault}"
            ));
        }
        for contact in found.contacts {
            if !all.iter().any(|known| known.address == contact.address) {
                all.push(contact);
            }
        }
    }
    Ok(all)
}

fn in_standard_input(output: Output) -> Result<Found, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        output.note("Paste the message, then press Ctrl-D on a line of its own:");
    }
    let mut bytes = Vec::new();
    // A picture may come this way, too.
    stdin
        .lock()
        .take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::new(
                ErrorKind::InvalidFile,
                format!("standard input cannot be read: {error}"),
            )
        })?;
    Ok(sources::in_bytes(&bytes, "standard input")?)
}
