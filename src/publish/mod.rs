//! From the spool to Kafka: one lane a topic, in order, with retry and without an end, past the local quarantine.
//!
//! Nothing is settled but by the broker's ack or the quarantine (or because its family is `off`); a timeout settles
//! nothing. What happens when is decided in [`course`], [`plan`], [`window`], [`classify`] and [`retry`], which are pure.
//!
//! ```text
//!  Outlet ──► head cursor ──┬──► lane ─┐                        ┌─► reports ──► mailbox ──► window of the lane
//!    │                      ├──► lane ─┼─► shared producer ─► Kafka                            │
//!    │                      └──► lane ─┘                        │                              ▼
//!    └──► own cursor ──► lane that fell behind, or is blocked ──┘ (a producer of its own)   checkpoint
//! ```
//!
//! One thread does all of it. A lane that can't take its next record leaves the head cursor and later catches up with
//! a cursor of its own: a topic that is blocked for hours costs disk, not memory, and holds back nobody else.

pub mod access;
pub mod again;
mod alone;
pub mod audit;
pub mod broker;
pub mod broker_certificate;
pub mod classify;
pub mod client_log;
mod copies;
pub mod course;
pub mod exact;
mod feed;
mod incoming;
pub mod kafka;
mod lane;
mod lanes;
pub mod mailbox;
pub mod message;
pub mod metrics;
#[cfg(test)]
mod mock_tests;
mod place;
pub mod plan;
pub mod properties;
mod publisher;
mod quarantine;
mod renewal;
pub mod retry;
pub mod room;
mod shared;
mod shutdown;
#[cfg(test)]
pub(crate) mod simulation;
mod solo;
pub mod stall;
mod stalls;
pub mod status;
mod suspicion;
mod topic_health;
mod topic_watch;
mod traced;
pub mod trouble;
mod turn;
pub mod window;

pub use metrics::Metrics;
pub use properties::{is_set, message_bytes, own_name, refused_property};
pub use status::Status;

use crate::{
    clock::Clock,
    config,
    config::{Ack, Config, Delivery},
    spool::{Outlet, Reason, Record},
    traces::Traces,
};
use access::{Access, Clients};
use broker::Broker;
use client_log::ClientLog;
use copies::KafkaCopies;
use kafka::Kafka;
use mailbox::{Mailbox, Reports};
use message::{Message, Rendering};
use plan::Plan;
use publisher::{Parts, Publisher, Render, Step};
use rdkafka::{error::KafkaError, producer::BaseProducer};
use status::Board;
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use topic_watch::Watch;

/// What the publisher needs of the settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where each family goes.
    pub topics: config::Topics,
    /// The way to the brokers.
    pub kafka: Access,
    /// `limits.body_bytes`.
    pub body_bytes: usize,
    /// How a record becomes a message.
    pub rendering: Rendering,
    /// Whether each record is published once, or at least once.
    pub delivery: Delivery,
    /// Whether a sender waits for each ack.
    pub ack: Ack,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            topics: config.topics.clone(),
            kafka: Access::new(config.kafka.clone()),
            body_bytes: config.limits.body_bytes,
            rendering: Rendering::new(config),
            delivery: config.delivery,
            ack: config.ack,
        }
    }
}

/// How the publisher ended when it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Durable records that are not settled. No fault: the next run publishes them.
    pub records: u64,
}

/// Why the publisher can't go on. The process must end: an acknowledged record would wait for ever.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its thread could not be started.
    #[error("the publisher's thread can't be started: {0}")]
    Thread(io::Error),
    /// The spool can't be read.
    #[error("the spool can't be read: {0}")]
    Read(io::Error),
    /// The checkpoint can't be written.
    #[error("the checkpoint can't be written: {0}")]
    Checkpoint(io::Error),
    /// The quarantine can't be written, for another reason than a full disk.
    #[error("the quarantine can't be written: {0}")]
    Quarantine(io::Error),
    /// The thread that asks the brokers about a transaction panicked: its answer would be waited for without end.
    #[error("the thread that asks about transactions is gone, by a panic")]
    Clerk,
}

/// The publisher from outside. Made before the spool is opened, so that the spool can ring.
#[derive(Debug, Clone, Default)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
    board: Board,
}

impl Handle {
    /// For a publisher that is started with [`spawn`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// There are new durable records. Cheap; call it after every sync.
    pub fn durable_advanced(&self) {
        self.mailbox.ring();
    }

    /// What clients log in with has changed, and [`Access`] has it: connect anew. What is under way may end before.
    pub fn renew(&self) {
        self.mailbox.renew();
    }

    /// Publish what is left for at most `within`, then end. Call it when nothing is appended any more.
    pub fn stop(&self, within: Duration) {
        self.mailbox.stop(within);
    }

    /// How it was at its last step.
    #[must_use]
    pub fn status(&self) -> Status {
        self.board.read()
    }
}

/// Makes a client as [`spawn`] would, to hear whether librdkafka can use the properties together. Reaches for no
/// broker.
///
/// # Errors
/// With librdkafka's word, which may hold values of properties: don't show it.
pub fn try_client(
    kafka: &config::Kafka,
    topics: &config::Topics,
    body_bytes: usize,
) -> Result<(), KafkaError> {
    let plan = Plan::new(topics, body_bytes);
    let mut client = properties::client_config(kafka, body_bytes, plan.queue);
    client.remove("bootstrap.servers");
    client.create::<BaseProducer>().map(drop)
}

/// Starts the publisher's thread. It needs no broker in reach. It ends when it is asked to, or with a fault; in both
/// cases the last checkpoint is written.
///
/// # Errors
/// If the thread can't be started.
pub fn spawn<O: Outlet>(
    handle: &Handle,
    settings: Settings,
    outlet: O,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    traces: Traces,
) -> Result<JoinHandle<Result<Left, Fault>>, Fault> {
    let plan = match settings.delivery {
        Delivery::AtLeastOnce => Plan::new(&settings.topics, settings.body_bytes),
        Delivery::ExactlyOnce => Plan::exact(&settings.topics, settings.body_bytes),
    };
    let mut clients = Clients::new(&settings.kafka, settings.body_bytes, plan.queue);
    if settings.ack == Ack::Kafka {
        clients = clients.changed(properties::each_is_waited_for);
    }
    let mailbox = Arc::clone(&handle.mailbox);
    let log = Arc::new(ClientLog::default());
    let watch = Watch::start(
        clients.clone(),
        plan.topics(),
        metrics.clone(),
        Arc::clone(&log),
        Arc::clone(&mailbox),
    );
    let watch = watch.map_err(Fault::Thread)?;
    let parts = Parts {
        outlet,
        copies: Box::new(
            KafkaCopies::start(
                clients.clone(),
                metrics.clone(),
                Arc::clone(&log),
                Arc::clone(&mailbox) as Arc<dyn Reports>,
            )
            .map_err(Fault::Thread)?,
        ),
        broker: Kafka::new(clients, log),
        render: Rendered {
            rendering: settings.rendering,
            copy_max_bytes: settings.body_bytes,
        },
        reports: Arc::clone(&mailbox) as Arc<dyn Reports>,
        clock,
        metrics,
        watch: Box::new(watch),
        traces,
    };
    start(handle.board.clone(), mailbox, plan, parts)
}

fn start<O: Outlet, B: Broker, R: Render>(
    board: Board,
    mailbox: Arc<Mailbox>,
    plan: Plan,
    parts: Parts<O, B, R>,
) -> Result<JoinHandle<Result<Left, Fault>>, Fault> {
    thread::Builder::new()
        .name("livebridge-publish".into())
        .spawn(move || {
            // The publisher is built on its thread: it needs no part of it to be `Sync`.
            let mut publisher = Publisher::new(plan, parts);
            let ended = run(&mut publisher, &mailbox, &board);
            board.post(publisher.status());
            ended
        })
        .map_err(Fault::Thread)
}

fn run<O: Outlet, B: Broker, R: Render>(
    publisher: &mut Publisher<O, B, R>,
    mailbox: &Mailbox,
    board: &Board,
) -> Result<Left, Fault> {
    let mut shown = 0;
    let mut wake = Some(mailbox.now());
    loop {
        mailbox.wait(wake);
        publisher.poll_inline();
        let mail = mailbox.empty();
        match publisher.step(mailbox.now(), mail)? {
            Step::Wait(until) => wake = until,
            Step::Stop => break,
        }
        if publisher.ticks != shown {
            shown = publisher.ticks;
            board.post(publisher.status());
        }
    }
    publisher.close(mailbox.now())?;
    let mut mail = mailbox.take(Some(mailbox.now()));
    while let Some(until) = publisher.closing(mailbox.now(), mail)? {
        mail = mailbox.take(Some(until));
    }
    Ok(publisher.left())
}

/// The real rendering.
struct Rendered {
    rendering: Rendering,
    copy_max_bytes: usize,
}

impl Render for Rendered {
    fn message(&self, record: &Record, topic: &Arc<str>) -> Result<Message, Reason> {
        self.rendering.message(record, topic)
    }

    fn quarantine_copy(&self, record: &Record, reason: &Reason) -> Option<Message> {
        self.rendering
            .quarantine_copy(record, reason, self.copy_max_bytes)
    }
}
