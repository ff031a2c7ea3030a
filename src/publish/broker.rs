//! What the publisher asks of Kafka: producers that take records in order and report each. Tests fake it.

use super::{
    classify::Code,
    exact::{Outcome, Places, Purpose},
    mailbox::{ProducerId, Reports, Ticket},
    message::Message,
};
use std::sync::Arc;

/// Why no producer could be opened. It is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no Kafka producer: {0}")]
pub struct OpenError(pub String);

/// Opens producers. The only way from the publisher to Kafka.
pub trait Broker: Send + 'static {
    /// The kind of producer.
    type Producer: Producer;

    /// A new producer, which reports under this number. Needs no broker in reach.
    ///
    /// # Errors
    /// If the properties are no good, or too many producers are still closing.
    fn open(&self, id: ProducerId, reports: Arc<dyn Reports>) -> Result<Self::Producer, OpenError>;

    /// A new transactional producer. Whatever an earlier one with the same purpose has under way ends when this one is
    /// asked for [`Ask::Prepare`].
    ///
    /// # Errors
    /// As for [`Self::open`]; always, where there are no transactions.
    fn open_transactional(
        &self,
        _id: ProducerId,
        _reports: Arc<dyn Reports>,
        _purpose: &Purpose,
    ) -> Result<Self::Producer, OpenError> {
        Err(OpenError("it knows no transactions".into()))
    }
}

/// What a transactional producer can be asked for. It answers through its [`Reports`], however long that takes; one
/// question at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Fence whoever else has the same transactional id, then read what was committed under it.
    Prepare,
    /// Commit what was enqueued since [`Producer::begin`], of which every report is in. Done means that readers of committed
    /// messages see it all.
    Commit,
    /// Throw it away.
    Abort,
}

/// What became of the wish to enqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// The producer has it, and will report unless it dies.
    Taken,
    /// No room now: stop feeding for a moment. Nothing was enqueued.
    Full,
    /// The client itself says no. Nothing was enqueued.
    Refused(Code),
}

/// Takes records in order.
pub trait Producer: Send {
    /// Puts a message behind all others. Never blocks.
    fn enqueue(&self, message: &Message, ticket: Ticket) -> Enqueued;

    /// Begins a transaction, without asking a broker. Only of a transactional producer.
    fn begin(&self) -> Outcome {
        Outcome::Unknown
    }

    /// Where the messages lie that were acked since [`Self::begin`]. Only of a transactional producer.
    fn places(&self) -> Places {
        Places::default()
    }

    /// Asks for something. Returns at once. Only of a transactional producer.
    fn ask(&self, _ask: Ask) {}

    /// Has what there is to report reported now, by this thread. For whoever enqueues much: the producer's own thread rests
    /// then. Whoever has begun with it goes on, every few milliseconds, until [`Self::resume_polling`].
    fn poll_inline(&self) {}

    /// The producer's own thread reports again.
    fn resume_polling(&self) {}

    /// Throws away what it holds, lets the last reports come for at most two seconds, says that it is closed, and is
    /// dropped, all on a thread of its own. Returns at once.
    fn close(self);
}
