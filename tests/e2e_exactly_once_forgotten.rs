//! `delivery = "exactly-once"` and brokers that forget a part of a committed transaction, as Apache Kafka does that was killed at
//! the wrong moment: what the checkpoint says was sent, and readers of committed messages don't see, is sent again, once.

mod exactly_once;

use exactly_once::{DEADLINE, check, empty, post, relay};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use support::{
    guarded::Guarded,
    kafka::Broker,
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
    wait,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody else's transactions.
fn producer(broker: &Broker, id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("transactional.id", id)
        .set("transaction.timeout.ms", "300000")
        .create()
        .expect("a producer");
    producer.init_transactions(PATIENCE).expect("its id");
    producer
}

/// Somebody else's transaction, open in the topic of recordings.
fn left_open(broker: &Broker, topics: &Topics, id: &str) -> BaseProducer {
    let other = producer(broker, id);
    other.begin_transaction().expect("begun");
    let open: BaseRecord<'_, str, str> = BaseRecord::to(topics.of("recording")).payload("open");
    other.send(open).expect("taken");
    other.flush(PATIENCE).expect("acked");
    other
}

fn copy(producer: &BaseProducer, topic: &str, message: &Message) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &message.headers {
        let value = Some(value.as_str());
        headers = headers.insert(Header { key, value });
    }
    let partition = i32::try_from(message.partition).expect("a partition");
    let record = BaseRecord::to(topic)
        .partition(partition)
        .key(message.key.as_deref().expect("a key"))
        .payload(&message.value)
        .headers(headers);
    producer.send(record).expect("taken");
}

/// The checkpoint that lies last in the topic: its key and its value.
fn last_checkpoint(broker: &Broker, topic: &str) -> (Vec<u8>, Value) {
    let messages = reader::read_committed(&broker.bootstrap(), &[topic]);
    let last = messages.last().expect("a checkpoint");
    (last.key.clone().expect("the spool's id"), last.json())
}

/// Publishes to `before`, and makes `after` what is left of that once a broker has forgotten it: the messages aborted, the
/// checkpoint committed. The relay to go on with it, and in how many partitions something is missing.
fn forgotten(broker: &Broker, before: &Topics, after: &Topics, original: &Relay) -> (Relay, usize) {
    let published = reader::read_committed(&broker.bootstrap(), &[before.of("recording")]);
    let (id, mut checkpoint) = last_checkpoint(broker, before.of("checkpoint"));
    let topic = after.of("recording");
    let mut ends: BTreeMap<i64, i64> = BTreeMap::new();
    let producer = producer(broker, "what brokers have left");
    producer.begin_transaction().expect("begun");
    for message in &published {
        copy(&producer, topic, message);
        *ends.entry(message.partition).or_insert(-1) += 1;
    }
    producer.flush(PATIENCE).expect("acked");
    producer.abort_transaction(PATIENCE).expect("aborted");
    let places: BTreeMap<_, _> = ends
        .iter()
        .map(|(partition, last)| (partition.to_string(), json!([[0, last]])))
        .collect();
    let members = checkpoint.as_object_mut().expect("a JSON object");
    members.insert("sent".into(), json!({ topic: places }));
    producer.begin_transaction().expect("begun");
    let value = serde_json::to_vec(&checkpoint).expect("JSON");
    let record = BaseRecord::to(after.of("checkpoint"))
        .key(&id)
        .payload(&value);
    producer.send(record).expect("taken");
    producer.commit_transaction(PATIENCE).expect("committed");
    let mut relay = original.twin();
    for (key, topic) in after.settings() {
        relay = relay.set(&key, &topic);
    }
    (relay, places.len())
}

#[test]
fn what_the_brokers_have_forgotten_of_a_transaction_is_sent_again_once_and_in_order() {
    let broker = Broker::shared();
    let before = Topics::create(broker, 3).with_checkpoint(broker);
    let after = Topics::create(broker, 3).with_checkpoint(broker);
    let mut journal = empty();
    let mut original = relay(broker, &before);
    original.start();
    for stream in ["a", "b", "c", "d"] {
        post(&original, &mut journal, stream, 1..20);
    }
    original.wait_until_settled(DEADLINE);
    original.kill();

    let (mut relay, partitions) = forgotten(broker, &before, &after, &original);
    relay.start();
    post(&relay, &mut journal, "a", 20..25);
    relay.wait_until_settled(DEADLINE);
    assert!(
        relay.log_tail().contains("are sent there again"),
        "{}",
        relay.log_tail()
    );
    let findings = check(broker, &after, &journal);
    assert_eq!(findings.callbacks, journal.answered());

    // The checkpoint that went with them says where they lie now.
    relay.kill();
    relay.start();
    post(&relay, &mut journal, "b", 20..25);
    relay.wait_until_settled(DEADLINE);
    let again = relay.log_tail().matches("are sent there again").count();
    assert_eq!(again, partitions, "once each: {}", relay.log_tail());
    let findings = check(broker, &after, &journal);
    assert_eq!(findings.callbacks, journal.answered());
    let (_, checkpoint) = last_checkpoint(broker, after.of("checkpoint"));
    assert!(checkpoint["sent"].is_object(), "{checkpoint}");
}

/// A reader of committed messages gets past no open transaction, whoever has it.
#[test]
fn a_commit_counts_when_its_messages_can_be_seen_and_not_before() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 1).with_checkpoint(broker);
    let mut journal = empty();
    let mut relay = relay(broker, &topics);
    relay.start();
    let other = left_open(broker, &topics, "somebody else's, and slow");

    post(&relay, &mut journal, "a", 1..2);
    wait::until("the commit", DEADLINE, || {
        let checkpoints = [topics.of("checkpoint")];
        let all = reader::read_committed(&broker.bootstrap(), &checkpoints);
        let sent = &all.last()?.json()["sent"];
        sent.get(topics.of("recording")).map(drop)
    });
    assert_eq!(relay.metrics().flow().pending, 1, "nobody can read it yet");

    other.abort_transaction(PATIENCE).expect("aborted");
    relay.wait_until_settled(DEADLINE);
    let findings = check(broker, &topics, &journal);
    assert_eq!(findings.callbacks, 1);
}

/// Longer than the relay waits before it takes a transaction of its own for forgotten: what it sent is there, hidden by the other.
#[test]
fn what_another_transaction_hides_is_not_sent_again() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 1).with_checkpoint(broker);
    let mut journal = empty();
    let mut relay = relay(broker, &topics);
    relay.start();
    let other = left_open(broker, &topics, "somebody else's, and open for minutes");

    post(&relay, &mut journal, "a", 1..2);
    wait::until("what hides it to be found out", 3 * DEADLINE, || {
        let told = relay
            .log()
            .contains("a transaction that isn't ours is open");
        told.then_some(())
    });
    other.abort_transaction(PATIENCE).expect("aborted");
    relay.wait_until_settled(3 * DEADLINE);
    assert!(!relay.log().contains("are sent there again"));
    let findings = check(broker, &topics, &journal);
    assert_eq!(findings.callbacks, 1);
}

#[test]
fn without_the_permission_to_read_the_topics_it_publishes_and_says_what_it_cant_know() {
    let guarded = Guarded::started();
    let broker = guarded.broker();
    let topics = Topics::create(broker, 1).with_checkpoint(broker);
    guarded.grant(&topics.names());
    guarded.grant_reading(&[topics.of("checkpoint")]);
    guarded.grant_transactions(&["livebridge-"]);
    let mut journal = empty();
    let relay = Relay::new(env!("CARGO_BIN_EXE_livebridge"), guarded.door(), &topics)
        .set("delivery", "\"exactly-once\"");
    let mut relay = guarded.let_in(relay);
    relay.start();
    post(&relay, &mut journal, "a", 1..20);
    relay.wait_until_settled(DEADLINE);

    // Whoever starts looks what became of the last transaction.
    let unknown = "may not be read: whether what was committed can be seen there stays unknown";
    relay.kill();
    relay.start();
    post(&relay, &mut journal, "a", 20..25);
    relay.wait_until_settled(DEADLINE);
    assert!(relay.log().contains(unknown), "{}", relay.log_tail());
    check(broker, &topics, &journal);

    guarded.grant_reading(&[topics.of("recording")]);
    relay.kill();
    let before = relay.log().matches(unknown).count();
    relay.start();
    post(&relay, &mut journal, "a", 25..30);
    relay.wait_until_settled(DEADLINE);
    let after = relay.log().matches(unknown).count();
    assert_eq!(after, before, "{}", relay.log_tail());
    check(broker, &topics, &journal);
}
