//! Which of librdkafka's properties a user may set, and by which names.

use crate::config;

/// (property, why a user can't set it)
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", BROKERS),
    ("metadata.broker.list", BROKERS),
    ("enable.idempotence", ORDER),
    ("enable.gapless.guarantee", ORDER),
    ("max.in.flight", ONE_IN_FLIGHT),
    ("max.in.flight.requests.per.connection", ONE_IN_FLIGHT),
    ("queuing.strategy", ORDER),
    ("acks", ACKS),
    ("request.required.acks", ACKS),
    ("message.timeout.ms", NEVER_GIVE_UP),
    ("delivery.timeout.ms", NEVER_GIVE_UP),
    ("retries", NEVER_GIVE_UP),
    ("message.send.max.retries", NEVER_GIVE_UP),
    (
        "delivery.report.only.error",
        "every ack must be reported, since only an ack settles a record",
    ),
    (
        "partitioner",
        "a stream must go to the partition that Java clients choose, and stay there",
    ),
    (
        "allow.auto.create.topics",
        "a mistyped topic must show as an error, not become a new topic",
    ),
    (
        "message.max.bytes",
        "the broker and the topic say how large a message may be",
    ),
    (
        "message.copy.max.bytes",
        "records are copied: the spool reads on",
    ),
    ("queue.buffering.max.messages", WINDOWS),
    ("queue.buffering.max.kbytes", WINDOWS),
    ("statistics.interval.ms", "livebridge has its own metrics"),
    ("transactional.id", TRANSACTIONS),
    ("transaction.timeout.ms", TRANSACTIONS),
    (
        "test.mock.num.brokers",
        "it replaces the brokers by a mock, where records are lost",
    ),
    (
        "test.mock.broker.rtt",
        "it replaces the brokers by a mock, where records are lost",
    ),
];

const BROKERS: &str = "set kafka.bootstrap_servers instead";
const ORDER: &str = "the order per stream depends on it";
const ONE_IN_FLIGHT: &str = "with more than one request under way, a broker may take a new producer's second batch \
     after it refused the first, and the order per stream is lost";
const ACKS: &str = "a record is settled only when all in-sync replicas have it";
const NEVER_GIVE_UP: &str = "a record is tried until Kafka takes it; a timeout never settles one";
const WINDOWS: &str = "it follows from the windows of the lanes";
const TRANSACTIONS: &str = "transactions belong to delivery = \"exactly-once\", which sets it";

/// (other name, librdkafka's own), as far as a user may set them.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("compression.type", "compression.codec"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("sasl.mechanism", "sasl.mechanisms"),
];

/// librdkafka's own name for a property that has two. One set by both names has either value: properties are applied
/// in no order.
#[must_use]
pub fn own_name(property: &str) -> &str {
    let found = ALIASES.iter().find(|(other, _)| *other == property);
    found.map_or(property, |(_, own)| own)
}

/// Whether the user has set a property, by either name.
pub fn is_set(kafka: &config::Kafka, property: &str) -> bool {
    let mut given = kafka.properties.keys();
    given.any(|given| own_name(given) == own_name(property))
}

/// Why this librdkafka property can't be set under `kafka.properties`; none if it can.
#[must_use]
pub fn refused_property(name: &str) -> Option<&'static str> {
    let found = REFUSED.iter().find(|(refused, _)| *refused == name);
    found.map(|(_, why)| *why)
}
