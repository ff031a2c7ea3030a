//! The producer's librdkafka properties: those of the user first, then the ones that the promise depends on.

mod names;

pub use names::{is_set, own_name, refused_property};

use crate::config::{self, BODY_BYTES_MAX};
use rdkafka::ClientConfig;

/// Room for key, headers and framing beside a body.
const OVERHEAD_BYTES: usize = 64 << 10;

/// The largest message that a client takes: of the largest body that any settings allow. What is pending may have been taken when
/// `limits.body_bytes` was larger than now; how large a message may be is for the broker to say.
const MESSAGE_BYTES_MAX: usize = message_bytes(BODY_BYTES_MAX);

/// librdkafka's own limit of a batch.
const BATCH_BYTES: usize = 1_000_000;

/// What is good for a relay; a user may choose otherwise. By librdkafka's own names, see [`own_name`].
const FREE: &[(&str, &str)] = &[
    ("client.id", "livebridge"),
    ("compression.codec", "lz4"),
    // Larger batches cost the relay a tenth less and its brokers half as much; nobody waits for the difference.
    ("queue.buffering.max.ms", "25"),
    // A broker that comes back is found within two seconds.
    ("reconnect.backoff.max.ms", "2000"),
    // How long an unknown topic may be a topic that was just made.
    ("topic.metadata.propagation.max.ms", "10000"),
    ("socket.keepalive.enable", "true"),
];

/// Takes away the wait for a fuller batch, whoever set it and by which name: for producers whose every record is waited for.
pub fn send_at_once(client: &mut ClientConfig) {
    client.remove("linger.ms");
    client.set("queue.buffering.max.ms", "0");
}

/// The same unless the user has asked for such a wait: a sender waits for each record's ack.
pub fn each_is_waited_for(client: &mut ClientConfig, kafka: &config::Kafka) {
    const WAIT: &str = "queue.buffering.max.ms";
    if !is_set(kafka, WAIT) {
        client.set(WAIT, "0");
    }
}

/// How much the producer may hold, besides one message of any size: above what the windows of all lanes can sum up to, so that the
/// queue is never the narrower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Records.
    pub records: usize,
    /// Bytes.
    pub bytes: usize,
}

/// What a message of the largest body takes.
#[must_use]
pub const fn message_bytes(body_bytes: usize) -> usize {
    body_bytes.saturating_add(OVERHEAD_BYTES)
}

/// A topic that takes the largest message takes every batch. A user may ask for larger ones only as far as a message may be larger.
fn batch_bytes(kafka: &config::Kafka, body_bytes: usize) -> usize {
    let largest = message_bytes(body_bytes);
    let given = kafka.properties.get("batch.size");
    match given.and_then(|given| given.expose().parse::<usize>().ok()) {
        Some(given) => given.min(BATCH_BYTES.max(largest)),
        None => BATCH_BYTES.min(largest),
    }
}

/// The user's properties, then ours.
#[must_use]
pub fn client_config(kafka: &config::Kafka, body_bytes: usize, queue: Queue) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (name, value) in FREE {
        if !is_set(kafka, name) {
            client.set(*name, *value);
        }
    }
    for (name, value) in &kafka.properties {
        client.set(name.as_str(), value.expose());
    }
    // `retries` stays at librdkafka's default, which is the most there is.
    for (name, value) in [
        ("bootstrap.servers", kafka.bootstrap_servers.clone()),
        ("enable.idempotence", "true".into()),
        ("enable.gapless.guarantee", "true".into()),
        ("max.in.flight.requests.per.connection", "1".into()),
        ("acks", "all".into()),
        ("message.timeout.ms", "0".into()),
        ("retries", i32::MAX.to_string()),
        ("queuing.strategy", "fifo".into()),
        ("partitioner", "murmur2_random".into()),
        ("allow.auto.create.topics", "false".into()),
        ("delivery.report.only.error", "false".into()),
        ("statistics.interval.ms", "0".into()),
        ("message.max.bytes", MESSAGE_BYTES_MAX.to_string()),
        ("batch.size", batch_bytes(kafka, body_bytes).to_string()),
        ("queue.buffering.max.messages", queue.records.to_string()),
        (
            "queue.buffering.max.kbytes",
            (queue.bytes + MESSAGE_BYTES_MAX).div_ceil(1024).to_string(),
        ),
    ] {
        client.set(name, value);
    }
    client
}

/// What a transaction may take before the coordinator aborts it: an orphan holds back its readers that long.
const TRANSACTION_TIMEOUT_MS: &str = "15000";

/// The same for the transactional producer of exactly-once.
#[must_use]
pub fn transactional(
    client: &ClientConfig,
    kafka: &config::Kafka,
    transactional_id: &str,
) -> ClientConfig {
    let mut client = client.clone();
    // Left unset, it follows the transaction's: a record that had its time aborts it, and is sent again.
    client.remove("message.timeout.ms");
    client.set("transactional.id", transactional_id);
    client.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS);
    // Each transaction waits for its reports twice.
    send_at_once(&mut client);
    if !is_set(kafka, "topic.metadata.propagation.max.ms") {
        // While one topic is looked for, nobody's records are committed.
        client.set("topic.metadata.propagation.max.ms", "1000");
    }
    if !is_set(kafka, "retry.backoff.ms") {
        // While the coordinator still writes the markers of the last transaction, which takes milliseconds, it says "not yet".
        client.set("retry.backoff.ms", "20");
    }
    client
}

/// The properties of a consumer that talks to the same brokers in the same way.
#[must_use]
pub fn reading(client: &ClientConfig) -> ClientConfig {
    let mut client = client.clone();
    for name in PRODUCERS_OWN {
        client.remove(name);
    }
    client
        .set("group.id", "livebridge-checkpoint")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // That there is nothing more is to be heard at once, and a place is left for the next when a request for it is over.
        .set("fetch.wait.max.ms", "5")
        // An offset that isn't there any more must be heard of: to go to the end would look like a topic without a checkpoint.
        .set("auto.offset.reset", "error");
    client
}

/// Ours that mean nothing to a consumer, which would say so in the log.
const PRODUCERS_OWN: &[&str] = &[
    "batch.size",
    "compression.codec",
    "queue.buffering.max.ms",
    "topic.metadata.propagation.max.ms",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "max.in.flight.requests.per.connection",
    "acks",
    "message.timeout.ms",
    "retries",
    "queuing.strategy",
    "partitioner",
    "delivery.report.only.error",
    "queue.buffering.max.messages",
    "queue.buffering.max.kbytes",
];

#[cfg(test)]
mod tests {
    use super::{names::ALIASES, *};
    use crate::config::Secret;

    const QUEUE: Queue = Queue {
        records: 1000,
        bytes: 1 << 20,
    };

    fn kafka(properties: &[(&str, &str)]) -> config::Kafka {
        config::Kafka {
            bootstrap_servers: "127.0.0.1:1".into(),
            properties: properties
                .iter()
                .map(|&(k, v)| (k.to_owned(), Secret::new(v)))
                .collect(),
            property_files: Default::default(),
        }
    }

    fn with(properties: &[(&str, &str)]) -> ClientConfig {
        client_config(&kafka(properties), 960 * 1024, QUEUE)
    }

    fn in_transactions(properties: &[(&str, &str)]) -> ClientConfig {
        transactional(&with(properties), &kafka(properties), "livebridge-1")
    }

    #[test]
    fn no_batch_is_waited_for_whoever_asked_for_that_and_by_which_name() {
        for given in [
            &[][..],
            &[("linger.ms", "7")],
            &[("queue.buffering.max.ms", "7")],
        ] {
            let mut client = with(given);
            send_at_once(&mut client);
            assert_eq!(client.get("linger.ms"), None);
            assert_eq!(client.get("queue.buffering.max.ms"), Some("0"));
        }
    }

    #[test]
    fn a_user_cannot_undo_what_the_promise_depends_on() {
        let client = with(&[
            ("acks", "0"),
            ("message.timeout.ms", "5"),
            ("linger.ms", "7"),
        ]);
        assert_eq!(client.get("acks"), Some("all"));
        assert_eq!(client.get("message.timeout.ms"), Some("0"));
        assert_eq!(client.get("linger.ms"), Some("7"));
    }

    #[test]
    fn every_property_is_known_to_librdkafka_and_what_is_fixed_is_refused() {
        let ours = with(&[]);
        ours.create::<rdkafka::producer::BaseProducer>()
            .expect("librdkafka takes the properties");
        for name in ours.config_map().keys() {
            let refused = refused_property(name).is_some();
            let free = *name == "batch.size" || FREE.iter().any(|(free, _)| free == name);
            assert_eq!(refused, !free, "{name}");
        }
    }

    #[test]
    fn a_transaction_has_fifteen_seconds_and_its_records_no_time_of_their_own() {
        let client = in_transactions(&[]);
        assert_eq!(client.get("transaction.timeout.ms"), Some("15000"));
        assert_eq!(client.get("message.timeout.ms"), None);
        assert_eq!(client.get("queue.buffering.max.ms"), Some("0"));
        client
            .create::<rdkafka::producer::BaseProducer>()
            .expect("librdkafka takes the properties");
        for name in ["transactional.id", "transaction.timeout.ms"] {
            assert!(refused_property(name).is_some());
        }
    }

    #[test]
    fn a_commit_is_soon_asked_for_again_unless_the_user_wants_it_later() {
        for (given, then) in [(&[][..], "20"), (&[("retry.backoff.ms", "70")], "70")] {
            let client = in_transactions(given);
            assert_eq!(client.get("retry.backoff.ms"), Some(then));
        }
        assert_eq!(with(&[]).get("retry.backoff.ms"), None);
    }

    #[test]
    fn how_long_a_topic_is_looked_for_in_a_transaction_is_the_users_to_say_if_it_is_our_default_too()
     {
        const HOW_LONG: &str = "topic.metadata.propagation.max.ms";
        for (given, then) in [
            (&[][..], "1000"),
            (&[(HOW_LONG, "10000")], "10000"),
            (&[(HOW_LONG, "7")], "7"),
        ] {
            assert_eq!(in_transactions(given).get(HOW_LONG), Some(then));
        }
    }

    #[test]
    fn a_consumer_takes_what_is_left_of_a_producers_properties() {
        reading(&with(&[("security.protocol", "plaintext")]))
            .create::<rdkafka::consumer::BaseConsumer>()
            .expect("librdkafka takes the properties");
    }

    #[test]
    fn a_default_gives_way_to_the_users_choice_by_either_name() {
        for &(own, ours) in FREE {
            let theirs = match own {
                "compression.codec" => "zstd",
                "socket.keepalive.enable" => "false",
                _ => "4321",
            };
            assert_ne!(ours, theirs);
            let names = ALIASES.iter().filter(|(_, of)| *of == own);
            for name in names.map(|(other, _)| *other).chain([own]) {
                // Again and again: the properties are applied in no order.
                for _ in 0..20 {
                    let client = with(&[(name, theirs)]).create_native_config().unwrap();
                    assert_eq!(client.get(own).unwrap(), theirs, "{name}");
                }
            }
        }
    }

    #[test]
    fn a_batch_is_no_larger_than_the_largest_message_unless_the_user_wants_it() {
        for (body, given, then) in [
            (16 << 10, &[][..], "81920"),
            (960 << 10, &[], "1000000"),
            (64 << 20, &[], "1000000"),
            (16 << 10, &[("batch.size", "500000")], "500000"),
            (960 << 10, &[("batch.size", "5000000")], "1048576"),
        ] {
            let client = client_config(&kafka(given), body, QUEUE);
            assert_eq!(client.get("batch.size"), Some(then), "{body}");
        }
    }

    #[test]
    fn librdkafka_takes_both_names_for_one_property() {
        for (other, own) in ALIASES {
            let value = match *other {
                "compression.type" => "zstd",
                "sasl.mechanism" => "PLAIN",
                _ => "77",
            };
            let mut client = ClientConfig::new();
            let client = client.set(*other, value).create_native_config().unwrap();
            assert_eq!(client.get(own).unwrap(), value, "{other}");
            assert!(refused_property(other).is_none() && refused_property(own).is_none());
        }
    }
}
