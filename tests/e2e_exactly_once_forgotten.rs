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
    kafka::Broker,
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody else's transactions.
fn producer(broker: &Broker) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("transactional.id", "what brokers have left")
        .create()
        .expect("a producer");
    producer.init_transactions(PATIENCE).expect("its id");
    producer
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
    let producer = producer(broker);
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
