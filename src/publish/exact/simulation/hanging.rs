//! A transaction that doesn't end.

use super::{
    Relay, World,
    scenes::{in_flight, mode_of, scene},
};
use crate::{
    publish::{
        course::Mode,
        mailbox::{Finding, Heard},
    },
    spool::{Seq, Settled},
};
use std::time::Duration;

/// 30 records are under way, and nothing is heard any more of what is sent to these topics.
fn silenced(topics: &[&'static str]) -> World {
    let mut world = scene(1);
    world.accept(3);
    world.committed("b", 1);
    world.until("all is committed", |relay| in_flight(relay) == 0);
    world.kafka(|kafka| kafka.silent.extend(topics.iter().copied()));
    world.accept(30);
    world.until("it is under way", |relay| in_flight(relay) == 30);
    world
}

/// Half a minute later, in which the brokers were asked twice, and said this of both topics.
fn asked_twice(world: &mut World, answer: &Finding) -> [bool; 2] {
    for wait in [20, 10, 1] {
        let mut mail = world.mail();
        for (topic, first) in [("a", 4), ("b", 6)] {
            mail.heard.push(Heard {
                topic: topic.into(),
                about: Seq(first),
                answer: Some(answer.clone()),
            });
        }
        let relay = world.relay();
        relay.now += Duration::from_secs(wait);
        relay.publisher.step(relay.now, mail).unwrap();
    }
    ["a", "b"].map(|topic| mode_of(world.relay(), topic) == Mode::Blocked)
}

#[test]
fn who_holds_up_a_transaction_that_does_not_end_is_named_and_nobody_else() {
    let [maybe, sure] = [false, true].map(|is_sure| Finding::Fault {
        why: "1 of 3 in sync".into(),
        is_sure,
    });
    for (silent, answer, blocked) in [
        // With one of three brokers away each topic has replicas missing: to blame is who owes an ack.
        (&["a"][..], &maybe, [true, false]),
        (&["a"], &sure, [true, false]),
        (&["a", "b"], &maybe, [true, true]),
        // It may be anything, the coordinator, say.
        (&["a"], &Finding::Sound, [false, false]),
        // All was taken but the checkpoint, or the transaction's end: whoever can't take that.
        (&["checkpoints"], &maybe, [false, false]),
        (&["checkpoints"], &sure, [true, true]),
    ] {
        let mut world = silenced(silent);
        for _ in 0..20 {
            world.passes();
        }
        assert_eq!(asked_twice(&mut world, answer), blocked, "{silent:?}");
        world.kafka(|kafka| kafka.silent.clear());
        world.finish();
        let modes = ["a", "b"].map(|topic| mode_of(world.relay(), topic));
        assert_eq!(modes, [Mode::Flowing; 2]);
        world.check();
    }
}

#[test]
fn that_a_transaction_does_not_end_is_told_until_it_does() {
    let mut world = silenced(&["checkpoints"]);
    let told = |relay: &Relay| {
        let status = relay.publisher.status();
        let error = status.kafka.last_error.unwrap_or_default();
        error.contains("a transaction doesn't end")
    };
    for (later, is_told) in [(20, false), (40, true)] {
        (0..50).for_each(|_| world.passes());
        world.relay().now += Duration::from_secs(later);
        world.passes();
        assert_eq!(told(world.relay()), is_told, "{later} s later");
    }
    world.kafka(|kafka| kafka.silent.clear());
    world.until("it is over", |relay| !told(relay));
    world.finish();
    world.check();
}

/// A spool of which more is published than it knows: restored from a backup, say.
#[test]
fn what_is_made_ready_stays_bounded_however_much_was_published_before() {
    let mut world = scene(1);
    world.accept(3_000);
    world.committed("a", 2_000);
    world.committed("b", 1_000);
    world.until("all is committed", |relay| in_flight(relay) == 0);
    world.relay().disk.lock().unwrap().checkpoint = Settled::default();
    world.accept(6_000);
    world.crash(0);
    // Its claim doesn't end.
    world.kafka(|kafka| kafka.silent.extend(["checkpoints"]));
    let (mut most, mut ready) = (0, 0);
    for _ in 0..200 {
        world.passes();
        most = most.max(world.relay().publisher.read_ahead());
        ready = ready.max(world.relay().publisher.made_ready());
    }
    world.kafka(|kafka| kafka.silent.clear());
    assert!(ready > 4_000, "{ready}: nothing is shown");
    assert!(most <= 4_097, "{most}");
    world.committed("a", 6_000);
    world.committed("b", 3_000);
    world.finish();
    world.check();
}
