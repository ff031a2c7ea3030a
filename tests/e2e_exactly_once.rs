//! `delivery = "exactly-once"`: a reader of committed messages sees each callback once, whatever was killed or frozen, and a
//! topic that takes nothing holds back no other.
//!
//! `LIVEBRIDGE_TEST_KILLS` says how often the relay or the broker is killed (8 unless told; `./dev soak` asks for 30).

mod exactly_once;

use exactly_once::{DEADLINE, check, empty, post, relay};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
};
use std::time::{Duration, Instant};
use support::{
    callback,
    dice::Dice,
    kafka::Broker,
    load::{Load, Plan},
    oracle, reader,
    topics::Topics,
    wait,
};

/// `transaction.timeout.ms`, and what the coordinator takes to notice.
const OVER_THE_TIMEOUT: Duration = Duration::from_secs(18);

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
    // The client may find that out only after the others are settled.
    let blocked = format!("topic=\"{}\"", topics.of("stream"));
    wait::until("the missing topic is blocked", DEADLINE, || {
        let metrics = relay.metrics();
        (metrics.count("livebridge_topic_blocked", &[&blocked]) == 1).then_some(())
    });
    assert_eq!(
        relay
            .metrics()
            .count("livebridge_quarantined_total", &[r#"reason="too_large""#]),
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

/// As an operator does.
fn delete(broker: &Broker, topic: &str) {
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .create()
        .expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let deleted = runtime
        .expect("a runtime")
        .block_on(admin.delete_topics(&[topic], &AdminOptions::new()));
    assert_eq!(deleted.expect("the broker answers"), [Ok(topic.into())]);
}

#[test]
fn a_topic_deleted_in_the_middle_of_a_run_holds_back_nobody_else() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2).with_checkpoint(broker);
    let mut relay = relay(broker, &topics);
    relay.start();
    let mut journal = empty();
    let started = |number: u64| {
        let time = 1_750_000_000 + number;
        let event = format!(r#"{{"event_type":1,"stream_id":"s","event_time":{time}}}"#);
        assert_eq!(relay.post(&callback::signed(&event)).status, 200);
    };
    started(1);
    post(&relay, &mut journal, "recordings", 1..20);
    wait::until("all is settled", DEADLINE, || {
        (relay.metrics().flow().pending == 0).then_some(())
    });
    delete(broker, topics.of("stream"));
    let begin = Instant::now();
    started(2);
    post(&relay, &mut journal, "recordings", 20..60);
    wait::until("the others are settled", DEADLINE, || {
        (relay.metrics().flow().pending == 1).then_some(())
    });
    eprintln!("the others went on after {:?}", begin.elapsed());
    // Not once only.
    let begin = Instant::now();
    for number in 3..6 {
        started(number);
        post(
            &relay,
            &mut journal,
            "recordings",
            20 * number..20 * number + 20,
        );
        let left = i64::try_from(number).expect("few") - 1;
        wait::until("the others are settled again", DEADLINE, || {
            (relay.metrics().flow().pending == left).then_some(())
        });
    }
    eprintln!("and then took {:?} three times", begin.elapsed());
    let blocked = format!("topic=\"{}\"", topics.of("stream"));
    wait::until("the topic is shown as blocked", DEADLINE, || {
        (relay
            .metrics()
            .count("livebridge_topic_blocked", &[&blocked])
            == 1)
            .then_some(())
    });
    broker.create_topics(&[topics.of("stream")], 2, &[]);
    relay.wait_until_settled(DEADLINE);
    let messages = reader::read_committed(&broker.bootstrap(), &[topics.of("recording")]);
    let findings = oracle::check(&journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        (findings.callbacks, findings.duplicates),
        (journal.answered(), 0)
    );
    let streams = reader::read_committed(&broker.bootstrap(), &[topics.of("stream")]);
    let times: Vec<_> = streams
        .iter()
        .map(|m| m.json()["event_time"].as_u64().expect("a number"))
        .collect();
    assert_eq!(times, (2..6).map(|n| 1_750_000_000 + n).collect::<Vec<_>>());
}
