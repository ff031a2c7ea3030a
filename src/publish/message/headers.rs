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
use bytes::{Bytes, BytesMut};
use std::fmt::{Display, Write};

/// What the values take, but for the key: enough for most.
const TEXT: usize = 256;

/// All headers but the marks.
pub(super) fn of(
    record: &Record,
    document: &Document<'_>,
    name: EventName,
    time: Option<EventTime>,
    key: Option<&str>,
) -> Vec<Header> {
    let envelope = &record.envelope;
    let mut headers = Vec::with_capacity(12);
    headers.push(("ce_specversion", Bytes::from_static(b"1.0")));
    // All of them in one piece of memory: most of making a message is asking for memory.
    let mut text = BytesMut::with_capacity(TEXT + key.map_or(0, str::len));
    let mut put = |name, value: &dyn Display| {
        // Memory takes all of it.
        let _ = write!(text, "{value}");
        headers.push((name, text.split().freeze()));
    };
    put("ce_id", &record.ce_id);
    put("ce_source", &format_args!("/callbacks/{}", envelope.source));
    put("ce_type", &format_args!("com.tencent.css.{name}"));
    if let Some(key) = key {
        put("ce_subject", &key);
    }
    match time {
        Some(time) => put("ce_time", &time),
        None => put("ce_time", &envelope.received_at),
    }
    put("ce_receivedtime", &envelope.received_at);
    if let Some(seconds) = expired_by(document, envelope.received_at) {
        put("ce_expiredby", &seconds);
    }
    if let Some(traceparent) = &envelope.traceparent {
        put("traceparent", traceparent);
    }
    headers.push(("content-type", Bytes::from_static(b"application/json")));
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
