//! When an event happened, by its own account. Each kind says it in another field and unit, or not at all.

use super::{Event, embedded::Embedded};
use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

/// An instant between 1970 and 9999, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTime(Duration);

/// The fields in which it is said, by their names in JSON.
pub(super) const FIELDS: [&str; 8] = [
    "event_time",
    "end_time",
    "end_time_usec",
    "create_time",
    "sendTime",
    "data_time",
    "timestamp",
    "msg",
];

const END_OF_9999: Duration = Duration::from_secs(253_402_300_800);

impl EventTime {
    /// None for what no event can have happened at: zero, before 1970, after 9999.
    fn new(since_epoch: Duration) -> Option<Self> {
        (since_epoch > Duration::ZERO && since_epoch < END_OF_9999).then_some(Self(since_epoch))
    }

    fn from_seconds(seconds: i64) -> Option<Self> {
        Self::new(Duration::from_secs(seconds.try_into().ok()?))
    }

    fn from_millis(millis: i64) -> Option<Self> {
        Self::new(Duration::from_millis(millis.try_into().ok()?))
    }

    /// A fraction that is none is left out.
    fn plus_micros(self, micros: Option<i64>) -> Self {
        let micros = micros.and_then(|micros| u64::try_from(micros).ok());
        match micros {
            Some(micros @ 0..=999_999) => Self(self.0 + Duration::from_micros(micros)),
            _ => self,
        }
    }
}

/// RFC 3339, UTC, `Z`: with milliseconds, or microseconds where the sender gives them.
impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = UNIX_EPOCH + self.0;
        if self.0.subsec_nanos().is_multiple_of(1_000_000) {
            humantime::format_rfc3339_millis(at).fmt(f)
        } else {
            humantime::format_rfc3339_micros(at).fmt(f)
        }
    }
}

impl Event {
    /// When it happened, by its own account; none if it doesn't say, or something senseless.
    #[must_use]
    pub fn time(&self) -> Option<EventTime> {
        let seconds = |field: Option<i64>| field.and_then(EventTime::from_seconds);
        let millis = |field: Option<i64>| field.and_then(EventTime::from_millis);
        match self {
            Self::RecordingFile(e) => seconds(e.end_time).map(|t| t.plus_micros(e.end_time_usec)),
            Self::RecordingStatus(e) => seconds(e.event_time),
            Self::RecordingException(e) => seconds(e.timestamp),
            Self::StreamInterrupted(e) => seconds(e.event_time),
            Self::StreamStarted(e) => seconds(e.event_time),
            Self::StreamException(e) => millis(e.data_time),
            Self::ScreenshotFile(e) => seconds(e.create_time),
            Self::ModerationImage(e) => seconds(e.send_time),
            Self::RelayTaskEvent(e) => {
                let msg = e.msg.as_ref().and_then(Embedded::held);
                seconds(e.event_time)
                    .or_else(|| millis(msg?.task_start_time))
                    .or_else(|| millis(msg?.task_exit_time))
            }
            Self::QualityMonitoring(e) => millis(e.event_time),
            Self::QualityControl(e) => seconds(e.event_time),
            Self::QualityEvaluation(e) => seconds(e.event_time),
            Self::QualityEvaluationAverage(e) => seconds(e.event_time),
            Self::IntelligenceSummary(e) => seconds(e.end_time),
            Self::ModerationAudio(_)
            | Self::IntelligenceSubtitles(_)
            | Self::IntelligenceErasure(_)
            | Self::IntelligenceHighlight(_)
            | Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callback::json::Document;

    fn time(body: &str) -> Option<String> {
        let document = Document::parse(body.as_bytes()).unwrap();
        Event::parse(&document)
            .unwrap()
            .time()
            .map(|t| t.to_string())
    }

    #[test]
    fn the_unit_is_that_of_the_kind() {
        let same = Some("2025-06-15T15:06:40.000Z".to_owned());
        for body in [
            r#"{"event_type":0,"event_time":1750000000}"#,
            r#"{"event_type":321,"data_time":1750000000000}"#,
            r#"{"event_type":314,"event_time":"1750000000"}"#,
            r#"{"event_type":314,"event_time":"0","msg":"{\"task_start_time\":1750000000000}"}"#,
            r#"{"event_type":314,"msg":"{\"task_start_time\":0,\"task_exit_time\":1750000000000}"}"#,
            r#"{"event_type":100,"end_time":1750000000,"end_time_usec":1000000}"#,
        ] {
            assert_eq!(time(body), same, "{body}");
        }
        assert_eq!(
            time(r#"{"event_type":100,"end_time":1750000000,"end_time_usec":618577}"#).unwrap(),
            "2025-06-15T15:06:40.618577Z"
        );
    }

    #[test]
    fn a_senseless_time_is_no_time() {
        for body in [
            r#"{"event_type":1,"event_time":0}"#,
            r#"{"event_type":1,"event_time":-1}"#,
            r#"{"event_type":1,"event_time":9223372036854775807}"#,
            r#"{"event_type":1,"event_time":253402300800}"#,
            r#"{"event_type":1}"#,
            r#"{"event_type":7,"event_time":1750000000}"#,
        ] {
            assert_eq!(time(body), None, "{body}");
        }
        assert!(time(r#"{"event_type":1,"event_time":253402300799}"#).is_some());
    }
}
