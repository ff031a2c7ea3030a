//! `kafka.properties.*`: which librdkafka properties a user may set, and which ones the promise depends on.

use super::{
    Secret,
    layers::{Layers, article},
};
use rdkafka::{ClientConfig, error::KafkaError, types::RDKafkaConfRes};
use std::collections::BTreeMap;
use toml::Value;

/// Names, or beginnings of names, that the publisher has no say in, and why the user can't set them.
const REFUSED: &[(&str, &str)] = &[
    (
        "test.mock.",
        "what a mock cluster takes is not in Kafka: try `livebridge demo`",
    ),
    (
        "plugin.library.paths",
        "a plug-in could change what is sent",
    ),
];

/// Why this property can't be set by the user; none if it can.
#[must_use]
pub fn refused_property(name: &str) -> Option<&'static str> {
    crate::publish::refused_property(name).or_else(|| {
        let found = REFUSED.iter().find(|(start, _)| name.starts_with(start));
        found.map(|(_, reason)| *reason)
    })
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
            "test.mock.broker.push",
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
