//! The AsyncAPI 3.0 document of what the relay publishes: topics, headers, keys, and the schema of each event.

use super::Event;
use crate::callback::names::{EventName, Family};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The document for these topics; a family that is not among them is `off`, and left out.
#[must_use]
pub fn asyncapi(topics: &BTreeMap<Family, String>) -> Value {
    // Draft 7 is what every AsyncAPI tool reads; our schemas say the same in it.
    let mut generator = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let (mut channels, mut messages) = (Map::new(), Map::new());
    for &name in EventName::ALL {
        let Some(topic) = topics.get(&name.family()) else {
            continue;
        };
        let payload = Event::reference(name, &mut generator).to_value();
        messages.insert(name.to_string(), message(name, payload));
        let channel = channels
            .entry(topic)
            .or_insert_with(|| json!({ "address": topic, "messages": {} }));
        if let Some(listed) = channel
            .pointer_mut("/messages")
            .and_then(Value::as_object_mut)
        {
            let reference = json!({ "$ref": format!("#/components/messages/{name}") });
            listed.insert(name.to_string(), reference);
        }
    }
    let operations: Map<_, _> = channels
        .keys()
        .map(|topic| {
            let channel = json!({ "$ref": format!("#/channels/{topic}") });
            (
                format!("publish.{topic}"),
                json!({ "action": "send", "channel": channel }),
            )
        })
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "livebridge",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Live-streaming callbacks as typed events. CloudEvents 1.0 in Kafka's binary mode; with kafka.cloudevents = \"structured\" the value is the CloudEvent as JSON, whose data is the payload described here. At least once, with one and the same ce_id; in order per topic and stream.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": generator.take_definitions(true),
        },
    })
}

fn message(name: EventName, payload: Value) -> Value {
    json!({
        "name": name.as_str(),
        "title": name.as_str(),
        "contentType": "application/json",
        "headers": headers(name),
        "payload": payload,
        "bindings": {
            "kafka": {
                "key": { "type": "string", "description": "The stream id, else the channel's, else the task's." },
            },
        },
    })
}

fn headers(name: EventName) -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let time =
        |about: &str| json!({ "type": "string", "format": "date-time", "description": about });
    json!({
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"],
        "properties": {
            "ce_specversion": { "type": "string", "const": "1.0" },
            "ce_id": text("The same for every copy of one callback: discard what you have seen."),
            "ce_source": text("/callbacks/ and the name of the configured source."),
            "ce_type": { "type": "string", "const": format!("com.tencent.css.{name}") },
            "ce_subject": text("The key; missing where there is none."),
            "ce_time": time("When it happened, by the event's own account; else when it was received."),
            "ce_receivedtime": time("When the relay received it."),
            "ce_expiredby": text("Whole seconds past the expiry of its signature at receipt, when late."),
            "traceparent": text("W3C trace context: that of the request, when it had one, or the relay's own, with traces.*."),
            "content-type": { "type": "string", "const": "application/json" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in the document, with where it is.
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members
                    .values()
                    .for_each(|member| references(member, found));
            }
            Value::Array(elements) => elements
                .iter()
                .for_each(|element| references(element, found)),
            _ => {}
        }
    }

    #[test]
    fn every_event_is_there_and_every_reference_leads_somewhere() {
        let topics: BTreeMap<_, _> = Family::ALL
            .iter()
            .map(|&family| (family, family.default_topic().to_owned()))
            .collect();
        let document = asyncapi(&topics);
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for name in EventName::ALL {
            let listed = format!("#/components/messages/{name}");
            assert!(found.contains(&&*listed), "{name}");
        }
        assert_eq!(
            document["channels"].as_object().unwrap().len(),
            topics.len()
        );
    }

    #[test]
    fn families_that_share_a_topic_share_its_channel_and_those_that_are_off_have_none() {
        let topics = BTreeMap::from([
            (Family::Recording, "live.all".to_owned()),
            (Family::Stream, "live.all".to_owned()),
        ]);
        let document = asyncapi(&topics);
        let messages = document["channels"]["live.all"]["messages"]
            .as_object()
            .unwrap();
        assert_eq!(messages.len(), 4);
        assert_eq!(
            document["components"]["messages"]
                .as_object()
                .unwrap()
                .len(),
            4
        );
    }
}
