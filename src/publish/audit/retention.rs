//! What a topic may have forgotten without anybody's fault. Pure.

use super::ledger::Facts;
use crate::clock::Millis;
use std::{collections::BTreeMap, time::Duration};

/// How far the relay's clock and the brokers' may be apart.
pub(super) const CLOCKS: Duration = Duration::from_mins(10);

/// What the brokers say about a topic's retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// `retention.ms`; none if it is kept for ever.
    pub time: Option<Duration>,
    /// Whether the oldest goes when there is too much (`retention.bytes`).
    pub by_size: bool,
    /// Whether only the last message of a key stays (`cleanup.policy`).
    pub compacted: bool,
}

/// What was found about one topic.
#[derive(Debug, Clone, Default)]
pub(super) struct TopicFacts {
    /// None: the brokers don't say.
    pub(super) retention: Option<Retention>,
    pub(super) partitions: Vec<Partition>,
}

/// What a partition has forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Partition {
    /// Its first offset.
    pub(super) begins: i64,
    /// Messages sent until then may be gone; none if it has all that was asked for.
    pub(super) gone_until: Option<Millis>,
    /// When the first message was sent that is known to be or to have been there; the end of time if there is none.
    pub(super) known_since: Millis,
}

/// All topics, and the time.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) now: Millis,
    pub(super) topics: BTreeMap<u16, TopicFacts>,
}

impl Facts for Known {
    fn may_be_gone(&self, topic: u16, murmur: Option<u32>, accepted_at: Millis) -> Option<String> {
        let facts = self.topics.get(&topic)?;
        if facts.retention.is_some_and(|r| r.compacted) {
            return Some(
                "the topic is compacted: only the last message of each stream stays".into(),
            );
        }
        let gone = facts.gone_until(murmur, accepted_at)?;
        if !reaches(gone, accepted_at) || facts.keeps(accepted_at, self.now) {
            return None;
        }
        let begin = facts.partitions.iter().map(|p| p.begins).max()?;
        Some(format!(
            "the topic no longer has what was sent when this was (up to offset {begin}): its retention may have removed it"
        ))
    }

    fn lost_beginning(&self, topic: u16, partition: i32, accepted_at: Millis) -> bool {
        let place = usize::try_from(partition).ok();
        let found = self.topics.get(&topic).zip(place);
        found
            .and_then(|(facts, place)| facts.partitions.get(place)?.gone_until)
            .is_some_and(|gone| reaches(gone, accepted_at))
    }
}

/// Whether a message of a record accepted then may be among those sent until `gone`.
fn reaches(gone: Millis, accepted_at: Millis) -> bool {
    let slack = u64::try_from(CLOCKS.as_millis()).unwrap_or(u64::MAX);
    accepted_at.0 <= gone.0.saturating_add(slack)
}

impl TopicFacts {
    /// Of the partition where the key belongs; of the one that has forgotten most without a key, and for a record that may be older
    /// than that partition: there were fewer then, and it went to another.
    fn gone_until(&self, murmur: Option<u32>, accepted_at: Millis) -> Option<Millis> {
        let count = u32::try_from(self.partitions.len()).ok()?;
        let own = murmur.and_then(|hash| usize::try_from(hash.checked_rem(count)?).ok());
        let own = own.and_then(|own| self.partitions.get(own));
        match own.filter(|own| own.known_since <= accepted_at || own.gone_until.is_some()) {
            Some(own) => own.gone_until,
            None => self.partitions.iter().filter_map(|p| p.gone_until).max(),
        }
    }

    /// Whether retention can't have removed a message of a record accepted then: it is too young.
    fn keeps(&self, accepted_at: Millis, now: Millis) -> bool {
        self.retention.is_some_and(|retention| {
            let young = |time| now.since(accepted_at) + CLOCKS < time;
            !retention.by_size && retention.time.is_none_or(young)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn known(retention: Option<Retention>, partitions: &[Option<u64>]) -> Known {
        let partitions = partitions.iter().map(|gone| Partition {
            begins: 7,
            gone_until: gone.map(Millis),
            known_since: Millis(30 * HOUR),
        });
        let facts = TopicFacts {
            retention,
            partitions: partitions.collect(),
        };
        Known {
            now: Millis(100 * HOUR),
            topics: [(0, facts)].into(),
        }
    }

    fn gone(known: &Known, murmur: Option<u32>, accepted: u64) -> bool {
        known.may_be_gone(0, murmur, Millis(accepted)).is_some()
    }

    #[test]
    fn what_retention_may_have_removed_can_not_be_told() {
        let week = Retention {
            time: Some(Duration::from_hours(168)),
            by_size: false,
            compacted: false,
        };
        let day = Retention {
            time: Some(Duration::from_hours(24)),
            ..week
        };
        let sized = Retention {
            by_size: true,
            ..week
        };
        let forgot = [Some(50 * HOUR), None];
        for (retention, murmur, accepted, expected) in [
            (Some(day), Some(2), 40 * HOUR, true),
            // After what is gone.
            (Some(day), Some(2), 51 * HOUR, false),
            // The other partition has everything.
            (Some(day), Some(3), 40 * HOUR, false),
            // That one may not have been there yet.
            (Some(day), Some(3), 29 * HOUR, true),
            // Without a key it may have been in either.
            (Some(day), None, 40 * HOUR, true),
            // Too young for the topic's retention: somebody deleted it.
            (Some(week), Some(2), 40 * HOUR, false),
            (Some(sized), Some(2), 40 * HOUR, true),
            // Nobody says how long the topic keeps.
            (None, Some(2), 40 * HOUR, true),
        ] {
            let known = known(retention, &forgot);
            assert_eq!(
                gone(&known, murmur, accepted),
                expected,
                "{retention:?} {murmur:?} {accepted}"
            );
        }
        let compacted = Retention {
            compacted: true,
            ..week
        };
        assert!(gone(&known(Some(compacted), &[None]), Some(1), 99 * HOUR));
    }

    #[test]
    fn a_partition_that_lost_its_beginning_tells_no_order_for_what_was_sent_until_then() {
        let known = known(None, &[Some(50 * HOUR), None]);
        assert!(known.lost_beginning(0, 0, Millis(50 * HOUR)));
        assert!(!known.lost_beginning(0, 0, Millis(52 * HOUR)));
        assert!(!known.lost_beginning(0, 1, Millis(HOUR)));
        assert!(!known.lost_beginning(0, 2, Millis(HOUR)));
    }
}
