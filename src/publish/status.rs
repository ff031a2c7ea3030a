//! What `/status` shows of the publisher: a snapshot, without bodies and without secrets.

use super::{course::Mode, exact::Standing};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// The publisher, as it was at its last step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The shared producer.
    pub kafka: Kafka,
    /// One a topic; families that are `off` have one without a topic.
    pub lanes: Vec<Lane>,
    /// None in at-least-once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exactly_once: Option<Standing>,
}

/// The shared producer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kafka {
    /// Whether it takes records now. It does so with no broker in reach, too.
    pub producer: Producer,
    /// Whether the last thing heard about the brokers was an answer, such as an ack (true), or that all are down (false); none before
    /// either.
    pub reachable: Option<bool>,
    /// Times that the producer was replaced.
    pub rebuilds: u64,
    /// What is wrong between the producer and its brokers, if it is known, and what to do; none after an ack, or when they are in reach again.
    pub last_error: Option<String>,
}

/// The state of the shared producer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Producer {
    /// Takes records.
    Open,
    /// Is being purged after an error.
    Closing,
    /// The next one is opened after a pause.
    #[default]
    Waiting,
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// None: these families are `off`.
    pub topic: Option<String>,
    /// The keys of the families that go there.
    pub families: Vec<&'static str>,
    /// What it is up to.
    pub state: Mode,
    /// How far the lane's checkpoint is behind the durable end, in record numbers: other topics' records count, too.
    pub lag: u64,
    /// Records with a producer.
    pub in_flight: usize,
    /// The last error of one of its records, if there was one.
    pub last_error: Option<String>,
}

/// Where the publisher puts its status and others read it.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<Status>>);

impl Board {
    pub(super) fn post(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(super) fn read(&self) -> Status {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
