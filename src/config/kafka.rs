//! `kafka.properties.*`: which librdkafka properties a user may set, and which ones the promise depends on.

use super::{
    Config, Kafka, Secret, Topics,
    layers::{Layers, article, near},
    librdkafka::{self, FREE, HAS_OIDC, OIDC},
    reference::nearest,
};
use crate::publish::{own_name, try_client};
use rdkafka::{ClientConfig, error::KafkaError, types::RDKafkaConfRes};
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

/// Why this property can't be set by the user; none if it can.
#[must_use]
pub fn refused_property(name: &str) -> Option<&'static str> {
    crate::publish::refused_property(name).or_else(|| librdkafka::refused(name))
}

impl Kafka {
    /// Whether a broker's certificate must be for the name by which it is called.
    #[must_use]
    pub fn checks_names(&self) -> bool {
        let algorithm = self.properties.get("ssl.endpoint.identification.algorithm");
        algorithm.is_none_or(|algorithm| algorithm.expose() != "none")
    }
}

/// The user's properties, each known to librdkafka and allowed. Faults name the property, never the value: passwords
/// are among them.
pub(super) fn properties(layers: &mut Layers<'_>) -> BTreeMap<String, Secret> {
    let mut properties = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (name, value) in std::mem::take(&mut layers.properties) {
        let checked = match check_name(&name) {
            Ok(()) if !seen.insert(own_name(&name).to_owned()) => {
                Err("is another name of a property that is set, too; keep one of them".into())
            }
            Ok(()) => text(&value).and_then(|text| check_value(&name, text)),
            Err(problem) => Err(problem),
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

/// Whether a user may set this property at all.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    match refused_property(name) {
        Some(reason) => Err(format!("can't be set: {reason}")),
        None if is_property(name) => Ok(()),
        None => {
            let known = FREE.iter().chain(if HAS_OIDC { OIDC } else { &[] });
            let near = near(nearest(name, known.copied()));
            Err(format!("librdkafka has no such property; {near}"))
        }
    }
}

/// The value, if librdkafka takes it for this property, of which [`check_name`] found that it may be set.
pub(super) fn check_value(name: &str, value: String) -> Result<Secret, String> {
    if own_name(name) == "sasl.mechanisms"
        && let Some(reason) = librdkafka::refused_mechanism(&value)
    {
        return Err(format!("can't be {value}: {reason}"));
    }
    known_to_librdkafka(name, value)
}

/// What is allowed, and dangerous.
pub(super) fn risks(properties: &BTreeMap<String, Secret>) -> Vec<String> {
    let is = |name: &str, value: &str| {
        let found = properties.get(name);
        found.is_some_and(|found| found.expose().eq_ignore_ascii_case(value))
    };
    let mut risks = Vec::new();
    for (name, value) in [
        ("enable.ssl.certificate.verification", "false"),
        ("ssl.endpoint.identification.algorithm", "none"),
    ] {
        if is(name, value) {
            risks.push(format!(
                "kafka.properties.{name} = {value}: whoever is on the way to the brokers can pose as one"
            ));
        }
    }
    let plain = is("sasl.mechanism", "PLAIN") || is("sasl.mechanisms", "PLAIN");
    if plain && is("security.protocol", "sasl_plaintext") {
        risks.push(
            "kafka.properties: PLAIN without TLS sends the password in clear text; set security.protocol to sasl_ssl"
                .into(),
        );
    }
    risks
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
            Err("librdkafka has no such property".into())
        }
        Err(_) => Err("librdkafka refuses the value; see its CONFIGURATION.md".into()),
    }
}

/// Notes what no look at a single property shows: a file that isn't there, credentials that are missing.
pub(super) fn check_together(layers: &mut Layers<'_>, config: &Config) {
    let given = &config.kafka.properties;
    let faulty = |fault: &super::Fault| fault.setting.starts_with("kafka.propert");
    if given.is_empty() || layers.faults.iter().any(faulty) {
        return;
    }
    let tried = try_together(&config.kafka, &config.topics, config.limits.body_bytes);
    if let Err(problem) = tried {
        layers.fault(layers.in_file("kafka.properties"), problem);
    }
}

/// Makes a client from all of the properties, and reaches for no broker.
///
/// # Errors
/// With what librdkafka has against them, without a value.
pub fn try_together(kafka: &Kafka, topics: &Topics, body_bytes: usize) -> Result<(), String> {
    try_client(kafka, topics, body_bytes).map_err(|error| match &error {
        KafkaError::ClientConfig(_, _, name, _) => complaint(name),
        other => complaint(&other.to_string()),
    })
}

/// Bits of librdkafka's and OpenSSL's messages, in lower case, and what they mean.
const MEANINGS: &[(&str, &str)] = &[
    ("no such file", "there is no such file"),
    ("permission denied", "the file can't be read"),
    ("must be set", "must be set"),
    ("mandatory", "something else must be set, too"),
    ("mutually exclusive", "exclude each other"),
    ("must be >=", "is too small beside the other"),
    (
        "no provider for sasl",
        "this build has no such SASL mechanism",
    ),
    (
        "unsupported sasl",
        "sasl.mechanism names none that there is: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
    ),
    ("pem", "isn't in PEM format"),
    ("decrypt", "can't be decrypted with the password given"),
    ("no cipher match", "names no cipher that there is"),
];

/// librdkafka's complaint without its text, which may quote a value, or a part of one: the properties that it names,
/// and what it says of them as far as it's known here.
fn complaint(text: &str) -> String {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'));
    let names: BTreeSet<_> = words
        .map(|word| word.trim_matches('.'))
        .filter(|word| word.contains('.') && is_property(word))
        .collect();
    let text = text.to_ascii_lowercase();
    let meaning = MEANINGS.iter().find(|(bit, _)| text.contains(bit));
    let unknown = if names.iter().any(|name| name.ends_with(".location")) {
        "is the file there, may it be read, does it hold what it should?"
    } else {
        "what it says of them may quote values and isn't shown"
    };
    let meaning = meaning.map_or(unknown, |(_, meaning)| meaning);
    let names = if names.is_empty() {
        "a value, of which it doesn't say the name".into()
    } else {
        Vec::from_iter(names).join(", ")
    };
    format!(
        "librdkafka can't use these together; it complains about: {names} ({meaning}); see its CONFIGURATION.md"
    )
}

fn is_property(name: &str) -> bool {
    // Whatever it says of the value.
    let set = ClientConfig::new().set(name, "0").create_native_config();
    !matches!(
        set,
        Err(KafkaError::ClientConfig(
            RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN,
            ..
        ))
    )
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
    fn an_unknown_name_is_told_the_nearest_one() {
        for (name, nearest) in [
            ("sasl.passwort", "sasl.password"),
            ("ssl.ca.locations", "ssl.ca.location"),
            ("linger_ms", "linger.ms"),
        ] {
            let problem = check_name(name).unwrap_err();
            assert!(
                problem.ends_with(&format!("the nearest is {nearest}")),
                "{problem}"
            );
        }
        assert!(check_name("zzz").unwrap_err().ends_with("none is near it"));
    }

    #[test]
    fn a_mechanism_that_this_build_hasnt_is_refused_with_the_way_out() {
        assert!(check_value("sasl.mechanism", "SCRAM-SHA-512".into()).is_ok());
        let kerberos = check_value("sasl.mechanisms", "GSSAPI".into()).unwrap_err();
        assert!(
            kerberos.contains("set sasl.mechanism to SCRAM"),
            "{kerberos}"
        );
        let token = check_value("sasl.mechanism", "OAUTHBEARER".into());
        let url = check_name("sasl.oauthbearer.token.endpoint.url");
        assert_eq!((token.is_ok(), url.is_ok()), (HAS_OIDC, HAS_OIDC));
        if let (Err(token), Err(url)) = (token, url) {
            for problem in [token, url] {
                assert!(problem.contains("--features oidc"), "{problem}");
            }
        }
    }

    #[test]
    fn what_lets_others_listen_in_is_warned_about() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|&(k, v)| (k.to_owned(), Secret::new(v)));
            risks(&pairs.collect()).len()
        };
        assert_eq!(
            of(&[
                ("security.protocol", "sasl_ssl"),
                ("sasl.mechanism", "PLAIN")
            ]),
            0
        );
        assert_eq!(
            of(&[
                ("security.protocol", "SASL_PLAINTEXT"),
                ("sasl.mechanism", "PLAIN")
            ]),
            1
        );
        assert_eq!(of(&[("enable.ssl.certificate.verification", "false")]), 1);
        assert_eq!(of(&[("ssl.endpoint.identification.algorithm", "none")]), 1);
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

    #[test]
    fn a_complaint_names_properties_and_quotes_nothing() {
        let text = "ssl.ca.location failed: error:80000002:system library::No such file or directory: \
                    calling fopen(/run/hunter2.pem, r)";
        let shown = complaint(text);
        assert!(
            shown.contains("ssl.ca.location") && shown.contains("no such file"),
            "{shown}"
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        let shown = complaint("Unrecognized sasl.oauthbearer.config beginning at: hunter2.x=y");
        assert!(
            shown.contains("sasl.oauthbearer.config") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
