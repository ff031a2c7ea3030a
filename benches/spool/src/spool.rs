//! Our own, as the relay opens it.

use crate::{
    Fallible,
    clients::{self, Measured, record},
};
use livebridge::{
    callback::names::{EventName, Family, SourceName},
    clock::SystemClock,
    config,
    metrics::Callbacks,
    spool::{self, AfterSync, Appender, CeId, Envelope, Opened, Outlet, Settled},
};
use prometheus::Registry;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// What a record takes in a segment: see below.
pub const FRAME: usize = 976;

/// With limits as the relay has them.
pub fn open(
    dir: &Path,
    max_bytes: u64,
    entries: u64,
    registry: &Registry,
    runtime: &Handle,
) -> Fallible<Opened> {
    let spool = config::Spool {
        dir: dir.into(),
        max_bytes,
        segment_bytes: 64 << 20,
        retain: Duration::ZERO,
        quarantine_max_bytes: 1 << 20,
    };
    let limits = config::Limits {
        body_bytes: 960 << 10,
        header_bytes: 16 << 10,
        connections: 8192,
        connections_per_address: None,
        inflight_requests: 4096,
        inflight_bytes: 64 << 20,
    };
    let dedup = config::Dedup {
        window: Duration::from_secs(1800),
        max_entries: usize::try_from(entries)?,
    };
    let callbacks = Callbacks::register(registry, &[source()?])?;
    let settings = spool::Settings {
        spool: &spool,
        dedup,
        limits: &limits,
    };
    let runtime = runtime.clone();
    let after_sync = AfterSync {
        // As the relay has it.
        tell: Box::new(move |receipts| drop(runtime.spawn(async move { receipts.tell() }))),
        ring: Box::new(|| {}),
    };
    Ok(spool::open(
        settings,
        Arc::new(SystemClock),
        registry,
        callbacks,
        after_sync,
    )?)
}

fn source() -> Fallible<SourceName> {
    SourceName::parse("bench").map_err(|e| format!("{e:?}").into())
}

/// A client's way to it.
pub fn appending(
    appender: Appender,
) -> Fallible<impl Fn(u64) -> BoxFuture + Clone + Send + 'static> {
    let source = source()?;
    Ok(move |number| -> BoxFuture {
        let (appender, source) = (appender.clone(), source.clone());
        Box::pin(async move {
            let (id, body) = record(number);
            let envelope = Envelope {
                source,
                family: Family::Recording,
                received_at: livebridge::clock::Millis(number),
                traceparent: None,
                body: body.into(),
            };
            let durable = appender
                .append(CeId(id), EventName::RecordingFile, envelope)
                .await?;
            drop(durable);
            Ok(())
        })
    })
}

pub type BoxFuture = std::pin::Pin<Box<dyn Future<Output = Fallible<()>> + Send>>;

pub fn measure(dir: &Path, clients: usize, time: Duration) -> Fallible<Measured> {
    let registry = Registry::new();
    let runtime = clients::runtime()?;
    let opened = open(dir, 2 << 30, 1_000_000, &registry, runtime.handle())?;
    let append = appending(opened.appender)?;
    let mut outlet = opened.outlet;
    let mut settle = || {
        let mut settled = Settled::default();
        let through = outlet.durable_end();
        let families = Family::ALL.iter();
        families.for_each(|family| settled.advance(*family, through));
        outlet.checkpoint(&settled)?;
        Ok(())
    };
    runtime.block_on(append(0))?;
    let frame = opened.status.get().unsettled_bytes;
    if frame != FRAME as u64 {
        return Err(format!("a frame has {frame} bytes: mend FRAME").into());
    }
    settle()?;
    let (took, time) = clients::run(&runtime, clients, time, append, settle)?;
    opened.threads.join()?;
    let syncs = syncs(&registry);
    Ok(Measured::of(took, 1, time, syncs))
}

fn syncs(registry: &Registry) -> u64 {
    let families = registry.gather();
    let mut found = families
        .iter()
        .filter(|f| f.name() == "livebridge_spool_sync_seconds");
    let metric = found.next().and_then(|family| family.get_metric().first());
    metric.map_or(0, |m| m.get_histogram().get_sample_count())
}
