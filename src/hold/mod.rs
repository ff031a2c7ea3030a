//! What stands in the spool's place where there is no disk (`ack = "kafka"`): callbacks wait in memory until all in-sync
//! replicas have them, and only then is anybody answered 200.
//!
//! ```text
//!  Appender ──► book: dedup window, records not acked yet, who waits for them ──► HoldCursor ──► publisher
//!     ▲                                                                                            │
//!     └───────────── Acked ◄── all in-sync replicas have it, or the copy for the quarantine ◄──────┘
//! ```
//!
//! * A record that was taken stays until Kafka has it, or the process ends. Whoever waited too long is answered 503 by the
//!   door; the sender's retry finds the record and joins it, or finds that it was acked meanwhile. So a 503 never makes a second
//!   message while the process lives, and order per stream is that of first receipt, as with the spool.
//! * Memory has its limits by lane (topic): at them, callbacks are refused at once. So are those of a topic that takes nothing.
//! * What can't be published as a typed event has no local quarantine: it is acked when its copy in `topics.quarantine` is.
//!
//! Deciding is pure: `book`, `share`. The rest is a lock around it.

mod appender;
mod book;
mod metrics;
mod outlet;
mod share;

pub use appender::{Acked, Appender, NotAcked, Receipt};
pub use outlet::{HoldCursor, HoldOutlet};

use crate::{
    callback::names::Family,
    clock::Clock,
    config::{Dedup, Limits},
    metrics::Callbacks,
    spool::window::Window,
};
use appender::Waiter;
use book::Book;
use metrics::Metrics;
use prometheus::{IntGauge, Registry};
use serde::Serialize;
use share::Share;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What the hold needs of the settings.
#[derive(Debug)]
pub struct Settings<'a> {
    /// `dedup.*`.
    pub dedup: Dedup,
    /// The families of each topic. What is in none is `off`.
    pub lanes: Vec<Vec<Family>>,
    /// `limits.inflight_bytes` is what all lanes together may hold, `limits.body_bytes` the least for each.
    pub limits: &'a Limits,
    /// `kafka.ack_timeout`.
    pub ack_timeout: Duration,
}

/// The parts of an open hold, to be tied to door and publisher.
#[derive(Debug)]
pub struct Opened {
    /// The door's side.
    pub appender: Appender,
    /// The publisher's side.
    pub outlet: HoldOutlet,
    /// For whoever watches it, and ends it.
    pub hold: Hold,
    /// `livebridge_ack_pending_records`.
    pub pending: IntGauge,
}

/// Opens an empty one. `on_new` is called after each new record.
///
/// # Errors
/// If the registry has metrics of the same names.
pub fn open(
    settings: &Settings<'_>,
    clock: Arc<dyn Clock>,
    registry: &Registry,
    callbacks: Callbacks,
    on_new: Box<dyn Fn() + Send + Sync>,
) -> prometheus::Result<Opened> {
    let metrics = Metrics::register(registry)?;
    let pending = metrics.pending_records.clone();
    let window = Window::new(settings.dedup.window, settings.dedup.max_entries);
    let book = Book::new(window, Share::each(settings));
    let shared = Arc::new(Shared {
        book: Mutex::new(book),
        clock,
        metrics,
        callbacks,
        on_new,
        ack_timeout: settings.ack_timeout,
    });
    Ok(Opened {
        appender: Appender::new(Arc::clone(&shared)),
        outlet: HoldOutlet::new(Arc::clone(&shared)),
        hold: Hold(shared),
        pending,
    })
}

/// What door, publisher and probes share.
struct Shared {
    book: Mutex<Book<Waiter>>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    callbacks: Callbacks,
    on_new: Box<dyn Fn() + Send + Sync>,
    ack_timeout: Duration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book<Waiter>> {
        // Nothing that can panic happens under the lock.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is acked any more: whoever waits hears so, and whoever comes.
    fn close(&self) {
        let waiting = self.book().close();
        for waiter in waiting {
            waiter.tell(Err(NotAcked::Stopped));
        }
    }
}

/// The hold from outside.
#[derive(Debug, Clone)]
pub struct Hold(Arc<Shared>);

/// What `/status` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Callbacks that wait for Kafka's ack, those already answered 503 included.
    pub pending_records: usize,
    /// Their bodies' bytes.
    pub pending_bytes: usize,
    /// How many each topic may have waiting.
    pub pending_records_max: usize,
    /// The same for bytes.
    pub pending_bytes_max: usize,
    /// When the oldest of them was taken.
    pub oldest_pending: Option<String>,
    /// Callbacks in the dedup window.
    pub window_entries: usize,
}

impl Hold {
    /// Whether Kafka takes nothing: something has waited for longer than `kafka.ack_timeout`, and nothing was acked for as
    /// long. A topic that is blocked by itself doesn't count, nor does one stuck partition while others go on. With nothing
    /// waiting nobody knows, and the next callback finds out.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let now = self.0.clock.now();
        self.0.book().is_stuck(now, self.0.ack_timeout)
    }

    /// Whoever waits is told that no ack will come, and nothing more is taken.
    pub fn close(&self) {
        self.0.close();
    }

    /// Callbacks that wait for Kafka's ack.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.0.book().pending().0
    }

    /// The last number that was given away.
    #[cfg(test)]
    pub(crate) fn last(&self) -> crate::spool::Seq {
        self.0.book().last()
    }

    /// The first number will be the one after this.
    #[cfg(test)]
    pub(crate) fn go_on_after(&self, last: crate::spool::Seq) {
        self.0.book().go_on_after(last);
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let book = self.0.book();
        let (pending_records, pending_bytes) = book.pending();
        Status {
            pending_records,
            pending_bytes,
            pending_records_max: book.share().records,
            pending_bytes_max: book.share().bytes,
            oldest_pending: book.oldest().map(|at| at.to_string()),
            window_entries: book.remembered(),
        }
    }
}
