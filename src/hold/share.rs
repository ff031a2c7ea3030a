//! How much of the memory each lane may have: equal shares, so that a topic which takes nothing leaves the others theirs. Pure.

use super::Settings;
use crate::callback::names::Family;

/// Records that wait for Kafka, over all lanes: as many as the publisher's windows hold.
const RECORDS: usize = 32 << 10;

/// What each lane may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// Records.
    pub(super) records: usize,
    /// Bytes of their bodies. Never less than one body may have.
    pub(super) bytes: usize,
    /// The families of each lane.
    pub(super) lanes: Vec<Vec<Family>>,
}

impl Share {
    /// Equal shares for all topics.
    pub(super) fn each(settings: &Settings<'_>) -> Self {
        let lanes = settings.lanes.clone();
        let many = lanes.len().max(1);
        Self {
            records: RECORDS / many,
            bytes: (settings.limits.inflight_bytes / many).max(settings.limits.body_bytes),
            lanes,
        }
    }

    /// The lane of a family.
    pub(super) fn lane(&self, family: Family) -> usize {
        let at = self.lanes.iter().position(|l| l.contains(&family));
        // What is `off` never gets here.
        at.unwrap_or(self.lanes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Dedup, Limits};
    use std::time::Duration;

    #[test]
    fn all_together_hold_no_more_than_is_set_and_each_at_least_one_body() {
        let limits = Limits {
            body_bytes: 1000,
            header_bytes: 1,
            connections: 1,
            connections_per_address: None,
            inflight_requests: 1,
            inflight_bytes: 6000,
        };
        let share = |lanes: Vec<Vec<Family>>| {
            Share::each(&Settings {
                dedup: Dedup {
                    window: Duration::ZERO,
                    max_entries: 1,
                },
                lanes,
                limits: &limits,
                ack_timeout: Duration::ZERO,
            })
        };
        let families = [Family::Recording, Family::RecordingStatus];
        let together = share(vec![families.to_vec(), vec![Family::Stream]]);
        assert_eq!((together.records, together.bytes), (RECORDS / 2, 3000));
        assert_eq!(families.map(|family| together.lane(family)), [0, 0]);
        assert_eq!(together.lane(Family::Stream), 1);
        let apart = share(Family::ALL.iter().map(|family| vec![*family]).collect());
        assert_eq!(apart.bytes, 1000);
        assert_eq!(share(vec![]).bytes, 6000);
    }
}
