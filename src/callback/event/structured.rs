//! The schema of a CloudEvent in structured mode: the attributes, and the event as its `data`.

use super::schema;
use crate::callback::names::EventName;
use serde_json::{Map, Value, json};

/// The JSON Schema (draft 2020-12) of a message's value with `kafka.cloudevents = "structured"`.
#[must_use]
pub fn structured_schema(name: EventName) -> Value {
    let mut data = schema(name);
    // What its references lead to stays at the root, where they look for it.
    let root: Map<String, Value> = ["$schema", "$defs"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), data.as_object_mut()?.remove(key)?)))
        .collect();
    let text = |about: &str| json!({ "type": "string", "description": about });
    let time =
        |about: &str| json!({ "type": "string", "format": "date-time", "description": about });
    let mut document = json!({
        "title": format!("{name}, as a CloudEvent in structured mode"),
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": { "type": "string", "const": "1.0" },
            "id": text("The same for every copy of one callback: discard what you have seen."),
            "source": text("/callbacks/ and the name of the configured source."),
            "type": { "type": "string", "const": format!("com.tencent.css.{name}") },
            "subject": text("The key; missing where there is none."),
            "time": time("When it happened, by the event's own account; else when it was received."),
            "receivedtime": time("When the relay received it."),
            "expiredby": {
                "type": "integer",
                "minimum": 1,
                "maximum": i32::MAX,
                "description": "Whole seconds past the expiry of its signature at receipt, when late.",
            },
            "traceparent": text("W3C trace context: that of the request, when it had one, or the relay's own, with traces.*."),
            "datacontenttype": { "type": "string", "const": "application/json" },
            "data": data,
        },
    });
    if let Some(members) = document.as_object_mut() {
        members.extend(root);
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_the_data_is_the_events_own() {
        fn references(value: &Value, document: &Value) {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            match value {
                Value::Object(members) => members.values().for_each(|v| references(v, document)),
                Value::Array(elements) => elements.iter().for_each(|v| references(v, document)),
                _ => {}
            }
        }
        for &name in EventName::ALL {
            let document = structured_schema(name);
            references(&document, &document);
            let own = schema(name);
            let data = document.pointer("/properties/data/properties");
            assert_eq!(data, own.get("properties"), "{name}");
            assert!(document.get("$schema").is_some(), "{name}");
        }
    }
}
