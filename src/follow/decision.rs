//! What was decided about a callback, or about a connection that no callback came out of. Pure.

use crate::clock::Millis;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, net::IpAddr};

/// Characters of a stream's id that are told: whoever isn't authentic may have written it.
pub const STREAM_MAX: usize = 128;

/// What became of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A new record, durable: 200.
    Accepted,
    /// Found in the dedup window: 200.
    Duplicate,
    /// Its family is `off`: 200.
    Ignored,
    /// Refused, 4xx, or closed without an answer: `rejected` in the metrics.
    #[value(alias = "rejected")]
    Refused,
    /// 503.
    Overloaded,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Overloaded => "overloaded",
        }
    }
}

/// Every reason that a decision can have, and what it means.
pub const REASONS: &[(&str, &str)] = &[
    ("no-such-path", "404: the path names no source"),
    (
        "wrong-token",
        "404: the source's path_token is missing or another",
    ),
    ("address", "404: sources.*.allow doesn't name the address"),
    ("method", "405: not a POST"),
    ("body-too-slow", "408"),
    ("body-too-large", "413"),
    ("body-broken", "400: the body broke off"),
    ("malformed-json", "400: not one JSON object"),
    ("missing", "401: no sign or no t"),
    ("malformed", "401: sign or t isn't one"),
    ("mismatch", "401: no key makes this signature"),
    ("expired", "401: past t by more than the leeway"),
    ("future", "401: t is too far ahead"),
    (
        "overload",
        "503: too much in flight, or the queue to the spool is full",
    ),
    (
        "address-limit",
        "503, or closed: limits.connections_per_address",
    ),
    ("spool-full", "503"),
    ("spool-stopped", "503"),
    (
        "no-receipt",
        "503: the disk took longer than http.answer_timeout; the record may be kept all the same",
    ),
    (
        "not-taken",
        "503, with ack = \"kafka\": Kafka takes nothing for the topic",
    ),
    ("leaving", "503: the relay is shutting down"),
    ("proxy-header", "closed: no PROXY header, or a broken one"),
    ("tls-handshake", "closed: the handshake failed"),
    ("handshake-timeout", "closed: http.handshake_timeout"),
    ("head-timeout", "closed: http.header_timeout"),
    (
        "malformed-http",
        "400, 431 or closed: no HTTP, or a head over limits.header_bytes",
    ),
];

/// One decision. What isn't known, or isn't so, is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: Millis,
    /// What.
    pub outcome: Outcome,
    /// The answer's status; none if the connection was closed without one, or by hyper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why, if it wasn't taken: one of [`REASONS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// More about that. Says where and how much, never what was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The source that the path named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whose it was.
    pub address: IpAddr,
    /// Its kind of event, also of one that isn't authentic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Cow<'static, str>>,
    /// Its stream, likewise; cut to [`STREAM_MAX`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The name of the key that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Seconds past `t`, when it was late and taken all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_by: Option<u64>,
    /// The number of its record in the spool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Its id in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ce_id: Option<String>,
    /// The size of its body, if that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// From the end of its head to the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micros: Option<u64>,
}

impl Decision {
    /// One about which no more than this is known yet.
    #[must_use]
    pub const fn new(at: Millis, outcome: Outcome, address: IpAddr) -> Self {
        Self {
            at,
            outcome,
            status: None,
            reason: None,
            detail: None,
            source: None,
            address,
            event: None,
            stream: None,
            key: None,
            expired_by: None,
            seq: None,
            ce_id: None,
            bytes: None,
            micros: None,
        }
    }
}

/// A stream's id as it is told: cut after [`STREAM_MAX`] characters.
#[must_use]
pub fn shortened(stream: &str) -> String {
    match stream.char_indices().nth(STREAM_MAX) {
        None => stream.into(),
        Some((end, _)) => format!("{}…", stream.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_survives_the_socket_and_says_nothing_that_is_not_so() {
        let mut decision = Decision::new(
            Millis(1_750_000_000_042),
            Outcome::Refused,
            [192, 0, 2, 1].into(),
        );
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(
            text,
            r#"{"at":1750000000042,"outcome":"refused","address":"192.0.2.1"}"#
        );
        decision.reason = Some("mismatch".into());
        decision.stream = Some("s\u{1b}[31m".into());
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision);
    }

    #[test]
    fn a_stream_is_cut_between_characters() {
        assert_eq!(shortened("é"), "é");
        let long = "é".repeat(STREAM_MAX);
        assert_eq!(shortened(&long), long);
        assert_eq!(shortened(&format!("{long}x")), format!("{long}…"));
    }
}
