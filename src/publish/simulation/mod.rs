//! The publisher through thousands of made-up days: brokers that refuse, lose reports, die and come back, topics that
//! are unknown for a while, a quarantine without room, crashes in between.
//!
//! Whatever the seed: nothing is skipped, the checkpoint never passes what isn't settled, first appearances per topic
//! and key are in order, only what was refused alone is set aside, and in the end everything is settled.

pub(crate) mod driven;
pub(crate) mod kafka;
pub(crate) mod parts;
mod world;

use super::{
    mailbox::Mail,
    metrics::Metrics,
    plan::Plan,
    plan::Tick,
    publisher::{Parts, Publisher, Step},
};
use crate::{
    callback::names::Family,
    clock::{Clock, Millis},
    config::Topics,
    spool::Seq,
    traces::Traces,
};
use kafka::FakeBroker;
use parts::{FakeCopies, FakeOutlet, FakeRender, FakeWatch, Post};
use prometheus::{IntGauge, Registry};
use std::{sync::Arc, time::Duration};
use support::dice::Dice;
use world::{Fate, World, WorldRef};

#[test]
fn every_seed_settles_everything_in_order() {
    for seed in 1..=2_000 {
        run(seed);
    }
}

/// All that the others need is that it is in nobody's producer but its own.
#[test]
fn a_topic_that_always_fails_for_no_known_reason_holds_up_no_other() {
    for seed in 1..=200 {
        let mut run = Run::new(seed);
        run.world.lock().unwrap().kafka().calm = true;
        run.odd_are(&["a"]);
        run.accepts_some();
        run.goes_on_until(|world| world.all_settled_but("a"));
        run.world.lock().unwrap().heal();
        run.ends();
    }
}

/// It says nothing about any topic, so none is called blocked.
#[test]
fn where_all_are_refused_alike_no_topic_is_blocked_and_all_go_on_afterwards() {
    for seed in 1..=200 {
        let mut run = Run::new(seed);
        run.world.lock().unwrap().kafka().calm = true;
        run.accepts_some();
        // All were taken before, each several times.
        run.goes_on_until(|world| world.all_settled_but(""));
        run.odd_are(&["a", "b", "c"]);
        run.accepts_some();
        for _ in 0..2_000 {
            run.step(false);
            run.kafka_acts();
            let mut lanes = run.publisher.lanes.iter();
            assert!(!lanes.any(|lane| lane.course.is_blocked()), "seed {seed}");
        }
        run.world.lock().unwrap().heal();
        run.ends();
    }
}

/// Of what was sent alone nobody knows what became, and nobody is to blame.
#[test]
fn that_producers_log_in_anew_says_nothing_about_their_topics() {
    for seed in 1..=200 {
        let mut run = Run::new(seed);
        run.world.lock().unwrap().kafka().calm = true;
        run.renews_whoever_is_alone = true;
        let mut sent_alone = false;
        for _ in 0..10 {
            run.accepts_some();
            for _ in 0..100 {
                run.step(false);
                run.kafka_acts();
                let lanes = run.publisher.lanes.iter();
                for lane in lanes {
                    sent_alone |= lane.solo.has_record();
                    assert!(!lane.course.is_blocked(), "seed {seed}");
                }
            }
        }
        assert!(sent_alone, "seed {seed} shows nothing");
        run.renews_whoever_is_alone = false;
        run.ends();
    }
}

/// No run gets this far.
const NEVER: Duration = Duration::from_secs(1_000_000_000);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Millis {
        Millis(1_750_000_000_000)
    }
}

fn topics() -> Topics {
    let mut families = std::collections::BTreeMap::new();
    for (family, topic) in [
        (Family::Recording, "a"),
        (Family::RecordingStatus, "a"),
        (Family::Stream, "b"),
        (Family::Screenshot, "c"),
    ] {
        families.insert(family, topic.to_owned());
    }
    Topics {
        families,
        quarantine: None,
        checkpoint: "live.checkpoint".into(),
    }
}

type Sim = Publisher<FakeOutlet, FakeBroker, FakeRender>;

struct Run {
    seed: u64,
    dice: Dice,
    world: WorldRef,
    publisher: Sim,
    registry: Registry,
    /// Above their family's checkpoint when this process began, plus accepted since.
    taken: u64,
    now: Tick,
    wake: Option<Tick>,
    /// A password is changed whenever a record was sent alone, as a rule.
    renews_whoever_is_alone: bool,
}

fn start(world: &WorldRef, seed: u64) -> (Sim, Registry, u64) {
    let registry = Registry::new();
    let pending = IntGauge::new("pending", "pending").unwrap();
    let recovered = world.lock().unwrap().unsettled();
    pending.set(i64::try_from(recovered).unwrap());
    let mut plan = Plan::new(&topics(), 1000);
    plan.room.share.records = 4;
    plan.room.pool.records = 8;
    plan.span = 16;
    plan.seed = seed;
    let kafka = Arc::clone(&world.lock().unwrap().kafka);
    let parts = Parts {
        outlet: FakeOutlet(Arc::clone(world)),
        broker: FakeBroker(Arc::clone(&kafka)),
        render: FakeRender(Arc::clone(world)),
        copies: Box::new(FakeCopies),
        reports: Arc::new(Post),
        clock: Arc::new(Noon),
        metrics: Metrics::register(&registry, &topics(), pending).unwrap(),
        watch: Box::new(FakeWatch(kafka)),
        traces: Traces::off(),
    };
    (Publisher::new(plan, parts), registry, recovered)
}

fn run(seed: u64) {
    let mut run = Run::new(seed);
    for _ in 0..400 {
        run.something_happens();
        run.step(false);
    }
    run.world.lock().unwrap().heal();
    run.ends();
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let world = World::new(&mut dice);
        let (publisher, registry, taken) = start(&world, seed);
        Self {
            seed,
            dice,
            world,
            publisher,
            registry,
            taken,
            now: Tick::ZERO,
            wake: Some(Tick::ZERO),
            renews_whoever_is_alone: false,
        }
    }

    fn accepts_some(&mut self) {
        let mut world = self.world.lock().unwrap();
        for _ in 0..20 {
            self.taken += world.accept(&mut self.dice);
        }
        // The spool rings.
        self.wake = Some(self.now);
    }

    fn odd_are(&self, topics: &[&str]) {
        let odd = topics.iter().map(|topic| (*topic).to_owned());
        self.world.lock().unwrap().kafka().odd = odd.collect();
    }

    fn kafka_acts(&mut self) {
        let action = self.dice.below(3);
        let world = self.world.lock().unwrap();
        world.kafka().acts(&mut self.dice);
        if action == 0 {
            world.kafka().acts(&mut self.dice);
        }
    }

    fn goes_on_until(&mut self, done: impl Fn(&World) -> bool) {
        for _ in 0..20_000 {
            self.step(false);
            if done(&self.world.lock().unwrap()) {
                return;
            }
            self.kafka_acts();
        }
        self.did_not_finish();
    }

    /// Everything is settled, and as it has to be.
    fn ends(mut self) {
        for _ in 0..20_000 {
            if self.step(true) {
                self.check_the_end();
                return;
            }
            self.kafka_acts();
        }
        self.did_not_finish();
    }

    fn did_not_finish(&self) -> ! {
        let seed = self.seed;
        panic!("seed {seed} did not finish: {:#?}", self.publisher.status());
    }

    fn something_happens(&mut self) {
        let mut world = self.world.lock().unwrap();
        match self.dice.below(10) {
            0..3 => self.taken += world.accept(&mut self.dice),
            3..9 => world.kafka().acts(&mut self.dice),
            _ => world.fortune_turns(&mut self.dice),
        }
        drop(world);
        if self.dice.below(150) == 0 {
            self.crash();
        }
    }

    /// As after kill -9: what was in the producers may still reach the broker.
    fn crash(&mut self) {
        let mut world = self.world.lock().unwrap();
        world.kafka().process_died(&mut self.dice);
        world.corrupt = 0;
        drop(world);
        let (publisher, registry, recovered) = start(&self.world, self.seed);
        self.publisher = publisher;
        self.registry = registry;
        self.taken = recovered;
        self.wake = Some(self.now);
    }

    /// True: the publisher says that there is nothing left.
    fn step(&mut self, stop: bool) -> bool {
        let mut mail: Mail = self.world.lock().unwrap().kafka().mail(&mut self.dice);
        mail.stop_within = stop.then_some(NEVER);
        mail.renew = self.dice.below(100) == 0;
        if self.renews_whoever_is_alone {
            let mut lanes = self.publisher.lanes.iter();
            mail.renew |= lanes.any(|lane| lane.solo.has_record()) && self.dice.below(3) > 0;
        }
        // Now and then time passes; it always does when nothing else can happen.
        let idle = mail.reports.is_empty() && mail.closed.is_empty();
        if let Some(wake) = self.wake
            && wake < NEVER
            && (idle || self.dice.below(4) == 0)
        {
            self.now = self.now.max(wake);
        }
        self.now += Duration::from_millis(self.dice.below(5));
        self.world.lock().unwrap().kafka().now = self.now;
        match self
            .publisher
            .step(self.now, mail)
            .expect("no disk fails here")
        {
            Step::Stop => true,
            Step::Wait(wake) => {
                self.wake = wake;
                false
            }
        }
    }

    fn check_the_end(&mut self) {
        self.publisher.close(self.now).unwrap();
        let world = self.world.lock().unwrap();
        let seed = self.seed;
        world.assert_order(seed);
        let end = world.durable_end();
        for seq in 1..=end.0 {
            assert!(world.is_settled(Seq(seq)), "seed {seed}: {seq} is missing");
            let fate = world.fate(Seq(seq));
            let aside = matches!(fate, Fate::Poison | Fate::Untypable);
            assert_eq!(
                world.is_aside(Seq(seq)),
                aside,
                "seed {seed}: {seq} {fate:?}"
            );
        }
        assert_eq!(world.checkpointed().least(), end, "seed {seed}");
        drop(world);
        for family in self.registry.gather() {
            if family.name() == "livebridge_topic_blocked" {
                let stale = |m: &prometheus::proto::Metric| m.get_gauge().get_value() > 0.0;
                assert!(!family.get_metric().iter().any(stale), "seed {seed}");
            }
        }
        self.check_the_identity();
    }

    /// recovered + accepted = published + quarantined + corrupt + discarded + pending
    fn check_the_identity(&self) {
        let mut counted = self.world.lock().unwrap().corrupt;
        for family in self.registry.gather() {
            let ours = ["published_total", "quarantined_total", "discarded_total"];
            if ours
                .iter()
                .any(|n| family.name() == format!("livebridge_{n}"))
            {
                let sum: f64 = family
                    .get_metric()
                    .iter()
                    .map(|m| m.get_counter().get_value())
                    .sum();
                counted += sum as u64;
            }
        }
        assert_eq!(self.publisher.left().records, 0, "seed {}", self.seed);
        assert_eq!(counted, self.taken, "seed {}", self.seed);
    }
}
