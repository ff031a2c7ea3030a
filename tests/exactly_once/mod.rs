//! What the tests of exactly-once share.

use std::{collections::BTreeMap, time::Duration};
use support::{
    callback,
    kafka::Broker,
    load::Journal,
    oracle::{self, Findings},
    reader,
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
    let findings = oracle::check(journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(findings.duplicates, 0, "{findings:?}");
    findings
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
