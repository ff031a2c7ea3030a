//! The door's side of the spool: a bounded queue to the writer, and the receipt that entitles to a 200.

use super::record::{CeId, Envelope, Seq};
use crate::callback::names::EventName;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Proof that a callback is durable. Only the spool's writer makes one, after its sync; it can be used once.
///
/// ```compile_fail
/// let forged = livebridge::spool::Durable { seq: livebridge::spool::Seq(1), how: livebridge::spool::How::New };
/// ```
/// ```compile_fail
/// fn twice(proof: livebridge::spool::Durable) {
///     drop(proof);
///     drop(proof);
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a receipt is what entitles a caller to answer 200"]
pub struct Durable {
    seq: Seq,
    how: How,
}

/// How a callback came to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A record of its own.
    New,
    /// It was in the window already, or shared the record of an identical one under way.
    Duplicate,
}

impl Durable {
    /// For the writer, after its sync.
    pub(in crate::spool) const fn after_sync(seq: Seq, how: How) -> Self {
        Self { seq, how }
    }

    /// The record that holds the callback.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// Whether this callback made the record or found it.
    #[must_use]
    pub const fn how(&self) -> How {
        self.how
    }
}

/// Why there is no receipt. The callback may be durable all the same if the writer stopped under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No room, and no wholly settled segment left to delete.
    #[error("the spool is full")]
    Full,
    /// The queue to the writer is full: overload, not a full spool.
    #[error("the queue to the spool is full")]
    Overloaded,
    /// The writer has ended.
    #[error("the spool has stopped")]
    Stopped,
    /// Another run publishes for this spool.
    #[error("another relay publishes from a copy of this spool")]
    StoodDown,
}

/// A callback that waits for its receipt.
#[derive(Debug)]
pub(in crate::spool) struct Append {
    pub(in crate::spool) ce_id: CeId,
    pub(in crate::spool) event: EventName,
    pub(in crate::spool) envelope: Envelope,
    /// When it was handed in, for the latency metric.
    pub(in crate::spool) at: Instant,
    pub(in crate::spool) done: oneshot::Sender<Result<Durable, AppendError>>,
    /// Its share of the queue's bytes; given back when the writer is done with it.
    pub(in crate::spool) _bytes: OwnedSemaphorePermit,
}

/// What a sync made durable, and who waits to hear so. Each of them hears it when this is told, whoever does that, wherever; one
/// that is dropped untold hears [`AppendError::Stopped`], never a false yes.
#[derive(Debug)]
#[must_use = "somebody waits for each of them"]
pub struct Receipts(Vec<(Append, Durable)>);

impl Receipts {
    /// For the writer, which alone has what to say.
    pub(in crate::spool) fn of(batch: impl Iterator<Item = (Append, Durable)>) -> Self {
        Self(batch.collect())
    }

    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells them. A caller that hung up is fine: the record is kept, and sent, all the same.
    pub fn tell(self) {
        for (append, durable) in self.0 {
            let _ = append.done.send(Ok(durable));
        }
    }
}

/// What is to be done after each sync, in this order, on the writer's thread: it must not block.
#[expect(missing_debug_implementations, reason = "closures have none")]
pub struct AfterSync {
    /// Has [`Receipts::tell`] called. Waking many callers takes longer than the writer has: another thread may do it.
    pub tell: Box<dyn Fn(Receipts) + Send>,
    /// There are new durable records.
    pub ring: Box<dyn Fn() + Send>,
}

impl Default for AfterSync {
    /// The writer tells its callers itself, and nobody else.
    fn default() -> Self {
        Self {
            tell: Box::new(Receipts::tell),
            ring: Box::new(|| {}),
        }
    }
}

/// The writer's word on a callback that it was handed: durable, or why not. Holds no [`Appender`], so that waiting for
/// it doesn't keep the writer from ending.
#[derive(Debug)]
#[must_use = "it says whether the callback is durable"]
pub struct Receipt(oneshot::Receiver<Result<Durable, AppendError>>);

impl Receipt {
    /// Waits for it, blocking: for threads that are nobody's task.
    ///
    /// # Errors
    /// As [`Appender::append`].
    pub fn wait(self) -> Result<Durable, AppendError> {
        self.0.blocking_recv().unwrap_or(Err(AppendError::Stopped))
    }
}

impl Future for Receipt {
    type Output = Result<Durable, AppendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A writer that died drops its end: the caller hears Stopped, never a false yes.
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|said| said.unwrap_or(Err(AppendError::Stopped)))
    }
}

/// The door's handle. When the last one is dropped, the writer syncs and answers what it has, and ends.
#[derive(Debug, Clone)]
pub struct Appender {
    queue: mpsc::Sender<Append>,
    bytes: Arc<Semaphore>,
    stood_down: Arc<AtomicBool>,
}

impl Appender {
    /// A queue of at most `records` callbacks with at most `bytes` of bodies, and its other end.
    pub(in crate::spool) fn new(
        records: usize,
        bytes: usize,
        stood_down: Arc<AtomicBool>,
    ) -> (Self, mpsc::Receiver<Append>) {
        let (queue, waiting) = mpsc::channel(records);
        let bytes = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        let appender = Self {
            queue,
            bytes,
            stood_down,
        };
        (appender, waiting)
    }

    /// Makes a callback durable. Dropping the future changes nothing: the record is kept and sent.
    ///
    /// # Errors
    /// At once when the spool is full or the queue is; later when the writer ends or runs full under way.
    pub async fn append(
        &self,
        ce_id: CeId,
        event: EventName,
        envelope: Envelope,
    ) -> Result<Durable, AppendError> {
        self.submit(ce_id, event, envelope)?.await
    }

    /// Hands a callback to the writer, which keeps it whatever becomes of the receipt.
    ///
    /// # Errors
    /// At once, if the queue is full, the writer has ended, or the spool has stood down.
    pub fn submit(
        &self,
        ce_id: CeId,
        event: EventName,
        envelope: Envelope,
    ) -> Result<Receipt, AppendError> {
        if self.stood_down.load(Ordering::Acquire) {
            return Err(AppendError::StoodDown);
        }
        let cost = u32::try_from(envelope.body.len().max(1)).unwrap_or(u32::MAX);
        let bytes = Arc::clone(&self.bytes)
            .try_acquire_many_owned(cost)
            .map_err(|_| AppendError::Overloaded)?;
        let (done, receipt) = oneshot::channel();
        let append = Append {
            ce_id,
            event,
            envelope,
            at: Instant::now(),
            done,
            _bytes: bytes,
        };
        self.queue.try_send(append).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => AppendError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => AppendError::Stopped,
        })?;
        Ok(Receipt(receipt))
    }
}

/// A writer for tests of the door: what arrives is answered as the test says.
#[cfg(test)]
pub(crate) mod fake {
    use super::*;

    /// The other end of an [`Appender`].
    #[derive(Debug)]
    pub(crate) struct FakeWriter {
        waiting: mpsc::Receiver<Append>,
        last: Seq,
    }

    /// A callback that waits for the test's word.
    #[derive(Debug)]
    pub(crate) struct Waiting {
        pub(crate) ce_id: CeId,
        pub(crate) event: EventName,
        pub(crate) envelope: Envelope,
        seq: Seq,
        done: oneshot::Sender<Result<Durable, AppendError>>,
    }

    impl FakeWriter {
        pub(crate) fn new(records: usize, bytes: usize) -> (Appender, Self) {
            let (appender, waiting) = Appender::new(records, bytes, Arc::default());
            let last = Seq(0);
            (appender, Self { waiting, last })
        }

        /// The next callback; none when every appender is gone.
        pub(crate) async fn next(&mut self) -> Option<Waiting> {
            let append = self.waiting.recv().await?;
            self.last = self.last.next();
            Some(Waiting {
                ce_id: append.ce_id,
                event: append.event,
                envelope: append.envelope,
                seq: self.last,
                done: append.done,
            })
        }
    }

    impl Waiting {
        pub(crate) fn durable(self, how: How) {
            let _ = self.done.send(Ok(Durable::after_sync(self.seq, how)));
        }

        pub(crate) fn fail(self, why: AppendError) {
            let _ = self.done.send(Err(why));
        }
    }
}
