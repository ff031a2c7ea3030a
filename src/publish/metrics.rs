//! What the publisher counts. Every fixed combination of labels exists at 0 from the start.

use super::classify::{Class, Code, NAMED, Refusal};
use crate::{callback::names::Family, clock::Millis, config::Topics, metrics::Register};
use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// See the module. Clones share the counters.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// By topic, resolved once: it counts each record.
    published: Arc<[(String, IntCounter)]>,
    replayed: IntCounterVec,
    requeued: IntCounterVec,
    quarantined: IntCounterVec,
    copies_dropped: IntCounter,
    discarded: IntCounterVec,
    errors: IntCounterVec,
    retries: IntCounter,
    rebuilds: IntCounter,
    reachable: IntGauge,
    blocked: IntGaugeVec,
    partitions_changed: IntCounterVec,
    end_to_end: Histogram,
    oldest_pending: Gauge,
    stood_down: IntGauge,
    pending: IntGauge,
}

impl Metrics {
    /// Makes and registers them. `pending` is the spool's `livebridge_spool_pending_records`: it goes up there when a
    /// record becomes durable, and down here when one is settled.
    ///
    /// # Errors
    /// If one of the names is taken in this registry.
    pub fn register(
        registry: &Registry,
        topics: &Topics,
        pending: IntGauge,
    ) -> prometheus::Result<Self> {
        let register = Register(registry);
        let published = register.counters(
            "livebridge_published_total",
            "Records acked by Kafka, once each.",
            &["topic"],
        )?;
        let names: BTreeSet<_> = topics.families.values().cloned().collect();
        let published = names.into_iter().map(|topic| {
            let counter = published.with_label_values(&[&topic]);
            (topic, counter)
        });
        let metrics = Self {
            published: published.collect(),
            replayed: register.counters(
                "livebridge_replayed_total",
                "Records replayed.",
                &["topic"],
            )?,
            requeued: register.counters(
                "livebridge_requeued_total",
                "Records put back from the quarantine.",
                &["topic"],
            )?,
            quarantined: register.counters(
                "livebridge_quarantined_total",
                "Records put into the local quarantine.",
                &["reason"],
            )?,
            copies_dropped: register.counter(
                "livebridge_quarantine_copies_dropped_total",
                "Copies for topics.quarantine that were given up; the local quarantine holds the records.",
            )?,
            discarded: register.counters(
                "livebridge_discarded_total",
                "Records discarded since their family is off.",
                &["family"],
            )?,
            errors: register.counters(
                "livebridge_publish_errors_total",
                "Failed delivery reports and refusals, by what they mean.",
                &["topic", "class", "code"],
            )?,
            retries: register.counter(
                "livebridge_publish_retries_total",
                "Records sent again after their producer ended or refused them.",
            )?,
            reachable: register.gauge(
                "livebridge_kafka_reachable",
                "0 from when no broker was in reach until one answers; else 1.",
            )?,
            rebuilds: register.counter(
                "livebridge_producer_rebuilds_total",
                "Times that the shared producer was replaced.",
            )?,
            blocked: register.gauges(
                "livebridge_topic_blocked",
                "1 while the topic takes nothing: unknown, not authorised, refused while others are taken, or nothing for 30 s though the brokers answer.",
                &["topic"],
            )?,
            partitions_changed: register.counters(
                "livebridge_topic_partitions_changed_total",
                "Times that the topic's number of partitions changed: order per stream starts anew.",
                &["topic"],
            )?,
            end_to_end: register.histogram(
                "livebridge_end_to_end_seconds",
                "From a callback's acceptance to the broker's ack.",
                prometheus::exponential_buckets(0.001, 2.0, 24)?,
            )?,
            oldest_pending: register.time(
                "livebridge_spool_oldest_pending_timestamp_seconds",
                "When the oldest record that isn't settled was accepted; 0 when there is none.",
            )?,
            stood_down: register.gauge(
                "livebridge_stood_down",
                "1 while another relay publishes from a copy of this spool, so that this one does nothing.",
            )?,
            pending,
        };
        metrics.reachable.set(1);
        metrics.at_zero();
        Ok(metrics)
    }

    fn at_zero(&self) {
        for (topic, _) in self.published.iter() {
            for counter in [&self.replayed, &self.requeued, &self.partitions_changed] {
                counter.with_label_values(&[topic]);
            }
            self.blocked.with_label_values(&[topic]).set(0);
            // What somebody must act on, so that an alert sees the first one; the many codes that pass by themselves
            // come when they happen.
            for code in NAMED {
                if let Class::Blocked | Class::Poison(_) = code.class() {
                    self.of_error(topic, *code);
                }
            }
        }
        for reason in ["untypable"].into_iter().chain(
            [
                Refusal::TooLarge,
                Refusal::InvalidRecord,
                Refusal::InvalidTimestamp,
                Refusal::Policy,
            ]
            .map(Refusal::label),
        ) {
            self.quarantined.with_label_values(&[reason]);
        }
        for family in Family::ALL {
            self.discarded.with_label_values(&[family.key()]);
        }
    }

    pub(super) fn published(&self, topic: &str, took: Duration) {
        self.found_published(topic);
        self.end_to_end.observe(took.as_secs_f64());
    }

    /// Settled by an earlier run, which had no time to note it.
    pub(super) fn found_settled(&self) {
        self.pending.dec();
    }

    /// Published by a commit of which nothing was heard.
    pub(super) fn found_published(&self, topic: &str) {
        let counter = self.published.iter().find(|(known, _)| known == topic);
        if let Some((_, counter)) = counter {
            counter.inc();
        }
        self.pending.dec();
    }

    pub(super) fn stood_down(&self, stood_down: bool) {
        self.stood_down.set(stood_down.into());
    }

    pub(super) fn replayed(&self, topic: &str) {
        self.replayed.with_label_values(&[topic]).inc();
    }

    pub(super) fn requeued(&self, topic: &str) {
        self.requeued.with_label_values(&[topic]).inc();
    }

    pub(super) fn quarantined(&self, reason: &str) {
        self.quarantined.with_label_values(&[reason]).inc();
        self.pending.dec();
    }

    pub(super) fn copy_dropped(&self) {
        self.copies_dropped.inc();
    }

    pub(super) fn discarded(&self, family: Family) {
        self.discarded.with_label_values(&[family.key()]).inc();
        self.pending.dec();
    }

    /// The spool has counted it as corrupt.
    pub(super) fn corrupt(&self) {
        self.pending.dec();
    }

    pub(super) fn failed(&self, topic: &str, code: Code) {
        self.of_error(topic, code).inc();
    }

    fn of_error(&self, topic: &str, code: Code) -> IntCounter {
        let labels = [topic, code.class().label(), code.label()];
        self.errors.with_label_values(&labels)
    }

    pub(super) fn sent_again(&self) {
        self.retries.inc();
    }

    pub(super) fn kafka_reachable(&self, reachable: bool) {
        self.reachable.set(reachable.into());
    }

    pub(super) fn rebuilt(&self) {
        self.rebuilds.inc();
    }

    pub(super) fn blocked(&self, topic: &str, blocked: bool) {
        self.blocked.with_label_values(&[topic]).set(blocked.into());
    }

    pub(super) fn partitions_changed(&self, topic: &str) {
        self.partitions_changed.with_label_values(&[topic]).inc();
    }

    pub(super) fn oldest_pending(&self, oldest: Option<Millis>) {
        let seconds = oldest.map_or(0.0, |at| Duration::from_millis(at.0).as_secs_f64());
        self.oldest_pending.set(seconds);
    }

    /// Records that are durable and not settled, over all families.
    #[must_use]
    pub fn pending(&self) -> u64 {
        u64::try_from(self.pending.get()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn text(registry: &Registry) -> String {
        String::from_utf8(crate::metrics::encode(registry).unwrap()).unwrap()
    }

    fn registered() -> (Registry, Metrics) {
        let registry = Registry::new();
        let topics = Topics {
            families: BTreeMap::from([
                (Family::Recording, "a".to_owned()),
                (Family::RecordingStatus, "a".to_owned()),
                (Family::Stream, "b".to_owned()),
            ]),
            quarantine: None,
            checkpoint: "c".into(),
        };
        let pending = IntGauge::new("pending", "pending").unwrap();
        let metrics = Metrics::register(&registry, &topics, pending).unwrap();
        (registry, metrics)
    }

    #[test]
    fn errors_that_somebody_must_act_on_are_there_at_0_from_the_start() {
        let (registry, metrics) = registered();
        let before = text(&registry);
        assert!(before.contains("# TYPE livebridge_publish_errors_total counter"));
        for class in ["blocked", "poison"] {
            assert!(before.contains(&format!(
                "livebridge_publish_errors_total{{class=\"{class}\",code="
            )));
        }
        assert!(!before.contains("class=\"retriable\""));
        metrics.failed("a", Code(3));
        metrics.failed("a", Code(7));
        let after = text(&registry);
        let line = |class, code| {
            format!(
                "livebridge_publish_errors_total{{class=\"{class}\",code=\"{code}\",topic=\"a\"}} 1"
            )
        };
        assert!(after.contains(&line("blocked", "UNKNOWN_TOPIC_OR_PART")));
        assert!(after.contains(&line("retriable", "REQUEST_TIMED_OUT")));
    }

    #[test]
    fn each_topic_counts_apart_and_families_of_one_topic_together() {
        let (registry, metrics) = registered();
        metrics.published("a", Duration::ZERO);
        metrics.published("a", Duration::ZERO);
        metrics.published("nowhere", Duration::ZERO);
        let text = text(&registry);
        for line in [
            "livebridge_published_total{topic=\"a\"} 2",
            "livebridge_published_total{topic=\"b\"} 0",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("nowhere"));
    }
}
