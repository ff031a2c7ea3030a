//! What must be true in the evening, whatever happened during the day.

use super::senders::{Callback, Kind};
use crate::publish::simulation::kafka::{Item, Kafka, Place};
use std::collections::{BTreeMap, BTreeSet};

/// Panics with what was broken.
pub(super) fn check(callbacks: &[Callback], kafka: &Kafka, quarantine: &[String]) {
    let sent: BTreeMap<&str, &Callback> = callbacks.iter().map(|c| (c.id.as_str(), c)).collect();
    let mut seqs = BTreeMap::new();
    let mut published = BTreeSet::new();
    for (place, log) in kafka.log() {
        for item in log {
            let id = ce_id(item);
            let callback = sent
                .get(id)
                .unwrap_or_else(|| panic!("{id} was never sent"));
            nothing_is_invented(callback, place, item);
            let other = seqs.insert(item.ticket.seq(), id);
            let same = other.is_none_or(|other| other == id);
            assert!(same, "two callbacks have the number {}", item.ticket.seq());
            published.insert(id);
        }
        in_order(place, log, &sent);
    }
    for callback in callbacks.iter().filter(|c| c.is_owed()) {
        let id = callback.id.as_str();
        let aside = quarantine.iter().any(|file| file.contains(id));
        match callback.kind {
            Kind::Plain => assert!(
                published.contains(id) && !aside,
                "{} was answered 200 and is not in Kafka (aside: {aside})",
                callback.number()
            ),
            Kind::Poison | Kind::Untypable => assert!(
                aside,
                "{} was answered 200 and is not in the quarantine",
                callback.number()
            ),
            Kind::Forged => panic!("{id} was taken"),
        }
    }
    for file in quarantine {
        let known = callbacks.iter().find(|c| file.contains(&c.id));
        let known = known.unwrap_or_else(|| panic!("{file} was never sent"));
        assert!(matches!(known.kind, Kind::Poison | Kind::Untypable));
    }
}

fn ce_id(item: &Item) -> &str {
    let mut headers = item.message.headers.iter();
    let (_, id) = headers.find(|(name, _)| *name == "ce_id").unwrap();
    str::from_utf8(id).unwrap()
}

fn nothing_is_invented(callback: &Callback, place: &Place, item: &Item) {
    let id = &callback.id;
    assert_eq!(callback.kind, Kind::Plain, "{id} was published");
    assert_eq!(callback.topic, Some(place.0.as_str()), "{id}");
    assert_eq!(callback.stream.as_bytes(), place.1, "{id}");
    let value: serde_json::Value = serde_json::from_slice(&item.message.payload).unwrap();
    assert_eq!(value["number"], callback.number(), "{id}");
    assert!(value.get("sign").is_none(), "{id}");
}

/// First occurrences are in the durable order; and whatever was answered before another was first sent is before it.
fn in_order(place: &Place, log: &[Item], sent: &BTreeMap<&str, &Callback>) {
    let mut seen = BTreeSet::new();
    let firsts: Vec<&Item> = log.iter().filter(|item| seen.insert(ce_id(item))).collect();
    let seqs: Vec<u64> = firsts.iter().map(|item| item.ticket.seq().0).collect();
    assert!(seqs.is_sorted(), "{place:?}: {seqs:?}");
    let firsts: Vec<&Callback> = firsts.iter().map(|item| sent[ce_id(item)]).collect();
    let mut latest = 0;
    for callback in firsts {
        let answered = callback.answered.unwrap_or(u64::MAX);
        assert!(
            answered >= latest,
            "{place:?}: {} was answered before the one before it was sent",
            callback.number()
        );
        latest = latest.max(callback.first_sent);
    }
}
