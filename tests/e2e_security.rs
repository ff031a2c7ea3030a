//! To Kafka over TLS and SASL: everything that talks to the brokers does so, passwords and certificates may change while the
//! relay runs, and whatever is wrong is one clear word, while callbacks are accepted all the same.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};
use support::{
    callback,
    doors::{Doors, Listener},
    reader,
    relay::Relay,
    topics::Topics,
    wait,
};
use tempfile::TempDir;

const SETTLE: Duration = Duration::from_secs(120);
const PASSWORD: &str = "hunter2-right";
const WRONG: &str = "hunter2-wrong";

/// A CA, and certificates from it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of one name with what it signs, it would look like a certificate that signed itself.
        params.distinguished_name.push(DnType::CommonName, "the CA");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Certificate and key, for this name and until this year.
    fn certificate(&self, name: &str, until: i32) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).expect("a signature");
        (certificate.pem(), key.serialize_pem())
    }
}

/// One broker for all tests here, with a way in for each kind of login, and the CA that it trusts.
struct World {
    doors: Doors,
    authority: Authority,
    dir: TempDir,
}

impl World {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<World> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let authority = Authority::new();
        let ca = put(&dir, "ca.pem", &authority.pem);
        put(&dir, "other-ca.pem", &Authority::new().pem);
        let keystore = |file: &str, name: &str, until: i32| {
            let (certificate, key) = authority.certificate(name, until);
            let path = put(&dir, file, &format!("{key}{certificate}"));
            ("ssl.keystore.location", path)
        };
        let jaas = |module: &str, users: &str| {
            format!("org.apache.kafka.common.security.{module} required{users};")
        };
        let scram = jaas("scram.ScramLoginModule", "");
        let plain = jaas(
            "plain.PlainLoginModule",
            &format!(" user_plain=\"{PASSWORD}\""),
        );
        let listener = |name, protocol, settings| Listener {
            name,
            protocol,
            settings,
        };
        let doors = Doors::started(
            &[
                listener(
                    "LOGIN",
                    "SASL_SSL",
                    vec![
                        keystore("login.pem", "127.0.0.1", 2040),
                        (
                            "sasl.enabled.mechanisms",
                            "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN".into(),
                        ),
                        ("scram-sha-256.sasl.jaas.config", scram.clone()),
                        ("scram-sha-512.sasl.jaas.config", scram),
                        ("plain.sasl.jaas.config", plain),
                    ],
                ),
                listener(
                    "MUTUAL",
                    "SSL",
                    vec![
                        keystore("mutual.pem", "127.0.0.1", 2040),
                        ("ssl.client.auth", "required".into()),
                    ],
                ),
                listener(
                    "EXPIRED",
                    "SSL",
                    vec![keystore("expired.pem", "127.0.0.1", 2024)],
                ),
                listener(
                    "MISNAMED",
                    "SSL",
                    vec![keystore("misnamed.pem", "kafka.invalid", 2040)],
                ),
            ],
            &format!(
                "ssl.keystore.type=PEM\nssl.truststore.type=PEM\nssl.truststore.location={ca}\n"
            ),
        );
        Self {
            doors,
            authority,
            dir,
        }
    }

    fn path(&self, file: &str) -> String {
        self.dir.path().join(file).display().to_string()
    }

    /// A relay that comes in by this way, with these properties; the CA that the brokers' certificates are from is trusted.
    fn relay(&self, way: &str, topics: &Topics, properties: &[(&str, &str)]) -> Relay {
        let binary = env!("CARGO_BIN_EXE_livebridge");
        let ca = self.path("ca.pem");
        let mut relay = Relay::new(binary, self.doors.way_in(way), topics)
            .set("kafka.properties.\"ssl.ca.location\"", &quoted(&ca))
            .set("drain.publish", "\"100ms\"");
        for (name, value) in properties {
            relay = relay.set(&format!("kafka.properties.\"{name}\""), &quoted(value));
        }
        relay
    }

    /// Logs in with the password in this file.
    fn login(&self, topics: &Topics, user: &str, password: &Path) -> Relay {
        let scram = [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", user),
        ];
        let password = password.display().to_string();
        self.relay("LOGIN", topics, &scram)
            .set("kafka.property_files.\"sasl.password\"", &quoted(&password))
    }

    /// Shows a certificate of its own.
    fn mutual(&self, topics: &Topics, files: &str) -> Relay {
        let (certificate, key) = (
            self.path(&format!("{files}.crt")),
            self.path(&format!("{files}.key")),
        );
        let mutual = [
            ("security.protocol", "SSL"),
            ("ssl.certificate.location", certificate.as_str()),
            ("ssl.key.location", key.as_str()),
        ];
        self.relay("MUTUAL", topics, &mutual)
    }

    fn client_certificate(&self, authority: &Authority, files: &str) {
        let (certificate, key) = authority.certificate("relay", 2040);
        // As Kubernetes does it: none sees a half of it, and the first of the two that is seen belongs to no key.
        for (end, text) in [("crt", certificate), ("key", key)] {
            put(&self.dir, &format!("{files}.{end}.new"), &text);
            let new = self.path(&format!("{files}.{end}.new"));
            fs::rename(new, self.path(&format!("{files}.{end}"))).expect("a new file");
        }
    }
}

fn put(dir: &TempDir, file: &str, text: &str) -> String {
    let path = dir.path().join(file);
    fs::write(&path, text).expect("a file");
    path.display().to_string()
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[track_caller]
fn post(relay: &Relay, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let answer = relay.post(&callback::signed(&callback::recording("s1", number)));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// The numbers of the callbacks that an independent reader finds.
fn arrived(world: &World, topics: &Topics) -> Vec<u64> {
    let messages =
        reader::read_committed(&world.doors.broker().bootstrap(), &[topics.of("recording")]);
    let callbacks = messages
        .iter()
        .filter(|m| m.header("livebridge-probe").is_none());
    let numbers = callbacks.map(|m| m.json().get("media_start_time")?.as_u64());
    numbers.map(|number| number.expect("a number")).collect()
}

#[track_caller]
fn wait_for_trouble(relay: &Relay, said: &str) -> String {
    wait::until(&format!("{said} in /status"), SETTLE, || {
        let status = relay.status();
        let error = status.pointer("/publisher/kafka/last_error")?.as_str()?;
        error.contains(said).then(|| error.to_owned())
    })
}

fn rebuilds(relay: &Relay) -> i64 {
    relay
        .metrics()
        .count("livebridge_producer_rebuilds_total", &[])
}

fn reload_failures(relay: &Relay) -> i64 {
    relay
        .metrics()
        .count("livebridge_config_reload_failures_total", &[])
}

#[test]
fn every_client_logs_in_and_a_new_password_is_used_from_then_on() {
    let world = World::shared();
    world.doors.set_password("relay", PASSWORD);
    let topics = Topics::named();
    let password = PathBuf::from(put(&world.dir, "password", PASSWORD));
    let mut relay = world.login(&topics, "relay", &password);
    let created = relay.command(&["topics", "create", "--partitions", "2"]);
    assert!(created.contains(": created"), "{created}");
    let checked = relay.command(&["check", "--online", "--write"]);
    assert!(checked.contains("a probe was published"), "{checked}");

    relay.start();
    post(&relay, 1..=20);
    // Authentic and untypable: its copy goes to a topic, too, through a client of its own.
    let untypable = callback::signed(r#"{"stream_id":"s1"}"#);
    assert_eq!(relay.post(&untypable).status, 200);
    relay.wait_until_settled(SETTLE);
    // What is published stands in the checkpoint a moment after it is counted.
    wait::until("the checkpoint to pass what was published", SETTLE, || {
        let dry = relay.command(&["replay", "--since", "1h", "--dry-run"]);
        (!dry.contains("not published yet")).then_some(())
    });
    let replayed = relay.command(&["replay", "--since", "1h"]);
    assert!(replayed.contains("replayed 20 record(s)"), "{replayed}");
    wait::until("the copy of what was quarantined", SETTLE, || {
        let copies = reader::read(
            &world.doors.broker().bootstrap(),
            &[topics.of("quarantine")],
        );
        // The other one is the probe.
        (copies.len() == 2 || copies.iter().any(|m| m.header("ce_id").is_some())).then_some(())
    });

    // An empty file is none: the old password stays.
    assert_eq!(rebuilds(&relay), 0);
    fs::write(&password, "\n").expect("a file");
    wait::until("the word that the file is empty", SETTLE, || {
        (reload_failures(&relay) > 0).then_some(())
    });
    post(&relay, 21..=30);
    relay.wait_until_settled(SETTLE);

    world.doors.set_password("relay", "hunter2-new");
    fs::write(&password, "hunter2-new\n").expect("a file");
    wait::until("a producer that logs in anew", SETTLE, || {
        (rebuilds(&relay) == 1).then_some(())
    });
    post(&relay, 31..=50);
    relay.wait_until_settled(SETTLE);
    relay.terminate();
    assert!(relay.wait_for_exit(SETTLE).success());
    // What was replayed comes in between.
    let mut numbers = arrived(world, &topics);
    numbers.sort_unstable();
    let replayed = (1..=20).flat_map(|n| [n, n]);
    let expected: Vec<_> = replayed.chain(21..=50).collect();
    assert_eq!(
        numbers, expected,
        "nothing is missing, and nothing doubled by the change"
    );
    let log = relay.log();
    let shown = log.lines().find(|line| line.contains("hunter2"));
    assert_eq!(shown, None);

    let spool = quoted(&relay.spool_dir().display().to_string());
    // By the other SCRAM, and what reads the topics back.
    let scram_256 = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", "relay"),
        ("sasl.password", "hunter2-new"),
    ];
    let by_256 = world
        .relay("LOGIN", &topics, &scram_256)
        .set("spool.dir", &spool);
    let audited = by_256.command(&["audit", "--since", "1h"]);
    assert!(audited.contains("nothing is missing"), "{audited}");

    // By PLAIN, and the same commands without a relay.
    let plain = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "plain"),
        ("sasl.password", PASSWORD),
    ];
    let by_plain = world
        .relay("LOGIN", &topics, &plain)
        .set("spool.dir", &spool);
    let replayed = by_plain.command(&["replay", "--seq", "1..5"]);
    assert!(replayed.contains("replayed"), "{replayed}");
}

#[test]
fn exactly_once_and_its_reader_show_their_certificate_and_take_up_a_new_one() {
    let world = World::shared();
    let topics = Topics::create(world.doors.broker(), 2).with_checkpoint(world.doors.broker());
    world.client_certificate(&world.authority, "client");
    let mut relay = world
        .mutual(&topics, "client")
        .set("delivery", "\"exactly-once\"");
    relay.start();
    post(&relay, 1..=20);
    relay.wait_until_settled(SETTLE);
    let before = rebuilds(&relay);
    world.client_certificate(&world.authority, "client");
    wait::until("a producer that shows the new certificate", SETTLE, || {
        (rebuilds(&relay) > before).then_some(())
    });
    post(&relay, 21..=40);
    relay.wait_until_settled(SETTLE);
    assert_eq!(arrived(world, &topics), (1..=40).collect::<Vec<_>>());
}

#[test]
fn whatever_is_wrong_is_one_clear_word_and_when_it_is_put_right_all_is_published() {
    let world = World::shared();
    world.doors.set_password("clumsy", PASSWORD);
    let topics = Topics::create(world.doors.broker(), 1);
    let password = PathBuf::from(put(&world.dir, "wrong-password", WRONG));
    let ca = put(
        &world.dir,
        "changing-ca.pem",
        &fs::read_to_string(world.path("other-ca.pem")).expect("a CA"),
    );
    let tls = [("security.protocol", "SSL")];
    let stranger = Authority::new();
    world.client_certificate(&stranger, "stranger");
    let clear_text = [("security.protocol", "plaintext")];

    let mut wrong_password = world.login(&topics, "clumsy", &password);
    let mut wrong_ca = world
        .mutual(&topics, "client-2")
        .set("kafka.properties.\"ssl.ca.location\"", &quoted(&ca));
    world.client_certificate(&world.authority, "client-2");
    let mut expired = world.relay("EXPIRED", &topics, &tls);
    let login = world.doors.way_in("LOGIN");
    let cases = [
        (
            &wrong_password,
            vec![login, "refuses the user name or the password"],
        ),
        (
            &wrong_ca,
            vec![
                "is not signed by a CA that is trusted here",
                "ssl.ca.location",
            ],
        ),
        (&expired, vec!["expired on 2024-01-01"]),
    ];
    for (relay, said) in &cases {
        assert_clear(relay, said);
    }
    assert_clear(
        &world.relay("MISNAMED", &topics, &tls),
        &["is not for the name 127.0.0.1"],
    );
    assert_clear(
        &world.mutual(&topics, "stranger"),
        &["refuses our client certificate"],
    );
    assert_clear(
        &world.relay("MUTUAL", &topics, &tls),
        &["refuses our client certificate"],
    );
    assert_clear(
        &world.relay("LOGIN", &topics, &clear_text),
        &["as a TLS port does", "security.protocol"],
    );
    let mut no_tls = world.relay("LOGIN", &topics, &tls);
    no_tls = no_tls.set(
        "kafka.bootstrap_servers",
        &quoted(&world.doors.broker().bootstrap()),
    );
    assert_clear(&no_tls, &["doesn't speak TLS"]);

    for (relay, said) in [
        (&mut wrong_password, "refuses the user name"),
        (&mut wrong_ca, "is not signed by a CA"),
        (&mut expired, "expired on 2024-01-01"),
    ] {
        relay.start();
        post(relay, 1..=3);
        let trouble = wait_for_trouble(relay, said);
        assert!(!trouble.contains("hunter2"), "{trouble}");
        let (code, audited) = relay.failing(&["audit", "--since", "1h"]);
        assert_eq!(code, Some(1), "{audited}");
        assert!(audited.contains(said), "{audited}");
        post(relay, 4..=5);
        assert_eq!(relay.readyz(), Some(200));
        let log = relay.log();
        let lines = log.lines().filter(|line| line.contains(said)).count();
        assert!(
            (1..=2).contains(&lines),
            "{lines} lines\n{}",
            relay.log_tail()
        );
    }
    expired.kill();
    fs::write(&password, PASSWORD).expect("a file");
    fs::copy(world.path("ca.pem"), &ca).expect("the right CA");
    for mut relay in [wrong_password, wrong_ca] {
        relay.wait_until_settled(SETTLE);
        let error = relay
            .status()
            .pointer("/publisher/kafka/last_error")
            .cloned();
        assert_eq!(error, Some(serde_json::Value::Null));
        assert!(!relay.log().contains("hunter2"));
    }
    let numbers = arrived(world, &topics);
    assert_eq!(numbers.len(), 10, "{numbers:?}");
}

/// `check --online` says this, once, and nothing secret.
#[track_caller]
fn assert_clear(relay: &Relay, said: &[&str]) {
    let (code, text) = relay.failing(&["check", "--online"]);
    assert_eq!(code, Some(1), "{text}");
    for bit in said {
        assert_eq!(text.matches(bit).count(), 1, "{bit}\n{text}");
    }
    let told = text.lines().filter(|line| line.starts_with("livebridge: "));
    assert_eq!(told.count(), 1, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
