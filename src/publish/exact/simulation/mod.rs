//! Exactly-once through thousands of made-up days: commits whose answer is lost, producers that are fenced, transactions
//! over their time, topics that are gone, kill -9 at any moment, and copies of the spool that come to life beside it.
//!
//! Whatever the seed: in the end each record is committed once, in the order of its spool, and no record is lost; of two
//! relays one stands down, and what it alone holds is committed once it is adopted.

mod checks;
mod coordinator;
mod hanging;
mod leaving;
mod scenes;
mod spool;

use crate::{
    callback::names::Family,
    clock::{Clock, Millis},
    config::Topics,
    publish::classify::Code,
    publish::{
        copies::Copies,
        mailbox::{ProducerId, Report, Reports},
        message::Message,
        metrics::Metrics,
        plan::Plan,
        plan::Tick,
        publisher::{Parts, Publisher, Step},
        stalls::Nobody,
        trouble::Trouble,
    },
    spool::{Instance, Seq},
    traces::Traces,
};
use coordinator::{FakeBroker, Kafka, KafkaRef, TOPICS};
use prometheus::{IntGauge, Registry};
use spool::{Disk, DiskRef, FakeOutlet, FakeRender};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::dice::Dice;

/// No run gets this far.
const NEVER: Duration = Duration::from_secs(1_000_000_000);

#[test]
fn every_seed_commits_every_record_once_and_in_order() {
    (1..=150).for_each(|seed| run(seed, false));
}

#[test]
fn of_two_relays_with_one_spool_one_stands_down_and_nothing_is_lost_or_doubled() {
    (1..=350).for_each(|seed| run(seed, true));
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Millis {
        Millis(1_750_000_000_000)
    }
}

struct NoCopies;

impl Copies for NoCopies {
    fn offer(&self, _: Message, _: Option<Seq>) -> bool {
        true
    }
}

struct Post;

impl Reports for Post {
    fn report(&self, _: Report) {}
    fn trouble(&self, _: ProducerId, _: Code, _: Trouble) {}
    fn closed(&self, _: ProducerId) {}
}

fn topics() -> Topics {
    let families = [(Family::Recording, "a"), (Family::Stream, "b")];
    Topics {
        families: families.map(|(f, t)| (f, t.to_owned())).into(),
        quarantine: None,
        checkpoint: "checkpoints".into(),
    }
}

/// A process and its spool.
struct Relay {
    process: u64,
    instance: Instance,
    disk: DiskRef,
    publisher: Publisher<FakeOutlet, FakeBroker, FakeRender>,
    registry: Registry,
    taken: u64,
    pending: IntGauge,
    now: Tick,
    wake: Option<Tick>,
    /// It was seen to have stood down.
    down: bool,
}

struct World {
    seed: u64,
    dice: Dice,
    kafka: KafkaRef,
    processes: u64,
    numbers: u64,
    relays: Vec<Relay>,
}

fn run(seed: u64, twins: bool) {
    let mut world = World {
        seed,
        dice: Dice::new(seed),
        kafka: Arc::new(Mutex::new(Kafka::default())),
        processes: 0,
        numbers: 0,
        relays: Vec::new(),
    };
    let disk = Disk {
        id: "the spool".into(),
        ..Disk::default()
    };
    let relay = world.start(disk, Tick::ZERO);
    world.relays.push(relay);
    let split = if twins { world.dice.below(300) } else { 1_000 };
    for turn in 0..300 {
        if turn == split {
            world.split();
        }
        world.something_happens();
        world.turn(false);
    }
    if split < 1_000 && world.relays.len() == 1 {
        world.split();
    }
    world.heal();
    world.finish();
    world.adopt();
    world.finish();
    world.check();
}

impl World {
    fn start(&mut self, mut disk: Disk, now: Tick) -> Relay {
        disk.found_settled = 0;
        self.processes += 1;
        let process = self.processes;
        let instance = Instance(u128::from(process).to_be_bytes());
        let registry = Registry::new();
        let pending = IntGauge::new("pending", "pending").unwrap();
        let taken = disk.unsettled();
        pending.set(i64::try_from(taken).unwrap());
        let mut plan = Plan::exact(&topics(), 1000);
        plan.seed = self.seed;
        let id = disk.id.clone();
        let disk = Arc::new(Mutex::new(disk));
        let parts = Parts {
            outlet: FakeOutlet {
                disk: Arc::clone(&disk),
                id,
                instance,
            },
            broker: FakeBroker {
                kafka: Arc::clone(&self.kafka),
                process,
                disk: Arc::clone(&disk),
            },
            render: FakeRender,
            copies: Box::new(NoCopies),
            reports: Arc::new(Post),
            clock: Arc::new(Noon),
            metrics: Metrics::register(&registry, &topics(), pending.clone()).unwrap(),
            watch: Box::new(Nobody),
            traces: Traces::off(),
        };
        Relay {
            process,
            instance,
            disk,
            publisher: Publisher::new(plan, parts),
            registry,
            taken,
            pending,
            now,
            wake: Some(now),
            down: false,
        }
    }

    /// A copy of the spool as it lies there, with a relay of its own.
    fn split(&mut self) {
        let (disk, now) = (
            self.relays[0].disk.lock().unwrap().clone(),
            self.relays[0].now,
        );
        let twin = self.start(disk, now);
        self.relays.push(twin);
    }

    fn something_happens(&mut self) {
        let at = self.dice.below(self.relays.len() as u64) as usize;
        match self.dice.below(20) {
            0..6 => {
                let relay = &mut self.relays[at];
                let mut disk = relay.disk.lock().unwrap();
                // The door is closed when it has stood down.
                let count = if disk.rival.is_none() {
                    1 + self.dice.below(4)
                } else {
                    0
                };
                for _ in 0..count {
                    self.numbers += 1;
                    disk.accept(self.numbers, relay.instance);
                    relay.taken += 1;
                    relay.pending.inc();
                }
            }
            6..19 => (),
            _ => {
                let topic = TOPICS[self.dice.below(2) as usize];
                let mut kafka = self.kafka.lock().unwrap();
                match self.dice.below(14) {
                    0 => drop(kafka.gone.insert(topic)),
                    1 => kafka.down = true,
                    2..4 => kafka.down = false,
                    4 => drop(kafka.forbidden.insert(topic)),
                    5..7 => drop(kafka.forbidden.remove(topic)),
                    7 => drop(kafka.stuck.insert(topic)),
                    8..10 => drop(kafka.stuck.remove(topic)),
                    10 => kafka.begins_again = 1,
                    _ => drop(kafka.gone.remove(topic)),
                }
            }
        }
        for _ in 0..6 {
            self.kafka.lock().unwrap().acts(&mut self.dice);
        }
        if self.dice.below(60) == 0 {
            self.crash(at);
        }
    }

    fn crash(&mut self, at: usize) {
        let relay = &self.relays[at];
        let mut kafka = self.kafka.lock().unwrap();
        kafka.process_died(relay.process, &mut self.dice);
        drop(kafka);
        self.restart(at);
    }

    fn restart(&mut self, at: usize) {
        let (disk, now) = (
            self.relays[at].disk.lock().unwrap().clone(),
            self.relays[at].now,
        );
        self.relays[at] = self.start(disk, now);
    }

    /// Each relay does a step. True: all have nothing left, or stand down.
    fn turn(&mut self, stop: bool) -> bool {
        let mut done = true;
        for relay in &mut self.relays {
            let mut mail = self
                .kafka
                .lock()
                .unwrap()
                .mail(relay.process, &mut self.dice);
            mail.stop_within = stop.then_some(NEVER);
            // A password was changed.
            mail.renew = self.dice.below(100) == 0;
            let idle = mail.reports.is_empty() && mail.closed.is_empty() && mail.answers.is_empty();
            if let Some(wake) = relay.wake
                && wake < NEVER
                && (idle || self.dice.below(4) == 0)
            {
                relay.now = relay.now.max(wake);
            }
            relay.now += Duration::from_millis(self.dice.below(5));
            match relay
                .publisher
                .step(relay.now, mail)
                .expect("no disk fails")
            {
                Step::Stop => {}
                Step::Wait(wake) => {
                    relay.wake = wake;
                    done = false;
                }
            }
            let down = relay.disk.lock().unwrap().rival.is_some();
            if down && !std::mem::replace(&mut relay.down, true) {
                relay.check_what_it_keeps(&self.kafka.lock().unwrap(), self.seed);
            }
            let left = relay.publisher.left().records;
            let comes_back = relay.wake.is_some_and(|wake| wake < NEVER);
            assert!(
                down || left == 0 || comes_back || self.kafka.lock().unwrap().owes(relay.process),
                "seed {}: {left} records wait for nothing",
                self.seed
            );
        }
        done
    }

    fn heal(&mut self) {
        let mut kafka = self.kafka.lock().unwrap();
        kafka.calm = true;
        kafka.down = false;
        kafka.gone.clear();
        kafka.forbidden.clear();
        kafka.stuck.clear();
    }

    fn finish(&mut self) {
        for _ in 0..20_000 {
            for _ in 0..4 {
                self.kafka.lock().unwrap().acts(&mut self.dice);
            }
            if self.turn(true) {
                return;
            }
        }
        let states: Vec<_> = self.relays.iter().map(|r| r.publisher.status()).collect();
        panic!("seed {} did not finish: {states:#?}", self.seed);
    }

    /// `spool adopt`, and a new start, for whoever has stood down.
    fn adopt(&mut self) {
        let down = |relay: &Relay| relay.disk.lock().unwrap().rival.is_some();
        let stood_down: Vec<_> = self.relays.iter().map(down).collect();
        assert!(
            stood_down.contains(&false),
            "seed {}: somebody publishes",
            self.seed
        );
        for (at, down) in stood_down.into_iter().enumerate() {
            if down {
                self.relays[at].check_the_identity(self.seed);
                let mut disk = self.relays[at].disk.lock().unwrap();
                disk.rival = None;
                let covered = std::mem::take(&mut disk.covered);
                for family in Family::ALL {
                    disk.checkpoint.advance(*family, covered.of(*family));
                }
                disk.id = format!("adopted {at}");
                drop(disk);
                self.restart(at);
            }
        }
    }
}
