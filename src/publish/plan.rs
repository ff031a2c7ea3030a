//! Which lanes there are, and how much they may have under way.
//!
//! A lane is a topic; families routed to one topic share it, families that are `off` share one without a topic. What
//! a lane may do is its [`super::course::Course`].

use super::{
    exact::{BYTES_MAX, RECORDS_MAX},
    properties::{Queue, message_bytes},
    room::{Load, Room},
    stall::Patience,
};
use crate::{callback::names::Family, config::Topics};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The most that all lanes together have in flight: half of it as fixed shares, half as a pool for all (see `room`). librdkafka's
/// queue is twice as large, since it frees a message a little later than it reports it.
const WINDOWS_BYTES: usize = 16 << 20;
const WINDOWS_RECORDS: usize = 32 << 10;
/// Slots for each record in flight: how far a stuck partition may be overtaken by the others of its topic.
const SPAN: usize = 8;

/// Time since the publisher started. A plain number, so that a test can make one up.
pub type Tick = Duration;

/// One lane to be: its topic, and the families that go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// None: these families are `off`; their records are discarded.
    pub topic: Option<String>,
    /// Never empty.
    pub families: Vec<Family>,
}

/// The lanes that the settings ask for, ordered by topic, `off` first.
#[must_use]
pub fn routes(topics: &Topics) -> Vec<Route> {
    let mut lanes: BTreeMap<Option<&String>, Vec<Family>> = BTreeMap::new();
    for &family in Family::ALL {
        let topic = topics.families.get(&family);
        lanes.entry(topic).or_default().push(family);
    }
    let route = |(topic, families): (Option<&String>, _)| Route {
        topic: topic.cloned(),
        families,
    };
    lanes.into_iter().map(route).collect()
}

/// The lanes, and how much each may have under way.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) routes: Vec<Route>,
    pub(super) room: Room,
    /// Slots in the window of each.
    pub(super) span: usize,
    /// For librdkafka.
    pub(super) queue: Queue,
    /// Of the jitter: by chance, but for simulations.
    pub(super) seed: u64,
    /// Before a topic that takes nothing is called blocked.
    pub(super) patience: Patience,
    /// Where checkpoints go; none in at-least-once.
    pub(super) checkpoint: Option<Arc<str>>,
}

impl Plan {
    pub(super) fn new(topics: &Topics, body_bytes: usize) -> Self {
        let routes = routes(topics);
        let lanes = routes.iter().filter(|r| r.topic.is_some()).count().max(1);
        let room = Room {
            share: Load {
                records: WINDOWS_RECORDS / 2 / lanes,
                bytes: (WINDOWS_BYTES / 2 / lanes).max(message_bytes(body_bytes)),
            },
            pool: Load {
                records: WINDOWS_RECORDS / 2,
                bytes: WINDOWS_BYTES / 2,
            },
        };
        Self {
            routes,
            room,
            span: WINDOWS_RECORDS / lanes * SPAN,
            queue: queue(&room, lanes),
            // Without chance the waits are only not spread.
            seed: getrandom::u64().unwrap_or_default(),
            patience: Patience::default(),
            checkpoint: None,
        }
    }

    /// The same for exactly-once: one transaction at a time is under way, which any lane may fill.
    pub(super) fn exact(topics: &Topics, body_bytes: usize) -> Self {
        let room = Room {
            share: Load {
                records: RECORDS_MAX,
                bytes: BYTES_MAX.max(message_bytes(body_bytes)),
            },
            pool: Load::default(),
        };
        Self {
            room,
            span: RECORDS_MAX * SPAN,
            // The transaction is what bounds them all.
            queue: queue(&room, 1),
            checkpoint: Some(topics.checkpoint.as_str().into()),
            ..Self::new(topics, body_bytes)
        }
    }

    /// The topics that records go to.
    pub(super) fn topics(&self) -> Vec<String> {
        self.routes.iter().filter_map(|r| r.topic.clone()).collect()
    }
}

/// Twice what all windows hold.
const fn queue(room: &Room, lanes: usize) -> Queue {
    Queue {
        records: 2 * (lanes * room.share.records + room.pool.records),
        bytes: 2 * (lanes * room.share.bytes + room.pool.bytes),
    }
}
