//! YAML as Synapse and Dendrite read it, of which JSON's values are enough here.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

/// Values that one document makes, those of aliases counted each time: a few lines can name each other into billions.
const MOST_VALUES: usize = 200_000;

/// How deep lists and mappings may lie in each other.
const DEEPEST: usize = 100;

/// Why a text is no YAML, or none of settings.
#[derive(Debug, thiserror::Error)]
pub(super) enum YamlError {
    /// The scanner does not understand it.
    #[error("{0}")]
    Scan(#[from] saphyr_parser::ScanError),
    /// It means more than it says.
    #[error("it has more than {MOST_VALUES} values")]
    TooLarge,
    /// Deeper than any settings.
    #[error("it is nested more than {DEEPEST} deep")]
    TooDeep,
    /// An alias of what is not whole yet, or is not there.
    #[error("it has an alias without an anchor")]
    Alias,
    /// A key that is no text.
    #[error("it has a key that is a list or a mapping")]
    Key,
    /// Two documents.
    #[error("it has more than one document")]
    Documents,
}

/// What is open while a document is read.
enum Open {
    List(usize, Vec<Value>),
    Mapping(usize, Map<String, Value>, Option<String>),
}

/// Reads the one document of a text; nothing is `null`.
pub(super) fn parse(text: &str) -> Result<Value, YamlError> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event?;
        match event {
            Event::Alias(anchor) => {
                let value = reader.anchors.get(&anchor).cloned();
                let (value, count) = value.ok_or(YamlError::Alias)?;
                reader.take(value, count)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.suffix == "str");
                let value = if style == ScalarStyle::Plain && !is_text {
                    plain(&text)
                } else {
                    Value::String(text.into_owned())
                };
                reader.anchors.insert(anchor, (value.clone(), 1));
                reader.take(value, 1)?;
            }
            Event::SequenceStart(anchor, _) => reader.open(Open::List(anchor, Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                reader.open(Open::Mapping(anchor, Map::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => reader.close()?,
            Event::DocumentStart(_) if reader.whole.is_some() => return Err(YamlError::Documents),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
    }
    Ok(reader.whole.unwrap_or(Value::Null))
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    /// What an alias may stand for, and how many values that are.
    anchors: HashMap<usize, (Value, usize)>,
    count: usize,
    whole: Option<Value>,
}

impl Reader {
    fn open(&mut self, open: Open) -> Result<(), YamlError> {
        if self.open.len() >= DEEPEST {
            return Err(YamlError::TooDeep);
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlError> {
        let (anchor, value) = match self.open.pop() {
            Some(Open::List(anchor, list)) => (anchor, Value::Array(list)),
            Some(Open::Mapping(anchor, mapping, _)) => (anchor, Value::Object(mapping)),
            None => return Ok(()),
        };
        // 0: nothing refers to it.
        if anchor != 0 {
            let count = size(&value);
            self.anchors.insert(anchor, (value.clone(), count));
        }
        self.put(value)
    }

    fn take(&mut self, value: Value, count: usize) -> Result<(), YamlError> {
        self.count += count;
        if self.count > MOST_VALUES {
            return Err(YamlError::TooLarge);
        }
        self.put(value)
    }

    fn put(&mut self, value: Value) -> Result<(), YamlError> {
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some(Open::List(_, list)) => list.push(value),
            Some(Open::Mapping(_, mapping, key)) => match key.take() {
                None => *key = Some(key_text(value)?),
                Some(name) if name == "<<" => merge(mapping, value),
                Some(name) => {
                    mapping.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

fn key_text(value: Value) -> Result<String, YamlError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) | Value::Null => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err(YamlError::Key),
    }
}

/// `<<`: what is there already counts more.
fn merge(mapping: &mut Map<String, Value>, value: Value) {
    let sources = match value {
        Value::Array(list) => list,
        other => vec![other],
    };
    for source in sources {
        if let Value::Object(source) = source {
            for (key, value) in source {
                mapping.entry(key).or_insert(value);
            }
        }
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(size).sum::<usize>(),
        Value::Object(mapping) => 1 + mapping.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// What a text without quotation marks means, to PyYAML and Go's yaml.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let starts_as_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if starts_as_number {
        let digits = text.replace('_', "");
        if let Ok(number) = digits.parse::<i64>() {
            return Value::Number(number.into());
        }
        if let Ok(number) = digits.parse::<f64>()
            && let Some(number) = Number::from_f64(number)
        {
            return Value::Number(number);
        }
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_read_as_their_programs_read_them() {
        let text = "a: 28d\nb: yes\nc: 'yes'\nd:\n  - 1\n  - 0.2\ne: {f: ~, g: off}\nh: 7\ni:\n";
        let value = parse(text).unwrap();
        let wanted = json!({
            "a": "28d", "b": true, "c": "yes", "d": [1, 0.2],
            "e": {"f": null, "g": false}, "h": 7, "i": null
        });
        assert_eq!(value, wanted);
    }

    #[test]
    fn anchors_stand_for_what_they_name() {
        let value = parse("a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, b: 3}\n").unwrap();
        assert_eq!(value["d"], json!({"b": 1, "c": 2}));
        assert_eq!(value["e"], json!({"b": 3, "c": 2}));
    }

    #[test]
    fn nothing_is_null_and_two_documents_are_refused() {
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("# only this\n").unwrap(), Value::Null);
        assert!(matches!(
            parse("a: 1\n---\nb: 2\n"),
            Err(YamlError::Documents)
        ));
    }

    #[test]
    fn lines_that_name_each_other_into_billions_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let names = vec![format!("*a{}", n - 1); 9].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{names}]\n"));
        }
        assert!(matches!(parse(&text), Err(YamlError::TooLarge)));
    }

    #[test]
    fn what_is_no_yaml_is_refused() {
        for text in ["a: [", "a: 'b", "*x", "? [a]\n: b\n", "\t- a: b: c"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_deep_document_is_no_stack_overflow() {
        for text in [
            "[".repeat(100_000),
            "- ".repeat(50_000),
            "{a: ".repeat(10_000),
        ] {
            assert!(parse(&text).is_err());
        }
        let deep = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        assert!(parse(&deep).is_ok());
    }
}
