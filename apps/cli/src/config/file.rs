//! Changes of one setting in the text of `config.toml`: whatever else stands there stays as it is, byte for byte.

use std::fmt;
use std::ops::Range;

use toml::de::DeTable;

/// The text is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EditError {
    /// It cannot be read.
    NotToml { line: usize, reason: String },
    /// It can, but the setting stands there in a way that no setting does.
    ByHand(String),
}

impl EditError {
    /// What is wrong with a text, and where.
    pub(crate) fn not_toml(text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(1, |span| {
            text[..span.start.min(text.len())].lines().count().max(1)
        });
        Self::NotToml {
            line,
            reason: error.message().to_owned(),
        }
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotToml { line, reason } => write!(f, "line {line}: {reason}"),
            Self::ByHand(key) => write!(f, "'{key}' cannot be changed in the way it is written"),
        }
    }
}

/// Where a setting stands in a text.
struct Place {
    key: Range<usize>,
    value: Range<usize>,
}

/// The text with this value for this key: in place of the one that is there, else on a line of its own at the end.
///
/// # Errors
///
/// The text is not TOML, or the key is in a table or is one.
pub(crate) fn with(text: &str, key: &str, value: &str) -> Result<String, EditError> {
    let written = toml::Value::String(value.to_owned()).to_string();
    let edited = match place(text, key)? {
        Some(Place { value, .. }) => {
            format!("{}{written}{}", &text[..value.start], &text[value.end..])
        }
        None => {
            let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
            let missing = match text.is_empty() || text.ends_with('\n') {
                true => "",
                false => line_break,
            };
            format!("{text}{missing}{key} = {written}{line_break}")
        }
    };
    let wanted = toml::Value::String(value.to_owned());
    check(text, &edited, key, Some(wanted))?;
    Ok(edited)
}

/// The text without the line of this key; as it is, if the key is not in it.
///
/// # Errors
///
/// As [`with`].
pub(crate) fn without(text: &str, key: &str) -> Result<String, EditError> {
    let Some(Place { key: name, value }) = place(text, key)? else {
        return Ok(text.to_owned());
    };
    let start = text[..name.start].rfind('\n').map_or(0, |end| end + 1);
    let end = text[value.end..]
        .find('\n')
        .map_or(text.len(), |length| value.end + length + 1);
    let edited = format!("{}{}", &text[..start], &text[end..]);
    check(text, &edited, key, None)?;
    Ok(edited)
}

fn place(text: &str, key: &str) -> Result<Option<Place>, EditError> {
    let table = DeTable::parse(text).map_err(|error| EditError::not_toml(text, &error))?;
    let found = table
        .get_ref()
        .iter()
        .find(|(name, _)| name.get_ref() == key);
    Ok(found.map(|(name, value)| Place {
        key: name.span(),
        value: value.span(),
    }))
}

/// A change of one setting changes nothing else, however the text is written. Tables and dotted keys are where it would.
fn check(
    before: &str,
    after: &str,
    key: &str,
    value: Option<toml::Value>,
) -> Result<(), EditError> {
    let by_hand = || EditError::ByHand(key.to_owned());
    let mut expected: toml::Table = before.parse().map_err(|_| by_hand())?;
    match value {
        Some(value) => expected.insert(key.to_owned(), value),
        None => expected.remove(key),
    };
    let found: toml::Table = after.parse().map_err(|_| by_hand())?;
    (found == expected).then_some(()).ok_or_else(by_hand)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Of mine.
domain = \"example.org\" # where I am

  # Who is answered:
  answer='ask'
\"mic\" = \"\"\"
tone:440\"\"\"
# The end.";

    #[test]
    fn a_value_is_replaced_where_it_stands_and_all_else_stays() {
        assert_eq!(
            with(TEXT, "domain", "a.example").unwrap(),
            TEXT.replace("\"example.org\"", "\"a.example\"")
        );
        assert_eq!(
            with(TEXT, "answer", "auto").unwrap(),
            TEXT.replace("'ask'", "\"auto\"")
        );
        assert_eq!(
            with(TEXT, "mic", "null").unwrap(),
            TEXT.replace("\"\"\"\ntone:440\"\"\"", "\"null\"")
        );
        assert_eq!(with(TEXT, "answer", "ask").unwrap().len(), TEXT.len());
    }

    #[test]
    fn a_new_key_comes_last_on_a_line_of_its_own() {
        assert_eq!(
            with(TEXT, "route", "relay").unwrap(),
            format!("{TEXT}\nroute = \"relay\"\n")
        );
        assert_eq!(with("", "route", "relay").unwrap(), "route = \"relay\"\n");
        assert_eq!(
            with("mic = \"null\"\r\n", "route", "relay").unwrap(),
            "mic = \"null\"\r\nroute = \"relay\"\r\n"
        );
    }

    #[test]
    fn a_value_of_any_characters_is_read_back_as_it_was() {
        for value in [
            "a\"b",
            "a'b",
            "a'''b\"\"\"c",
            "a\\nb",
            "a\nb\tc",
            "é\u{1}",
            "#",
            " ",
            "",
        ] {
            let text = with(TEXT, "turn_user", value).unwrap();
            let table: toml::Table = text.parse().unwrap();
            assert_eq!(table["turn_user"].as_str(), Some(value), "{text}");
            assert_eq!(without(&text, "turn_user").unwrap(), format!("{TEXT}\n"));
        }
    }

    #[test]
    fn what_is_removed_takes_its_line_along_and_no_other() {
        assert_eq!(
            without(TEXT, "answer").unwrap(),
            TEXT.replace("  answer='ask'\n", "")
        );
        assert_eq!(
            without(TEXT, "domain").unwrap(),
            TEXT.replace("domain = \"example.org\" # where I am\n", "")
        );
        assert_eq!(
            without(TEXT, "mic").unwrap(),
            TEXT.replace("\"mic\" = \"\"\"\ntone:440\"\"\"\n", "")
        );
        assert_eq!(without("mic = 'null'", "mic").unwrap(), "");
        assert_eq!(without(TEXT, "route").unwrap(), TEXT);
        // One that is no text can go, too.
        assert_eq!(
            without("mic = 48\nroute = 'direct'\n", "mic").unwrap(),
            "route = 'direct'\n"
        );
    }

    #[test]
    fn what_would_change_more_than_one_setting_is_left_to_a_person() {
        let by_hand = Err(EditError::ByHand("mic".to_owned()));
        // A line at the end would be in the table.
        assert_eq!(with("[section]\n", "mic", "null"), by_hand);
        for text in ["mic.a = 1\nmic.b = 2\n", "[[mic]]\n[[mic]]\n"] {
            assert_eq!(with(text, "mic", "null"), by_hand, "{text}");
            assert_eq!(without(text, "mic"), by_hand, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_not_toml_is_told_with_its_line() {
        let fault = with("mic = 'null'\nanswer =\n", "mic", "null").unwrap_err();
        assert!(
            matches!(fault, EditError::NotToml { line: 2, .. }),
            "{fault}"
        );
        assert!(without("=", "mic").is_err());
    }
}
