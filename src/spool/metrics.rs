//! The spool's metrics, all at 0 from the start.

use crate::metrics::Register;
use prometheus::{Histogram, IntCounter, IntGauge, Registry};

/// Handles to the metrics.
#[derive(Debug, Clone)]
pub(in crate::spool) struct Metrics {
    pub(in crate::spool) append_seconds: Histogram,
    pub(in crate::spool) sync_seconds: Histogram,
    pub(in crate::spool) bytes: IntGauge,
    pub(in crate::spool) max_bytes: IntGauge,
    pub(in crate::spool) disk_bytes: IntGauge,
    pub(in crate::spool) room_bytes: IntGauge,
    /// Goes up here, and down where records are settled.
    pub(in crate::spool) pending_records: IntGauge,
    pub(in crate::spool) recovered_records: IntGauge,
    pub(in crate::spool) corrupt_records: IntCounter,
    pub(in crate::spool) start_damage: IntGauge,
    pub(in crate::spool) dedup_evicted: IntCounter,
    pub(in crate::spool) dedup_entries: IntGauge,
    pub(in crate::spool) quarantine_bytes: IntGauge,
    pub(in crate::spool) quarantine_max_bytes: IntGauge,
}

/// A gauge is signed, bytes are not.
pub(in crate::spool) fn level(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Registers all of them.
    pub(in crate::spool) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let register = Register(registry);
        // 50 microseconds to 26 s, by factors of 2.
        let buckets = prometheus::exponential_buckets(0.000_05, 2.0, 20)?;
        Ok(Self {
            append_seconds: register.histogram(
                "livebridge_spool_append_seconds",
                "From handing a callback to the spool to its being durable.",
                buckets.clone(),
            )?,
            sync_seconds: register.histogram("livebridge_spool_sync_seconds", "One write and sync of a batch.", buckets)?,
            bytes: register.gauge(
                "livebridge_spool_bytes",
                "Bytes of the log from the least settled place to the durable end.",
            )?,
            max_bytes: register.gauge("livebridge_spool_max_bytes", "The limit of livebridge_spool_bytes.")?,
            disk_bytes: register.gauge(
                "livebridge_spool_disk_bytes",
                "Bytes of all segments on disk, those written ahead included.",
            )?,
            room_bytes: register.gauge(
                "livebridge_spool_room_bytes",
                "Bytes that still fit before callbacks are refused: what the limit or, if that is less, the filesystem leaves.",
            )?,
            pending_records: register.gauge(
                "livebridge_spool_pending_records",
                "Durable records that aren't settled.",
            )?,
            recovered_records: register.gauge(
                "livebridge_spool_recovered_records",
                "Records above their family's checkpoint when the spool was opened; with exactly-once above that in Kafka, once it is known.",
            )?,
            corrupt_records: register.counter(
                "livebridge_spool_corrupt_records_total",
                "Acknowledged records found damaged on disk.",
            )?,
            start_damage: register.gauge(
                "livebridge_spool_start_damage",
                "Places of the spool, its checkpoint among them, found damaged when it was opened; /status names them.",
            )?,
            dedup_evicted: register.counter(
                "livebridge_dedup_evicted_total",
                "Callbacks forgotten before their time because there were too many.",
            )?,
            dedup_entries: register.gauge("livebridge_dedup_entries", "Callbacks in the dedup window.")?,
            quarantine_bytes: register.gauge("livebridge_quarantine_bytes", "Bytes that the local quarantine holds.")?,
            quarantine_max_bytes: register.gauge(
                "livebridge_quarantine_max_bytes",
                "The limit of livebridge_quarantine_bytes.",
            )?,
        })
    }
}
