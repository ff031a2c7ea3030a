//! Kafka may be away for as long as it likes: the relay starts, is ready and answers without it, says so when its disk
//! runs full, and has everything in Kafka, in order, once Kafka is there.

use std::{collections::HashSet, time::Duration};
use support::{
    callback,
    dice::Dice,
    kafka::Broker,
    load::{Load, Plan},
    oracle, reader,
    relay::Relay,
    topics::Topics,
    wait,
};

const SETTLE: Duration = Duration::from_secs(120);

/// A broker that has the topics, and is down.
fn broker_that_is_down() -> (Broker, Topics) {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 4);
    broker.kill();
    (broker, topics)
}

fn relay(broker: &Broker, topics: &Topics) -> Relay {
    Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        topics,
    )
}

#[test]
fn with_kafka_down_from_the_start_everything_arrives_in_order_later() {
    let (broker, topics) = broker_that_is_down();
    let mut relay = relay(&broker, &topics);
    relay.start();
    let plan = Plan {
        senders: 4,
        streams: 8,
        pause: Duration::ZERO,
        give_up_percent: 0,
    };
    let load = Load::start(&relay.address(), plan, &mut Dice::from_environment());
    load.wait_for_more(3_000, SETTLE);
    assert_eq!(
        relay.readyz(),
        Some(200),
        "Kafka is not asked for readiness"
    );
    let flow = relay.metrics().flow();
    assert_eq!(flow.published, 0);

    broker.start();
    load.wait_for_more(3_000, SETTLE);
    let journal = load.stop();
    let flow = relay.wait_until_settled(SETTLE);
    let messages = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    let findings = oracle::check(&journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        flow.published,
        i64::try_from(findings.callbacks).unwrap(),
        "{flow}"
    );
}

#[test]
fn topics_that_appear_late_hold_back_only_themselves() {
    let broker = Broker::started();
    let topics = Topics::named();
    let there: Vec<_> = topics
        .names()
        .into_iter()
        .filter(|t| *t != topics.of("stream"))
        .collect();
    broker.create_topics(&there, 2, &[]);
    let mut relay = relay(&broker, &topics);
    relay.start();
    let started = callback::signed(r#"{"event_type":1,"stream_id":"s1"}"#);
    assert_eq!(relay.post(&started).status, 200);
    assert_eq!(
        relay
            .post(&callback::signed(&callback::recording("s1", 1)))
            .status,
        200
    );

    let published = |topic: &str| {
        let label = format!("topic=\"{topic}\"");
        relay
            .metrics()
            .count("livebridge_published_total", &[&label])
    };
    let blocked = |topic: &str| {
        let label = format!("topic=\"{topic}\"");
        relay.metrics().count("livebridge_topic_blocked", &[&label])
    };
    wait::until("the other topic's record", SETTLE, || {
        (published(topics.of("recording")) == 1).then_some(())
    });
    wait::until("the word that a topic is missing", SETTLE, || {
        (blocked(topics.of("stream")) == 1).then_some(())
    });
    broker.create_topics(&[topics.of("stream")], 2, &[]);
    wait::until("the late topic's record", SETTLE, || {
        (published(topics.of("stream")) == 1).then_some(())
    });
    assert_eq!(blocked(topics.of("stream")), 0);
    relay.wait_until_settled(SETTLE);
    assert_eq!(
        reader::read(&broker.bootstrap(), &[topics.of("stream")]).len(),
        1
    );
}

#[test]
fn a_full_spool_says_so_and_comes_back_by_itself() {
    let (broker, topics) = broker_that_is_down();
    let mut relay = relay(&broker, &topics)
        .set("spool.max_bytes", "\"1MiB\"")
        .set("spool.segment_bytes", "\"128KiB\"")
        .set("limits.body_bytes", "\"64KiB\"");
    relay.start();
    let mut client = relay.client();
    let mut post = |number| {
        client.post(
            "/callbacks/tencent",
            &callback::signed(&callback::recording("s1", number)),
        )
    };
    let mut answered = 0;
    let refused = loop {
        let answer = post(answered + 1).expect("an answer");
        if answer.status != 200 {
            break answer;
        }
        answered += 1;
        assert!(answered < 20_000, "1 MiB holds all of this?");
    };
    assert_eq!(refused.status, 503);
    assert!(
        refused
            .header("retry-after")
            .is_some_and(|after| after.parse::<u32>().is_ok())
    );
    assert_eq!(relay.readyz(), Some(503));
    assert!(answered > 100, "full after {answered} callbacks");
    // What is durable already is answered all the same.
    assert_eq!(post(1).expect("an answer").status, 200);

    broker.start();
    wait::until("ready again", SETTLE, || {
        (relay.readyz() == Some(200)).then_some(())
    });
    assert_eq!(post(answered + 1).expect("an answer").status, 200);
    relay.wait_until_settled(SETTLE);
    let messages = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    let mut seen = HashSet::new();
    let numbers = messages
        .iter()
        .map(|m| m.json()["media_start_time"].as_u64().unwrap());
    let first_occurrences: Vec<_> = numbers.filter(|number| seen.insert(*number)).collect();
    assert_eq!(first_occurrences, (1..=answered + 1).collect::<Vec<_>>());
}
