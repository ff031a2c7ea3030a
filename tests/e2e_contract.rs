//! What the contract says about one callback, held against the real binary and a real Kafka, read back with Kafka's
//! own client: every documented kind, an unknown one, those that can't be typed, a retry, a late one, forged ones.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};
use support::{
    callback::{self, signed, signed_at},
    kafka::Broker,
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
};

const SETTLE: Duration = Duration::from_secs(60);

struct World {
    relay: Relay,
    topics: Topics,
}

impl World {
    fn new() -> Self {
        Self::with(|relay| relay)
    }

    fn with(settings: impl FnOnce(Relay) -> Relay) -> Self {
        let broker = Broker::shared();
        let topics = Topics::create(broker, 4);
        let binary = env!("CARGO_BIN_EXE_livebridge");
        let mut relay = settings(Relay::new(binary, &broker.bootstrap(), &topics));
        relay.start();
        Self { relay, topics }
    }

    #[track_caller]
    fn accept(&self, body: &str) {
        let answer = self.relay.post(body);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, r#"{"code":0}"#),
            "{body}"
        );
    }

    /// What came out, by family.
    fn published(&mut self) -> BTreeMap<String, Vec<Message>> {
        self.relay.wait_until_settled(SETTLE);
        let mut by_topic = reader::by_topic(&Broker::shared().bootstrap(), &self.topics.names());
        support::topics::FAMILIES
            .iter()
            .map(|(family, _)| {
                let messages = by_topic.remove(self.topics.of(family));
                (
                    (*family).to_owned(),
                    messages.expect("every topic was read"),
                )
            })
            .collect()
    }
}

fn milliseconds(time: &str) -> u64 {
    let at = humantime::parse_rfc3339(time).expect("an RFC 3339 time in UTC");
    let since = at.duration_since(UNIX_EPOCH).expect("a time after 1970");
    u64::try_from(since.as_millis()).expect("a time of this age")
}

/// The headers of the contract, and no others.
#[track_caller]
fn assert_headers(
    message: &Message,
    event: &str,
    key: Option<&str>,
    time: Option<u64>,
    extra: &[&str],
) {
    let mut names: Vec<_> = message
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    let mut expected = vec![
        "ce_id",
        "ce_receivedtime",
        "ce_source",
        "ce_specversion",
        "ce_time",
        "ce_type",
        "content-type",
    ];
    expected.extend(key.map(|_| "ce_subject"));
    expected.extend(extra);
    expected.sort_unstable();
    assert_eq!(names, expected, "{event}");
    assert_eq!(message.header("ce_specversion"), Some("1.0"));
    assert_eq!(message.header("ce_source"), Some("/callbacks/tencent"));
    assert_eq!(
        message.header("ce_type"),
        Some(format!("com.tencent.css.{event}").as_str())
    );
    assert_eq!(message.header("ce_subject"), key);
    assert_eq!(message.header("content-type"), Some("application/json"));
    let id = message.ce_id();
    assert!(
        id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        "{id}"
    );
    let received = message.header("ce_receivedtime").expect("a receive time");
    let said = message.header("ce_time").expect("a time");
    assert!(said.ends_with('Z'), "{said}");
    assert_eq!(
        milliseconds(said),
        time.unwrap_or_else(|| milliseconds(received)),
        "{event}"
    );
    let now = callback::now() * 1000;
    assert!(milliseconds(received).abs_diff(now) < 120_000, "{received}");
    assert!(u64::try_from(message.timestamp).is_ok_and(|sent| sent.abs_diff(now) < 120_000));
}

#[test]
fn every_kind_arrives_typed_in_its_topic_keyed_by_its_stream() {
    let kinds: Vec<Value> = serde_json::from_str(include_str!("e2e_contract.json")).unwrap();
    let mut world = World::new();
    for kind in &kinds {
        world.accept(&signed(&kind["body"].to_string()));
    }
    let published = world.published();
    assert_eq!(published.values().map(Vec::len).sum::<usize>(), kinds.len());
    for kind in &kinds {
        let (name, key) = (kind["name"].as_str().unwrap(), kind["key"].as_str());
        let ce_type = format!("com.tencent.css.{name}");
        let of_kind = |m: &&Message| m.header("ce_type") == Some(&ce_type) && m.key_text() == key;
        let found: Vec<_> = published[kind["family"].as_str().unwrap()]
            .iter()
            .filter(of_kind)
            .collect();
        let [message] = found[..] else {
            panic!("{} messages of {name}", found.len());
        };
        assert_headers(message, name, key, kind["time_ms"].as_u64(), &[]);
        if key.is_some() {
            assert_eq!(message.partition, message.java_partition, "{name}");
        }
        let value = message.json();
        assert_eq!((value.get("sign"), value.get("t")), (None, None), "{name}");
        for (pointer, expected) in kind["value"].as_object().unwrap() {
            assert_eq!(
                value.pointer(pointer),
                Some(expected),
                "{name}: {pointer} of {value}"
            );
        }
        for field in kind["body"].as_object().unwrap().keys() {
            assert!(value.get(field).is_some(), "{name} lost {field}");
        }
    }
}

#[test]
fn keys_of_any_kind_lie_where_java_looks_for_them() {
    let mut world = World::new();
    for stream in [
        "a",
        "stream-2",
        "стрим",
        "直播",
        "with space",
        "🎥",
        &"x".repeat(700),
    ] {
        world.accept(&signed(&callback::recording(stream, 1)));
    }
    let published = world.published();
    assert_eq!(published["recording"].len(), 7);
    for message in &published["recording"] {
        assert_eq!(
            message.partition,
            message.java_partition,
            "{:?}",
            message.key_text()
        );
        assert_eq!(message.key_text(), message.json()["stream_id"].as_str());
    }
}

#[test]
fn what_cannot_be_typed_is_set_aside_and_blocks_nothing() {
    let mut world = World::new();
    let untypable = [
        r#"{"stream_id":"s1","no":"event_type"}"#,
        r#"{"event_type":"100","stream_id":"s1"}"#,
        r#"{"event_type":100,"stream_id":"s1","duration":"long"}"#,
        r#"{"event_type":100,"stream_id":"s1","file_size":-1.5}"#,
    ];
    for body in untypable {
        world.accept(&signed(body));
    }
    world.accept(&signed(&callback::recording("s1", 7)));
    let published = world.published();
    assert_eq!(published["recording"].len(), 1);
    assert_eq!(published["unknown"].len(), 0);
    let metrics = world.relay.metrics();
    assert_eq!(
        metrics.count("livebridge_quarantined_total", &[r#"reason="untypable""#]),
        4
    );
    for copy in &published["quarantine"] {
        assert_eq!(copy.header("livebridge-reason"), Some("untypable"));
        assert!(
            copy.header("livebridge-detail")
                .is_some_and(|detail| !detail.is_empty())
        );
        let topic = copy
            .header("livebridge-topic")
            .expect("the topic that it was meant for");
        assert!(
            [world.topics.of("recording"), world.topics.of("unknown")].contains(&topic),
            "{topic}"
        );
        let text = String::from_utf8_lossy(&copy.value);
        let t = copy.json()["t"].as_u64();
        if let Some(t) = t {
            assert!(
                !text.contains(&callback::sign(callback::KEY, t)),
                "a signature to forge with: {text}"
            );
        }
    }
}

#[test]
fn a_retry_signed_anew_is_one_message() {
    let mut world = World::new();
    let body = r#"{"event_type":100,"stream_id":"s1"}"#;
    let t = callback::fresh_t();
    for t in [t, t - 60, t - 120] {
        world.accept(&signed_at(body, t));
    }
    let published = world.published();
    let [message] = &published["recording"][..] else {
        panic!("{} messages", published["recording"].len());
    };
    assert_eq!(message.ce_id(), "8169080668a72683e9874873642f312f");
    let count = |outcome| {
        world
            .relay
            .metrics()
            .count("livebridge_callbacks_total", &[outcome])
    };
    assert_eq!(
        (
            count(r#"outcome="accepted""#),
            count(r#"outcome="duplicate""#)
        ),
        (1, 2)
    );
}

#[test]
fn a_late_callback_says_by_how_much() {
    let mut world = World::new();
    let traced = format!(
        "POST /callbacks/tencent HTTP/1.1\r\nhost: relay\r\ntraceparent: {TRACE}\r\ncontent-length: "
    );
    let body = signed_at(&callback::recording("late", 1), callback::now() - 300);
    let request = format!("{traced}{}\r\n\r\n{body}", body.len());
    assert_eq!(
        world.relay.client().ask(request.as_bytes()).unwrap().status,
        200
    );
    let published = world.published();
    let [message] = &published["recording"][..] else {
        panic!("{} messages", published["recording"].len());
    };
    assert_headers(
        message,
        "recording.file",
        Some("late"),
        Some(1_642_089_598_618),
        &["ce_expiredby", "traceparent"],
    );
    assert_eq!(message.header("traceparent"), Some(TRACE));
    let by: u64 = message.header("ce_expiredby").unwrap().parse().unwrap();
    assert!((300..330).contains(&by), "{by}");
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn nothing_forged_or_malformed_gets_in() {
    let mut world = World::new();
    let good = callback::recording("s1", 1);
    let t = callback::fresh_t();
    let with =
        |t: &str, sign: &str| good.replacen('{', &format!(r#"{{"t":{t},"sign":"{sign}","#), 1);
    let sign = callback::sign(callback::KEY, t);
    let refused = [
        (401, good.clone()),
        (401, with(&t.to_string(), &callback::sign("another-key", t))),
        (401, with(&(t + 1).to_string(), &sign)),
        (401, with(&t.to_string(), &sign[..31])),
        (401, with(&format!("{t}.0"), &sign)),
        (401, signed_at(&good, callback::now() - 1300)),
        (401, signed_at(&good, callback::now() + 600 + 1300)),
        (400, String::new()),
        (400, "[]".into()),
        (400, format!("{} {{}}", signed(&good))),
        (
            400,
            signed(&good).replacen('{', r#"{"stream_id":"twice","#, 1),
        ),
    ];
    for (status, body) in &refused {
        let answer = world.relay.post(body);
        assert_eq!(answer.status, *status, "{body}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{body}"
        );
        assert!(!answer.text().contains(&sign), "{}", answer.text());
    }
    let mut client = world.relay.client();
    let mut status = |method: &str, path: &str, length: usize| {
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: relay\r\ncontent-length: {length}\r\n\r\n");
        client.ask(head.as_bytes()).unwrap().status
    };
    assert_eq!(status("POST", "/callbacks/nobody", 2_000_000), 404);
    assert_eq!(status("PUT", "/callbacks/tencent", 2_000_000), 405);
    assert_eq!(status("POST", "/callbacks/tencent", 2_000_000), 413);
    let published = world.published();
    assert_eq!(published.values().map(Vec::len).sum::<usize>(), 0);
    let metrics = world.relay.metrics();
    let failures = |reason| metrics.count("livebridge_signature_failures_total", &[reason]);
    assert_eq!(failures(r#"reason="mismatch""#), 2);
    assert_eq!(failures(r#"reason="missing""#), 1);
    assert_eq!(failures(r#"reason="malformed""#), 2);
    assert_eq!(failures(r#"reason="expired""#), 1);
    assert_eq!(failures(r#"reason="future""#), 1);
}

#[test]
fn a_family_that_is_off_is_answered_and_not_kept() {
    let mut world = World::with(|relay| relay.set("topics.stream", "\"off\""));
    world.accept(&signed(r#"{"event_type":1,"stream_id":"s1"}"#));
    world.accept(&signed(&callback::recording("s1", 1)));
    let published = world.published();
    assert_eq!(
        (published["stream"].len(), published["recording"].len()),
        (0, 1)
    );
    let ignored = world
        .relay
        .metrics()
        .count("livebridge_callbacks_total", &[r#"outcome="ignored""#]);
    assert_eq!(ignored, 1);
}
