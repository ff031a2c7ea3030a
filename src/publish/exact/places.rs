//! Where the records of a transaction lie: there a reader of committed messages sees them once it is committed. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// First and last offset of records that follow each other.
pub(super) type Stretch = (i64, i64);

/// Offsets by topic and partition. As JSON: `{"live.recording": {"3": [[17, 21], [25, 25]]}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Places(BTreeMap<String, BTreeMap<i32, Vec<Stretch>>>);

impl Places {
    /// One more record lies there.
    pub fn note(&mut self, topic: &str, partition: i32, offset: i64) {
        let partitions = match self.0.get_mut(topic) {
            Some(partitions) => partitions,
            None => self.0.entry(topic.into()).or_default(),
        };
        let stretches = partitions.entry(partition).or_default();
        match stretches.last_mut() {
            Some((_, last)) if *last + 1 == offset => *last = offset,
            Some((_, last)) if *last >= offset => {
                // Partitions ack in order; this is for the day when one doesn't.
                stretches.push((offset, offset));
                stretches.sort_unstable();
            }
            _ => stretches.push((offset, offset)),
        }
    }

    /// Each partition with its stretches, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, &[Stretch])> {
        self.0.iter().flat_map(|(topic, partitions)| {
            let of_topic = partitions.iter();
            of_topic.map(move |(partition, of)| (topic.as_str(), *partition, of.as_slice()))
        })
    }

    /// Each partition with its last offset.
    pub fn lasts(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.iter().filter_map(|(topic, partition, stretches)| {
            stretches.last().map(|(_, last)| (topic, partition, *last))
        })
    }

    /// Whether a record of it lies there.
    #[must_use]
    pub fn contains(&self, topic: &str, partition: i32, offset: i64) -> bool {
        let stretches = self.0.get(topic).and_then(|of| of.get(&partition));
        let holds = |(first, last): &Stretch| (*first..=*last).contains(&offset);
        stretches.is_some_and(|stretches| stretches.iter().any(holds))
    }

    /// Without what lies in this partition.
    pub fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.0.get_mut(topic) {
            partitions.remove(&partition);
        }
    }

    /// With what lies in others.
    pub fn extend(&mut self, others: &Self) {
        for (topic, partition, stretches) in others.iter() {
            let partitions = self.0.entry(topic.into()).or_default();
            let own = partitions.entry(partition).or_default();
            own.extend_from_slice(stretches);
            own.sort_unstable();
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let mut places = Places::default();
        for offset in [17, 18, 20, 21, 5] {
            places.note("a", 3, offset);
        }
        places.note("b", 0, 0);
        places
    }

    #[test]
    fn what_follows_each_other_is_one_stretch_in_whatever_order_it_was_noted() {
        let all: Vec<_> = places()
            .iter()
            .map(|(topic, partition, of)| (topic.to_owned(), partition, of.to_vec()))
            .collect();
        let of_a = vec![(5, 5), (17, 18), (20, 21)];
        assert_eq!(all, [("a".into(), 3, of_a), ("b".into(), 0, vec![(0, 0)])]);
        let lasts: Vec<_> = places().lasts().map(|(_, _, last)| last).collect();
        assert_eq!(lasts, [21, 0]);
        assert!(places().contains("a", 3, 20) && !places().contains("a", 3, 19));
        assert!(!places().contains("a", 2, 20) && !places().contains("c", 3, 20));
    }

    #[test]
    fn what_lies_elsewhere_now_takes_the_place_of_what_is_gone() {
        let mut changed = places();
        changed.remove("a", 3);
        let mut others = Places::default();
        others.note("a", 3, 40);
        others.note("b", 0, 1);
        changed.extend(&others);
        let json = serde_json::to_string(&changed).unwrap();
        assert_eq!(json, r#"{"a":{"3":[[40,40]]},"b":{"0":[[0,0],[1,1]]}}"#);
        assert_eq!(serde_json::from_str::<Places>(&json).unwrap(), changed);
        changed.remove("a", 3);
        changed.remove("b", 0);
        assert!(changed.is_empty());
    }
}
