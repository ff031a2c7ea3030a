//! CloudEvents 1.0 in structured mode: the attributes and the event in one JSON document.

use super::Header;
use bytes::Bytes;
use std::borrow::Cow;

/// CloudEvents' JSON format.
const CONTENT_TYPE: &[u8] = b"application/cloudevents+json; charset=UTF-8";
const PREFIX: &str = "ce_";
/// An Integer of CloudEvents has 32 bits.
const EXPIRED_BY: &str = "ce_expiredby";
/// A tracer of the Kafka client looks for it among the headers, in either mode.
const TRACEPARENT: &str = "traceparent";

/// Headers and value of a message in structured mode, from those of binary mode; `data` is JSON.
///
/// # Errors
/// If a header is no UTF-8; ours are.
pub(super) fn of(binary: Vec<Header>, data: &[u8]) -> serde_json::Result<(Vec<Header>, Vec<u8>)> {
    // The attributes take about as much as the headers did.
    let mut value = Vec::with_capacity(data.len() + 512);
    let mut headers = Vec::with_capacity(2);
    value.push(b'{');
    for (name, text) in binary {
        if let Some(attribute) = attribute(name) {
            member(&mut value, attribute)?;
            match name {
                EXPIRED_BY => value.extend_from_slice(&within_32_bits(&text)),
                _ => string(&mut value, &text)?,
            }
            value.push(b',');
        }
        if name == TRACEPARENT {
            headers.push((name, text));
        }
    }
    member(&mut value, "data")?;
    value.extend_from_slice(data);
    value.push(b'}');
    headers.push(("content-type", Bytes::from_static(CONTENT_TYPE)));
    Ok((headers, value))
}

/// Its name in the document: lower-case letters and digits, by CloudEvents' rules.
fn attribute(header: &'static str) -> Option<&'static str> {
    match header {
        "content-type" => Some("datacontenttype"),
        TRACEPARENT => Some(TRACEPARENT),
        _ => header.strip_prefix(PREFIX),
    }
}

fn member(value: &mut Vec<u8>, name: &str) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *value, name)?;
    value.push(b':');
    Ok(())
}

fn string(value: &mut Vec<u8>, text: &[u8]) -> serde_json::Result<()> {
    let text = std::str::from_utf8(text).map_err(serde::ser::Error::custom)?;
    serde_json::to_writer(value, text)
}

fn within_32_bits(digits: &[u8]) -> Cow<'_, [u8]> {
    let text = std::str::from_utf8(digits).unwrap_or_default();
    match text.parse::<i32>() {
        Ok(_) => digits.into(),
        Err(_) => i32::MAX.to_string().into_bytes().into(),
    }
}
