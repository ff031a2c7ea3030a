//! Audit: what the topics hold, against what the spool retains. Reads both, changes neither, and works beside a running relay.
//!
//! ```text
//!  spool ──► record ──► as it is published ──► ledger: hashes, by identity
//!                                                 ▲ in Kafka, where, how often, altered?
//!  topics, from the first record's time on ───────┘
//! ```
//!
//! Memory: a hundred and some bytes a record. Where there are more records than may be held at a time, spool and topics are gone
//! through several times, each time for a part of the streams: a stream is in one part as a whole, so that its order can be judged.

mod identity;
mod ledger;
mod murmur;
mod order;
mod parts;
mod pass;
mod report;
mod retention;
#[cfg(test)]
mod tests;
mod topic;
mod tracks;

pub use report::{Finding, Kind, Report, TopicCounts};
pub use retention::Retention;

use super::{
    Settings,
    properties::{self, Queue},
};
use crate::{
    clock::Clock,
    config::Delivery,
    spool::{
        Selection,
        look::{Look, LookError},
    },
};
use parts::Parts;
use pass::{Audit, Progress};
use rdkafka::{ClientConfig, error::KafkaError};
use std::ops::ControlFlow;
use tracks::Tracks;

/// What an audit needs.
#[derive(Clone, Copy)]
pub struct With<'a> {
    /// Topics, brokers, rendering.
    pub settings: &'a Settings,
    /// For how old a record is.
    pub clock: &'a dyn Clock,
    /// Records held in memory at a time, at least one.
    pub at_once: usize,
    /// Findings of each kind that are listed; further ones are counted.
    pub listed: usize,
    /// What the brokers say about a topic; none if they don't. An error says why the topic can't be read.
    pub retention: &'a dyn Fn(&str) -> Result<Option<Retention>, String>,
}

impl std::fmt::Debug for With<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("With").finish_non_exhaustive()
    }
}

/// Hears (done, all), and may break off.
pub type Tell<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The spool can't be read.
    #[error(transparent)]
    Look(#[from] LookError),
    /// A topic is missing, or may not be read.
    #[error("{0}")]
    Topic(String),
    /// Nobody answers.
    #[error(
        "no broker answered for a minute while {topic} was read ({trouble}); say it again when Kafka is in reach"
    )]
    NoAnswer {
        /// What was read.
        topic: String,
        /// What the client said last.
        trouble: String,
    },
    /// Somebody's transaction doesn't end.
    #[error(
        "{topic}, partition {partition}: a transaction has been open for more than 40 s, and nothing behind it can be read yet; \
         say it again later"
    )]
    OpenTransaction {
        /// What was read.
        topic: String,
        /// Its partition.
        partition: i32,
    },
    /// More records of a few streams than may be held.
    #[error(
        "{records} records belong to a few streams that can only be looked at together, and {at_once} may be held in memory; \
         give a narrower --since and --until, or a larger --at-once"
    )]
    TooMany {
        /// How many there are.
        records: u64,
        /// How many there may be.
        at_once: usize,
    },
    /// Whoever asked for it has gone.
    #[error("broken off")]
    BrokenOff,
}

impl Fault {
    fn kafka(topic: &str, error: &KafkaError) -> Self {
        Self::Topic(format!("topic {topic} can't be read: {error}"))
    }
}

/// Compares what is selected with what is in its topics.
///
/// # Errors
/// If the spool or a topic can't be read, or `tell` broke it off: then nothing is known.
pub fn audit(
    look: &Look,
    selection: &Selection,
    with: With<'_>,
    tell: Tell<'_>,
) -> Result<Report, Fault> {
    let tracks = Tracks::after(&with.settings.rendering);
    let all = look.list()?.records;
    let mut audit = Audit {
        look,
        selection,
        with,
        tracks,
        client: client(with.settings),
        committed: with.settings.delivery == Delivery::ExactlyOnce,
        parts: Parts::whole(),
        report: Report {
            spool_id: look.id().to_owned(),
            ..Report::default()
        },
        progress: Progress { done: 0, all, tell },
    };
    audit.report.isolation = match audit.committed {
        true => "read_committed",
        false => "read_uncommitted",
    };
    // Fewer are selected than there are, so this is seldom needed.
    if usize::try_from(all).is_ok_and(|all| all > with.at_once) {
        audit.parts = audit.split()?;
    }
    let passes = audit.parts.count;
    audit.progress.all = audit.progress.done + all * u64::try_from(passes).unwrap_or(1);
    for pass in 0..passes {
        audit.pass(pass)?;
    }
    audit.report.passes = passes;
    audit.report.findings.sort_by_key(|f| (f.kind, f.seq));
    Ok(audit.report)
}

/// As the relay's own clients, but one that reads.
fn client(settings: &Settings) -> ClientConfig {
    let queue = Queue {
        records: 1,
        bytes: 1 << 20,
    };
    let producer = properties::client_config(&settings.kafka.now(), settings.body_bytes, queue);
    let mut client = properties::reading(&producer);
    client
        // The client library wants a name to read under, although it joins no group.
        .set("group.id", "livebridge-audit")
        .set("auto.offset.reset", "earliest")
        .set("queued.max.messages.kbytes", "16384");
    client
}
