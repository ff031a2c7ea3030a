//! Opening the spool, and whom its threads tell.

use super::Fault;
use crate::{
    clock::Clock,
    config::Config,
    metrics::Callbacks,
    publish,
    spool::{self, AfterSync, Receipts},
};
use prometheus::Registry;
use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};
use tokio::{runtime::Handle, sync::oneshot, task};

/// Recovery reads and syncs files: not on a thread that others need.
pub(super) async fn open_spool(
    config: &Config,
    clock: &Arc<dyn Clock>,
    registry: &Registry,
    callbacks: &Callbacks,
    publisher: &publish::Handle,
) -> Result<spool::Opened, Fault> {
    let (clock, registry, callbacks) = (Arc::clone(clock), registry.clone(), callbacks.clone());
    let (spool, dedup, limits) = (config.spool.clone(), config.dedup, config.limits);
    let ring = publisher.clone();
    let runtime = Handle::current();
    let opening = task::spawn_blocking(move || {
        let settings = spool::Settings {
            spool: &spool,
            dedup,
            limits: &limits,
        };
        let after_sync = AfterSync {
            tell: tell_on(runtime),
            ring: Box::new(move || ring.durable_advanced()),
        };
        spool::open(settings, clock, &registry, callbacks, after_sync)
    });
    let opened = opening
        .await
        .map_err(|_| Fault::Panicked("opening of the spool"))??;
    let report = &opened.report;
    tracing::info!(
        spool_id = report.spool_id,
        instance = report.instance,
        recovered_records = report.recovered_records,
        corrupt_records = report.corrupt_records,
        window_entries = report.window_entries,
        "the spool is open"
    );
    for damage in &report.damage {
        tracing::error!(
            damage,
            "the spool was damaged; what could be read of it is in corrupt/"
        );
    }
    Ok(opened)
}

/// From the runtime's own threads, to which the door's requests belong, many callers are woken for a fraction of what it costs from
/// another one. A few are told at once: one hop less.
fn tell_on(runtime: Handle) -> Box<dyn Fn(Receipts) + Send> {
    const FEW: usize = 2;
    Box::new(move |receipts| {
        if receipts.len() <= FEW {
            receipts.tell();
        } else {
            runtime.spawn(async move { receipts.tell() });
        }
    })
}

/// A thread's end, as something to wait for.
pub(super) fn watch_thread<T: Send + 'static>(
    thread: JoinHandle<T>,
) -> Result<oneshot::Receiver<T>, Fault> {
    let (ended, end) = oneshot::channel();
    thread::Builder::new()
        .name("livebridge-join".into())
        .spawn(move || {
            // A panic drops `ended`, which tells as much. Nobody may be listening any more.
            if let Ok(result) = thread.join() {
                drop(ended.send(result));
            }
        })
        .map_err(|source| Fault::Process {
            doing: "starting a thread",
            source,
        })?;
    Ok(end)
}
