//! `kafka.properties.*`: which librdkafka properties a user may set, and which ones the promise depends on.

use super::{
    Secret,
    layers::{Layers, article},
};
use rdkafka::{ClientConfig, error::KafkaError, types::RDKafkaConfRes};
use std::collections::BTreeMap;
use toml::Value;

/// Names and why the user can't set them. A name that ends with `*` stands for all that begin so.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["bootstrap.servers", "metadata.broker.list"],
        "set kafka.bootstrap_servers instead",
    ),
    (
        &["acks", "request.required.acks"],
        "a record is settled only when all in-sync replicas have it: acks is always all",
    ),
    (
        &[
            "enable.idempotence",
            "enable.gapless.guarantee",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "queuing.strategy",
        ],
        "the order of a stream's records depends on it",
    ),
    (
        &[
            "message.timeout.ms",
            "delivery.timeout.ms",
            "retries",
            "message.send.max.retries",
        ],
        "a record may wait for Kafka as long as it takes: no timeout and no number of retries settles it",
    ),
    (
        &["delivery.report.only.error"],
        "a record is settled by the report of its delivery",
    ),
    (
        &["allow.auto.create.topics"],
        "a mistyped topic would be created with the broker's defaults: use `livebridge topics create`",
    ),
    (&["message.max.bytes"], "it follows limits.body_bytes"),
    (
        &[
            "partitioner",
            "partitioner_cb",
            "consistent_random",
            "msg_order_cmp",
        ],
        "the same stream must go to the same partition as with Java clients: it is always murmur2_random",
    ),
    (
        &["transactional.id", "transaction.timeout.ms"],
        "it belongs to delivery = \"exactly-once\"",
    ),
    (
        &[
            "queue.buffering.max.messages",
            "queue.buffering.max.kbytes",
            "queue.buffering.backpressure.threshold",
        ],
        "what is in flight is bounded by the lanes, and must fit",
    ),
    (
        &["test.mock.*"],
        "what a mock cluster takes is not in Kafka: try `livebridge demo`",
    ),
    (
        &["plugin.library.paths"],
        "a plug-in could change what is sent",
    ),
];

/// Why this property can't be set by the user; none if it can.
#[must_use]
pub fn refused_property(name: &str) -> Option<&'static str> {
    let matches = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *pattern == name,
    };
    REFUSED
        .iter()
        .find(|(names, _)| names.iter().any(|pattern| matches(&pattern)))
        .map(|(_, reason)| *reason)
}

/// The user's properties, each known to librdkafka and allowed. Faults name the property, never the value: passwords
/// are among them.
pub(super) fn properties(layers: &mut Layers<'_>) -> BTreeMap<String, Secret> {
    let mut properties = BTreeMap::new();
    for (name, value) in std::mem::take(&mut layers.properties) {
        let checked = match refused_property(&name) {
            Some(reason) => Err(format!("can't be set: {reason}")),
            None => text(&value).and_then(|text| known_to_librdkafka(&name, text)),
        };
        match checked {
            Ok(value) => {
                properties.insert(name, value);
            }
            Err(problem) => {
                let setting = layers.in_file(&format!("kafka.properties.{name}"));
                layers.fault(setting, problem);
            }
        }
    }
    properties
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(flag) => Ok(flag.to_string()),
        other => Err(format!(
            "must be a text, a number or true/false, not {}",
            article(other)
        )),
    }
}

fn known_to_librdkafka(name: &str, value: String) -> Result<Secret, String> {
    // librdkafka's own message quotes the value.
    match ClientConfig::new().set(name, &value).create_native_config() {
        Ok(_) => Ok(Secret::new(value)),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err("librdkafka has no such property; see its CONFIGURATION.md".into())
        }
        Err(_) => Err("librdkafka refuses the value; see its CONFIGURATION.md".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_promise_depends_on_cant_be_set() {
        for name in [
            "acks",
            "enable.idempotence",
            "message.timeout.ms",
            "test.mock.num.brokers",
            "partitioner",
        ] {
            assert!(refused_property(name).is_some(), "{name}");
        }
        for name in [
            "linger.ms",
            "compression.type",
            "sasl.password",
            "security.protocol",
            "client.id",
        ] {
            assert!(refused_property(name).is_none(), "{name}");
        }
    }

    #[test]
    fn librdkafka_says_what_it_knows_without_the_value() {
        assert_eq!(
            known_to_librdkafka("linger.ms", "5".into()),
            Ok(Secret::new("5"))
        );
        for (name, value) in [
            ("lingerms", "hunter2"),
            ("linger.ms", "hunter2"),
            ("security.protocol", "hunter2"),
        ] {
            let problem = known_to_librdkafka(name, value.into()).unwrap_err();
            assert!(
                problem.contains("librdkafka") && !problem.contains("hunter2"),
                "{problem}"
            );
        }
    }
}
