//! JSON that has no type of its own: kept as the text that came, so that no number is rewritten.

use super::{
    field::Field,
    redact::{QUERY_FIELDS, redact_query_value},
    untypable::Untypable,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Any JSON value, as the text received but for white space between its parts. Numbers keep their digits, nested
/// objects their duplicate names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Raw(Box<RawValue>);

impl Raw {
    /// The JSON text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Field for Raw {
    fn is_as_written(value: &str) -> bool {
        !value
            .bytes()
            .any(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t'))
    }

    fn read(value: &str) -> Result<Self, Untypable> {
        // Without line breaks a Kafka value is one line, whatever the sender's layout was.
        RawValue::from_string(compact(value))
            .map(Self)
            .map_err(|_| Untypable::value("a JSON value", value))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    fn redact_queries(&mut self, names: &[String]) {
        let redacted = redact_query_value(self.get(), names);
        if let Some(text) = redacted.and_then(|text| RawValue::from_string(text).ok()) {
            self.0 = text;
        }
    }
}

impl JsonSchema for Raw {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AnyValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

/// What a typed object doesn't describe, in the order received: undocumented fields, documented ones that are null, and
/// those that `redact` has blanked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Other(Vec<(Box<str>, Raw)>);

impl Other {
    /// The last value under this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Raw> {
        self.iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Names and values, in the order received. A name that came twice inside a nested object is there twice.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Raw)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, name: &str, value: &str) -> Result<(), Untypable> {
        let value = Raw::read(value).map_err(|fault| fault.inside(name))?;
        self.0.push((name.into(), value));
        Ok(())
    }

    /// Puts `value` wherever `name` is. False if it is nowhere.
    pub(super) fn replace(&mut self, name: &str, value: &Raw) -> bool {
        let mut found = false;
        for (_, old) in self.0.iter_mut().filter(|(known, _)| **known == *name) {
            *old = value.clone();
            found = true;
        }
        found
    }

    /// Redacts the queries in the fields that have them, where those aren't documented or have another type.
    pub(super) fn redact_queries(&mut self, names: &[String]) {
        for (_, value) in self
            .0
            .iter_mut()
            .filter(|(name, _)| QUERY_FIELDS.contains(&&**name))
        {
            value.redact_queries(names);
        }
    }

    /// The same in all of them: those of an object inside such a field.
    pub(super) fn redact_all_queries(&mut self, names: &[String]) {
        for (_, value) in &mut self.0 {
            value.redact_queries(names);
        }
    }

    pub(super) fn put(&mut self, name: &str, value: Raw) {
        self.0.push((name.into(), value));
    }
}

/// The text without white space between tokens.
pub(super) fn compact(text: &str) -> String {
    let mut compact = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    compact.extend(text.chars().filter(|&c| {
        let keep = quoted || !matches!(c, ' ' | '\n' | '\r' | '\t');
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        keep
    }));
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_between_tokens_and_stays_in_strings() {
        let text = "{ \"a b\\\" \" : [ 1e2 ,\n\t-0.0 , \"\\\\\" ] ,\r\"c\": \"x y\" }";
        let kept = Raw::read(text).unwrap();
        assert_eq!(kept.get(), r#"{"a b\" ":[1e2,-0.0,"\\"],"c":"x y"}"#);
    }
}
