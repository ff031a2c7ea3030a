//! Spools to rehearse with: small, with records that tell by themselves whether they are whole.

use crate::{
    callback::names::{EventName, Family, SourceName},
    clock::{Clock, SystemClock},
    config,
    metrics::Callbacks,
    spool::{self, AppendError, Appender, CeId, Durable, Envelope, Opened, Outlet, Seq, Settled},
};
use prometheus::Registry;
use std::{path::Path, sync::Arc, time::Duration};

/// The size of a usual callback.
const BODY: usize = 900;

/// A spool of at most `max_bytes`.
pub(super) fn open(dir: &Path, max_bytes: u64) -> Result<Opened, String> {
    let spool = config::Spool {
        dir: dir.into(),
        max_bytes,
        segment_bytes: 16 << 20,
        retain: Duration::ZERO,
        quarantine_max_bytes: 1 << 20,
    };
    let limits = config::Limits {
        body_bytes: 4096,
        header_bytes: 8192,
        connections: 1,
        connections_per_address: None,
        inflight_requests: 4096,
        inflight_bytes: 64 << 20,
    };
    let dedup = config::Dedup {
        window: Duration::from_secs(1800),
        max_entries: 100_000,
    };
    let registry = Registry::new();
    let callbacks = Callbacks::register(&registry, &[]).map_err(|e| e.to_string())?;
    let settings = spool::Settings {
        spool: &spool,
        dedup,
        limits: &limits,
    };
    let opened = spool::open(
        settings,
        Arc::new(SystemClock),
        &registry,
        callbacks,
        spool::AfterSync::default(),
    );
    opened.map_err(|e| e.to_string())
}

/// The body of the `number`th record: any lost or foreign byte shows.
pub(super) fn body(number: u64) -> Vec<u8> {
    let mut body =
        format!("{{\"event_type\":100,\"stream_id\":\"prove\",\"number\":{number},\"x\":\"")
            .into_bytes();
    let mut state = number | 1;
    while body.len() < BODY {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        body.push(b'a' + u8::try_from(state >> 60).unwrap_or(0));
    }
    body.extend_from_slice(b"\"}");
    body
}

/// The number that the identity of a record holds.
pub(super) fn number_of(id: CeId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Makes the `number`th record durable.
pub(super) async fn append(appender: &Appender, number: u64) -> Result<Durable, AppendError> {
    let mut id = [0x70; 16];
    id.iter_mut()
        .zip(number.to_le_bytes())
        .for_each(|(place, byte)| *place = byte);
    let source = SourceName::parse("prove").map_err(|_| AppendError::Stopped)?;
    let envelope = Envelope {
        source,
        family: Family::Recording,
        received_at: SystemClock.now(),
        traceparent: None,
        body: body(number).into(),
    };
    appender
        .append(CeId(id), EventName::RecordingFile, envelope)
        .await
}

/// Everything counts as published up to here.
pub(super) fn settle(outlet: &mut impl Outlet, through: Seq) -> Result<(), String> {
    let mut settled = Settled::default();
    Family::ALL
        .iter()
        .for_each(|family| settled.advance(*family, through));
    outlet
        .checkpoint(&settled)
        .map_err(|e| format!("writing the checkpoint: {e}"))
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())
}

/// Milliseconds at a share (0 to 1) of sorted latencies.
pub(super) fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (last as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or_default().as_secs_f64() * 1000.0
}
