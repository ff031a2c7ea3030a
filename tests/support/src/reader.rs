//! What any consumer sees: topics read from beginning to end by Kafka's own Java client.

use crate::{kafka, process};
use std::{collections::BTreeMap, path::PathBuf, process::Command};

/// One record of a topic.
#[derive(Debug, Clone)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// Where it lies.
    pub partition: i64,
    /// Where Java's default partitioner would have put it; -1 without a key.
    pub java_partition: i64,
    /// Its place in the partition.
    pub offset: i64,
    /// Kafka's own timestamp, in ms.
    pub timestamp: i64,
    /// The key, if it has one.
    pub key: Option<Vec<u8>>,
    /// The value as bytes.
    pub value: Vec<u8>,
    /// The headers in order, names as they are; a name twice would show.
    pub headers: Vec<(String, String)>,
}

impl Message {
    /// The value of a header, if there is exactly one of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// The value as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.value)
            .unwrap_or_else(|e| panic!("{e} in the value {}", String::from_utf8_lossy(&self.value)))
    }

    /// The key as text.
    pub fn key_text(&self) -> Option<&str> {
        std::str::from_utf8(self.key.as_deref()?).ok()
    }

    /// The number that all copies of one callback share.
    #[track_caller]
    pub fn ce_id(&self) -> &str {
        self.header("ce_id").expect("one ce_id a message")
    }
}

/// All messages of these topics, in the order of their offsets within each partition.
#[track_caller]
pub fn read<T: AsRef<str>>(bootstrap: &str, topics: &[T]) -> Vec<Message> {
    read_isolated(bootstrap, "read_uncommitted", topics)
}

/// The same without what was aborted: what a reader sees that asks for committed messages only.
#[track_caller]
pub fn read_committed<T: AsRef<str>>(bootstrap: &str, topics: &[T]) -> Vec<Message> {
    read_isolated(bootstrap, "read_committed", topics)
}

#[track_caller]
fn read_isolated<T: AsRef<str>>(bootstrap: &str, isolation: &str, topics: &[T]) -> Vec<Message> {
    let compiled = classes("reader", "Reader", include_str!("Reader.java"));
    let mut java = kafka::java("64m", "512m");
    java.arg("-cp")
        .arg(kafka::class_path(&[compiled]))
        .args(["Reader", bootstrap, isolation])
        .args(topics.iter().map(AsRef::as_ref));
    let out = process::run("read the topics back with Kafka's own client", &mut java);
    let text = String::from_utf8(out).expect("the reader prints UTF-8");
    let mut messages: Vec<_> = text.lines().map(parse).collect();
    messages
        .sort_by(|a, b| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
    messages
}

/// The messages by topic; a topic without any is there, empty.
pub fn by_topic<T: AsRef<str>>(bootstrap: &str, topics: &[T]) -> BTreeMap<String, Vec<Message>> {
    let mut map: BTreeMap<String, Vec<Message>> = topics
        .iter()
        .map(|t| (t.as_ref().to_owned(), Vec::new()))
        .collect();
    for message in read(bootstrap, topics) {
        map.entry(message.topic.clone()).or_default().push(message);
    }
    map
}

fn parse(line: &str) -> Message {
    let json: serde_json::Value = serde_json::from_str(line).expect("the reader prints JSON");
    let bytes = |value: &serde_json::Value| {
        value
            .as_str()
            .map(|text| hex::decode(text).expect("the reader prints hex"))
    };
    let number = |name: &str| json[name].as_i64().expect("the reader prints numbers");
    Message {
        topic: json["topic"].as_str().expect("a topic").into(),
        partition: number("partition"),
        java_partition: number("expected_partition"),
        offset: number("offset"),
        timestamp: number("timestamp"),
        key: bytes(&json["key"]),
        value: bytes(&json["value"]).unwrap_or_default(),
        headers: json["headers"]
            .as_array()
            .expect("headers")
            .iter()
            .map(|pair| {
                let name = pair[0].as_str().expect("a header's name").to_owned();
                let value = bytes(&pair[1]).unwrap_or_default();
                (name, String::from_utf8_lossy(&value).into_owned())
            })
            .collect(),
    }
}

/// The directory with this compiled class; it is compiled once.
pub(crate) fn classes(dir: &str, class: &str, source: &str) -> PathBuf {
    kafka::once(dir, source, |dir| {
        let file = dir.join(format!("{class}.java"));
        std::fs::write(&file, source).expect("the source");
        let mut javac = Command::new("javac");
        javac
            .arg("-cp")
            .arg(kafka::class_path(&[]))
            .arg("-d")
            .arg(dir)
            .arg(&file);
        process::run("compile what is in Java (is a JDK installed?)", &mut javac);
    })
}
