//! What writer, housekeeper, cursors and outlet share: the disk, the view of the log, the segment written ahead, and
//! whether the spool is full.

use super::{
    corrupt::CorruptStore,
    disk::{Disk, is_unreadable},
    fullness::{self, Fullness},
    identity::Lock,
    index::{Entry, Summary},
    load,
    metrics::{Metrics, level},
    opened::Status,
    outlet::Settled,
    prepare::{Prepared, Sizes},
    record::Seq,
    segment::Instance,
    view::{Missing, View},
    writer::Active,
};
use crate::callback::names::Family;
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};

/// More corrupt records than this waiting to be forgotten: the whole window is forgotten instead.
const FORGETS_MAX: usize = 1 << 16;

/// Fixed for the run.
#[derive(Debug, Clone)]
pub(in crate::spool) struct Limits {
    /// `spool.max_bytes`.
    pub(in crate::spool) max_bytes: u64,
    /// How long settled segments stay if there is room: `spool.retain`, at least the dedup window.
    pub(in crate::spool) retain: Duration,
    /// The largest payload of a frame.
    pub(in crate::spool) payload_max: usize,
}

/// What the window is to forget.
#[derive(Debug, Default)]
pub(in crate::spool) struct Forgets {
    /// One by one …
    pub(in crate::spool) records: Vec<Seq>,
    /// … or everything.
    pub(in crate::spool) all: bool,
}

/// The segment written ahead.
#[derive(Debug)]
pub(in crate::spool) struct Slot {
    pub(in crate::spool) ready: Option<Prepared>,
    pub(in crate::spool) next_ordinal: u64,
    pub(in crate::spool) sizes: Sizes,
}

/// See the module.
pub(in crate::spool) struct Shared {
    pub(in crate::spool) disk: Arc<dyn Disk>,
    pub(in crate::spool) limits: Limits,
    pub(in crate::spool) metrics: Metrics,
    pub(in crate::spool) spool_id: String,
    pub(in crate::spool) instance: Instance,
    pub(in crate::spool) stood_down: Arc<AtomicBool>,
    /// Who publishes in its place, when it has stood down.
    pub(in crate::spool) rival: Mutex<Option<String>>,
    pub(in crate::spool) stopping: AtomicBool,
    /// What the quarantine holds: the publisher adds to it, a requeue takes from it.
    pub(in crate::spool) quarantine_bytes: Arc<AtomicU64>,
    pub(in crate::spool) corrupt: CorruptStore,
    pub(in crate::spool) view: Mutex<View>,
    /// Locked while a segment is put in place, which waits for the disk: neither for status nor for each batch.
    pub(in crate::spool) slot: Mutex<Slot>,
    /// The length of the segment that is ready; 0 if none is.
    pub(in crate::spool) ready_bytes: AtomicU64,
    /// See [`fullness::room`]: as of the housekeeper's last look.
    pub(in crate::spool) room_bytes: AtomicU64,
    /// The segment being written, between two batches.
    pub(in crate::spool) parked: Mutex<Option<Active>>,
    /// Files of removed segments that are still there.
    pub(in crate::spool) doomed: Mutex<Vec<String>>,
    pub(in crate::spool) forgets: Mutex<Forgets>,
    pub(in crate::spool) wake: SyncSender<()>,
    pub(in crate::spool) fullness: Mutex<Fullness>,
    /// Whether the log says that it is full.
    pub(in crate::spool) told_full: Mutex<bool>,
    last_error: Mutex<Option<String>>,
    _lock: Option<Lock>,
}

/// A panic elsewhere doesn't make these states wrong: each is changed in one step.
pub(in crate::spool) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What [`Shared`] is made from.
pub(in crate::spool) struct Parts {
    pub(in crate::spool) disk: Arc<dyn Disk>,
    pub(in crate::spool) limits: Limits,
    pub(in crate::spool) metrics: Metrics,
    pub(in crate::spool) spool_id: String,
    pub(in crate::spool) instance: Instance,
    pub(in crate::spool) view: View,
    pub(in crate::spool) corrupt: CorruptStore,
    pub(in crate::spool) quarantine_bytes: Arc<AtomicU64>,
    pub(in crate::spool) slot: Slot,
    pub(in crate::spool) wake: SyncSender<()>,
    pub(in crate::spool) lock: Option<Lock>,
    pub(in crate::spool) rival: Option<String>,
}

impl Shared {
    pub(in crate::spool) fn new(parts: Parts) -> Self {
        parts.metrics.max_bytes.set(level(parts.limits.max_bytes));
        Self {
            disk: parts.disk,
            limits: parts.limits,
            metrics: parts.metrics,
            spool_id: parts.spool_id,
            instance: parts.instance,
            stood_down: Arc::new(AtomicBool::new(parts.rival.is_some())),
            rival: Mutex::new(parts.rival),
            stopping: AtomicBool::new(false),
            quarantine_bytes: parts.quarantine_bytes,
            corrupt: parts.corrupt,
            view: Mutex::new(parts.view),
            slot: Mutex::new(parts.slot),
            ready_bytes: AtomicU64::new(0),
            room_bytes: AtomicU64::new(0),
            parked: Mutex::default(),
            doomed: Mutex::default(),
            forgets: Mutex::default(),
            wake: parts.wake,
            fullness: Mutex::default(),
            told_full: Mutex::default(),
            last_error: Mutex::default(),
            _lock: parts.lock,
        }
    }

    /// Asks the housekeeper to look. One call waiting is as good as many.
    pub(in crate::spool) fn wake_housekeeper(&self) {
        let _ = self.wake.try_send(());
    }

    /// Remembers a fault that was survived, for `/status`, and logs it.
    pub(in crate::spool) fn survived(&self, text: String) {
        tracing::warn!("{text}");
        *locked(&self.last_error) = Some(text);
    }

    /// Sets the gauges, and opens the door again when there is room.
    pub(in crate::spool) fn refresh(&self) {
        self.admits(0, 0);
        let ahead = self.ready_bytes.load(Ordering::Relaxed);
        let view = locked(&self.view);
        let metrics = &self.metrics;
        metrics.bytes.set(level(view.unsettled_bytes()));
        metrics.disk_bytes.set(level(view.disk_bytes() + ahead));
        drop(view);
        self.show_quarantine();
    }

    /// Looks how much still fits. The disk that doesn't say is asked again at the next look.
    pub(in crate::spool) fn measure_room(&self) {
        let Ok(space) = self.disk.space() else {
            return;
        };
        let ahead = self.ready_bytes.load(Ordering::Relaxed);
        let view = locked(&self.view);
        let (unsettled, on_disk) = (view.unsettled_bytes(), view.disk_bytes() + ahead);
        drop(view);
        let room = fullness::room(self.limits.max_bytes, unsettled, on_disk, space);
        self.room_bytes.store(room, Ordering::Relaxed);
        self.metrics.room_bytes.set(level(room));
    }

    pub(in crate::spool) fn show_quarantine(&self) {
        let bytes = self.quarantine_bytes.load(Ordering::Relaxed);
        self.metrics.quarantine_bytes.set(level(bytes));
    }

    /// Takes over a synced checkpoint, loading what it takes to count.
    pub(in crate::spool) fn settle(&self, settled: &Settled) -> io::Result<()> {
        let mut held = Vec::new();
        loop {
            let result = locked(&self.view).settle(settled, &held);
            match result {
                Ok(()) => break,
                Err(Missing(summary)) => held.push((summary.name, self.load(&summary)?)),
            }
        }
        self.refresh();
        self.wake_housekeeper();
        Ok(())
    }

    /// The entries of a closed segment, from its index, or by reading through it if there is no usable one.
    pub(in crate::spool) fn load(&self, summary: &Summary) -> io::Result<Arc<Vec<Entry>>> {
        let entries = Arc::new(load::entries(&*self.disk, summary)?);
        locked(&self.view).keep(summary.name, &entries);
        Ok(entries)
    }

    /// An acknowledged record turned out to be damaged, or can't be read. Sets its bytes aside, once, and lets the window forget it,
    /// so that the sender's retry makes a new record. It is counted when it is settled.
    ///
    /// # Errors
    /// If its bytes can't be set aside because nothing can be written either: then it is the disk that fails, not a place on it.
    pub(in crate::spool) fn found_corrupt(
        &self,
        summary: &Summary,
        entry: &Entry,
        bytes: &[u8],
        what: &str,
    ) -> io::Result<()> {
        if self.corrupt.knows(summary.name, entry.offset) {
            return Ok(());
        }
        let text = format!(
            "record {} ({}) {what} in {} at {}: it can't be published; what is left of it is kept under corrupt/",
            entry.seq, entry.family, summary.name, entry.offset
        );
        tracing::error!("{text}");
        *locked(&self.last_error) = Some(text);
        let put = self
            .corrupt
            .put(&*self.disk, summary.name, entry.offset, bytes);
        match put {
            Err(e) if is_unreadable(&e) => return Err(e),
            Err(e) => self.survived(format!("damaged bytes can't be set aside: {e}")),
            Ok(()) => {}
        }
        let mut forgets = locked(&self.forgets);
        if forgets.records.len() < FORGETS_MAX {
            forgets.records.push(entry.seq);
        } else {
            forgets.all = true;
        }
        Ok(())
    }

    /// See [`Status`].
    pub(in crate::spool) fn status(&self) -> Status {
        let full_because = self.full_because();
        let ahead = self.ready_bytes.load(Ordering::Relaxed);
        let view = locked(&self.view);
        let settled = view.settled();
        Status {
            spool_id: self.spool_id.clone(),
            instance: self.instance.to_string(),
            durable_end: view.durable().0,
            settled: Family::ALL
                .iter()
                .map(|f| (f.key(), settled.of(*f).0))
                .collect(),
            pending_records: view.pending(),
            oldest_pending_at: view.oldest_pending().map(|at| at.to_string()),
            unsettled_bytes: view.unsettled_bytes(),
            max_bytes: self.limits.max_bytes,
            disk_bytes: view.disk_bytes() + ahead,
            room_bytes: self.room_bytes.load(Ordering::Relaxed),
            segments: view.segments(),
            full: full_because.is_some(),
            full_because,
            quarantine_bytes: self.quarantine_bytes.load(Ordering::Relaxed),
            corrupt_records: self.metrics.corrupt_records.get(),
            last_error: locked(&self.last_error).clone(),
            stood_down_for: locked(&self.rival).clone(),
        }
    }
}
