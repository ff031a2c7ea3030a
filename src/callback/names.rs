//! The fixed vocabulary: every kind of event, its name, its family, and the family's default topic.

use std::{fmt, str::FromStr};

macro_rules! families {
    ($($variant:ident = $code:literal, $key:literal, $topic:literal;)*) => {
        /// The events that share a topic setting. The numbers are stored in spools: never change or reuse one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "each variant is its key in the settings")]
        pub enum Family { $($variant = $code,)* }

        impl Family {
            /// All families, by code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The key under `topics.` in the settings; also the label in metrics.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// The topic when the settings name none.
            #[must_use]
            pub const fn default_topic(self) -> &'static str {
                match self { $(Self::$variant => $topic,)* }
            }

            /// The number stored in spools.
            #[must_use]
            pub const fn code(self) -> u8 { self as u8 }

            /// The family with this stored number.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

families! {
    Unknown = 0, "unknown", "live.unknown";
    Recording = 1, "recording", "live.recording";
    RecordingStatus = 2, "recording_status", "live.recording-status";
    Stream = 3, "stream", "live.stream";
    Screenshot = 4, "screenshot", "live.screenshot";
    Moderation = 5, "moderation", "live.moderation";
    RelayTask = 6, "relay_task", "live.relay-task";
    Quality = 7, "quality", "live.quality";
    Intelligence = 8, "intelligence", "live.intelligence";
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

macro_rules! event_names {
    ($($variant:ident = $number:literal, $name:literal, $family:ident;)*) => {
        /// The name of a kind of event: the same in metrics, `ce_type`, `send`, `schema` and the demo.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each variant is its name")]
        pub enum EventName { $($variant,)* Unknown }

        impl EventName {
            /// Every name, `unknown` last.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)* Self::Unknown];

            /// `event_type` alone decides the kind.
            #[must_use]
            pub const fn from_event_type(event_type: i64) -> Self {
                match event_type { $($number => Self::$variant,)* _ => Self::Unknown }
            }

            /// The sender's number; none for `unknown`.
            #[must_use]
            pub const fn event_type(self) -> Option<i64> {
                match self { $(Self::$variant => Some($number),)* Self::Unknown => None }
            }

            /// For example `recording.file`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Unknown => "unknown" }
            }

            /// The family whose topic it goes to.
            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* Self::Unknown => Family::Unknown }
            }
        }
    };
}

event_names! {
    RecordingFile = 100, "recording.file", Recording;
    RecordingStatus = 332, "recording.status", RecordingStatus;
    RecordingException = 341, "recording.exception", RecordingStatus;
    StreamInterrupted = 0, "stream.interrupted", Stream;
    StreamStarted = 1, "stream.started", Stream;
    StreamException = 321, "stream.exception", Stream;
    ScreenshotFile = 200, "screenshot.file", Screenshot;
    ModerationAudio = 315, "moderation.audio", Moderation;
    ModerationImage = 317, "moderation.image", Moderation;
    RelayTaskEvent = 314, "relay-task.event", RelayTask;
    QualityMonitoring = 328, "quality.monitoring", Quality;
    QualityControl = 343, "quality.control", Quality;
    QualityEvaluation = 344, "quality.evaluation", Quality;
    QualityEvaluationAverage = 345, "quality.evaluation-average", Quality;
    IntelligenceSubtitles = 338, "intelligence.subtitles", Intelligence;
    IntelligenceErasure = 347, "intelligence.erasure", Intelligence;
    IntelligenceSummary = 348, "intelligence.summary", Intelligence;
    IntelligenceHighlight = 349, "intelligence.highlight", Intelligence;
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No event has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no event is called {0:?}")]
pub struct NoSuchEvent(String);

impl FromStr for EventName {
    type Err = NoSuchEvent;

    fn from_str(name: &str) -> Result<Self, NoSuchEvent> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| NoSuchEvent(name.into()))
    }
}

/// The name of a configured sender: `[a-z0-9-]{1,32}`. It is part of the URL, of `ce_source` and of labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(std::sync::Arc<str>);

/// Why a text is no source name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a source name: 1 to 32 of a-z, 0-9 and -")]
pub struct InvalidSourceName(String);

impl SourceName {
    /// Checks the form once, here.
    ///
    /// # Errors
    /// If the text isn't 1 to 32 characters of `a-z`, `0-9` and `-`.
    pub fn parse(text: &str) -> Result<Self, InvalidSourceName> {
        let valid = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSourceName(text.into()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighteen_kinds_and_unknown_have_distinct_names_and_numbers() {
        let numbers: std::collections::BTreeSet<_> =
            EventName::ALL.iter().map(|e| e.event_type()).collect();
        assert_eq!((EventName::ALL.len(), numbers.len()), (19, 19));
        for &event in EventName::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
            if let Some(number) = event.event_type() {
                assert_eq!(EventName::from_event_type(number), event);
            }
        }
    }

    #[test]
    fn family_codes_are_stable() {
        for (code, &family) in (0u8..).zip(Family::ALL) {
            assert_eq!(
                (family.code(), Family::from_code(code)),
                (code, Some(family))
            );
        }
    }

    #[test]
    fn source_names_have_one_form() {
        assert!(SourceName::parse("tencent-2").is_ok());
        for bad in ["", "Tencent", "a/b", "a b", &"x".repeat(33)] {
            assert!(SourceName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
