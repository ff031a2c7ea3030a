//! Publishing again: what was published before (replay), and what was set aside (requeue). On an operator's word, marked by a
//! header, with a producer of its own: whatever Kafka says about these records can't hurt the lanes.
//!
//! Unlike a lane it gives up: an operator waits for it, and can say it again. Nothing is lost by that.

mod courier;
mod replay;
mod requeue;
#[cfg(test)]
mod tests;

pub use replay::{Replayed, replay};
pub use requeue::{Left, Requeued, requeue};

use super::{
    Metrics, Settings,
    access::Clients,
    classify::Code,
    kafka::Kafka,
    message::{Header, Message},
    properties::{self, Queue},
};
use crate::{clock::Clock, spool::look::LookError};
use std::{io, ops::ControlFlow, sync::Arc, time::Duration};

/// How long no answer at all is taken for "no broker".
const PATIENCE: Duration = Duration::from_secs(60);
/// Records under way.
const WINDOW: usize = 1000;
/// What the client may hold: the window, at the largest size that fits a few hundred times.
const QUEUE: Queue = Queue {
    records: 2 * WINDOW,
    bytes: 64 << 20,
};

/// Hears (done, all), and may break off.
pub type Tell<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// What publishing again needs.
#[derive(Clone, Copy)]
pub struct With<'a> {
    /// Topics, brokers, rendering.
    pub settings: &'a Settings,
    /// For the mark.
    pub clock: &'a dyn Clock,
    /// Of the relay that it happens in; none in a command of its own.
    pub metrics: Option<&'a Metrics>,
}

impl std::fmt::Debug for With<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("With").finish_non_exhaustive()
    }
}

/// Why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The spool can't be read.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The quarantine can't be read or changed.
    #[error("the quarantine: {0}")]
    Quarantine(io::Error),
    /// No producer.
    #[error("{0}")]
    NoProducer(String),
    /// Kafka doesn't take a record.
    #[error("topic {topic} doesn't take record {seq}: {code}{rest}")]
    Refused {
        /// Where it should have gone.
        topic: String,
        /// Its number.
        seq: u64,
        /// Why.
        code: Code,
        /// How to go on.
        rest: String,
    },
    /// Nobody answers.
    #[error("no broker answered for {} s ({trouble}){rest}", PATIENCE.as_secs())]
    NoAnswer {
        /// What the client said last.
        trouble: String,
        /// How to go on.
        rest: String,
    },
    /// Whoever asked for it has gone.
    #[error("broken off{rest}")]
    BrokenOff {
        /// How to go on.
        rest: String,
    },
}

impl Fault {
    /// With a word on how to go on.
    fn and(self, more: &str) -> Self {
        let more = more.to_owned();
        match self {
            Self::Refused {
                topic, seq, code, ..
            } => Self::Refused {
                topic,
                seq,
                code,
                rest: more,
            },
            Self::NoAnswer { trouble, .. } => Self::NoAnswer {
                trouble,
                rest: more,
            },
            Self::BrokenOff { .. } => Self::BrokenOff { rest: more },
            other => other,
        }
    }
}

/// Producers for this: as the lanes', with no wait for a fuller batch where each record is waited for.
fn kafka(settings: &Settings, linger: bool) -> Kafka {
    let mut clients = Clients::new(&settings.kafka, settings.body_bytes, QUEUE);
    if !linger {
        clients = clients.changed(|config, _| properties::send_at_once(config));
    }
    Kafka::new(clients, Arc::default())
}

fn mark(message: &mut Message, name: &'static str, clock: &dyn Clock) {
    let at = clock.now().to_string().into_bytes();
    let header: Header = (name, at.into());
    message.headers.push(header);
}
