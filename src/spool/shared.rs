//! What writer, housekeeper, cursors and outlet share: the disk, the view of the log, the segment written ahead, and
//! whether the spool is full.

use super::{
    corrupt::CorruptStore,
    disk::{Dir, Disk, DiskFile, read_all},
    identity::Lock,
    index::{self, Entry, Summary},
    metrics::{Metrics, level},
    opened::Status,
    outlet::Settled,
    prepare::{Prepared, Sizes},
    record::{CeId, Seq},
    scan,
    segment::{Instance, Name},
    view::{Missing, View},
    writer::Active,
};
use crate::callback::names::{Family, SourceName};
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
    pub(in crate::spool) records: Vec<(SourceName, CeId, Seq)>,
    /// … or everything.
    pub(in crate::spool) all: bool,
}

/// Why new records are refused.
#[derive(Debug, Default, Clone)]
struct Fullness {
    over: bool,
    /// The filesystem is nearly full.
    low: Option<String>,
    /// No segment can be written ahead. That alone stops nobody …
    no_next: Option<String>,
    /// … before the writer needs it.
    stranded: bool,
}

impl Fullness {
    fn blocked(&self) -> Option<&String> {
        let no_next = self.no_next.as_ref().filter(|_| self.stranded);
        self.low.as_ref().or(no_next)
    }
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
    pub(in crate::spool) full: Arc<AtomicBool>,
    pub(in crate::spool) stopping: AtomicBool,
    pub(in crate::spool) quarantine_bytes: AtomicU64,
    pub(in crate::spool) corrupt: CorruptStore,
    pub(in crate::spool) view: Mutex<View>,
    /// Locked while a segment is put in place, which waits for the disk: neither for status nor for each batch.
    pub(in crate::spool) slot: Mutex<Slot>,
    /// The length of the segment that is ready; 0 if none is.
    pub(in crate::spool) ready_bytes: AtomicU64,
    /// The segment being written, between two batches.
    pub(in crate::spool) parked: Mutex<Option<Active>>,
    /// Files of removed segments that are still there.
    pub(in crate::spool) doomed: Mutex<Vec<String>>,
    pub(in crate::spool) forgets: Mutex<Forgets>,
    pub(in crate::spool) wake: SyncSender<()>,
    fullness: Mutex<Fullness>,
    counted_corrupt: Mutex<Settled>,
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
    pub(in crate::spool) slot: Slot,
    pub(in crate::spool) wake: SyncSender<()>,
    pub(in crate::spool) lock: Option<Lock>,
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
            full: Arc::default(),
            stopping: AtomicBool::new(false),
            quarantine_bytes: AtomicU64::new(0),
            corrupt: CorruptStore::default(),
            view: Mutex::new(parts.view),
            slot: Mutex::new(parts.slot),
            ready_bytes: AtomicU64::new(0),
            parked: Mutex::default(),
            doomed: Mutex::default(),
            forgets: Mutex::default(),
            wake: parts.wake,
            fullness: Mutex::default(),
            counted_corrupt: Mutex::default(),
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

    /// Whether the filesystem has its reserve; if not, why.
    pub(in crate::spool) fn reserve_is(&self, there: Result<(), String>) {
        self.change(|fullness| fullness.low = there.err());
    }

    /// Whether the next segment is ready; if not, why.
    pub(in crate::spool) fn next_segment_is(&self, ready: Result<(), String>) {
        self.change(|fullness| {
            fullness.stranded &= ready.is_err();
            fullness.no_next = ready.err();
        });
    }

    /// The writer has no segment, and gets none.
    pub(in crate::spool) fn stranded(&self, why: &io::Error) {
        self.change(|fullness| {
            fullness.stranded = true;
            fullness.no_next = Some(format!("no segment can be written ahead: {why}"));
        });
    }

    fn change(&self, change: impl FnOnce(&mut Fullness)) {
        let mut fullness = locked(&self.fullness);
        let was_blocked = fullness.blocked().is_some();
        change(&mut fullness);
        let blocked = fullness.blocked().cloned();
        self.show(&fullness);
        drop(fullness);
        match blocked {
            Some(why) if !was_blocked => {
                tracing::warn!("the spool takes no new records: {why}");
            }
            None if was_blocked => tracing::info!("the spool takes records again"),
            _ => {}
        }
    }

    /// Whether `more` bytes of new records fit now, besides `under_way`. Full at the limit, and then until the unsettled bytes are below
    /// 95 % of it. One record always fits an empty log.
    pub(in crate::spool) fn admits(&self, under_way: u64, more: u64) -> bool {
        let unsettled = locked(&self.view).unsettled_bytes() + under_way;
        let mut fullness = locked(&self.fullness);
        let max = self.limits.max_bytes;
        if fullness.over {
            fullness.over = unsettled >= max / 100 * 95 && unsettled > 0;
        }
        if !fullness.over && unsettled > 0 && unsettled + more > max {
            fullness.over = true;
        }
        self.show(&fullness);
        !fullness.over && fullness.blocked().is_none()
    }

    fn show(&self, fullness: &Fullness) {
        let full = fullness.over || fullness.blocked().is_some();
        self.full.store(full, Ordering::Release);
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
        metrics
            .quarantine_bytes
            .set(level(self.quarantine_bytes.load(Ordering::Relaxed)));
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
        let entries = Arc::new(load(&*self.disk, summary)?);
        locked(&self.view).keep(summary.name, &entries);
        Ok(entries)
    }

    /// An acknowledged record turned out to be damaged. Counts it once, sets its bytes aside, and lets the window forget it, so that
    /// the sender's retry makes a new record.
    pub(in crate::spool) fn found_corrupt(&self, summary: &Summary, entry: &Entry, bytes: &[u8]) {
        let source = summary.sources.get(usize::from(entry.source)).cloned();
        let pending = entry.seq > locked(&self.view).settled().of(entry.family);
        let mut counted = locked(&self.counted_corrupt);
        // A family is read in order; a reader that starts again finds the same ones again.
        if !pending || entry.seq <= counted.of(entry.family) {
            return;
        }
        counted.advance(entry.family, entry.seq);
        drop(counted);
        self.metrics.corrupt_records.inc();
        self.survived(format!(
            "record {} ({}) is damaged on disk, in {} at {}: it can't be published; its bytes are kept under corrupt/",
            entry.seq, entry.family, summary.name, entry.offset
        ));
        if let Err(e) = self
            .corrupt
            .put(&*self.disk, summary.name, entry.offset, bytes)
        {
            self.survived(format!("damaged bytes can't be set aside: {e}"));
        }
        let mut forgets = locked(&self.forgets);
        match source {
            Some(source) if forgets.records.len() < FORGETS_MAX => {
                forgets.records.push((source, entry.ce_id, entry.seq));
            }
            _ => forgets.all = true,
        }
    }

    /// See [`Status`].
    pub(in crate::spool) fn status(&self) -> Status {
        let fullness = locked(&self.fullness).clone();
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
            segments: view.segments(),
            full: self.full.load(Ordering::Acquire),
            full_because: fullness.blocked().cloned().or_else(|| {
                fullness
                    .over
                    .then(|| "the unsettled records reached spool.max_bytes".to_owned())
            }),
            quarantine_bytes: self.quarantine_bytes.load(Ordering::Relaxed),
            corrupt_records: self.metrics.corrupt_records.get(),
            last_error: locked(&self.last_error).clone(),
        }
    }
}

/// See [`Shared::load`].
pub(in crate::spool) fn load(disk: &dyn Disk, summary: &Summary) -> io::Result<Vec<Entry>> {
    let name = summary.name;
    match read_all(disk, Dir::Root, &name.index(), index::FILE_MAX) {
        Ok(bytes) => {
            if let Ok((_, entries)) = index::decode(name, &bytes) {
                return Ok(entries);
            }
            tracing::warn!("the index of {name} is damaged: reading through the segment instead");
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let scanned = scan::read(
        name,
        &read_written(&*disk.open(Dir::Root, &name.to_string())?)?,
    );
    let sources: Vec<&SourceName> = scanned.sources.iter().collect();
    let entries = scanned.items.iter().filter_map(|item| match item {
        scan::Item::Frame(frame) => Some(frame.entry),
        scan::Item::Bad(_) => None,
    });
    Ok(entries
        .filter(|e| e.seq >= summary.from && e.seq <= summary.through)
        .map(|mut e| {
            let place = sources
                .get(usize::from(e.source))
                .and_then(|source| summary.sources.iter().position(|s| s == *source));
            e.source = place
                .and_then(|p| u16::try_from(p).ok())
                .unwrap_or(u16::MAX);
            e
        })
        .collect())
}

/// A file without the zeros at its end: what a segment's memory needs is what was written to it.
pub(in crate::spool) fn read_written(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    const CHUNK: usize = 1 << 20;
    let len = file.len()?;
    let (mut bytes, mut chunk, mut offset) = (Vec::new(), vec![0; CHUNK], 0);
    while offset < len {
        let read = file.read_at(&mut chunk, offset)?;
        let Some(read_bytes) = chunk.get(..read).filter(|b| !b.is_empty()) else {
            break;
        };
        if let Some(last) = read_bytes.iter().rposition(|b| *b != 0) {
            bytes.resize(usize::try_from(offset).unwrap_or(usize::MAX), 0);
            bytes.extend_from_slice(read_bytes.get(..=last).unwrap_or_default());
        }
        offset += read as u64;
    }
    // A frame's padding is zeros too, and a body might end in some.
    let whole = bytes.len() + 2 * CHUNK;
    bytes.resize(whole.min(usize::try_from(len).unwrap_or(usize::MAX)), 0);
    Ok(bytes)
}

/// Names of segments, oldest first.
pub(in crate::spool) fn segment_names(disk: &dyn Disk) -> io::Result<Vec<Name>> {
    let mut names: Vec<Name> = disk
        .list(Dir::Root)?
        .iter()
        .filter_map(|n| n.parse().ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}
