//! Secrets from files and standard input: read into memory that does not grow, so that no part of them is left behind in it,
//! and that is wiped.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// The longest secret that is read, in bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// All there is to read; `None` if it is longer than a secret ever is.
///
/// # Errors
///
/// Reading failed.
pub(crate) fn read_to_end(mut from: impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(vec![0; MAX_LENGTH + 1]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if length > MAX_LENGTH {
        return Ok(None);
    }
    bytes.truncate(length);
    Ok(Some(bytes))
}

/// The same of a text.
///
/// # Errors
///
/// Reading failed, or it is not valid UTF-8.
pub(crate) fn read_text_to_end(from: impl Read) -> io::Result<Option<Zeroizing<String>>> {
    read_to_end(from)?.map(|bytes| text(&bytes)).transpose()
}

/// One line without its end, and not a byte of what follows.
///
/// # Errors
///
/// Reading failed, or the line is not valid UTF-8 or far too long.
pub(crate) fn read_line(mut from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(vec![0; MAX_LENGTH]);
    let mut length = 0;
    loop {
        let Some(byte) = bytes.get_mut(length..=length) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the line is too long",
            ));
        };
        match from.read(byte) {
            Ok(0) => break,
            Ok(_) if bytes[length] == b'\n' => break,
            Ok(_) => length += 1,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let line = &bytes[..length];
    text(line.strip_suffix(b"\r").unwrap_or(line))
}

fn text(bytes: &[u8]) -> io::Result<Zeroizing<String>> {
    std::str::from_utf8(bytes)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
}

/// Standard input without the standard library's buffer, which is never wiped.
///
/// # Errors
///
/// It is closed.
#[cfg(unix)]
pub(crate) fn stdin() -> io::Result<impl Read> {
    use std::os::fd::AsFd as _;
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(std::fs::File::from(stdin))
}

/// Standard input.
///
/// # Errors
///
/// None here.
#[cfg(not(unix))]
pub(crate) fn stdin() -> io::Result<impl Read> {
    Ok(io::stdin().lock())
}

#[cfg(test)]
mod tests {
    use securecall_freed_memory::copies_left_by;

    use super::*;

    const SECRET: [u8; 32] = *b"abandon ability able about above";

    #[test]
    fn what_was_read_leaves_nothing_behind() {
        let line = SECRET.repeat(50);
        let left = copies_left_by(&[SECRET], || {
            drop(read_line(line.as_slice()).unwrap());
            drop(read_text_to_end(line.as_slice()).unwrap());
        });
        assert_eq!(left, 0);
    }

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    #[test]
    fn a_secret_is_read_whole_however_it_comes() {
        for text in ["", "correct horse\n", "zwei\nZeilen"] {
            let read = read_text_to_end(Slow(text.as_bytes())).unwrap().unwrap();
            assert_eq!(read.as_str(), text);
        }
        let longest = "x".repeat(MAX_LENGTH);
        assert!(read_text_to_end(longest.as_bytes()).unwrap().is_some());
        let longer = "x".repeat(MAX_LENGTH + 1);
        assert!(read_text_to_end(longer.as_bytes()).unwrap().is_none());
        assert!(read_text_to_end(&b"\xff"[..]).is_err());
    }

    #[test]
    fn a_line_takes_nothing_of_the_next() {
        let mut input = &b"one\r\ntwo"[..];
        assert_eq!(read_line(&mut input).unwrap().as_str(), "one");
        assert_eq!(read_line(&mut input).unwrap().as_str(), "two");
        assert_eq!(read_line(&mut input).unwrap().as_str(), "");
        assert!(read_line("x".repeat(MAX_LENGTH + 1).as_bytes()).is_err());
    }
}
