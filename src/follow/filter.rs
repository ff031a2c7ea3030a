//! Which decisions a follower wants to hear of. Pure.

use super::decision::{Decision, Outcome, shortened};
use serde::{Deserialize, Serialize};

/// All conditions must hold; one with several values holds for each of them, one without any for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Names of sources; what names none matches none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Names of events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Streams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
    /// Outcomes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
    /// Reasons: of [`super::REASONS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Filter {
    /// Whether it wants to hear of this one.
    #[must_use]
    pub fn takes(&self, decision: &Decision) -> bool {
        one_of(&self.sources, decision.source.as_deref())
            && one_of(&self.events, decision.event.as_deref())
            && one_of(&self.reasons, decision.reason.as_deref())
            && (self.outcomes.is_empty() || self.outcomes.contains(&decision.outcome))
            && (self.streams.is_empty() || self.takes_stream(decision.stream.as_deref()))
    }

    /// Streams are told cut, so they are compared so.
    fn takes_stream(&self, found: Option<&str>) -> bool {
        found.is_some_and(|found| self.streams.iter().any(|s| shortened(s) == found))
    }
}

fn one_of(wanted: &[String], found: Option<&str>) -> bool {
    wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|w| w == found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;

    fn decision() -> Decision {
        let mut decision = Decision::new(Millis(1), Outcome::Refused, [192, 0, 2, 1].into());
        decision.source = Some("tencent".into());
        decision.event = Some("recording.file".into());
        decision.stream = Some("s1".into());
        decision.reason = Some("mismatch".into());
        decision
    }

    #[test]
    fn every_condition_counts_and_none_takes_all() {
        let taken = Filter {
            sources: vec!["other".into(), "tencent".into()],
            events: vec!["recording.file".into()],
            streams: vec!["s1".into()],
            outcomes: vec![Outcome::Accepted, Outcome::Refused],
            reasons: vec!["mismatch".into()],
        };
        assert!(taken.takes(&decision()) && Filter::default().takes(&decision()));
        type Change = fn(&mut Filter);
        let changes: [Change; 5] = [
            |f| f.sources = vec!["other".into()],
            |f| f.events = vec!["unknown".into()],
            |f| f.streams = vec!["s".into()],
            |f| f.outcomes = vec![Outcome::Accepted],
            |f| f.reasons = vec!["expired".into()],
        ];
        for change in changes {
            let mut other = taken.clone();
            change(&mut other);
            assert!(!other.takes(&decision()), "{other:?}");
        }
        // What isn't known is nobody's.
        let bare = Decision::new(Millis(1), Outcome::Refused, [192, 0, 2, 1].into());
        assert!(!taken.takes(&bare) && Filter::default().takes(&bare));
    }

    #[test]
    fn a_long_stream_is_found_by_its_whole_id() {
        let id = "s".repeat(500);
        let mut long = decision();
        long.stream = Some(shortened(&id));
        let filter = Filter {
            streams: vec![id],
            ..Filter::default()
        };
        assert!(filter.takes(&long));
    }

    #[test]
    fn it_survives_the_socket_and_an_unknown_field_is_an_error() {
        let filter = Filter {
            outcomes: vec![Outcome::Refused],
            ..Filter::default()
        };
        let text = serde_json::to_string(&filter).unwrap();
        assert_eq!(text, r#"{"outcomes":["refused"]}"#);
        assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
        assert!(serde_json::from_str::<Filter>(r#"{"outcome":[]}"#).is_err());
    }
}
