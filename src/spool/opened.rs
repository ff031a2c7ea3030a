//! What opening a spool gives, and what can go wrong. The pieces go to the door, to the publisher and to whoever
//! supervises.

use super::{append::Appender, log_outlet::LogOutlet};
use crate::owner;
use prometheus::IntGauge;
use serde::Serialize;
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};
use tokio::sync::mpsc;

/// An open spool.
#[derive(Debug)]
pub struct Opened {
    /// For the door. When the last clone is dropped the writer syncs and answers what it has, and ends.
    pub appender: Appender,
    /// For the publisher.
    pub outlet: LogOutlet,
    /// For whoever supervises.
    pub threads: Threads,
    /// What was found at opening.
    pub report: Report,
    /// `livebridge_spool_pending_records`: goes up when a record becomes durable. The publisher takes it down when it
    /// settles one.
    pub pending: IntGauge,
    /// Asks for the state at any time; cheap, and never waits for the disk.
    pub status: StatusSource,
}

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The random name of this spool: 32 hex digits, made with it.
    pub spool_id: String,
    /// The random name of this run: 32 hex digits.
    pub instance: String,
    /// Segments kept.
    pub segments: usize,
    /// Segments without an index, read through: those of the last run.
    pub scanned_segments: usize,
    /// Durable and unsettled records found: above their family's checkpoint.
    pub recovered_records: u64,
    /// Acknowledged records that are damaged, of those recovered.
    pub corrupt_records: u64,
    /// One line for each damaged range or file.
    pub damage: Vec<String>,
    /// Bytes after the end of a segment's log that were never acknowledged.
    pub torn_bytes: u64,
    /// Callbacks in the dedup window.
    pub window_entries: usize,
    /// The last durable record.
    pub durable_end: u64,
}

/// The state of the spool at one moment, for `/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// See [`Report::spool_id`].
    pub spool_id: String,
    /// See [`Report::instance`].
    pub instance: String,
    /// The last durable record.
    pub durable_end: u64,
    /// The checkpoint: family to number.
    pub settled: std::collections::BTreeMap<&'static str, u64>,
    /// Durable records above their family's checkpoint.
    pub pending_records: u64,
    /// When the oldest of them was accepted.
    pub oldest_pending_at: Option<String>,
    /// Bytes of the log from the least settled place to the durable end.
    pub unsettled_bytes: u64,
    /// `spool.max_bytes`.
    pub max_bytes: u64,
    /// Bytes of all segments on disk, those written ahead included.
    pub disk_bytes: u64,
    /// Bytes that still fit before new records are refused, a second ago: what `max_bytes` or, if that is less, the filesystem leaves.
    pub room_bytes: u64,
    /// Segments in the log.
    pub segments: usize,
    /// Whether new records are refused now.
    pub full: bool,
    /// Why, when they are.
    pub full_because: Option<String>,
    /// Bytes that the local quarantine holds.
    pub quarantine_bytes: u64,
    /// Acknowledged records found damaged in this run.
    pub corrupt_records: u64,
    /// The last thing that went wrong and was survived.
    pub last_error: Option<String>,
    /// The run that publishes in place of this spool, if it has stood down.
    pub stood_down_for: Option<String>,
}

/// Hands out the [`Status`].
#[derive(Clone)]
pub struct StatusSource {
    pub(in crate::spool) ask: Arc<dyn Fn() -> Status + Send + Sync>,
    pub(in crate::spool) full: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    pub(in crate::spool) quarantine_bytes: Arc<AtomicU64>,
    pub(in crate::spool) stood_down: Arc<AtomicBool>,
}

impl StatusSource {
    /// The state now.
    #[must_use]
    pub fn get(&self) -> Status {
        (self.ask)()
    }

    /// Why new records are refused now; none if they are taken. Waits for no disk: for probes.
    #[must_use]
    pub fn full_because(&self) -> Option<String> {
        (self.full)()
    }

    /// Whether another run publishes in place of this spool, so that it takes nothing. Takes no lock.
    #[must_use]
    pub fn has_stood_down(&self) -> bool {
        self.stood_down.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for StatusSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusSource")
            .field("full", &self.full_because())
            .finish_non_exhaustive()
    }
}

/// The spool's two threads.
#[derive(Debug)]
pub struct Threads {
    pub(in crate::spool) ends: mpsc::Receiver<Result<(), Stopped>>,
    pub(in crate::spool) writer: thread::JoinHandle<()>,
    pub(in crate::spool) housekeeper: thread::JoinHandle<()>,
}

impl Threads {
    /// Waits until the writer has ended: Ok once the last [`Appender`] is gone and everything is synced and answered.
    /// Can be awaited again after it was cancelled.
    ///
    /// # Errors
    /// If the disk failed or a thread panicked. The process must then exit with 1.
    pub async fn ended(&mut self) -> Result<(), Stopped> {
        self.ends.recv().await.unwrap_or(Err(Stopped::Panicked))
    }

    /// Waits until both threads have ended: from then on nobody touches the directory.
    pub async fn gone(&mut self) {
        // Each thread holds a sender for as long as it runs.
        while self.ends.recv().await.is_some() {}
    }

    /// Waits for both threads, blocking: for commands and tests. The housekeeper ends after the writer.
    ///
    /// # Errors
    /// As [`Self::ended`].
    pub fn join(mut self) -> Result<(), Stopped> {
        let panicked = self.writer.join().is_err() | self.housekeeper.join().is_err();
        match self.ends.try_recv() {
            Ok(result) if !panicked => result,
            _ => Err(Stopped::Panicked),
        }
    }
}

/// Why the writer ended by itself. Nobody of the batch under way heard 200.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stopped {
    /// A write or a sync failed. It is never retried: the next start decides from what is on disk.
    #[error(
        "writing the spool failed, and a failed sync can't be repeated ({0}): restart to recover from what is on disk"
    )]
    Disk(Arc<io::Error>),
    /// A bug.
    #[error("a thread of the spool panicked")]
    Panicked,
}

/// Why a spool can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the spool {dir} is in use by another livebridge process: stop that one, or give this one a directory of its own (spool.dir)"
    )]
    Locked {
        /// `spool.dir`.
        dir: PathBuf,
    },
    /// The disk failed.
    #[error("the spool {dir} can't be opened: {doing}: {source}{}", owner::whose(.source, .dir))]
    Io {
        /// `spool.dir`.
        dir: PathBuf,
        /// What was tried.
        doing: String,
        /// The fault.
        source: io::Error,
    },
    /// Written by a later release.
    #[error("{file} was written by a later release of livebridge ({what}): use that release")]
    Newer {
        /// The file.
        file: String,
        /// What isn't known.
        what: String,
    },
    /// No metrics with these names twice.
    #[error("the spool's metrics can't be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn a_spool_is_gone_only_when_its_housekeeper_is_too() {
        let (writer, ends) = mpsc::channel(2);
        let housekeeper = writer.clone();
        let mut threads = Threads {
            ends,
            writer: thread::spawn(|| {}),
            housekeeper: thread::spawn(|| {}),
        };
        writer.try_send(Ok(())).unwrap();
        drop(writer);
        threads.ended().await.unwrap();
        let gone = timeout(Duration::from_secs(1), threads.gone()).await;
        assert!(gone.is_err(), "the housekeeper still runs");
        drop(housekeeper);
        threads.gone().await;
    }
}
