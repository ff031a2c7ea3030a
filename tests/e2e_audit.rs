//! `livebridge audit` on a real broker: nothing to say where all is well, and each fault by number, id and place where not.
//!
//! What was published is copied, message by message, into other topics, with faults put in on the way; the audit is then told
//! that those are the relay's topics.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is missing in a test is a failure of it"
)]

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};
use support::{
    callback::{recording, signed},
    kafka::Broker,
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
    wait,
};

const BINARY: &str = env!("CARGO_BIN_EXE_livebridge");
const SETTLE: Duration = Duration::from_secs(300);
const PARTITIONS: i32 = 2;

/// Kind, number, partition, offset, detail.
type Found = (String, u64, Option<i64>, Option<i64>, String);

/// What the audit said.
struct Seen {
    code: i32,
    text: String,
    err: String,
}

impl Seen {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.text, self.err))
    }

    /// Kind, number, partition and offset of each finding, and what is said besides.
    #[track_caller]
    fn findings(&self) -> Vec<Found> {
        let json = self.json();
        let findings = json["findings"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        findings
            .map(|f| {
                assert!(
                    f["ce_id"].as_str().unwrap().len() == 32 && f["stream"].is_string(),
                    "{f}"
                );
                let place = (f["partition"].as_i64(), f["offset"].as_i64());
                (
                    text(&f["kind"]),
                    f["seq"].as_u64().unwrap(),
                    place.0,
                    place.1,
                    text(&f["detail"]),
                )
            })
            .collect()
    }
}

/// With the relay's settings, as far as no line of `instead` replaces one.
fn audit(relay: &Relay, arguments: &[&str], instead: &[(&str, &str)]) -> Seen {
    let own = fs::read_to_string(relay.spool_dir().with_file_name("livebridge.toml")).unwrap();
    let kept = own.lines().filter(|line| {
        let key = line.split(" = ").next().unwrap();
        instead.iter().all(|(replaced, _)| *replaced != key)
    });
    let replaced = instead
        .iter()
        .map(|(key, value)| format!("{key} = \"{value}\""));
    let lines: Vec<String> = kept.map(str::to_owned).chain(replaced).collect();
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("audit.toml");
    fs::write(&settings, lines.join("\n")).unwrap();
    run(&settings, arguments)
}

fn run(settings: &Path, arguments: &[&str]) -> Seen {
    let output = Command::new(BINARY)
        .args(["audit", "--since", "1h", "--config"])
        .arg(settings)
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    Seen {
        code: output.status.code().unwrap(),
        text: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn accept(relay: &Relay, body: &str) {
    assert_eq!(relay.post(&signed(body)).status, 200);
}

/// The number of each record in the spool, by its id.
fn numbers(relay: &Relay) -> BTreeMap<String, u64> {
    let cat = relay.command(&["spool", "cat", "--json"]);
    let record = |line: &str| {
        let json: Value = serde_json::from_str(line).unwrap();
        (
            json["ce_id"].as_str().unwrap().to_owned(),
            json["seq"].as_u64().unwrap(),
        )
    };
    cat.lines().map(record).collect()
}

fn producer(broker: &Broker, transactional: Option<&str>) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    if let Some(id) = transactional {
        config.set("transactional.id", id);
    }
    config.create().unwrap()
}

fn publish(producer: &BaseProducer, topic: &str, messages: &[Message]) {
    for message in messages {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &message.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        let mut record = BaseRecord::<Vec<u8>, _>::to(topic)
            .partition(i32::try_from(message.partition).unwrap())
            .payload(&message.value)
            .headers(headers);
        if let Some(key) = &message.key {
            record = record.key(key);
        }
        producer.send(record).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(SETTLE).unwrap();
}

/// A new topic with these messages in this order.
fn copy(broker: &Broker, messages: &[Message], settings: &[(&str, &str)]) -> String {
    let topic = Topics::named().of("recording").to_owned();
    broker.create_topics(&[&topic], PARTITIONS, settings);
    publish(&producer(broker, None), &topic, messages);
    topic
}

fn delete_records(broker: &Broker, topic: &str, partition: i32, before: i64) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .create()
        .unwrap();
    let mut places = TopicPartitionList::new();
    places
        .add_partition_offset(topic, partition, Offset::Offset(before))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(admin.delete_records(&places, &AdminOptions::new()))
        .unwrap();
}

/// Those of one partition, in their order.
fn of(messages: &[Message], partition: i64) -> Vec<Message> {
    let own = messages.iter().filter(|m| m.partition == partition);
    own.cloned().collect()
}

#[test]
fn what_is_wrong_in_a_topic_is_found_and_nothing_else() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, PARTITIONS);
    let mut relay = Relay::new(BINARY, &broker.bootstrap(), &topics);
    relay.start();
    for n in 0..60 {
        accept(&relay, &recording(&format!("stream-{}", n % 7), n));
    }
    accept(
        &relay,
        r#"{"event_type":1,"stream_id":"stream-1","event_time":1700000000}"#,
    );
    // Goes to the quarantine: not expected in its topic.
    accept(
        &relay,
        r#"{"event_type":100,"stream_id":"stream-1","duration":[]}"#,
    );
    relay.wait_until_settled(SETTLE);
    let replay = [
        "replay",
        "--since",
        "1h",
        "--stream",
        "stream-2",
        "--dry-run",
    ];
    // What is published stands in the checkpoint a moment after it is counted.
    wait::until("the checkpoint to pass what was published", SETTLE, || {
        let all = relay.command(&replay).contains("would replay 9 record(s)");
        all.then_some(())
    });
    relay.command(&replay[..5]);

    // Beside the running relay, in one pass and in several.
    let well = audit(&relay, &[], &[]);
    assert_eq!(well.code, 0, "{}{}", well.text, well.err);
    assert!(
        well.text
            .contains("nothing is missing, altered, out of order or duplicated"),
        "{}",
        well.text
    );
    for (at_once, several) in [("500000", false), ("25", true)] {
        let well = audit(&relay, &["--json", "--at-once", at_once], &[]);
        assert_eq!((well.code, well.findings()), (0, vec![]), "{}", well.err);
        let report = well.json();
        assert_eq!(report["passes"].as_u64().unwrap() > 1, several, "{report}");
        let recordings = &report["topics"][topics.of("recording")];
        assert_eq!(
            (&report["records"], &recordings["found"]),
            (&62.into(), &60.into()),
            "{report}"
        );
        assert_eq!(
            report["topics"][topics.of("stream")]["found"],
            1,
            "{report}"
        );
        assert_eq!(recordings["replayed"], 9, "{report}");
    }
    let one_stream = audit(
        &relay,
        &[
            "--json",
            "--stream",
            "stream-3",
            "--event",
            "recording.file",
        ],
        &[],
    );
    assert_eq!(one_stream.json()["records"], 9, "{}", one_stream.text);
    let few = audit(&relay, &["--at-once", "1"], &[]);
    assert!(
        few.code == 1 && few.err.contains("--at-once"),
        "{}",
        few.err
    );

    // The rest on the stopped spool.
    relay.terminate();
    assert!(relay.wait_for_exit(SETTLE).success());
    let seqs = numbers(&relay);
    let all = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    let all: Vec<_> = all
        .into_iter()
        .filter(|m| m.header("livebridge-replayed").is_none())
        .collect();
    let seq = |m: &Message| seqs[m.ce_id()];
    assert_eq!(all.len(), 60);
    faults(broker, &relay, &all, &seq);
    forgotten(broker, &relay, &all, &seq);

    let missing = audit(&relay, &[], &[("topics.recording", "no.such.topic")]);
    assert!(
        missing.code == 1 && missing.err.contains("topic no.such.topic is missing"),
        "{}",
        missing.err
    );
}

/// Each kind of fault, once.
fn faults(broker: &Broker, relay: &Relay, all: &[Message], seq: &dyn Fn(&Message) -> u64) {
    let (mut kept, mut other) = (of(all, 0), of(all, 1));
    // Two neighbours of one stream change places: it is the later one that stands before the earlier.
    let early = other[0].clone();
    let late = other
        .iter()
        .position(|m| m.key == early.key && m.offset > early.offset)
        .unwrap();
    other.swap(0, late);
    let swapped = (seq(&other[0]), seq(&early));
    let gone = kept.remove(3);
    let again = kept[1].clone();
    kept.push(again.clone());
    let last = kept[4].value.len() - 2;
    kept[4].value[last] = b'!';
    let altered = kept[4].clone();
    let time = kept[6]
        .headers
        .iter_mut()
        .find(|(name, _)| name == "ce_time");
    time.unwrap().1 = "2001-01-01T00:00:00Z".into();
    let (headed, end) = (kept[6].clone(), i64::try_from(kept.len() - 1).unwrap());
    let topic = copy(broker, &[kept, other].concat(), &[]);

    let instead = [("topics.recording", topic.as_str())];
    let seen = audit(relay, &["--json"], &instead);
    assert_eq!(seen.code, 1, "{}", seen.text);
    let mut expected = [
        ("missing", seq(&gone), None, None, String::new()),
        (
            "altered",
            seq(&altered),
            Some(0),
            Some(4),
            format!("value, from byte {last} on"),
        ),
        (
            "altered",
            seq(&headed),
            Some(0),
            Some(6),
            "header ce_time".into(),
        ),
        (
            "duplicated",
            seq(&again),
            Some(0),
            Some(1),
            "2 times".into(),
        ),
        (
            "out_of_order",
            swapped.0,
            Some(1),
            Some(0),
            format!(
                "before #{} of the same stream, which came earlier and is at {late}",
                swapped.1
            ),
        ),
    ]
    .map(|(kind, seq, partition, offset, words)| (kind.to_owned(), seq, partition, offset, words));
    let mut found = seen.findings();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "{}\nthe duplicate is at {end}", seen.text);
    let text = audit(relay, &[], &instead);
    assert!(
        text.err.contains("1 missing, 2 altered, 1 out of order"),
        "{}",
        text.err
    );
    assert!(
        text.text.contains(&format!(
            "missing  #{}  recording.file  stream ",
            seq(&gone)
        )),
        "{}",
        text.text
    );
    let not_asked = audit(relay, &["--json", "--stream", "stream-nobody"], &instead);
    assert_eq!((not_asked.code, not_asked.findings()), (0, vec![]));
}

/// The beginning of a partition is deleted: a loss, unless the topic's retention may have done it.
fn forgotten(broker: &Broker, relay: &Relay, all: &[Message], seq: &dyn Fn(&Message) -> u64) {
    const GONE: i64 = 4;
    let mut gone: Vec<u64> = of(all, 0).iter().take(4).map(seq).collect();
    gone.sort_unstable();
    for (settings, kind, code) in [
        (&[][..], "missing", 1),
        (&[("retention.bytes", "1000000000")], "untold", 0),
    ] {
        let topic = copy(broker, all, settings);
        delete_records(broker, &topic, 0, GONE);
        let seen = audit(relay, &["--json"], &[("topics.recording", &topic)]);
        let found: Vec<_> = seen.findings().into_iter().map(|f| (f.0, f.1)).collect();
        let expected: Vec<_> = gone.iter().map(|seq| (kind.to_owned(), *seq)).collect();
        assert_eq!((seen.code, found), (code, expected), "{}", seen.text);
    }
}

#[test]
fn with_exactly_once_a_committed_duplicate_is_a_fault_and_an_aborted_one_is_none() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, PARTITIONS).with_checkpoint(broker);
    let mut relay =
        Relay::new(BINARY, &broker.bootstrap(), &topics).set("delivery", "\"exactly-once\"");
    relay.start();
    for n in 0..10 {
        accept(&relay, &recording("stream-1", n));
    }
    relay.wait_until_settled(SETTLE);
    let topic = topics.of("recording");
    let first = reader::read_committed(&broker.bootstrap(), &[topic]).swap_remove(0);
    let stranger = producer(broker, Some(&format!("stranger-of-{topic}")));
    stranger.init_transactions(SETTLE).unwrap();
    stranger.begin_transaction().unwrap();
    publish(&stranger, topic, std::slice::from_ref(&first));
    stranger.abort_transaction(SETTLE).unwrap();
    let well = audit(&relay, &["--json"], &[]);
    assert_eq!(
        (well.code, well.findings()),
        (0, vec![]),
        "{}{}",
        well.text,
        well.err
    );
    assert_eq!(well.json()["isolation"], "read_committed");
    assert_eq!(well.json()["topics"][topic]["found"], 10, "{}", well.text);

    publish(&producer(broker, None), topic, std::slice::from_ref(&first));
    let doubled = audit(&relay, &["--json"], &[]);
    assert_eq!(doubled.code, 1, "{}", doubled.text);
    let found: Vec<_> = doubled.findings().into_iter().map(|f| (f.0, f.4)).collect();
    assert_eq!(found, [("duplicated".into(), "2 times".into())]);
    assert!(doubled.err.contains("1 duplicated"), "{}", doubled.err);
    relay.terminate();
    assert!(relay.wait_for_exit(SETTLE).success());
}
