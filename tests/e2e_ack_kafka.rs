//! `ack = "kafka"`, for whoever has no disk: a 200 means that all in-sync replicas have the callback. Against a real Kafka, read
//! back by its own client.

use std::{
    collections::BTreeMap,
    io::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};
use support::{
    callback::{recording, signed},
    dice::{self, Dice},
    http::Client,
    kafka::Broker,
    load::{Load, Plan},
    oracle,
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
    wait,
};

const SETTLE: Duration = Duration::from_secs(120);
/// The longest that an end may take with the settings of these tests, and a little for a busy machine.
const DRAIN: Duration = Duration::from_secs(40);
const UNTYPABLE: &str = r#"{"event_type":100,"stream_id":"s1","duration":"long"}"#;

fn relay(broker: &Broker, topics: &Topics) -> Relay {
    let binary = env!("CARGO_BIN_EXE_livebridge");
    Relay::new(binary, &broker.bootstrap(), topics).set("ack", "\"kafka\"")
}

fn number(message: &Message) -> u64 {
    let json = message.json();
    let number = json.get("media_start_time").and_then(|n| n.as_u64());
    number.expect("a recording")
}

/// What must not depend on the way that a message took.
fn essence(message: &Message) -> (Option<&str>, &[u8], Vec<(&str, &str)>) {
    let headers = message.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    let headers = headers.filter(|(name, _)| *name != "ce_receivedtime");
    (message.key_text(), &message.value, headers.collect())
}

#[test]
fn a_200_means_that_kafka_has_it_with_the_same_key_headers_and_id_as_through_a_spool() {
    let broker = Broker::shared();
    let (topics, others) = (Topics::create(broker, 2), Topics::create(broker, 2));
    // A busy machine isn't what is tested here.
    let mut relay = relay(broker, &topics)
        .set("topics.quality", "\"off\"")
        .set("kafka.ack_timeout", "\"15s\"");
    relay.start();
    let mut through_spool = Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        &others,
    );
    through_spool.start();
    let mut bodies: Vec<String> = (1..=20).map(|n| recording("s1", n)).collect();
    bodies.push(r#"{"event_type":332,"stream_id":"s2","record_event":"record_start","event_time":1642089445}"#.into());
    bodies.push(UNTYPABLE.into());
    for body in &bodies {
        for relay in [&relay, &through_spool] {
            let answer = relay.post(&signed(body));
            assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        }
    }
    // Twice the same: answered, and not published again. Of a family that is off: answered, and not published at all.
    assert_eq!(relay.post(&signed(&bodies[0])).status, 200);
    let off = r#"{"event_type":343,"stream_id":"s1","event_time":1642089445}"#;
    assert_eq!(relay.post(&signed(off)).status, 200);

    let metrics = relay.metrics();
    let flow = metrics.flow();
    assert_eq!(
        (
            flow.accepted,
            flow.published,
            flow.quarantined,
            flow.pending
        ),
        (22, 21, 1, 0),
        "{flow}"
    );
    assert!(flow.balances(), "{flow}");
    let outcome = |outcome| metrics.count("livebridge_callbacks_total", &[outcome]);
    assert_eq!(outcome(r#"outcome="duplicate""#), 1);
    assert_eq!(outcome(r#"outcome="ignored""#), 1);
    assert_eq!(
        metrics.count("livebridge_end_to_end_seconds_count", &[]),
        21
    );
    let status = relay.status();
    assert_eq!(status["ack"], "kafka");
    assert_eq!(status["hold"]["pending_records"], 0);
    assert_eq!(status["hold"]["window_entries"], 22);
    assert!(status.get("spool").is_none(), "{status}");
    assert_eq!(relay.readyz(), Some(200));
    // Nothing was written to disk, and nothing of what follows needs the process.
    assert!(!relay.spool_dir().exists());
    relay.kill();

    through_spool.wait_until_settled(SETTLE);
    for family in ["recording", "recording_status"] {
        let read = |topics: &Topics| reader::read(&broker.bootstrap(), &[topics.of(family)]);
        let (ours, theirs) = (read(&topics), read(&others));
        assert!(!ours.is_empty());
        let essences = |messages: &[Message]| -> Vec<String> {
            let essences = messages.iter().map(|m| format!("{:?}", essence(m)));
            essences.collect()
        };
        assert_eq!(essences(&ours), essences(&theirs));
    }
    let copies = reader::read(&broker.bootstrap(), &[topics.of("quarantine")]);
    let [copy] = copies.as_slice() else {
        panic!("one copy, not {copies:?}");
    };
    assert_eq!(copy.header("livebridge-reason"), Some("untypable"));
    assert_eq!(copy.json()["duration"], "long");
    assert_eq!(copy.json()["sign"], "");
    let ignored = reader::read(&broker.bootstrap(), &[topics.of("quality")]);
    assert!(ignored.is_empty());
}

#[test]
fn while_kafka_is_down_each_is_answered_503_in_time_and_retries_come_out_once() {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 2);
    let mut relay = relay(&broker, &topics);
    relay.start();
    let [first, second, third] = [1, 2, 3].map(|n| recording("s1", n));
    wait::until("a first 200", SETTLE, || {
        (relay.post(&signed(&first)).status == 200).then_some(())
    });
    broker.kill();

    let asked = Instant::now();
    let answer = relay.post(&signed(&second));
    let took = asked.elapsed();
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    // 4 s, and what a busy machine takes.
    let expected = Duration::from_millis(3_900)..Duration::from_secs(15);
    assert!(expected.contains(&took), "{took:?}");
    // Something waits, and nothing is acked: whoever looks for a relay that takes callbacks looks elsewhere.
    wait::until("not ready", SETTLE, || {
        (relay.readyz() == Some(503)).then_some(())
    });
    // The sender tries again, and finds the same record; what was acked before is answered as ever.
    assert_eq!(relay.post(&signed(&second)).status, 503);
    assert_eq!(relay.post(&signed(&first)).status, 200);
    // A client that hangs up changes nothing.
    let body = signed(&third);
    let request = format!(
        "POST /callbacks/tencent HTTP/1.1\r\nhost: relay\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(relay.address()).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    wait::until("the third to be taken", SETTLE, || {
        let pending = relay.metrics().flow().pending;
        (pending == 2).then_some(())
    });
    drop(socket);

    broker.start();
    for body in [&second, &third] {
        wait::until("200 for a retry", SETTLE, || {
            (relay.post(&signed(body)).status == 200).then_some(())
        });
    }
    let flow = relay.wait_until_settled(SETTLE);
    assert_eq!((flow.accepted, flow.published), (3, 3), "{flow}");
    assert_eq!(relay.readyz(), Some(200));
    let messages = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    let numbers: Vec<_> = messages.iter().map(number).collect();
    assert_eq!(numbers, [1, 2, 3], "each once, in order");
}

#[test]
fn a_topic_that_is_missing_refuses_its_own_at_once_and_holds_up_nobody_else() {
    let broker = Broker::shared();
    let topics = Topics::named();
    let missing = [topics.of("stream"), topics.of("quarantine")];
    let mut there = topics.names();
    there.retain(|topic| !missing.contains(topic));
    broker.create_topics(&there, 2, &[]);
    let mut relay = relay(broker, &topics).set(
        r#"kafka.properties."topic.metadata.propagation.max.ms""#,
        "\"1000\"",
    );
    relay.start();
    let started = signed(r#"{"event_type":1,"stream_id":"s1","event_time":1642089445}"#);
    let other = signed(r#"{"event_type":1,"stream_id":"s2","event_time":1642089445}"#);
    assert_eq!(relay.post(&started).status, 503);
    wait::until("the word that a topic is missing", SETTLE, || {
        (relay.metrics().count("livebridge_topic_blocked", &[]) == 1).then_some(())
    });
    let asked = Instant::now();
    for body in [&started, &other] {
        assert_eq!(relay.post(body).status, 503);
    }
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(relay.readyz(), Some(200), "one topic isn't Kafka");
    wait::until("a recording", SETTLE, || {
        (relay.post(&signed(&recording("s1", 1))).status == 200).then_some(())
    });
    // Nothing keeps what can't be published: then it isn't answered 200.
    let untypable = signed(UNTYPABLE);
    assert_eq!(relay.post(&untypable).status, 503);

    broker.create_topics(&missing, 2, &[]);
    for body in [&started, &other, &untypable] {
        wait::until("200 for a retry", SETTLE, || {
            (relay.post(body).status == 200).then_some(())
        });
    }
    let flow = relay.wait_until_settled(SETTLE);
    assert_eq!((flow.accepted, flow.quarantined), (4, 1), "{flow}");
    let messages = reader::read(&broker.bootstrap(), &missing);
    let mut topics_of: BTreeMap<&str, usize> = BTreeMap::new();
    for message in &messages {
        *topics_of.entry(&message.topic).or_default() += 1;
    }
    assert_eq!(topics_of.get(topics.of("stream")), Some(&2));
    assert!(topics_of.get(topics.of("quarantine")) >= Some(&1));
}

#[test]
fn whatever_was_answered_200_is_in_kafka_however_the_process_ends() {
    let mut dice = Dice::from_environment();
    let broker = Broker::shared();
    let topics = Topics::create(broker, 4);
    let mut relay = relay(broker, &topics);
    relay.start();
    let plan = Plan {
        senders: 8,
        streams: 4,
        pause: Duration::from_millis(2),
        give_up_percent: 25,
    };
    // A sender that hears anything but 200 and 503 fails the test.
    let load = Load::start(&relay.address(), plan, &mut dice);
    for round in 1..=dice::rounds(8) {
        load.wait_for_more(100 + dice.below(200), SETTLE);
        if round % 4 == 0 {
            relay.terminate();
            let status = relay.wait_for_exit(DRAIN);
            assert_eq!(status.code(), Some(0), "{}", relay.log());
        } else {
            wait::pass(dice.millis(0, 500));
            relay.kill();
        }
        relay.start();
    }
    load.wait_for_more(100, SETTLE);
    let journal = load.stop();
    relay.wait_until_settled(SETTLE);
    let messages = reader::read(&broker.bootstrap(), &topics.names());
    let findings = oracle::check(&journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    eprintln!(
        "{} answered 200; in Kafka: {findings:?}",
        journal.answered()
    );
    assert!(!relay.spool_dir().exists());
}

#[test]
fn at_the_end_whoever_waits_for_an_ack_hears_503_and_is_not_cut_off() {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 2);
    // Longer than all that the end may take: it is the end that answers them.
    let mut relay = relay(&broker, &topics)
        .set("kafka.ack_timeout", "\"1m\"")
        .set("drain.requests", "\"1s\"")
        .set("drain.publish", "\"2s\"");
    relay.start();
    assert_eq!(relay.post(&signed(&recording("s1", 1))).status, 200);
    broker.freeze();
    let waiting: Vec<_> = (2..=9)
        .map(|n| {
            let mut client = Client::new(relay.address());
            let body = signed(&recording("s1", n));
            thread::spawn(move || client.post("/callbacks/tencent", &body))
        })
        .collect();
    wait::until("all of them to wait", SETTLE, || {
        (relay.metrics().flow().pending == 8).then_some(())
    });
    relay.terminate();
    for answer in waiting {
        let answer = answer
            .join()
            .unwrap()
            .expect("an answer, no broken connection");
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    let status = relay.wait_for_exit(DRAIN);
    assert_eq!(status.code(), Some(0), "{}", relay.log());
    assert!(relay.log().contains("answered 503"), "{}", relay.log());
    broker.thaw();
    let messages = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    assert_eq!(messages.first().map(number), Some(1));
}
