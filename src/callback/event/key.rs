//! Which stream a callback belongs to: the Kafka key, and so its partition and its place in an order.

use crate::callback::json::{self, Document, Kind};
use std::borrow::Cow;

/// In this order, the first that is there counts.
const NAMES: [&str; 4] = ["stream_id", "streamId", "channel_id", "task_id"];

/// The stream's id; else the channel's; else the task's. Works on any callback, typable or not, and never changes for
/// a stream whatever else does, so that its events stay in order. An empty one counts as absent, a number is its text.
#[must_use]
pub fn stream_key<'a>(document: &Document<'a>) -> Option<Cow<'a, str>> {
    NAMES.iter().find_map(|name| {
        let value = document.get(name)?;
        match json::kind(value) {
            Kind::String => json::string(value).filter(|id| !id.is_empty()),
            Kind::Number => Some(value.into()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_that_says_something_is_the_key() {
        for (body, key) in [
            (
                r#"{"task_id":"t","channel_id":"c","streamId":"S","stream_id":"s"}"#,
                Some("s"),
            ),
            (
                r#"{"task_id":"t","channel_id":"c","streamId":"S","stream_id":""}"#,
                Some("S"),
            ),
            (
                r#"{"task_id":"t","channel_id":"c","stream_id":null}"#,
                Some("c"),
            ),
            (r#"{"task_id":36881,"stream_id":["s"]}"#, Some("36881")),
            (
                r#"{"stream_id":12345678901234567890}"#,
                Some("12345678901234567890"),
            ),
            (r#"{"stream_id":"\u00e9"}"#, Some("é")),
            (r#"{"data":{"stream_id":"s"},"channelId":"c"}"#, None),
        ] {
            let document = Document::parse(body.as_bytes()).unwrap();
            assert_eq!(stream_key(&document).as_deref(), key, "{body}");
        }
    }
}
