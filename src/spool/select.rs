//! Which records are meant: by number, time of acceptance, event and stream. Pure, and the same for every command that
//! looks into a spool.

use super::{index::Entry, record::Seq};
use crate::{
    callback::{
        event::{event_type, stream_key},
        json::Document,
        names::{EventName, Family},
    },
    clock::Millis,
};
use serde::{Deserialize, Serialize};

/// All conditions must hold; what isn't set holds for every record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Accepted at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Millis>,
    /// Accepted before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// Not below this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Not above this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// Of this stream: the key in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Of this kind; `unknown` also for what has no integer `event_type`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "event_name")]
    pub event: Option<EventName>,
}

impl Selection {
    /// Whether a number may be meant.
    #[must_use]
    pub fn takes_seq(&self, seq: Seq) -> bool {
        self.first.is_none_or(|first| seq.0 >= first) && self.last.is_none_or(|last| seq.0 <= last)
    }

    /// Whether a time may be meant.
    #[must_use]
    pub fn takes_time(&self, at: Millis) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    /// What an index can tell: everything but stream and kind.
    pub(in crate::spool) fn takes_entry(&self, entry: &Entry) -> bool {
        self.takes_seq(entry.seq)
            && self.takes_time(entry.accepted_at)
            && self.takes_family(entry.family)
    }

    /// An earlier release may have stored a kind as unknown that this one knows.
    pub(in crate::spool) fn takes_family(&self, family: Family) -> bool {
        self.event
            .is_none_or(|event| event.family() == family || family == Family::Unknown)
    }

    /// What only the body tells.
    #[must_use]
    pub fn takes_body(&self, body: &[u8]) -> bool {
        if self.stream.is_none() && self.event.is_none() {
            return true;
        }
        let about = About::of(body);
        self.event.is_none_or(|event| event == about.event)
            && (self.stream.is_none() || self.stream == about.stream)
    }
}

/// What a body says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its kind; `unknown` if it can't be told.
    pub event: EventName,
    /// The key in Kafka.
    pub stream: Option<String>,
}

impl About {
    /// Reads a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let Ok(document) = Document::parse(body) else {
            return Self {
                event: EventName::Unknown,
                stream: None,
            };
        };
        Self {
            event: event_type(&document).map_or(EventName::Unknown, EventName::from_event_type),
            stream: stream_key(&document).map(Into::into),
        }
    }
}

mod event_name {
    use super::EventName;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        event: &Option<EventName>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        event.map(EventName::as_str).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<EventName>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|name| name.parse().map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_conditions_must_hold_and_an_empty_selection_takes_all() {
        let all = Selection::default();
        assert!(all.takes_seq(Seq(1)) && all.takes_time(Millis(0)) && all.takes_body(b"no json"));
        let some = Selection {
            since: Some(Millis(10)),
            until: Some(Millis(20)),
            first: Some(3),
            last: Some(5),
            stream: Some("s".into()),
            event: Some(EventName::RecordingFile),
        };
        assert_eq!(
            [2, 3, 5, 6].map(|n| some.takes_seq(Seq(n))),
            [false, true, true, false]
        );
        assert_eq!(
            [9, 10, 19, 20].map(|at| some.takes_time(Millis(at))),
            [false, true, true, false]
        );
        assert!(some.takes_body(br#"{"event_type":100,"stream_id":"s"}"#));
        for other in [
            &br#"{"event_type":1,"stream_id":"s"}"#[..],
            br#"{"event_type":100,"stream_id":"t"}"#,
            b"no json",
        ] {
            assert!(!some.takes_body(other));
        }
    }

    #[test]
    fn it_survives_the_socket_and_an_unknown_field_is_an_error() {
        let some = Selection {
            since: Some(Millis(10)),
            event: Some(EventName::RecordingFile),
            ..Selection::default()
        };
        let text = serde_json::to_string(&some).unwrap();
        assert_eq!(text, r#"{"since":10,"event":"recording.file"}"#);
        assert_eq!(serde_json::from_str::<Selection>(&text).unwrap(), some);
        assert!(serde_json::from_str::<Selection>(r#"{"sinse":10}"#).is_err());
        assert!(serde_json::from_str::<Selection>(r#"{"event":"recording.fil"}"#).is_err());
    }
}
