//! What the publisher asks of Kafka: producers that take records in order and report each. Tests fake it.

use super::{
    classify::Code,
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

    /// Throws away what it holds, lets the last reports come for at most two seconds, says that it is closed, and is
    /// dropped, all on a thread of its own. Returns at once.
    fn close(self);
}
