//! Which lanes there are, and in which ways one may send: pure, with the time as an argument.
//!
//! A lane is a topic; families routed to one topic share it, families that are `off` share one without a topic. What
//! a lane may do is its [`super::course::Course`].

use crate::{callback::names::Family, config::Topics};
use std::{collections::BTreeMap, time::Duration};

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

/// How a lane may send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With all others, through the shared producer.
    Shared,
    /// One record, through a producer of its own, then wait for its report.
    Alone,
    /// Not before this.
    NotBefore(Tick),
}

/// The name of a course, for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All is well.
    Flowing,
    /// The topic takes nothing; probed from time to time.
    Blocked,
    /// One record at a time, since a batch was refused.
    Singly,
    /// The quarantine is full; an operator must look.
    QuarantineFull,
}
