//! `delivery = "exactly-once"`: a reader of committed messages sees each callback once, whatever was killed or frozen.
//!
//! `LIVEBRIDGE_TEST_KILLS` says how often the relay or the broker is killed (8 unless told; `./dev soak` asks for 30).

use std::{collections::BTreeMap, time::Duration};
use support::{
    callback,
    dice::Dice,
    kafka::Broker,
    load::{Journal, Load, Plan},
    oracle::{self, Findings},
    reader,
    relay::Relay,
    topics::Topics,
    wait,
};

const DEADLINE: Duration = Duration::from_secs(120);
/// `transaction.timeout.ms`, and what the coordinator takes to notice.
const OVER_THE_TIMEOUT: Duration = Duration::from_secs(18);

fn relay(broker: &Broker, topics: &Topics) -> Relay {
    Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        topics,
    )
    .set("delivery", "\"exactly-once\"")
}

/// Nothing missing, nothing twice.
#[track_caller]
fn check(broker: &Broker, topics: &Topics, journal: &Journal) -> Findings {
    let names: Vec<_> = topics
        .names()
        .into_iter()
        .filter(|name| *name != topics.of("checkpoint"))
        .collect();
    let messages = reader::read_committed(&broker.bootstrap(), &names);
    let findings = oracle::check(journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(findings.duplicates, 0, "{findings:?}");
    findings
}

/// Posts the callbacks of these numbers to a stream; each must be answered 200.
#[track_caller]
fn post(relay: &Relay, journal: &mut Journal, stream: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let body = callback::signed(&callback::recording(stream, number));
        let answer = relay.post(&body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let sent = journal.0.entry(stream.into()).or_default();
        sent.push((number, true));
    }
}

fn empty() -> Journal {
    Journal(BTreeMap::new())
}

#[track_caller]
fn wait_for_state(relay: &Relay, state: &str) {
    wait::until(&format!("it is {state}"), DEADLINE, || {
        let status = relay.status();
        (status.pointer("/publisher/exactly_once/state")? == state).then_some(())
    });
}

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for there")]
fn kills() -> u32 {
    let given = std::env::var("LIVEBRIDGE_TEST_KILLS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(8)
}

#[test]
fn kills_of_relay_and_broker_lose_and_double_nothing() {
    let mut dice = Dice::from_environment();
    let broker = Broker::started();
    let topics = Topics::create(&broker, 4).with_checkpoint(&broker);
    let mut relay = relay(&broker, &topics).set("spool.segment_bytes", "\"1MiB\"");
    relay.start();
    let plan = Plan {
        senders: 6,
        streams: 4,
        pause: Duration::from_millis(3),
        give_up_percent: 25,
    };
    let load = Load::start(&relay.address(), plan, &mut dice);
    for kill in 1..=kills() {
        load.wait_for_more(100 + dice.below(200), DEADLINE);
        wait::pass(dice.millis(0, 1_000));
        if dice.below(3) == 0 {
            let away = dice.millis(100, 2_000);
            eprintln!("{kill}: the broker is killed, away for {away:?}");
            broker.kill();
            wait::pass(away);
            broker.start();
        } else {
            eprintln!("{kill}: the relay is killed");
            relay.kill();
            relay.start();
        }
    }
    load.wait_for_more(200, DEADLINE);
    let journal = load.stop();
    let flow = relay.wait_until_settled(DEADLINE);
    let findings = check(&broker, &topics, &journal);
    eprintln!(
        "{} answered 200; {flow}; in Kafka: {findings:?}",
        journal.answered()
    );
}

#[test]
fn of_twins_one_stands_down_and_its_own_records_are_published_once_it_is_adopted() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2).with_checkpoint(broker);
    let mut journal = empty();
    let mut first = relay(broker, &topics);
    first.start();
    post(&first, &mut journal, "before", 1..50);
    first.wait_until_settled(DEADLINE);
    // Some that are in the copy, and not published when it is made, as like as not.
    post(&first, &mut journal, "between", 1..20);
    let mut twin = first.twin();
    post(&first, &mut journal, "first", 1..30);
    twin.start();
    // The twin has seen the first one's run: so it takes over, and the first one stands down, as soon as it has something
    // to publish and finds that it can't.
    wait_for_state(&twin, "publishing");
    post(&first, &mut journal, "first", 30..31);
    wait_for_state(&first, "stood_down");
    post(&twin, &mut journal, "twin", 1..40);
    twin.wait_until_settled(DEADLINE);

    let standing = |relay: &Relay| {
        assert_eq!(relay.readyz(), Some(503));
        let body = callback::signed(&callback::recording("late", 1));
        assert_eq!(relay.post(&body).status, 503);
        let metrics = relay.metrics();
        assert_eq!(metrics.count("livebridge_stood_down", &[]), 1);
        assert!(relay.log().contains("another relay publishes"));
    };
    standing(&first);
    first.kill();
    first.launch();
    wait::until("its admin page", DEADLINE, || first.readyz());
    wait_for_state(&first, "stood_down");
    standing(&first);
    // It doesn't fence back.
    post(&twin, &mut journal, "twin", 40..60);
    twin.wait_until_settled(DEADLINE);
    assert_eq!(twin.metrics().count("livebridge_stood_down", &[]), 0);

    first.kill();
    let said = first.command(&["spool", "adopt"]);
    eprintln!("{said}");
    first.start();
    first.wait_until_settled(DEADLINE);
    post(&first, &mut journal, "adopted", 1..10);
    first.wait_until_settled(DEADLINE);
    twin.wait_until_settled(DEADLINE);
    wait_for_state(&twin, "publishing");
    let findings = check(broker, &topics, &journal);
    eprintln!(
        "{} answered 200; in Kafka: {findings:?}",
        journal.answered()
    );
}

#[test]
fn a_restored_copy_that_took_callbacks_while_kafka_was_down_publishes_them_once() {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 2).with_checkpoint(&broker);
    let mut journal = empty();
    let mut before = relay(&broker, &topics);
    before.start();
    post(&before, &mut journal, "before", 1..30);
    let mut restored = before.twin();
    post(&before, &mut journal, "after the copy", 1..60);
    before.wait_until_settled(DEADLINE);
    before.kill();

    broker.kill();
    restored.start();
    post(&restored, &mut journal, "while Kafka was down", 1..80);
    // Killed once before Kafka is back, and once after its claim.
    restored.kill();
    restored.start();
    post(&restored, &mut journal, "while Kafka was down", 80..90);
    broker.start();
    wait_for_state(&restored, "publishing");
    restored.kill();
    restored.start();
    post(&restored, &mut journal, "Kafka is back", 1..20);
    restored.wait_until_settled(DEADLINE);
    let findings = check(&broker, &topics, &journal);
    eprintln!(
        "{} answered 200; in Kafka: {findings:?}",
        journal.answered()
    );

    // The line that it was copied from knows nothing of it, so it is this one that stands down.
    before.launch();
    wait::until("its admin page", DEADLINE, || before.readyz());
    wait_for_state(&before, "stood_down");
    let findings = check(&broker, &topics, &journal);
    assert_eq!(findings.callbacks, journal.answered());
}

#[test]
fn a_transaction_over_its_timeout_is_rebuilt_and_not_taken_for_a_rival() {
    let mut dice = Dice::from_environment();
    let broker = Broker::started();
    let topics = Topics::create(&broker, 2).with_checkpoint(&broker);
    let mut relay = relay(&broker, &topics);
    relay.start();
    let plan = Plan {
        senders: 4,
        streams: 2,
        pause: Duration::from_millis(2),
        give_up_percent: 0,
    };
    let load = Load::start(&relay.address(), plan, &mut dice);
    load.wait_for_more(300, DEADLINE);
    relay.freeze();
    wait::pass(OVER_THE_TIMEOUT);
    relay.thaw();
    load.wait_for_more(300, DEADLINE);
    broker.freeze();
    wait::pass(OVER_THE_TIMEOUT);
    broker.thaw();
    load.wait_for_more(300, DEADLINE);
    let journal = load.stop();
    let flow = relay.wait_until_settled(DEADLINE);
    assert_eq!(relay.metrics().count("livebridge_stood_down", &[]), 0);
    let findings = check(&broker, &topics, &journal);
    eprintln!(
        "{} answered 200; {flow}; in Kafka: {findings:?}",
        journal.answered()
    );
}

#[test]
fn a_missing_topic_and_a_record_that_is_never_taken_hold_back_nobody_else() {
    let broker = Broker::shared();
    let topics = Topics::named();
    let (mut small, mut others) = (Vec::new(), Vec::new());
    for name in topics.names() {
        match name {
            name if name == topics.of("stream") => {}
            name if name == topics.of("screenshot") => small.push(name),
            name => others.push(name),
        }
    }
    broker.create_topics(&small, 1, &[("max.message.bytes", "2048")]);
    broker.create_topics(&others, 2, &[]);
    let topics = topics.clone().with_checkpoint(broker);
    let mut relay = relay(broker, &topics);
    relay.start();
    let mut journal = empty();
    let started = r#"{"event_type":1,"stream_id":"s","event_time":1750000000}"#;
    assert_eq!(relay.post(&callback::signed(started)).status, 200);
    let noise: String = (0..2_000_u64)
        .map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    for number in 0..30 {
        let pad = if number == 11 { &noise } else { "" };
        let shot = format!(
            r#"{{"event_type":200,"stream_id":"shot","create_time":{},"pic_url":"{pad}"}}"#,
            1_750_000_000 + number
        );
        assert_eq!(relay.post(&callback::signed(&shot)).status, 200);
    }
    post(&relay, &mut journal, "recordings", 1..200);
    // All but the one whose topic isn't there.
    wait::until("the others are settled", DEADLINE, || {
        (relay.metrics().flow().pending == 1).then_some(())
    });
    let metrics = relay.metrics();
    let blocked = format!("topic=\"{}\"", topics.of("stream"));
    assert_eq!(metrics.count("livebridge_topic_blocked", &[&blocked]), 1);
    assert_eq!(
        metrics.count("livebridge_quarantined_total", &[r#"reason="too_large""#]),
        1
    );
    let messages = reader::read_committed(&broker.bootstrap(), &[topics.of("recording")]);
    let findings = oracle::check(&journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((findings.callbacks, findings.duplicates), (199, 0));
    let shots = reader::read_committed(&broker.bootstrap(), &[topics.of("screenshot")]);
    let times: Vec<_> = shots
        .iter()
        .map(|m| m.json()["create_time"].as_u64())
        .collect();
    assert!(times.is_sorted() && times.len() == 29, "{times:?}");

    broker.create_topics(&[topics.of("stream")], 1, &[]);
    relay.wait_until_settled(DEADLINE);
    let streams = reader::read_committed(&broker.bootstrap(), &[topics.of("stream")]);
    assert_eq!(streams.len(), 1);
}
