//! Typed events: what a callback means. Consumers of the topics deserialize with the same types.
//!
//! ```
//! use livebridge::callback::event::{Event, RecordingFile};
//!
//! let value = br#"{"event_type":100,"stream_id":"s1","file_size":277941079,"video_url":"http://example.com/a.m3u8"}"#;
//! let recording: RecordingFile = serde_json::from_slice(value)?;
//! assert_eq!(recording.file_size, Some(277_941_079));
//!
//! match serde_json::from_slice(value)? {
//!     Event::RecordingFile(recording) => assert_eq!(recording.stream_id.as_deref(), Some("s1")),
//!     other => panic!("{}", other.name()),
//! }
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! One file a family. Every documented field is optional, since the sender leaves fields out; what isn't documented, and
//! what is null, is in `other`. Known conversions are made (see [`Event::parse`]), so that a consumer sees one type where
//! the sender has several. Real bodies of events 0, 1, 100 and 349 are known; the other types are after the vendor's
//! documents alone.

mod asyncapi;
mod embedded;
mod field;
mod intelligence;
mod key;
mod moderation;
mod object;
mod quality;
mod raw;
mod recording;
mod recording_status;
mod redact;
mod relay_task;
mod samples;
mod schema;
mod screenshot;
mod stream;
mod structured;
mod time;
mod transcript;
mod untypable;

pub use asyncapi::asyncapi;
pub use embedded::Embedded;
pub use intelligence::*;
pub use key::stream_key;
pub use moderation::*;
pub use quality::*;
pub use raw::{Other, Raw};
pub use recording::*;
pub use recording_status::*;
pub use redact::redact_query;
pub(crate) use redact::{QUERY_FIELDS, redact_query_value};
pub use relay_task::*;
pub use samples::sample;
pub use schema::{schema, schema_all};
pub use screenshot::*;
pub use stream::*;
pub use structured::structured_schema;
pub use time::EventTime;
pub(crate) use transcript::Transcript;
pub use untypable::Untypable;

use super::{
    json::{self, Document, Kind},
    names::EventName,
};
use field::Written;
use object::Object;
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

/// The callback's `event_type`, which alone decides what kind of event it is.
///
/// # Errors
/// If it is missing, null, or no integer of 64 bits.
pub fn event_type(document: &Document<'_>) -> Result<i64, Untypable> {
    let value = document
        .get("event_type")
        .filter(|value| json::kind(value) != Kind::Null)
        .ok_or(Untypable::MissingEventType)?;
    json::integer(value)
        .ok_or_else(|| Untypable::value("an integer of 64 bits", value).inside("event_type"))
}

/// An event of a kind that this release doesn't know: passed on with all its fields as they came.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Unknown {
    /// The sender's number of the kind.
    pub event_type: i64,
    /// All other fields.
    pub other: Other,
}

impl Unknown {
    fn parse(event_type: i64, document: &Document<'_>) -> Result<Self, Untypable> {
        let mut other = Other::default();
        for member in document.members() {
            if !object::is_delivery(&member.name) {
                other.push(&member.name, member.value)?;
            }
        }
        Ok(Self { event_type, other })
    }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event_type", &self.event_type)?;
        for (name, value) in self.other.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

macro_rules! events {
    ($($kind:ident,)*) => {
        /// Any event.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each variant holds the type of its name")]
        pub enum Event {
            $($kind(Box<$kind>),)*
            Unknown(Box<Unknown>),
        }

        impl Event {
            /// What a callback means. Quantities become numbers also where the sender writes strings; numbers where an
            /// id is documented become their text; JSON in a string takes the string's place where that is documented;
            /// everything undocumented stays as it is. `sign` and `t` are left out: they belong to the delivery.
            ///
            /// # Errors
            /// If `event_type` is no integer, or a documented field has a value that is not of its type even so. A
            /// field that is missing or null is no error.
            pub fn parse(document: &Document<'_>) -> Result<Self, Untypable> {
                let number = event_type(document)?;
                match EventName::from_event_type(number) {
                    $(EventName::$kind => $kind::from_members(document.members())
                        .map(|event| Self::$kind(Box::new(event))),)*
                    EventName::Unknown => Unknown::parse(number, document)
                        .map(|event| Self::Unknown(Box::new(event))),
                }
            }

            /// What [`Self::parse`], [`Self::redact`] and serde together make of a callback, without them: most values are
            /// written as they came. None where it takes them to say what comes out, or that nothing does.
            pub(crate) fn transcribe(document: &Document<'_>, redact: &[String]) -> Option<Transcript> {
                let number = event_type(document).ok()?;
                let timed = document.members().iter();
                let timed = timed.filter(|member| time::FIELDS.contains(&&*member.name));
                match EventName::from_event_type(number) {
                    $(EventName::$kind => {
                        let event = $kind::from_members(timed).ok()?;
                        Some(Transcript {
                            name: EventName::$kind,
                            time: Self::$kind(Box::new(event)).time(),
                            json: transcript::json::<$kind>(number, document, redact)?,
                        })
                    })*
                    EventName::Unknown => None,
                }
            }

            /// What kind of event it is.
            #[must_use]
            pub const fn name(&self) -> EventName {
                match self {
                    $(Self::$kind(_) => EventName::$kind,)*
                    Self::Unknown(_) => EventName::Unknown,
                }
            }

            /// Blanks top-level fields, and query parameters in the fields that have queries, that have one of these names. The value is then
            /// `"***"`, of whatever type it was. `event_type` is never blanked.
            pub fn redact(&mut self, names: &[String]) {
                if names.is_empty() {
                    return;
                }
                match self {
                    $(Self::$kind(event) => {
                        for name in names {
                            event.blank(name);
                        }
                        for field in QUERY_FIELDS {
                            event.redact_queries_in(field, names);
                        }
                        event.other.redact_queries(names);
                    })*
                    Self::Unknown(event) => {
                        if let Some(blank) = object::redacted() {
                            for name in names {
                                event.other.replace(name, &blank);
                            }
                        }
                        event.other.redact_queries(names);
                    }
                }
            }

            fn reference(name: EventName, generator: &mut SchemaGenerator) -> Schema {
                match name {
                    $(EventName::$kind => generator.subschema_for::<$kind>(),)*
                    EventName::Unknown => generator.subschema_for::<Unknown>(),
                }
            }

            fn root_schema(name: EventName, generator: SchemaGenerator) -> Schema {
                match name {
                    $(EventName::$kind => generator.into_root_schema_for::<$kind>(),)*
                    EventName::Unknown => generator.into_root_schema_for::<Unknown>(),
                }
            }
        }

        impl Serialize for Event {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$kind(event) => Written(&**event).serialize(serializer),)*
                    Self::Unknown(event) => event.serialize(serializer),
                }
            }
        }
    };
}

events! {
    RecordingFile,
    RecordingStatus,
    RecordingException,
    StreamInterrupted,
    StreamStarted,
    StreamException,
    ScreenshotFile,
    ModerationAudio,
    ModerationImage,
    RelayTaskEvent,
    QualityMonitoring,
    QualityControl,
    QualityEvaluation,
    QualityEvaluationAverage,
    IntelligenceSubtitles,
    IntelligenceErasure,
    IntelligenceSummary,
    IntelligenceHighlight,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object::through_text(deserializer, |text| {
            Self::parse(&Document::parse_lenient(text)?)
        })
    }
}

impl<'de> Deserialize<'de> for Unknown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object::through_text(deserializer, |text| {
            let document = Document::parse_lenient(text)?;
            Self::parse(event_type(&document)?, &document)
        })
    }
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
