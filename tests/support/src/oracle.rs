//! Says whether what is in Kafka is what the relay has promised.

use crate::{load::Journal, reader::Message};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What was found where nothing was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Findings {
    /// Distinct callbacks.
    pub callbacks: usize,
    /// Messages that repeat an earlier one.
    pub duplicates: usize,
    /// Callbacks that were never answered 200 and came all the same, as they may.
    pub unanswered: usize,
}

/// What was done to the topic meanwhile, and what can't be asked of it then.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// It got more partitions, and a stream may have moved to another: its order holds in each of them.
    pub repartitioned: bool,
    /// It was deleted and made again: what a stream had in it is gone, everything after that is there.
    pub emptied: bool,
}

/// Checks that nothing answered 200 is missing; that the first occurrences of each stream are in the order of becoming
/// durable; that repetitions share their `ce_id`, and nothing else does; that nothing came that was not sent.
///
/// # Errors
/// Every fault that was found, in words; at most twenty.
pub fn check(journal: &Journal, messages: &[Message]) -> Result<Findings, String> {
    check_after(Done::default(), journal, messages)
}

/// The same after this was done to the topic.
///
/// # Errors
/// As [`check`].
pub fn check_after(
    done: Done,
    journal: &Journal,
    messages: &[Message],
) -> Result<Findings, String> {
    let mut faults = Vec::new();
    let mut streams: BTreeMap<&str, Vec<(u64, &Message)>> = BTreeMap::new();
    for message in messages {
        match number(message) {
            Some(number) => streams
                .entry(message.key_text().unwrap_or(""))
                .or_default()
                .push((number, message)),
            None => faults.push(format!("a message that is no recording: {message:?}")),
        }
    }
    let mut findings = Findings {
        callbacks: 0,
        duplicates: 0,
        unanswered: 0,
    };
    let mut owners = HashMap::new();
    for (&stream, arrived) in &streams {
        let Some(sent) = journal.0.get(stream) else {
            faults.push(format!("stream {stream:?} was never sent"));
            continue;
        };
        one_stream(
            done,
            stream,
            sent,
            arrived,
            &mut owners,
            &mut findings,
            &mut faults,
        );
    }
    for (stream, sent) in &journal.0 {
        let arrived = streams.get(stream.as_str()).map_or(&[][..], Vec::as_slice);
        let there: HashSet<u64> = arrived.iter().map(|(number, _)| *number).collect();
        let answered = sent
            .iter()
            .filter(|(_, answered)| *answered)
            .map(|(n, _)| *n);
        let gone = if done.emptied {
            there.iter().min().copied().unwrap_or_default()
        } else {
            0
        };
        let missing = answered.filter(|n| *n >= gone && !there.contains(n));
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            faults.push(format!(
                "{stream}: answered 200 and not in Kafka: {missing:?}"
            ));
        }
    }
    if faults.is_empty() {
        return Ok(findings);
    }
    let more = faults.len().saturating_sub(20);
    faults.truncate(20);
    Err(format!("{}\n… and {more} more", faults.join("\n")))
}

fn one_stream<'m>(
    done: Done,
    stream: &str,
    sent: &[(u64, bool)],
    arrived: &[(u64, &'m Message)],
    owners: &mut HashMap<&'m str, (String, u64)>,
    findings: &mut Findings,
    faults: &mut Vec<String>,
) {
    let known: HashMap<u64, bool> = sent.iter().copied().collect();
    let mut ids: HashMap<u64, &str> = HashMap::new();
    let mut lasts: HashMap<i64, u64> = HashMap::new();
    for &(number, message) in arrived {
        if message.partition != message.java_partition && !done.repartitioned {
            faults.push(format!("{stream}: {number} is not where Java looks for it"));
        }
        if let Some(&first) = ids.get(&number) {
            findings.duplicates += 1;
            if first != message.ce_id() {
                faults.push(format!("{stream}: {number} came again with another ce_id"));
            }
            continue;
        }
        ids.insert(number, message.ce_id());
        findings.callbacks += 1;
        match known.get(&number) {
            Some(true) => {}
            Some(false) => findings.unanswered += 1,
            None => faults.push(format!("{stream}: {number} was never sent")),
        }
        let place = if done.repartitioned {
            message.partition
        } else {
            0
        };
        let last = lasts.entry(place).or_default();
        if number < *last {
            faults.push(format!("{stream}: {number} came first after {last}"));
        }
        *last = number.max(*last);
        if let Some(other) = owners.insert(message.ce_id(), (stream.into(), number)) {
            faults.push(format!(
                "{stream}: {number} shares its ce_id with {other:?}"
            ));
        }
    }
}

fn number(message: &Message) -> Option<u64> {
    let json = serde_json::from_slice::<serde_json::Value>(&message.value).ok()?;
    (json["stream_id"].as_str() == message.key_text()).then(|| json["media_start_time"].as_u64())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64, id: &str, offset: i64) -> Message {
        Message {
            topic: "t".into(),
            partition: 0,
            java_partition: 0,
            offset,
            timestamp: 0,
            key: Some(b"s".to_vec()),
            value: format!(r#"{{"stream_id":"s","media_start_time":{number}}}"#).into(),
            headers: vec![("ce_id".into(), id.into())],
        }
    }

    fn sent() -> Journal {
        let numbers = vec![(1, true), (2, false), (3, true)];
        Journal([("s".to_owned(), numbers)].into())
    }

    #[test]
    fn repetitions_and_unanswered_ones_are_fine() {
        let arrived = [(1, "a"), (2, "b"), (1, "a"), (3, "c")];
        let messages: Vec<_> = arrived
            .iter()
            .zip(0..)
            .map(|(&(n, id), o)| message(n, id, o))
            .collect();
        let findings = Findings {
            callbacks: 3,
            duplicates: 1,
            unanswered: 1,
        };
        assert_eq!(check(&sent(), &messages), Ok(findings));
    }

    #[test]
    fn after_it_was_made_again_only_what_came_before_may_be_missing() {
        let emptied = Done {
            emptied: true,
            ..Done::default()
        };
        let three = [message(3, "c", 0)];
        assert!(check(&sent(), &three).is_err());
        assert!(check_after(emptied, &sent(), &three).is_ok());
        let one = [message(1, "a", 0)];
        assert!(check_after(emptied, &sent(), &one).is_err());
        assert!(check_after(emptied, &sent(), &[]).is_err());
    }

    #[test]
    fn after_it_got_more_partitions_the_order_is_asked_of_each() {
        let repartitioned = Done {
            repartitioned: true,
            ..Done::default()
        };
        let moved = |from: i64, number, id| Message {
            partition: from,
            ..message(number, id, 0)
        };
        let fine = [moved(0, 3, "c"), moved(1, 1, "a"), moved(1, 2, "b")];
        assert!(check(&sent(), &fine).is_err());
        assert!(check_after(repartitioned, &sent(), &fine).is_ok());
        let wrong = [moved(1, 3, "c"), moved(1, 1, "a")];
        assert!(check_after(repartitioned, &sent(), &wrong).is_err());
    }

    #[test]
    fn every_broken_promise_is_seen() {
        for broken in [
            &[(1, "a"), (2, "b")][..],
            &[(3, "c"), (1, "a")],
            &[(1, "a"), (1, "x"), (3, "c")],
            &[(1, "a"), (3, "a")],
            &[(1, "a"), (3, "c"), (4, "d")],
        ] {
            let messages: Vec<_> = broken
                .iter()
                .zip(0..)
                .map(|(&(n, id), o)| message(n, id, o))
                .collect();
            assert!(check(&sent(), &messages).is_err(), "{broken:?}");
        }
    }
}
