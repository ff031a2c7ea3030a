//! A span: one step of a callback's way, with its beginning and its end.

use super::context::{Context, SpanId};

/// One step. It is made when it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What was done.
    pub name: &'static str,
    /// Its place in the way.
    pub kind: Kind,
    /// Its trace and its own number.
    pub context: Context,
    /// The span that it is a part of; none where the trace begins.
    pub parent: Option<SpanId>,
    /// When it began, in nanoseconds since the Unix epoch.
    pub start: u64,
    /// When it ended, likewise.
    pub end: u64,
    /// It didn't do what it was there for.
    pub failed: bool,
    /// What else is known of it. Nothing secret: whoever reads traces sees it.
    pub attributes: Vec<(&'static str, Value)>,
}

/// As OpenTelemetry numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Within the relay.
    Internal = 1,
    /// A request that came in.
    Server = 2,
    /// A message that went out.
    Producer = 4,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}
