//! What the tests of exactly-once share.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};
use support::{
    callback,
    kafka::Broker,
    load::Journal,
    oracle::{self, Findings},
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
pub(crate) fn relay(broker: &Broker, topics: &Topics) -> Relay {
    Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        topics,
    )
    .set("delivery", "\"exactly-once\"")
}

/// Nothing missing, nothing twice.
#[track_caller]
pub(crate) fn check(broker: &Broker, topics: &Topics, journal: &Journal) -> Findings {
    let names: Vec<_> = topics
        .names()
        .into_iter()
        .filter(|name| *name != topics.of("checkpoint"))
        .collect();
    let messages = reader::read_committed(&broker.bootstrap(), &names);
    let findings = oracle::check(journal, &messages).unwrap_or_else(|faults| {
        let all = reader::read(&broker.bootstrap(), &names);
        panic!("{faults}\n{}", places(&all, &messages))
    });
    assert_eq!(findings.duplicates, 0, "{findings:?}");
    findings
}

/// Where everything lies, aborted or not: what is missing was aborted, or was never there.
fn places(all: &[Message], committed: &[Message]) -> String {
    let committed: HashSet<_> = committed.iter().map(place).collect();
    let lines = all.iter().map(|message| {
        let key = message.key_text().unwrap_or("?");
        let fate = if committed.contains(&place(message)) {
            "committed"
        } else {
            "aborted"
        };
        let (topic, partition, offset) = place(message);
        let id = message.ce_id();
        format!(
            "{topic}/{partition} {offset}: {key} {id} at {} {fate}",
            message.timestamp
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn place(message: &Message) -> (&str, i64, i64) {
    (&message.topic, message.partition, message.offset)
}

/// Posts the callbacks of these numbers to a stream; each must be answered 200.
#[track_caller]
pub(crate) fn post(
    relay: &Relay,
    journal: &mut Journal,
    stream: &str,
    numbers: std::ops::Range<u64>,
) {
    for number in numbers {
        let body = callback::signed(&callback::recording(stream, number));
        let answer = relay.post(&body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let sent = journal.0.entry(stream.into()).or_default();
        sent.push((number, true));
    }
}

pub(crate) fn empty() -> Journal {
    Journal(BTreeMap::new())
}
