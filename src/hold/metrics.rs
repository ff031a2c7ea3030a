//! The hold's metrics, all at 0 from the start.

use super::{appender::Waiter, book::Book};
use crate::metrics::Register;
use prometheus::{IntCounter, IntGauge, Registry};

/// Handles to the metrics.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    /// Goes up here, and down where records are settled.
    pub(super) pending_records: IntGauge,
    pending_bytes: IntGauge,
    dedup_evicted: IntCounter,
    dedup_entries: IntGauge,
}

/// A gauge is signed, sizes are not.
fn level(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Registers all of them.
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let register = Register(registry);
        Ok(Self {
            pending_records: register.gauge(
                "livebridge_ack_pending_records",
                "Callbacks that wait in memory for Kafka's ack, those already answered 503 included.",
            )?,
            pending_bytes: register.gauge(
                "livebridge_ack_pending_bytes",
                "Bytes of the bodies of livebridge_ack_pending_records.",
            )?,
            dedup_evicted: register.counter(
                "livebridge_dedup_evicted_total",
                "Callbacks forgotten before their time because there were too many.",
            )?,
            dedup_entries: register.gauge("livebridge_dedup_entries", "Callbacks in the dedup window.")?,
        })
    }

    /// One more is pending.
    pub(super) fn taken(&self, book: &mut Book<Waiter>) {
        self.pending_records.inc();
        self.bytes(book);
        self.dedup_evicted.inc_by(book.take_evicted());
        self.dedup_entries.set(level(book.remembered()));
    }

    /// Shows what is pending now.
    pub(super) fn bytes(&self, book: &Book<Waiter>) {
        self.pending_bytes.set(level(book.pending().1));
    }
}
