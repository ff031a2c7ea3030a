//! Single scenes, each with the one thing going wrong that it is named after.

use super::{
    Disk, Relay, World,
    coordinator::{Kafka, is_poison},
};
use crate::publish::{
    Fault,
    course::Mode,
    mailbox::{Answer, Mail},
    plan::Tick,
    publisher::{Shared, Step},
    solo::Solo,
};
use crate::spool::Settled;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::dice::Dice;

/// More than a transaction takes when nothing is wrong, less than any time that is waited for.
const AT_ONCE: Duration = Duration::from_secs(1);

/// One relay, and a Kafka that does what it is asked.
pub(super) fn scene(seed: u64) -> World {
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
    world.kafka(|kafka| kafka.calm = true);
    world
}

impl World {
    pub(super) fn relay(&mut self) -> &mut Relay {
        &mut self.relays[0]
    }

    /// Records that nobody refuses, every third of them for the topic b.
    pub(super) fn accept(&mut self, count: u64) {
        for _ in 0..count {
            self.numbers += 1;
            while is_poison(self.numbers) {
                self.numbers += 1;
            }
            self.accept_number(self.numbers);
        }
    }

    fn accept_number(&mut self, number: u64) {
        let relay = self.relay();
        let instance = relay.instance;
        relay.disk.lock().unwrap().accept(number, instance);
        relay.taken += 1;
        relay.pending.inc();
        // The spool rings.
        relay.wake = Some(relay.now);
    }

    pub(super) fn kafka(&self, change: impl FnOnce(&mut Kafka)) {
        change(&mut self.kafka.lock().unwrap());
    }

    /// How much time passes until this many are committed in the topic.
    pub(super) fn committed(&mut self, topic: &str, count: usize) -> Duration {
        let begin = self.relay().now;
        for _ in 0..20_000 {
            let done = self
                .kafka
                .lock()
                .unwrap()
                .log
                .get(topic)
                .map_or(0, Vec::len);
            if done >= count {
                return self.relays[0].now - begin;
            }
            self.passes();
        }
        panic!("not committed: {:#?}", self.relay().publisher.status());
    }

    pub(super) fn passes(&mut self) {
        let process = self.relay().process;
        let owed = self.kafka.lock().unwrap().owes(process);
        let mail = self.mail();
        let relay = self.relay();
        // Time passes by leaps only when there is nothing else to wait for.
        if let Some(wake) = relay.wake
            && !owed
        {
            relay.now = relay.now.max(wake);
        }
        relay.now += Duration::from_millis(1);
        match relay.publisher.step(relay.now, mail).unwrap() {
            Step::Wait(wake) => relay.wake = wake,
            Step::Stop => unreachable!("nobody asked"),
        }
    }

    pub(super) fn until(&mut self, what: &str, done: impl Fn(&Relay) -> bool) {
        for _ in 0..20_000 {
            if done(self.relay()) {
                return;
            }
            self.passes();
        }
        panic!("{what}: never; {:#?}", self.relay().publisher.status());
    }

    pub(super) fn mail(&mut self) -> Mail {
        let mut kafka = self.kafka.lock().unwrap();
        for _ in 0..4 {
            kafka.acts(&mut self.dice);
        }
        kafka.mail(self.relays[0].process, &mut self.dice)
    }

    pub(super) fn committed_now(&self) -> usize {
        let kafka = self.kafka.lock().unwrap();
        kafka.log.values().map(Vec::len).sum()
    }
}

pub(super) fn mode_of(relay: &Relay, topic: &str) -> Mode {
    let status = relay.publisher.status();
    let lane = status
        .lanes
        .iter()
        .find(|l| l.topic.as_deref() == Some(topic));
    lane.unwrap().state
}

#[test]
fn a_topic_that_may_no_longer_be_written_to_holds_back_nobody_else() {
    for seed in 1..20 {
        let mut world = scene(seed);
        world.accept(30);
        world.committed("a", 20);
        world.committed("b", 10);
        world.kafka(|kafka| kafka.forbidden.extend(["a"]));
        world.accept(30);
        let took = world.committed("b", 20);
        assert!(took < AT_ONCE, "{took:?}");
        world.until("the culprit is known", |relay| {
            mode_of(relay, "a") == Mode::Blocked
        });
        assert_eq!(mode_of(world.relay(), "b"), Mode::Flowing);
        world.accept(30);
        let took = world.committed("b", 30);
        assert!(took < AT_ONCE, "{took:?}");
        world.kafka(|kafka| kafka.forbidden.clear());
        world.committed("a", 60);
        world.finish();
        world.check();
    }
}

#[test]
fn one_stuck_partition_of_a_topic_holds_back_no_other_topic() {
    for seed in 1..20 {
        let mut world = scene(seed);
        world.kafka(|kafka| kafka.stuck.extend(["a"]));
        world.accept(30);
        let took = world.committed("b", 10);
        assert!(took < AT_ONCE, "{took:?}");
        // The partitions of it that go on are no reason to send the stuck one's records with the others again.
        world.until("the topic is known", |relay| {
            mode_of(relay, "a") == Mode::Blocked
        });
        for round in 2..5 {
            world.accept(30);
            let took = world.committed("b", 10 * round);
            assert!(took < AT_ONCE, "{took:?}");
        }
        world.kafka(|kafka| kafka.stuck.clear());
        world.committed("a", 80);
        world.finish();
        world.check();
    }
}

#[test]
fn nobody_waits_while_a_topic_is_tried() {
    let mut world = scene(1);
    world.kafka(|kafka| {
        kafka.forbidden.extend(["a"]);
        kafka.tries_hang.extend(["a"]);
    });
    world.accept(30);
    for round in 1..10 {
        world.accept(30);
        let took = world.committed("b", 10 * round);
        assert!(took < AT_ONCE, "{took:?}");
    }
    // Nor while what tries it is on its way, and nothing is heard of it.
    world.kafka(|kafka| {
        kafka.tries_hang.clear();
        kafka.forbidden.clear();
        kafka.silent.extend(["a"]);
    });
    for round in 10..20 {
        world.accept(30);
        let took = world.committed("b", 10 * round);
        assert!(took < AT_ONCE, "{took:?}");
        world.relay().now += Duration::from_secs(7);
    }
    world.kafka(|kafka| kafka.silent.clear());
    world.finish();
    world.check();
}

/// The topic a took nothing, and is being tried aside; now it takes all, and that goes on.
fn tried_aside(seed: u64, permitted: bool) -> World {
    let mut world = scene(seed);
    world.kafka(|kafka| {
        kafka.forbidden.extend(["a"]);
        kafka.tries_hang.extend(["a"]);
        if !permitted {
            kafka.tries_not_permitted.extend(["a"]);
        }
    });
    world.accept(30);
    world.until("it is tried aside", |relay| {
        let mut lanes = relay.publisher.lanes.iter();
        lanes.any(|lane| matches!(lane.solo, Solo::Probing { .. }))
    });
    world.kafka(|kafka| {
        kafka.forbidden.clear();
        kafka.tries_hang.clear();
    });
    world
}

#[test]
fn a_topic_that_may_not_be_tried_aside_is_tried_in_its_turn_and_not_called_blocked() {
    for seed in 1..20 {
        let mut world = tried_aside(seed, false);
        let took = world.committed("a", 20);
        assert!(took < AT_ONCE, "{took:?}");
        world.finish();
        world.check();
    }
}

#[test]
fn who_is_tried_aside_while_a_password_changes_is_tried_again_and_not_called_blocked() {
    let mut world = tried_aside(1, true);
    let mut mail = world.mail();
    mail.renew = true;
    let relay = world.relay();
    relay.publisher.step(relay.now, mail).unwrap();
    for _ in 0..200 {
        world.passes();
        assert_eq!(mode_of(world.relay(), "a"), Mode::Flowing);
    }
    let took = world.committed("a", 20);
    assert!(took < AT_ONCE, "{took:?}");
    world.finish();
    world.check();
}

#[test]
fn what_was_refused_is_known_also_when_nobody_knows_how_the_abort_ended() {
    for seed in 1..20 {
        let mut world = scene(seed);
        world.kafka(|kafka| kafka.aborts_unknown = true);
        world.accept(5);
        world.numbers = 23;
        world.accept_number(23);
        // The others that were met before.
        for number in 6..23 {
            world.accept_number(number);
        }
        world.accept(5);
        world.finish();
        world.check();
    }
}

/// Killed before the spool's own checkpoint knew of it. Over all runs each record counts once.
#[test]
fn what_an_earlier_run_published_or_put_aside_is_not_counted_again() {
    let mut world = scene(1);
    world.accept(22);
    world.accept_number(23);
    world.accept(7);
    world.until("all are settled", |relay| {
        relay.publisher.left().records == 0
    });
    assert_eq!(world.relay().published(), 29);
    world.relay().disk.lock().unwrap().checkpoint = Settled::default();
    world.crash(0);
    world.accept(3);
    world.until("all are settled", |relay| {
        relay.publisher.left().records == 0
    });
    assert_eq!(world.relay().published(), 3);
    assert_eq!(world.relay().disk.lock().unwrap().found_settled, 30);
    world.finish();
    world.check();
}

#[test]
fn a_transaction_that_can_not_begin_yet_is_begun_later() {
    let mut world = scene(1);
    world.accept(3);
    world.kafka(|kafka| kafka.begins_again = 3);
    world.finish();
    assert_eq!(world.kafka.lock().unwrap().begins_again, 0);
    world.check();
}

#[test]
fn while_a_transaction_ends_what_goes_into_the_next_is_made_ready() {
    for seed in 1..20 {
        let mut world = scene(seed);
        world.accept(30);
        world.until("it is under way", |relay| in_flight(relay) == 30);
        world.accept(100);
        world.until("its end was of use", |relay| {
            relay.publisher.made_ready() == 100
        });
        assert_eq!(world.committed_now(), 0, "the first one hasn't ended");
        world.finish();
        assert_eq!(world.relay().publisher.made_ready(), 0, "all were taken");
        world.check();
    }
}

#[test]
fn with_nobody_left_to_answer_the_publisher_ends_instead_of_waiting() {
    let mut world = scene(1);
    world.accept(3);
    world.until("it is under way", |relay| in_flight(relay) == 3);
    let Shared::Open(id, _) = world.relay().publisher.shared else {
        panic!("there is a producer");
    };
    let mut mail = world.mail();
    mail.answers = vec![(id, Answer::Gone)];
    let relay = world.relay();
    let ended = relay.publisher.step(relay.now, mail);
    assert!(matches!(ended, Err(Fault::Clerk)), "{ended:?}");
}

pub(super) fn in_flight(relay: &Relay) -> usize {
    let status = relay.publisher.status();
    status.lanes.iter().map(|lane| lane.in_flight).sum()
}
