//! The relay without a disk, on one thread: the real door, hold and publisher of one process.

use super::super::relay::{Clocks, DEDUP, LIMITS, door};
use crate::{
    clock::Clock,
    config::Topics,
    front::{Door, Keeper, Phase},
    hold::{self, Hold, HoldOutlet},
    metrics::{Callbacks, registry},
    publish::{
        self, plan,
        simulation::{driven::Driven, kafka::KafkaRef, parts::Shelf},
    },
    spool::Seq,
};
use prometheus::Registry;
use std::sync::Arc;
use tokio::sync::watch;

/// One process.
pub(super) struct Relay {
    pub(super) door: Arc<Door>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) hold: Hold,
    pub(super) publisher: Driven<HoldOutlet>,
    pub(super) copies: Shelf,
    pub(super) registry: Registry,
}

/// What a process begins with.
pub(super) struct Process<'a> {
    pub(super) kafka: &'a KafkaRef,
    pub(super) clocks: &'a Arc<Clocks>,
    pub(super) topics: &'a Topics,
    pub(super) seed: u64,
    pub(super) last: Seq,
}

impl Relay {
    pub(super) fn start(day: &Process<'_>) -> Self {
        let registry = registry().unwrap();
        let clock: Arc<dyn Clock> = Arc::clone(day.clocks) as _;
        let (door_of, names) = door(day.topics);
        let callbacks = Callbacks::register(&registry, &names).unwrap();
        let routes = plan::routes(day.topics).into_iter();
        let lanes = routes.filter(|route| route.topic.is_some());
        let settings = hold::Settings {
            dedup: DEDUP,
            lanes: lanes.map(|route| route.families).collect(),
            limits: &LIMITS,
            ack_timeout: super::ACK_TIMEOUT,
        };
        let opened = hold::open(
            &settings,
            Arc::clone(&clock),
            &registry,
            callbacks.clone(),
            Box::new(|| {}),
        )
        .unwrap();
        // Numbers tell the lives apart.
        opened.hold.go_on_after(day.last);
        let copies = Shelf::default();
        let metrics = publish::Metrics::register(&registry, day.topics, opened.pending).unwrap();
        let publisher = Driven::with_copies(
            opened.outlet,
            day.kafka,
            day.topics,
            Arc::clone(&clock),
            metrics,
            day.seed,
            copies.clone(),
        );
        let door = door_of(Keeper::Hold(opened.appender), clock, &registry, callbacks);
        Self {
            door: Arc::new(door),
            phase: watch::channel(Phase::Running).0,
            hold: opened.hold,
            publisher,
            copies,
            registry,
        }
    }
}
