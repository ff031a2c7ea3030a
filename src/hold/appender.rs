//! The door's side of the hold: one look-up under a lock, and the receipt that entitles to a 200.

use super::{Shared, book, book::Taken};
use crate::{
    callback::names::EventName,
    metrics::Outcome,
    spool::{CeId, Envelope, How, Seq},
};
use bytes::Bytes;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::oneshot;

/// Proof that all in-sync replicas of Kafka hold a callback. Only the hold makes one, after the brokers' ack; it can be used
/// once.
///
/// ```compile_fail
/// let forged = livebridge::hold::Acked { seq: livebridge::spool::Seq(1), how: livebridge::spool::How::New };
/// ```
/// ```compile_fail
/// fn twice(proof: livebridge::hold::Acked) {
///     drop(proof);
///     drop(proof);
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a receipt is what entitles a caller to answer 200"]
pub struct Acked {
    seq: Seq,
    how: How,
}

impl Acked {
    /// For the hold, after the ack.
    pub(in crate::hold) const fn by_all_in_sync(seq: Seq, how: How) -> Self {
        Self { seq, how }
    }

    /// The record that was acked: 1, 2, 3, … from the start of the process.
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

/// Why there is no receipt. Kafka may get the callback all the same if it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAcked {
    /// As much waits for Kafka already as may.
    #[error("too much waits for Kafka's ack")]
    Overloaded,
    /// Its topic is unknown, or not authorised.
    #[error("Kafka takes nothing for its topic")]
    Blocked,
    /// It can't be published as a typed event, and the quarantine's topic didn't take its copy either.
    #[error("neither its topic nor that of the quarantine takes it")]
    Refused,
    /// The publisher has ended, or is about to.
    #[error("nothing is published any more")]
    Stopped,
}

/// Whoever waits in the book.
#[derive(Debug)]
pub(super) struct Waiter(oneshot::Sender<Result<Acked, NotAcked>>);

impl Waiter {
    /// A caller that hung up, or gave up, is fine.
    pub(super) fn tell(self, word: Result<Acked, NotAcked>) {
        drop(self.0.send(word));
    }
}

impl book::Waits for Waiter {
    fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// The hold's word on a callback that was handed to it: acked, or why not.
#[derive(Debug)]
#[must_use = "it says whether all in-sync replicas have the callback"]
pub struct Receipt(oneshot::Receiver<Result<Acked, NotAcked>>);

impl Receipt {
    /// Waits no longer. An ack that came just now still counts: it was told, and won't be told again.
    pub fn give_up(mut self) -> Option<Acked> {
        self.0.close();
        self.0.try_recv().ok()?.ok()
    }
}

impl Future for Receipt {
    type Output = Result<Acked, NotAcked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A hold that is gone drops its end: the caller hears Stopped, never a false yes.
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|said| said.unwrap_or(Err(NotAcked::Stopped)))
    }
}

/// The door's handle.
#[derive(Debug, Clone)]
pub struct Appender(Arc<Shared>);

impl Appender {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Hands a callback to the publisher, which keeps it whatever becomes of the receipt. Never waits. What becomes of the
    /// callback is counted here, but for an error of this call.
    ///
    /// # Errors
    /// At once, if its lane holds as much as it may, its topic is blocked, or nothing is published any more.
    pub fn submit(
        &self,
        ce_id: CeId,
        event: EventName,
        envelope: Envelope,
    ) -> Result<Receipt, NotAcked> {
        let shared = &*self.0;
        let (told, receipt) = oneshot::channel();
        let source = envelope.source.clone();
        let envelope = Envelope {
            // A copy: it may stay for long, and the bytes as they came may be a small part of a large buffer.
            body: Bytes::copy_from_slice(&envelope.body),
            ..envelope
        };
        let now = shared.clock.now();
        let mut book = shared.book();
        let taken = book.take(now, ce_id, event, envelope, Waiter(told));
        if matches!(taken, Taken::New) {
            // Under the lock: it can't be acked, and counted as gone, before.
            shared.metrics.taken(&mut book);
        }
        drop(book);
        match taken {
            Taken::New => (shared.on_new)(),
            Taken::Joined => shared.callbacks.count(&source, event, Outcome::Duplicate),
            Taken::Acked(seq) => {
                shared.callbacks.count(&source, event, Outcome::Duplicate);
                let (told, receipt) = oneshot::channel();
                let acked = Acked::by_all_in_sync(seq, How::Duplicate);
                Waiter(told).tell(Ok(acked));
                return Ok(Receipt(receipt));
            }
            Taken::Refused(why, _) => {
                return Err(match why {
                    book::Refused::Full => NotAcked::Overloaded,
                    book::Refused::Blocked => NotAcked::Blocked,
                    book::Refused::Closed => NotAcked::Stopped,
                });
            }
        }
        Ok(Receipt(receipt))
    }
}
