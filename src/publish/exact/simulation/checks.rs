//! What must hold of one relay at any moment.

use super::{Kafka, Relay};
use std::collections::BTreeSet;

impl Relay {
    /// recovered + accepted = published + quarantined + pending
    pub(super) fn check_the_identity(&self, seed: u64) {
        let mut counted = self.publisher.left().records;
        for family in self.registry.gather() {
            if ["livebridge_published_total", "livebridge_quarantined_total"]
                .contains(&family.name())
            {
                let values = family
                    .get_metric()
                    .iter()
                    .map(|m| m.get_counter().get_value());
                counted += values.sum::<f64>() as u64;
            }
        }
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
