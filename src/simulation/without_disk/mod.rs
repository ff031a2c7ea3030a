//! The same with `ack = "kafka"`: no disk, so that a process which dies forgets everything, and a 200 means that Kafka has it.
//!
//! Besides what the oracle says: whoever waits is answered in time; while a process lives, a callback is one record, however
//! often its sender tries; at rest accepted = published + quarantined.

mod relay;

use super::{
    oracle,
    relay::{Answer, Clocks, counted, post, topics},
    senders::{Callback, Kind},
};
use crate::{
    config::Topics,
    publish::simulation::kafka::{Kafka, KafkaRef},
    spool::Seq,
};
use relay::{Process, Relay};
use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use support::dice::Dice;

const DAYS: u64 = 1_000;
const STEPS: std::ops::Range<u64> = 20..200;
const EVENING: u64 = 30_000;
const ACK_TIMEOUT: Duration = Duration::from_secs(4);

#[test]
fn whatever_was_answered_200_is_in_kafka_in_order_and_once_a_life() {
    let mut sum = Tally::default();
    for seed in 1..=DAYS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let day = tokio::task::unconstrained(live(seed));
        sum.add(&runtime.unwrap().block_on(day));
    }
    eprintln!("simulation without a disk: {sum:?}");
    assert!(sum.answered > 5 * sum.days, "{sum:?}");
    let rare = [sum.kills, sum.late, sum.copied, sum.joined_late];
    assert!(rare.iter().all(|often| *often > 0), "{sum:?}");
}

/// What the days had.
#[derive(Debug, Default)]
struct Tally {
    days: u64,
    answered: u64,
    kills: u64,
    /// Answered 503.
    late: u64,
    /// In the quarantine's topic.
    copied: u64,
    /// Answered 200 after a 503.
    joined_late: u64,
}

impl Tally {
    fn add(&mut self, day: &Self) {
        self.days += 1;
        self.answered += day.answered;
        self.kills += day.kills;
        self.late += day.late;
        self.copied += day.copied;
        self.joined_late += day.joined_late;
    }
}

struct UnderWay {
    callback: usize,
    since: Duration,
    answer: Answer,
}

struct Day {
    seed: u64,
    dice: Dice,
    kafka: KafkaRef,
    clocks: Arc<Clocks>,
    topics: Topics,
    relay: Relay,
    /// The first number of each process.
    lives: Vec<Seq>,
    callbacks: Vec<Callback>,
    under_way: Vec<UnderWay>,
    /// The `ce_id`s of what the quarantine's topic has.
    quarantine: Vec<String>,
    step: u64,
    tally: Tally,
}

async fn live(seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let (kafka, clocks) = (Kafka::new(&mut dice), Arc::default());
    let topics = Topics {
        quarantine: Some("quarantine".into()),
        ..topics()
    };
    let relay = Relay::start(&Process {
        kafka: &kafka,
        clocks: &clocks,
        topics: &topics,
        seed,
        last: Seq(0),
    });
    let mut day = Day {
        seed,
        dice,
        kafka,
        clocks,
        topics,
        relay,
        lives: vec![Seq(1)],
        callbacks: Vec::new(),
        under_way: Vec::new(),
        quarantine: Vec::new(),
        step: 0,
        tally: Tally::default(),
    };
    let evening = STEPS.start + day.dice.below(STEPS.end - STEPS.start);
    while day.step < evening {
        day.something_happens();
        day.go_on().await;
    }
    day.heal();
    while !day.is_over() {
        let status = day.relay.publisher.status();
        assert!(day.step < evening + EVENING, "seed {seed}: {status:#?}");
        day.all_goes_well();
        day.go_on().await;
    }
    day.take_stock()
}

impl Day {
    fn something_happens(&mut self) {
        match self.dice.below(100) {
            0..24 => {
                for _ in 0..=self.dice.below(3) {
                    let now = self.clocks.now();
                    let number = self.callbacks.len();
                    let callback = Callback::new(number, self.step, now, &mut self.dice);
                    self.callbacks.push(callback);
                }
            }
            24..60 => self.publish(),
            60..88 => self.kafka.lock().unwrap().acts(&mut self.dice),
            88..93 => self.kafka_turns(),
            93..98 => {
                let acked = self.dice.below(3) != 0;
                self.copy_ends(acked);
            }
            98 => self.relay.hold.close(),
            _ => self.die(),
        }
    }

    fn kafka_turns(&mut self) {
        let topic = ["recordings", "streams", "pictures", "others"][self.dice.below(4) as usize];
        let turn = self.dice.below(8);
        let mut kafka = self.kafka.lock().unwrap();
        match turn {
            0 => drop(kafka.gone.insert(topic.into())),
            1..4 => drop(kafka.gone.remove(topic)),
            4 => kafka.down = true,
            _ => kafka.down = false,
        }
    }

    fn publish(&mut self) {
        let now = self.clocks.now();
        let step = self.relay.publisher.step(now, &mut self.dice, false);
        step.expect("no disk, no fault");
    }

    /// One copy is acked, or given up.
    fn copy_ends(&mut self, acked: bool) {
        let Some((copy, owed_by)) = self.relay.copies.take() else {
            return;
        };
        if acked {
            let mut headers = copy.headers.iter();
            let id = headers.find(|(name, _)| *name == "ce_id").unwrap();
            let id = String::from_utf8(id.1.to_vec()).unwrap();
            self.quarantine.push(id);
            self.tally.copied += 1;
        }
        let word = (owed_by.unwrap(), acked);
        self.relay.publisher.copied.push(word);
    }

    /// The process is gone, and what it held; so are its connections.
    fn die(&mut self) {
        let now = self.clocks.now();
        for UnderWay { callback, .. } in std::mem::take(&mut self.under_way) {
            self.callbacks[callback].heard(None, self.step, now, &mut self.dice);
        }
        self.kafka.lock().unwrap().process_died(&mut self.dice);
        let last = self.relay.hold.last();
        self.lives.push(last.next());
        self.relay = Relay::start(&Process {
            kafka: &self.kafka,
            clocks: &self.clocks,
            topics: &self.topics,
            seed: self.seed,
            last,
        });
        self.tally.kills += 1;
    }

    /// Answers come, retries are sent, time passes.
    async fn go_on(&mut self) {
        self.step += 1;
        self.send_what_is_due();
        self.hear();
        let millis = match self.dice.below(40) {
            0 => self.dice.below(70_000),
            1..4 => self.dice.below(2_000),
            _ => self.dice.below(6),
        };
        self.pass(Duration::from_millis(millis)).await;
    }

    async fn pass(&mut self, time: Duration) {
        self.clocks.pass(time);
        tokio::time::advance(time).await;
    }

    fn send_what_is_due(&mut self) {
        let (now, seconds) = (self.clocks.now(), self.clocks.true_seconds());
        for at in 0..self.callbacks.len() {
            if self.callbacks[at].due.take_if(|due| *due <= now).is_none() {
                continue;
            }
            // Now and then twice at once.
            for _ in 0..=u64::from(self.dice.below(15) == 0) {
                self.callbacks[at].attempts += 1;
                let body = self.callbacks[at].body(seconds);
                let answer = post(&self.relay.door, &self.relay.phase, body);
                self.under_way.push(UnderWay {
                    callback: at,
                    since: now,
                    answer,
                });
            }
        }
    }

    fn hear(&mut self) {
        let now = self.clocks.now();
        let mut context = Context::from_waker(Waker::noop());
        for mut waits in std::mem::take(&mut self.under_way) {
            // Somebody hangs up: nothing may change by that.
            if self.dice.below(60) == 0 {
                let callback = &mut self.callbacks[waits.callback];
                callback.heard(None, self.step, now, &mut self.dice);
                continue;
            }
            match waits.answer.as_mut().poll(&mut context) {
                Poll::Ready(status) => {
                    let callback = &mut self.callbacks[waits.callback];
                    self.tally.late += u64::from(status == 503);
                    let again = status == 200 && callback.attempts > 1;
                    self.tally.joined_late += u64::from(again && callback.answered.is_none());
                    callback.heard(Some(status), self.step, now, &mut self.dice);
                }
                Poll::Pending => {
                    let waited = now - waits.since;
                    assert!(waited <= ACK_TIMEOUT, "seed {}: {waited:?}", self.seed);
                    self.under_way.push(waits);
                }
            }
        }
    }

    fn heal(&mut self) {
        let mut kafka = self.kafka.lock().unwrap();
        kafka.gone.clear();
        kafka.down = false;
        kafka.calm = true;
        drop(kafka);
        // One that takes nothing any more would never be done.
        self.die();
    }

    fn all_goes_well(&mut self) {
        self.publish();
        for _ in 0..3 {
            self.kafka.lock().unwrap().acts(&mut self.dice);
        }
        self.copy_ends(true);
    }

    fn is_over(&self) -> bool {
        self.under_way.is_empty()
            && self.callbacks.iter().all(|callback| callback.due.is_none())
            && self.relay.hold.pending() == 0
    }

    fn take_stock(mut self) -> Tally {
        let (taken, accounted) = counted(&self.relay.registry);
        assert_eq!(taken, accounted, "seed {}", self.seed);
        assert!(!self.relay.hold.is_stuck());
        let kafka = self.kafka.lock().unwrap();
        oracle::check(&self.callbacks, &kafka, &self.quarantine);
        // Which record of each life a callback is.
        let mut records = BTreeMap::new();
        for item in kafka.log().values().flatten() {
            let seq = item.ticket.seq();
            let life = self.lives.partition_point(|first| *first <= seq);
            let mut headers = item.message.headers.iter();
            let id = headers
                .find(|(name, _)| *name == "ce_id")
                .unwrap()
                .1
                .to_vec();
            let first = *records.entry((life, id)).or_insert(seq);
            assert_eq!(
                first, seq,
                "seed {}: two records of one callback",
                self.seed
            );
        }
        drop(kafka);
        let owed = |callback: &&Callback| callback.kind == Kind::Plain && callback.is_owed();
        self.tally.answered = self.callbacks.iter().filter(owed).count() as u64;
        self.tally
    }
}
