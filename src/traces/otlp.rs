//! Spans as OpenTelemetry's collectors take them: OTLP in its JSON form. Pure.
//!
//! In that form ids are hex and 64-bit numbers are texts; everything else is the protocol's names in camel case.

use super::span::{Span, Value};
use serde_json::{Value as Json, json};
use std::io;

/// Who made the spans.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Of this run of the relay.
    pub instance: String,
}

impl Resource {
    /// Named by a random number.
    ///
    /// # Errors
    /// If the operating system has none.
    pub fn of_this_run() -> io::Result<Self> {
        let mut number = [0; 16];
        getrandom::fill(&mut number).map_err(|e| io::Error::other(e.to_string()))?;
        let instance = hex::encode(number);
        Ok(Self { instance })
    }
}

/// The body of a request to `/v1/traces`.
#[must_use]
pub fn request(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let about = json!([
        attribute("service.name", &"livebridge".into()),
        attribute("service.version", &env!("CARGO_PKG_VERSION").into()),
        attribute("service.instance.id", &resource.instance.as_str().into()),
    ]);
    let scope = json!({ "name": "livebridge", "version": env!("CARGO_PKG_VERSION") });
    let spans: Vec<_> = spans.iter().map(span).collect();
    let request = json!({
        "resourceSpans": [{
            "resource": { "attributes": about },
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }],
    });
    request.to_string().into_bytes()
}

fn span(span: &Span) -> Json {
    let attributes = span.attributes.iter();
    let attributes: Vec<_> = attributes
        .map(|(name, value)| attribute(name, value))
        .collect();
    let mut said = json!({
        "traceId": hex::encode(span.context.trace),
        "spanId": hex::encode(span.context.span),
        "flags": u8::from(span.context.sampled),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.start.to_string(),
        "endTimeUnixNano": span.end.to_string(),
        "attributes": attributes,
        "status": if span.failed { json!({ "code": 2 }) } else { json!({}) },
    });
    if let (Some(parent), Some(said)) = (span.parent, said.as_object_mut()) {
        said.insert("parentSpanId".into(), hex::encode(parent).into());
    }
    said
}

fn attribute(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": name, "value": value })
}

/// How many of the spans the collector refused, as its answer says; 0 if it says nothing of the kind.
#[must_use]
pub fn refused(answer: &[u8]) -> u64 {
    let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
    let refused = answer.pointer("/partialSuccess/rejectedSpans");
    refused
        .and_then(|number| number.as_u64().or(number.as_str()?.parse().ok()))
        .unwrap_or(0)
}
