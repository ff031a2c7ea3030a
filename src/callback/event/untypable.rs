//! Why a callback is no typed event: which field, what was expected, what kind of value came. Never the value itself,
//! since the text goes to logs and headers.

use crate::callback::{
    json::{Kind, Malformed, integer, integer_text, kind},
    names::EventName,
};

/// Why a callback can't be typed. An authentic one goes to the quarantine with this as its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untypable {
    /// No `event_type`, or null.
    #[error("event_type is missing")]
    MissingEventType,
    /// A documented field whose value is not of its type, also after the conversions that are made for it.
    #[error("{path}: expected {expected}, found {found}")]
    Field {
        /// The documented names that lead to the field: `abnormal_event[0].count`.
        path: String,
        /// What the field's type takes.
        expected: &'static str,
        /// What kind of value came.
        found: &'static str,
    },
    /// Another kind of event than the one asked for; only when a single kind is deserialized.
    #[error("this is the event {found}, not {expected}")]
    OtherEvent {
        /// The kind asked for.
        expected: EventName,
        /// The kind that came.
        found: EventName,
    },
    /// Not an acceptable JSON object.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Untypable {
    /// The value is not of its type; the way to it is added by those who know it.
    pub(super) fn value(expected: &'static str, value: &str) -> Self {
        Self::Field {
            path: String::new(),
            expected,
            found: found(value),
        }
    }

    /// The fault lies inside the field `name`.
    #[must_use]
    pub(super) fn inside(self, name: &str) -> Self {
        self.under(|path| match path.as_bytes().first() {
            None | Some(b'[') => format!("{name}{path}"),
            Some(_) => format!("{name}.{path}"),
        })
    }

    /// The fault lies inside this element of a list.
    #[must_use]
    pub(super) fn at(self, index: usize) -> Self {
        self.under(|path| match path.as_bytes().first() {
            None | Some(b'[') => format!("[{index}]{path}"),
            Some(_) => format!("[{index}].{path}"),
        })
    }

    fn under(self, longer: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Field {
                path,
                expected,
                found,
            } => Self::Field {
                path: longer(&path),
                expected,
                found,
            },
            other => other,
        }
    }
}

/// Names a value's kind, for people.
fn found(value: &str) -> &'static str {
    match kind(value) {
        Kind::Null => "null",
        Kind::Bool => "a boolean",
        Kind::Number if integer(value).is_some() => "an integer",
        Kind::Number if integer_text(value).is_some() => "an integer out of range",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    }
}
