//! One sample callback of each kind: for `send`, the demo and the tests.

use crate::callback::names::EventName;

/// A callback of this kind as the sender would write it, without `t` and `sign`. After the vendor's own samples, their
/// JSON repaired where it was none and masks filled in; that of `quality.monitoring`, for which there is none, and that
/// of `unknown` are made up.
#[must_use]
pub const fn sample(name: EventName) -> &'static str {
    match name {
        EventName::RecordingFile => include_str!("samples/recording.file.json"),
        EventName::RecordingStatus => include_str!("samples/recording.status.json"),
        EventName::RecordingException => include_str!("samples/recording.exception.json"),
        EventName::StreamInterrupted => include_str!("samples/stream.interrupted.json"),
        EventName::StreamStarted => include_str!("samples/stream.started.json"),
        EventName::StreamException => include_str!("samples/stream.exception.json"),
        EventName::ScreenshotFile => include_str!("samples/screenshot.file.json"),
        EventName::ModerationAudio => include_str!("samples/moderation.audio.json"),
        EventName::ModerationImage => include_str!("samples/moderation.image.json"),
        EventName::RelayTaskEvent => include_str!("samples/relay-task.event.json"),
        EventName::QualityMonitoring => include_str!("samples/quality.monitoring.json"),
        EventName::QualityControl => include_str!("samples/quality.control.json"),
        EventName::QualityEvaluation => include_str!("samples/quality.evaluation.json"),
        EventName::QualityEvaluationAverage => {
            include_str!("samples/quality.evaluation-average.json")
        }
        EventName::IntelligenceSubtitles => include_str!("samples/intelligence.subtitles.json"),
        EventName::IntelligenceErasure => include_str!("samples/intelligence.erasure.json"),
        EventName::IntelligenceSummary => include_str!("samples/intelligence.summary.json"),
        EventName::IntelligenceHighlight => include_str!("samples/intelligence.highlight.json"),
        EventName::Unknown => include_str!("samples/unknown.json"),
    }
    .trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callback::{event::Event, json::Document};

    #[test]
    fn every_sample_is_an_unsigned_callback_of_its_kind() {
        for &name in EventName::ALL {
            let document = Document::parse(sample(name).as_bytes()).unwrap();
            assert_eq!((document.get("t"), document.get("sign")), (None, None));
            assert_eq!(Event::parse(&document).unwrap().name(), name);
        }
    }
}
