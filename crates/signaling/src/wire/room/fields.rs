//! The fields of a JSON object, each read into what it must hold or refused with its name.

use serde_json::{Map, Value};

use super::RoomSignalError;

/// An object of an event. Fields are named with those that they are in, `offer.sdp`; the key is what follows the last dot.
#[derive(Clone, Copy)]
pub(in crate::wire) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(in crate::wire) const fn of(map: &'a Map<String, Value>) -> Self {
        Self(map)
    }

    /// The object that a value is.
    pub(in crate::wire) fn in_value(
        value: &'a Value,
        field: &'static str,
    ) -> Result<Self, RoomSignalError> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(unexpected(field, "an object")),
        }
    }

    /// A value that need not be there. Several clients write `null` for "nothing".
    pub(in crate::wire) fn value(self, field: &'static str) -> Option<&'a Value> {
        self.value_of_key(field.rsplit('.').next().unwrap_or(field))
    }

    /// As [`Fields::value`], of a key that has dots itself.
    pub(in crate::wire) fn value_of_key(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub(in crate::wire) fn object(self, field: &'static str) -> Result<Self, RoomSignalError> {
        Self::in_value(required(field, self.value(field))?, field)
    }

    pub(in crate::wire) fn array(
        self,
        field: &'static str,
    ) -> Result<&'a [Value], RoomSignalError> {
        match required(field, self.value(field))? {
            Value::Array(values) => Ok(values),
            _ => Err(unexpected(field, "an array")),
        }
    }

    pub(in crate::wire) fn text(self, field: &'static str) -> Result<&'a str, RoomSignalError> {
        required(field, self.any_text(field)?)
    }

    /// A text that need not be there. Clients write an empty one for "nothing" as well.
    pub(in crate::wire) fn optional_text(
        self,
        field: &'static str,
    ) -> Result<Option<&'a str>, RoomSignalError> {
        Ok(self.any_text(field)?.filter(|text| !text.is_empty()))
    }

    fn any_text(self, field: &'static str) -> Result<Option<&'a str>, RoomSignalError> {
        let text = |value: &'a Value| value.as_str().ok_or(unexpected(field, "a text"));
        self.value(field).map(text).transpose()
    }

    /// A whole number that is not negative.
    pub(in crate::wire) fn optional_number(
        self,
        field: &'static str,
    ) -> Result<Option<u64>, RoomSignalError> {
        let number = |value: &Value| value.as_u64().ok_or(unexpected(field, "a whole number"));
        self.value(field).map(number).transpose()
    }

    pub(in crate::wire) fn flag(self, field: &'static str) -> Result<bool, RoomSignalError> {
        match self.value(field) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or(unexpected(field, "true or false")),
        }
    }
}

pub(in crate::wire) fn required<T>(
    field: &'static str,
    value: Option<T>,
) -> Result<T, RoomSignalError> {
    value.ok_or(RoomSignalError::Missing { field })
}

pub(in crate::wire) const fn unexpected(
    field: &'static str,
    expected: &'static str,
) -> RoomSignalError {
    RoomSignalError::Unexpected { field, expected }
}

pub(in crate::wire) const fn within(
    found: usize,
    limit: usize,
    what: &'static str,
) -> Result<(), RoomSignalError> {
    if found > limit {
        return Err(RoomSignalError::TooMuch { what, limit, found });
    }
    Ok(())
}
