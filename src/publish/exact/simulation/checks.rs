//! What must hold: of one relay at any moment, and in the end.

use super::{
    Kafka, Relay, World,
    coordinator::{is_in_stuck_partition, is_poison},
};
use std::collections::{BTreeMap, BTreeSet};

impl Relay {
    /// `livebridge_published_total`, of all topics.
    pub(super) fn published(&self) -> u64 {
        self.sum_of("livebridge_published_total")
    }

    fn sum_of(&self, name: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metrics = family.map(|family| family.get_metric()).unwrap_or_default();
        let values = metrics.iter().map(|m| m.get_counter().get_value());
        values.sum::<f64>() as u64
    }

    /// recovered + accepted = published + quarantined + pending
    pub(super) fn check_the_identity(&self, seed: u64) {
        let mut counted = self.publisher.left().records;
        // They no longer count as recovered.
        counted += self.disk.lock().unwrap().found_settled;
        counted += self.published() + self.sum_of("livebridge_quarantined_total");
        assert_eq!(counted, self.taken, "seed {seed}");
    }

    /// What the rival holds may be lost with it: before this spool is adopted, only what is published is settled.
    pub(super) fn check_what_it_keeps(&self, kafka: &Kafka, seed: u64) {
        let disk = self.disk.lock().unwrap();
        let published: BTreeSet<u64> = kafka.log.values().flatten().copied().collect();
        for (record, _) in &disk.records {
            let number = record.received_number();
            let settled = record.seq <= disk.checkpoint.of(record.envelope.family);
            assert!(
                !settled || published.contains(&number) || disk.aside.contains(&number),
                "seed {seed}: {number} is settled, and nowhere"
            );
        }
    }
}

impl World {
    /// Each record once, in the order of its spool, in each partition; what can't be taken aside.
    pub(super) fn check(&mut self) {
        let seed = self.seed;
        for relay in &mut self.relays {
            relay.publisher.close(relay.now).unwrap();
        }
        let kafka = self.kafka.lock().unwrap();
        let mut times: BTreeMap<u64, usize> = BTreeMap::new();
        for number in kafka.log.values().flatten() {
            *times.entry(*number).or_default() += 1;
        }
        let mut aside = BTreeSet::new();
        for relay in &self.relays {
            aside.extend(relay.disk.lock().unwrap().aside.iter().copied());
        }
        let mut accepted = BTreeSet::new();
        for relay in &self.relays {
            let disk = relay.disk.lock().unwrap();
            accepted.extend(disk.records.iter().map(|(r, _)| r.received_number()));
        }
        for number in accepted {
            let expected = usize::from(!is_poison(number));
            let found = times.get(&number).copied().unwrap_or_default();
            assert_eq!(
                found, expected,
                "seed {seed}: {number} is committed {found} times"
            );
            assert_eq!(
                aside.contains(&number),
                is_poison(number),
                "seed {seed}: {number}"
            );
        }
        for relay in &self.relays {
            let disk = relay.disk.lock().unwrap();
            let end = disk.records.len() as u64;
            assert_eq!(disk.checkpoint.least().0, end, "seed {seed}");
            for (topic, log) in &kafka.log {
                let own: Vec<_> = disk.records.iter().map(|(r, _)| r.accepted_at.0).collect();
                // There is no order between partitions: what was stuck for a moment may come later in its transaction.
                for stuck in [false, true] {
                    let seen = log.iter().filter(|n| own.contains(n));
                    let seen: Vec<_> = seen
                        .filter(|n| is_in_stuck_partition(**n) == stuck)
                        .collect();
                    assert!(seen.is_sorted(), "seed {seed}: {topic} {seen:?}");
                }
            }
            drop(disk);
            assert_eq!(relay.publisher.left().records, 0, "seed {seed}");
            relay.check_the_identity(seed);
        }
    }
}
