//! Opening a spool: recovery, then its threads.

use super::{
    append::{AfterSync, Appender},
    checkpoint::Checkpoint,
    corrupt::CorruptStore,
    disk::{Disk, RealDisk},
    envelope, frame, housekeeper,
    identity::{self, Lock},
    lineage,
    log_outlet::LogOutlet,
    metrics::{Metrics, level},
    opened::{OpenError, Opened, Report, StatusSource, Stopped, Threads},
    prepare::{self, Sizes},
    quarantine::Quarantine,
    recovery::{self, Recovered},
    shared::{Limits, Parts, Shared, Slot},
    writer::{self, Start, Writer},
};
use crate::{clock::Clock, config, metrics::Callbacks};
use prometheus::Registry;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
};
use tokio::sync::mpsc;

/// What of the settings a spool needs.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// `spool.*`.
    pub spool: &'a config::Spool,
    /// `dedup.*`.
    pub dedup: config::Dedup,
    /// `limits.*`: the queue to the writer has the door's limits.
    pub limits: &'a config::Limits,
}

/// Opens the spool in `spool.dir`, or makes it: takes the lock, recovers what is there, starts the two threads.
/// `callbacks` counts accepted and duplicate callbacks; `after_sync` is done after each batch.
///
/// # Errors
/// See [`OpenError`]. Nothing acknowledged is lost by an error.
pub fn open(
    settings: Settings<'_>,
    clock: Arc<dyn Clock>,
    registry: &Registry,
    callbacks: Callbacks,
    after_sync: AfterSync,
) -> Result<Opened, OpenError> {
    let dir = &settings.spool.dir;
    let failed = |doing: &str, source| OpenError::Io {
        dir: dir.clone(),
        doing: doing.into(),
        source,
    };
    let disk = RealDisk::new(dir).map_err(|e| failed("making the directories", e))?;
    let lock = Lock::take(dir)
        .map_err(|e| failed("taking the lock", e))?
        .ok_or_else(|| OpenError::Locked { dir: dir.clone() })?;
    let metrics = Metrics::register(registry)?;
    let ready = make(settings, Arc::new(disk), Some(lock), &*clock, metrics)?;
    start(ready, settings, clock, callbacks, after_sync).map_err(|e| failed("starting a thread", e))
}

/// Recovered, with no thread running yet.
pub(in crate::spool) struct Ready {
    pub(in crate::spool) shared: Arc<Shared>,
    pub(in crate::spool) start: Start,
    pub(in crate::spool) checkpoint: Checkpoint,
    pub(in crate::spool) quarantine: Quarantine,
    pub(in crate::spool) report: Report,
    pub(in crate::spool) wakes: Receiver<()>,
}

/// Everything of opening but the threads: for simulations too.
pub(in crate::spool) fn make(
    settings: Settings<'_>,
    disk: Arc<dyn Disk>,
    lock: Option<Lock>,
    clock: &dyn Clock,
    metrics: Metrics,
) -> Result<Ready, OpenError> {
    let dir = &settings.spool.dir;
    let failed = |doing: String, source| OpenError::Io {
        dir: dir.clone(),
        doing,
        source,
    };
    let spool_id =
        identity::spool_id(&*disk).map_err(|e| failed("reading the spool's id".into(), e))?;
    let instance =
        identity::new_instance(&*disk).map_err(|e| failed("drawing random bytes".into(), e))?;
    let corrupt =
        CorruptStore::open(&*disk).map_err(|e| failed("looking at corrupt/".into(), e))?;
    let recovered = recovery::recover(&*disk, settings.dedup, clock.now(), &corrupt, instance)
        .map_err(|e| match e {
            recovery::Error::Io { doing, source } => failed(doing, source),
            recovery::Error::Newer { file, what } => OpenError::Newer { file, what },
        })?;
    let quarantine_bytes = Arc::new(AtomicU64::new(0));
    let quarantine_max_bytes = settings.spool.quarantine_max_bytes;
    let quarantine = Quarantine::open(&*disk, quarantine_max_bytes, Arc::clone(&quarantine_bytes))
        .map_err(|e| failed("looking at the quarantine".into(), e))?;
    let report = report(&recovered, spool_id.clone(), instance.to_string());
    metrics
        .recovered_records
        .set(level(report.recovered_records));
    metrics.pending_records.set(level(recovered.view.pending()));
    metrics
        .quarantine_max_bytes
        .set(level(quarantine_max_bytes));
    metrics.corrupt_records.inc_by(report.corrupt_records);
    metrics.start_damage.set(level(report.damage.len() as u64));
    metrics
        .dedup_entries
        .set(level(report.window_entries as u64));
    let rival = lineage::stood_down(&*disk)
        .map_err(|e| failed("looking whether it has stood down".into(), e))?
        .map(|stood_down| stood_down.rival);
    let (wake, wakes) = sync_channel(1);
    let next_seq = recovered.next_seq();
    let shared = Arc::new(Shared::new(Parts {
        disk,
        limits: limits(settings),
        metrics,
        spool_id,
        instance,
        view: recovered.view,
        corrupt,
        quarantine_bytes,
        slot: Slot {
            ready: None,
            next_ordinal: recovered.next_ordinal,
            sizes: sizes(settings),
        },
        wake,
        lock,
        rival,
    }));
    // A full disk is no reason not to start: what is there has to be published.
    if let Err(e) = prepare::ensure_ready(&shared) {
        shared.stranded(&e);
    }
    shared.refresh();
    Ok(Ready {
        start: Start {
            window: recovered.window,
            sources: recovered.sources,
            next_seq,
            last_accepted: recovered.last_accepted,
        },
        checkpoint: recovered.checkpoint,
        quarantine,
        report,
        wakes,
        shared,
    })
}

const fn payload_max(settings: &Settings<'_>) -> usize {
    settings.limits.body_bytes + envelope::OVERHEAD_MAX
}

fn limits(settings: Settings<'_>) -> Limits {
    Limits {
        max_bytes: settings.spool.max_bytes,
        // A restart rebuilds the window from segments.
        retain: settings.spool.retain.max(settings.dedup.window),
        payload_max: payload_max(&settings),
    }
}

fn sizes(settings: Settings<'_>) -> Sizes {
    let frame = frame::size_of(payload_max(&settings)) as u64;
    Sizes::new(
        settings.spool.segment_bytes,
        settings.spool.max_bytes,
        frame,
    )
}

fn report(recovered: &Recovered, spool_id: String, instance: String) -> Report {
    Report {
        spool_id,
        instance,
        segments: recovered.view.segments(),
        scanned_segments: recovered.scanned_segments,
        recovered_records: recovered.view.pending() + recovered.corrupt_records,
        corrupt_records: recovered.corrupt_records,
        damage: recovered.damage.clone(),
        torn_bytes: recovered.torn_bytes,
        window_entries: recovered.window.len(),
        durable_end: recovered.view.durable().0,
    }
}

/// Whatever way a thread ends, the other one and whoever supervises get to know.
struct Ending {
    shared: Arc<Shared>,
    ends: mpsc::Sender<Result<(), Stopped>>,
    is_writer: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.ends.try_send(Err(Stopped::Panicked));
        }
        if self.is_writer {
            self.shared.stopping.store(true, Ordering::Release);
            self.shared.wake_housekeeper();
        }
    }
}

fn start(
    ready: Ready,
    settings: Settings<'_>,
    clock: Arc<dyn Clock>,
    callbacks: Callbacks,
    after_sync: AfterSync,
) -> io::Result<Opened> {
    let Ready {
        shared,
        start,
        checkpoint,
        quarantine,
        report,
        wakes,
    } = ready;
    let (appender, queue) = Appender::new(
        settings.limits.inflight_requests,
        settings.limits.inflight_bytes,
        Arc::clone(&shared.stood_down),
    );
    let (ends, ended) = mpsc::channel(2);
    let ending = |is_writer| Ending {
        shared: Arc::clone(&shared),
        ends: ends.clone(),
        is_writer,
    };
    let (writer_ending, housekeeper_ending) = (ending(true), ending(false));
    let writer = Writer::new(Arc::clone(&shared), start, callbacks, after_sync);
    let (writer_clock, outlet_clock) = (Arc::clone(&clock), Arc::clone(&clock));
    let housekeeper = thread::Builder::new()
        .name("livebridge-housekeeper".into())
        .spawn(move || {
            let ending = housekeeper_ending;
            housekeeper::run(&ending.shared, &wakes, &*clock);
        })?;
    let writer = thread::Builder::new()
        .name("livebridge-spool".into())
        .spawn(move || {
            let ending = writer_ending;
            let result =
                writer::run(writer, queue, &*writer_clock).map_err(|e| Stopped::Disk(Arc::new(e)));
            let _ = ending.ends.try_send(result);
        })?;
    let of_fullness = Arc::clone(&shared);
    let of_status = Arc::clone(&shared);
    Ok(Opened {
        appender,
        pending: shared.metrics.pending_records.clone(),
        outlet: LogOutlet::new(Arc::clone(&shared), checkpoint, quarantine, outlet_clock),
        threads: Threads {
            ends: ended,
            writer,
            housekeeper,
        },
        report,
        status: StatusSource {
            full: Arc::new(move || of_fullness.full_because()),
            quarantine_bytes: Arc::clone(&shared.quarantine_bytes),
            stood_down: Arc::clone(&shared.stood_down),
            ask: Arc::new(move || of_status.status()),
        },
    })
}
