//! The ledger's thread, and the door's end of the queue to it.

use super::{entry::Entry, files::Files};
use crate::{clock::Clock, config::Rejects, metrics::Register};
use prometheus::{IntCounter, Registry};
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

const QUEUE: usize = 256;
const QUEUE_BYTES: usize = 4 << 20;
/// How often what is too old is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The ledger's metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    written: IntCounter,
    dropped: IntCounter,
}

impl Metrics {
    /// Registers both.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let register = Register(registry);
        Ok(Self {
            written: register.counter(
                "livebridge_rejects_written_total",
                "Refused callbacks put into the ledger.",
            )?,
            dropped: register.counter(
                "livebridge_rejects_dropped_total",
                "Refused callbacks that the ledger had no room or no time for.",
            )?,
        })
    }
}

/// The door's end. Cheap to clone; the thread ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Ledger(Option<Queue>);

#[derive(Debug, Clone)]
struct Queue {
    entries: SyncSender<Entry>,
    bytes: Arc<AtomicUsize>,
    metrics: Metrics,
}

impl Ledger {
    /// One that keeps nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Hands over an entry whose body has this many bytes, unless the queue is full. Never waits.
    pub fn offer(&self, len: usize, entry: impl FnOnce() -> Entry) {
        let Some(queue) = &self.0 else {
            return;
        };
        let room = |bytes: usize| bytes.checked_add(len).filter(|bytes| *bytes <= QUEUE_BYTES);
        let admitted = queue
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        if admitted.is_err() {
            queue.metrics.dropped.inc();
        } else if queue.entries.try_send(entry()).is_err() {
            queue.bytes.fetch_sub(len, Ordering::Relaxed);
            queue.metrics.dropped.inc();
        }
    }
}

/// Starts the ledger of the spool in this directory; none of it if `rejects.max_entries` is 0.
///
/// # Errors
/// If the thread can't be started. What can't be read or written is a nuisance, and told.
pub fn open(
    spool: &Path,
    limits: Rejects,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
) -> io::Result<(Ledger, Option<JoinHandle<()>>)> {
    if limits.max_entries == 0 {
        return Ok((Ledger::none(), None));
    }
    let (entries, coming) = sync_channel(QUEUE);
    let bytes = Arc::new(AtomicUsize::new(0));
    let mut writer = Writer {
        files: Files::of(spool, limits),
        coming,
        bytes: Arc::clone(&bytes),
        metrics: metrics.clone(),
        failing: false,
    };
    let begun = writer.files.go_on();
    writer.tell(&begun);
    let thread = thread::Builder::new()
        .name("livebridge-rejects".into())
        .spawn(move || writer.run(&*clock))?;
    let queue = Queue {
        entries,
        bytes,
        metrics,
    };
    Ok((Ledger(Some(queue)), Some(thread)))
}

struct Writer {
    files: Files,
    coming: Receiver<Entry>,
    bytes: Arc<AtomicUsize>,
    metrics: Metrics,
    /// Whether the last write failed: said once.
    failing: bool,
}

impl Writer {
    fn run(mut self, clock: &dyn Clock) {
        let mut swept = None;
        loop {
            let now = clock.now();
            if swept.is_none_or(|at| now.since(at) >= SWEEP_EVERY) {
                swept = Some(now);
                let result = self.files.sweep(now);
                self.tell(&result);
            }
            match self.coming.recv_timeout(SWEEP_EVERY) {
                Ok(entry) => self.write(&entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, entry: &Entry) {
        let written = self.files.append(entry);
        self.bytes.fetch_sub(entry.body.len(), Ordering::Relaxed);
        match written {
            Ok(true) => self.metrics.written.inc(),
            Ok(false) | Err(_) => self.metrics.dropped.inc(),
        }
        self.tell(&written);
    }

    /// A ledger that can't be written is a nuisance, not a fault: the relay goes on.
    fn tell<T>(&mut self, result: &io::Result<T>) {
        if let Err(why) = result
            && !self.failing
        {
            tracing::warn!(%why, "the ledger of refusals can't be written");
        }
        self.failing = result.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{entry::tests::entry, read},
        *,
    };
    use crate::clock::SystemClock;
    use std::ops::ControlFlow;

    const LIMITS: Rejects = Rejects {
        max_entries: 10_000,
        max_bytes: 64 << 20,
        max_age: Duration::from_secs(3600),
    };

    fn entries(spool: &Path) -> usize {
        let mut count = 0;
        read(spool, |_, _, _| {
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        count
    }

    #[test]
    fn a_last_file_that_cannot_be_read_keeps_nobody_from_starting() {
        let spool = tempfile::tempdir().unwrap();
        let last = spool.path().join("rejects/000000000000001.log");
        std::fs::create_dir_all(&last).unwrap();
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let (ledger, thread) =
            open(spool.path(), LIMITS, Arc::new(SystemClock), metrics.clone()).unwrap();
        ledger.offer(2, || entry(SystemClock.now().0, b"{}"));
        drop(ledger);
        thread.unwrap().join().unwrap();
        assert_eq!((metrics.written.get(), metrics.dropped.get()), (1, 0));
        std::fs::remove_dir(last).unwrap();
        assert_eq!(entries(spool.path()), 1);
    }

    #[test]
    fn what_is_offered_is_written_and_a_full_queue_drops_without_waiting() {
        let spool = tempfile::tempdir().unwrap();
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let (ledger, thread) =
            open(spool.path(), LIMITS, Arc::new(SystemClock), metrics.clone()).unwrap();
        let now = SystemClock.now().0;
        for at in 0..100 {
            ledger.offer(2, || entry(now + at, b"{}"));
        }
        drop(ledger);
        thread.unwrap().join().unwrap();
        assert_eq!(
            (
                entries(spool.path()),
                metrics.written.get(),
                metrics.dropped.get()
            ),
            (100, 100, 0)
        );

        // Nobody empties this one.
        let (entries, _coming) = sync_channel(2);
        let bytes = Arc::new(AtomicUsize::new(0));
        let stuck = Ledger(Some(Queue {
            entries,
            bytes: Arc::clone(&bytes),
            metrics: metrics.clone(),
        }));
        stuck.offer(QUEUE_BYTES, || entry(1, &vec![b'x'; QUEUE_BYTES]));
        stuck.offer(1, || entry(2, b"x"));
        assert_eq!(metrics.dropped.get(), 1);
        bytes.store(0, Ordering::Relaxed);
        for at in 0..3 {
            stuck.offer(1, || entry(at, b"x"));
        }
        assert_eq!(metrics.dropped.get(), 3);
        assert_eq!(
            bytes.load(Ordering::Relaxed),
            1,
            "what was not taken is not held against it"
        );
    }
}
