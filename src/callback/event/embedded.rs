//! JSON that travels inside a string, as the sender does with `callback_ext`, `msg`, `record_detail` and `source_urls`.

use super::{
    field::{Field, Written},
    raw::Raw,
    untypable::Untypable,
};
use crate::callback::json::{self, Kind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// What a string held. An object or array takes the string's place; anything else stays the string that it was.
#[derive(Debug, Clone, PartialEq)]
pub enum Embedded<T> {
    /// As documented.
    Held(T),
    /// An object or array, but not of the documented shape.
    Json(Raw),
    /// No object or array, or nested too deep for the place that it would take.
    Text(String),
}

impl<T> Embedded<T> {
    /// The documented content, if that is what came.
    #[must_use]
    pub const fn held(&self) -> Option<&T> {
        match self {
            Self::Held(held) => Some(held),
            Self::Json(_) | Self::Text(_) => None,
        }
    }
}

/// A documented content of a string.
pub(super) trait Content: Field {
    /// The JSON types that something else than the content may have: an object of another shape than a documented one is a fault.
    const OTHERWISE: &'static [&'static str];

    /// The content, from the JSON text of an object or array; none if that has another shape.
    fn open(value: &str) -> Result<Option<Self>, Untypable>;
}

/// Elements have no documented type, so that a list of something else is no fault.
impl Content for Vec<String> {
    const OTHERWISE: &'static [&'static str] = &["object", "array", "string"];

    fn open(value: &str) -> Result<Option<Self>, Untypable> {
        Ok(Self::read(value).ok())
    }
}

/// Opens the text of an object or array.
fn open<T: Content>(value: &str) -> Result<Embedded<T>, Untypable> {
    Ok(match T::open(value)? {
        Some(held) => Embedded::Held(held),
        None => Embedded::Json(Raw::read(value)?),
    })
}

impl<T: Content> Field for Embedded<T> {
    fn read(value: &str) -> Result<Self, Untypable> {
        match json::kind(value) {
            // Already opened: what consumers read.
            Kind::Object | Kind::Array => open(value),
            _ => {
                let text = String::read(value)?;
                match inner(&text) {
                    Some(json) => open(json),
                    None => Ok(Self::Text(text)),
                }
            }
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Held(held) => held.write(serializer),
            Self::Json(json) => json.write(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }

    fn redact_queries(&mut self, names: &[String]) {
        match self {
            Self::Held(held) => held.redact_queries(names),
            Self::Json(json) => json.redact_queries(names),
            Self::Text(text) => text.redact_queries(names),
        }
    }
}

/// The object or array that a text holds, if it may take the text's place: one level down, where it must leave the whole
/// within the depth that everybody reads, and free of what the door refuses anywhere else.
fn inner(text: &str) -> Option<&str> {
    let json = text.trim_matches([' ', '\n', '\r', '\t']);
    let nests = matches!(json.as_bytes().first(), Some(b'{' | b'['));
    (nests && json::check_inside(json, 1).is_ok()).then_some(json)
}

impl<T: Content> Serialize for Embedded<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written(self).serialize(serializer)
    }
}

impl<'de, T: Content> Deserialize<'de> for Embedded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::object::through_text(deserializer, Self::read)
    }
}

impl<T: Content + JsonSchema> JsonSchema for Embedded<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Embedded<{}>", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let held = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [held, { "type": T::OTHERWISE }] })
    }
}
