//! The whole publisher in one hand, over any spool: for the simulation of the whole pipeline. Its thread is a loop around what is
//! called here.

use super::{
    kafka::{FakeBroker, KafkaRef},
    parts::{FakeCopies, FakeWatch, Post},
};
use crate::{
    clock::Clock,
    config::{Payload, Topics},
    publish::{
        Fault, Metrics, Rendered,
        copies::Copies,
        message::Rendering,
        plan::Plan,
        plan::Tick,
        publisher::{Parts, Publisher, Step},
        status::Status,
    },
    spool::{Outlet, Seq},
    traces::Traces,
};
use std::{sync::Arc, time::Duration};
use support::dice::Dice;

/// No run gets this far.
const NEVER: Duration = Duration::from_secs(1_000_000_000);
const BODY_BYTES: usize = 4096;

/// The publisher of one process.
pub(crate) struct Driven<O: Outlet> {
    publisher: Publisher<O, FakeBroker, Rendered>,
    kafka: KafkaRef,
    /// When it wants to be called at the latest.
    pub(crate) wake: Option<Tick>,
    /// What became of copies that were owed: it hears of them at its next step.
    pub(crate) copied: Vec<(Seq, bool)>,
}

impl<O: Outlet> Driven<O> {
    pub(crate) fn new(
        outlet: O,
        kafka: &KafkaRef,
        topics: &Topics,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        seed: u64,
    ) -> Self {
        Self::with_copies(outlet, kafka, topics, clock, metrics, seed, FakeCopies)
    }

    /// The same, with somebody who takes the copies of what can't be published.
    pub(crate) fn with_copies(
        outlet: O,
        kafka: &KafkaRef,
        topics: &Topics,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        seed: u64,
        copies: impl Copies + 'static,
    ) -> Self {
        let mut plan = Plan::new(topics, BODY_BYTES);
        // Little, so that lanes fall behind within a short day.
        plan.room.share.records = 4;
        plan.room.pool.records = 8;
        plan.span = 16;
        plan.seed = seed;
        let parts = Parts {
            outlet,
            broker: FakeBroker(Arc::clone(kafka)),
            render: Rendered {
                rendering: Rendering::of(Payload::Typed, &[], topics),
                copy_max_bytes: BODY_BYTES,
            },
            copies: Box::new(copies),
            reports: Arc::new(Post),
            clock,
            metrics,
            watch: Box::new(FakeWatch(Arc::clone(kafka))),
            traces: Traces::off(),
        };
        Self {
            publisher: Publisher::new(plan, parts),
            kafka: Arc::clone(kafka),
            wake: Some(Tick::ZERO),
            copied: Vec::new(),
        }
    }

    /// One step. True: it was asked to stop, and there is nothing left.
    pub(crate) fn step(&mut self, now: Tick, dice: &mut Dice, stop: bool) -> Result<bool, Fault> {
        let mut kafka = self.kafka.lock().unwrap();
        kafka.now = now;
        let mut mail = kafka.mail(dice);
        drop(kafka);
        mail.copied = std::mem::take(&mut self.copied);
        mail.stop_within = stop.then_some(NEVER);
        match self.publisher.step(now, mail)? {
            Step::Stop => {
                self.publisher.close(now)?;
                Ok(true)
            }
            Step::Wait(wake) => {
                self.wake = wake.filter(|at| *at < NEVER);
                Ok(false)
            }
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.publisher.status()
    }
}
