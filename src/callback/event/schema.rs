//! JSON Schema (draft 2020-12) of the typed events, from the very definitions that the relay reads them with.
//!
//! All documented fields but `event_type` are optional and may be null, and others may be there: a schema says what a
//! consumer can rely on, and the sender promises no more.

use super::{Event, Unknown, field::Reader};
use crate::callback::names::EventName;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Collects the schema of an object, field by field.
pub(super) struct Properties {
    schema: Map<String, Value>,
    fields: Map<String, Value>,
}

impl Properties {
    /// Of an object, or of a whole event, with the lines of its documentation.
    pub(super) fn new(event: Option<EventName>, about: &[&str]) -> Self {
        let mut schema = Map::new();
        schema.insert("description".into(), prose(about).into());
        schema.insert("type".into(), "object".into());
        let mut fields = Map::new();
        if let Some(number) = event.and_then(EventName::event_type) {
            schema.insert("required".into(), json!(["event_type"]));
            let kind =
                json!({ "description": "The kind of event.", "type": "integer", "const": number });
            fields.insert("event_type".into(), kind);
        }
        Self { schema, fields }
    }

    /// Adds a field with the lines of its documentation.
    pub(super) fn field<T: JsonSchema, R: Reader<T>>(
        &mut self,
        generator: &mut SchemaGenerator,
        name: &str,
        about: &[&str],
    ) {
        let mut schema = if R::SURE {
            generator.subschema_for::<Option<T>>()
        } else {
            Schema::default()
        };
        schema.insert("description".into(), prose(about).into());
        self.fields.insert(name.into(), schema.to_value());
    }

    pub(super) fn into_schema(mut self) -> Schema {
        self.schema.insert("properties".into(), self.fields.into());
        Schema::from(self.schema)
    }
}

/// Lines of documentation as one text, without Rust's marks for code.
fn prose(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().replace('`', "")
}

impl JsonSchema for Unknown {
    fn schema_name() -> Cow<'static, str> {
        "Unknown".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known: Vec<_> = EventName::ALL
            .iter()
            .filter_map(|name| name.event_type())
            .collect();
        json_schema!({
            "description": "An event of a kind that this relay has no type for, passed on as it came.",
            "type": "object",
            "properties": {
                "event_type": {
                    "description": "The kind of event.",
                    "type": "integer",
                    "not": { "enum": known },
                },
            },
            "required": ["event_type"],
        })
    }
}

/// The JSON Schema of what is published for this kind of event, with `payload = "typed"`.
#[must_use]
pub fn schema(name: EventName) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = Event::root_schema(name, generator);
    schema.insert("$id".into(), id(name).into());
    schema.insert("title".into(), name.as_str().into());
    schema.to_value()
}

fn id(name: EventName) -> String {
    format!("{name}.schema.json")
}

/// One document with the schemas of all kinds.
#[must_use]
pub fn schema_all() -> Value {
    let any: Vec<_> = EventName::ALL
        .iter()
        .map(|&name| json!({ "$ref": id(name) }))
        .collect();
    let each: Map<_, _> = EventName::ALL
        .iter()
        .map(|&name| (name.to_string(), schema(name)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "livebridge.schema.json",
        "title": "livebridge",
        "description": "Every typed event that the relay publishes.",
        "oneOf": any,
        "$defs": each,
    })
}
