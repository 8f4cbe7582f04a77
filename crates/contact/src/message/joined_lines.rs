//! Lines that quoted-printable has broken (RFC 2045, section 6.7): `=` at the end of a line says that it goes on.

use std::borrow::Cow;

/// A text whose soft line breaks are taken out, and where they were.
pub(super) struct JoinedLines<'a> {
    text: Cow<'a, str>,
    /// In bytes of the text without them, ascending.
    joints: Vec<usize>,
}

impl<'a> JoinedLines<'a> {
    /// Takes the soft line breaks out; `None` if there are none.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let mut joined = String::new();
        let mut joints = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('=') {
            let (before, behind) = rest.split_at(at);
            joined.push_str(before);
            let after = behind[1..].trim_start_matches([' ', '\t']);
            let next_line = after
                .strip_prefix("\r\n")
                .or_else(|| after.strip_prefix('\n'));
            rest = match next_line {
                Some(next_line) => {
                    joints.push(joined.len());
                    next_line
                }
                None => {
                    joined.push('=');
                    &behind[1..]
                }
            };
        }
        joined.push_str(rest);
        (!joints.is_empty()).then_some(Self {
            text: Cow::Owned(joined),
            joints,
        })
    }

    /// The text as it is.
    pub(super) fn not_at_all(text: &'a str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            joints: Vec::new(),
        }
    }

    /// The text without the breaks.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a break was within, or at one of the ends.
    pub(super) fn is_joined_within(&self, start: usize, end: usize) -> bool {
        let first = self.joints.partition_point(|joint| *joint < start);
        self.joints.get(first).is_some_and(|joint| *joint <= end)
    }
}

/// A link as it was before it was encoded for mail; `None` if it was not. There every `=` is one of the encoding's.
pub(super) fn mail_decoded(link: &str) -> Option<String> {
    let mut pieces = link.split('=');
    let mut decoded: Vec<u8> = pieces.next()?.bytes().collect();
    let mut has_equals_sign = false;
    for piece in pieces {
        let code = piece.get(..2)?;
        if code.bytes().any(|digit| digit.is_ascii_lowercase()) {
            return None;
        }
        let byte = u8::from_str_radix(code, 16)
            .ok()
            .filter(|_| !code.starts_with('+'))?;
        has_equals_sign |= byte == b'=';
        decoded.push(byte);
        decoded.extend(&piece.as_bytes()[2..]);
    }
    has_equals_sign.then(|| String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_mail_would_write_is_decoded() {
        let decoded = |link| mail_decoded(link);
        assert_eq!(decoded("a=3Db=C3=A4").as_deref(), Some("a=bä"));
        for link in ["a=3db", "a=3D=+A", "a=3D=", "a=C3=A4", "a"] {
            assert_eq!(decoded(link), None, "{link}");
        }
    }
}
