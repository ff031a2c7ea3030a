//! The headers of a message: CloudEvents 1.0 in Kafka's binary mode.

use super::Header;
use crate::{
    callback::{
        event::EventTime,
        json::{self, Document, Kind},
        names::EventName,
    },
    clock::Millis,
    spool::Record,
};

/// All headers but the marks.
pub(super) fn of(
    record: &Record,
    document: &Document<'_>,
    name: EventName,
    time: Option<EventTime>,
    key: Option<&str>,
) -> Vec<Header> {
    let envelope = &record.envelope;
    let received = envelope.received_at.to_string();
    let time = time.map_or_else(|| received.clone(), |time| time.to_string());
    let mut headers = Vec::with_capacity(12);
    headers.push(("ce_specversion", b"1.0".as_slice().into()));
    let mut put = |name, value: String| headers.push((name, value.into_bytes().into()));
    put("ce_id", record.ce_id.to_string());
    put("ce_source", format!("/callbacks/{}", envelope.source));
    put("ce_type", format!("com.tencent.css.{name}"));
    if let Some(key) = key {
        put("ce_subject", key.into());
    }
    put("ce_time", time);
    put("ce_receivedtime", received);
    if let Some(seconds) = expired_by(document, envelope.received_at) {
        put("ce_expiredby", seconds.to_string());
    }
    if let Some(traceparent) = &envelope.traceparent {
        put("traceparent", traceparent.to_string());
    }
    headers.push(("content-type", b"application/json".as_slice().into()));
    headers
}

/// Whole seconds past `t` at receipt; none if it wasn't late, or has no `t` (1 to 19 digits, as a number or a string).
fn expired_by(document: &Document<'_>, received_at: Millis) -> Option<u64> {
    let value = document.get("t")?;
    let text = match json::kind(value) {
        Kind::Number => value.into(),
        Kind::String => json::string(value)?,
        _ => return None,
    };
    let digits = (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let expires: u64 = digits.then(|| text.parse().ok())??;
    received_at
        .seconds()
        .checked_sub(expires)
        .filter(|&late| late > 0)
}
