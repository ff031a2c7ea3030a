//! The registry, its text form, and the one counter that both door and spool write: what became of each callback.
//!
//! Every part registers and owns its own metrics; nothing is global. Counters are resolved once, at the start, so
//! that counting costs no hashing, and so that every fixed combination of labels exists at 0 before it happens.

mod register;

pub(crate) use register::Register;

use crate::callback::names::{EventName, SourceName};
use prometheus::{Encoder, IntCounter, Registry, TextEncoder, process_collector::ProcessCollector};
use std::sync::Arc;

/// The media type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// A registry that holds `livebridge_build_info` and the standard `process_*`.
///
/// # Errors
/// Never, unless prometheus' own rules for names change.
pub fn registry() -> prometheus::Result<Registry> {
    let registry = Registry::new();
    let build_info = Register(&registry).gauges(
        "livebridge_build_info",
        "Always 1; the labels say what runs.",
        &["version"],
    )?;
    build_info
        .with_label_values(&[env!("CARGO_PKG_VERSION")])
        .set(1);
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}

/// Everything in the registry, in Prometheus' text format.
///
/// # Errors
/// If a metric breaks that format.
pub fn encode(registry: &Registry) -> prometheus::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(64 * 1024);
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}

/// What became of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A new record was made durable, whatever was then answered. Counted by the spool's writer.
    Accepted,
    /// Found in the window, or joined an identical one under way. Counted by the spool's writer.
    Duplicate,
    /// Answered 4xx. Counted by the door.
    Rejected,
    /// Answered 503, and no record was made. Counted by the door.
    Overloaded,
    /// Answered 200 without a record, since its family is `off`. Counted by the door.
    Ignored,
}

impl Outcome {
    /// All outcomes, in the order of their declaration.
    pub const ALL: &'static [Self] = &[
        Self::Accepted,
        Self::Duplicate,
        Self::Rejected,
        Self::Overloaded,
        Self::Ignored,
    ];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Overloaded => "overloaded",
            Self::Ignored => "ignored",
        }
    }
}

/// `livebridge_callbacks_total{source,event,outcome}`. Cheap to clone and to count with.
#[derive(Debug, Clone)]
pub struct Callbacks(Arc<[OfSource]>);

/// The counters of one source, by event and outcome in the order of their declarations.
#[derive(Debug)]
struct OfSource {
    source: SourceName,
    counters: Vec<IntCounter>,
}

impl Callbacks {
    /// All combinations for the configured sources, at 0.
    ///
    /// # Errors
    /// If the registry has a metric of that name already.
    pub fn register(registry: &Registry, sources: &[SourceName]) -> prometheus::Result<Self> {
        let family = Register(registry).counters(
            "livebridge_callbacks_total",
            "Callbacks by what became of them: accepted = a new record made durable.",
            &["source", "event", "outcome"],
        )?;
        let of = |source: &SourceName| {
            let mut counters = Vec::with_capacity(EventName::ALL.len() * Outcome::ALL.len());
            for event in EventName::ALL {
                for outcome in Outcome::ALL {
                    let labels = [source.as_str(), event.as_str(), outcome.as_str()];
                    counters.push(family.with_label_values(&labels));
                }
            }
            OfSource {
                source: source.clone(),
                counters,
            }
        };
        Ok(Self(sources.iter().map(of).collect()))
    }

    /// Counts one. A source that is configured no longer isn't counted: labels are bounded by the settings.
    pub fn count(&self, source: &SourceName, event: EventName, outcome: Outcome) {
        let index = event as usize * Outcome::ALL.len() + outcome as usize;
        let counters = self.0.iter().find(|of| of.source == *source);
        if let Some(counter) = counters.and_then(|of| of.counters.get(index)) {
            counter.inc();
        }
    }

    /// How many there were: for tests and `/status`.
    #[must_use]
    pub fn get(&self, source: &SourceName, event: EventName, outcome: Outcome) -> u64 {
        let index = event as usize * Outcome::ALL.len() + outcome as usize;
        let counters = self.0.iter().find(|of| of.source == *source);
        counters
            .and_then(|of| of.counters.get(index))
            .map_or(0, IntCounter::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_there_at_0_and_counts_apart() {
        let registry = registry().unwrap();
        let [a, b] = ["a", "b"].map(|name| SourceName::parse(name).unwrap());
        let callbacks = Callbacks::register(&registry, &[a.clone(), b.clone()]).unwrap();
        let lines = |text: &str| {
            text.lines()
                .filter(|line| line.starts_with("livebridge_callbacks_total{"))
                .count()
        };
        let text = String::from_utf8(encode(&registry).unwrap()).unwrap();
        assert_eq!(lines(&text), 2 * 19 * 5);
        assert!(text.contains("livebridge_build_info{version="));
        assert!(text.contains("process_cpu_seconds_total"));

        for &event in EventName::ALL {
            for &outcome in Outcome::ALL {
                callbacks.count(&b, event, outcome);
            }
        }
        callbacks.count(&b, EventName::QualityControl, Outcome::Duplicate);
        callbacks.count(
            &SourceName::parse("gone").unwrap(),
            EventName::Unknown,
            Outcome::Accepted,
        );
        let text = String::from_utf8(encode(&registry).unwrap()).unwrap();
        assert!(text.contains(
            "livebridge_callbacks_total{event=\"quality.control\",outcome=\"duplicate\",source=\"b\"} 2"
        ));
        assert!(text.contains(
            "livebridge_callbacks_total{event=\"unknown\",outcome=\"ignored\",source=\"b\"} 1"
        ));
        assert_eq!(
            callbacks.get(&a, EventName::QualityControl, Outcome::Duplicate),
            0
        );
        assert_eq!(lines(&text), 2 * 19 * 5);
    }
}
