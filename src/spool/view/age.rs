//! What is young and what is old, by clocks that may have been wrong: a segment can't be younger than those after it. Where one claims
//! to be, the clock was ahead then.

use super::{Closed, View};
use crate::{clock::Millis, spool::index::Summary};
use std::{sync::Arc, time::Duration};

impl View {
    /// Closed segments with a record younger than this, oldest first.
    pub(in crate::spool) fn younger_than(&self, now: Millis, age: Duration) -> Vec<Closed> {
        let mut least = Millis(u64::MAX);
        let mut young: Vec<Closed> = self
            .closed
            .iter()
            .rev()
            .filter(|closed| {
                least = least.min(newest(&closed.summary));
                now.since(least) < age
            })
            .cloned()
            .collect();
        young.reverse();
        young
    }

    pub(in crate::spool) fn last_with_records(&self) -> Option<Closed> {
        let mut closed = self.closed.iter().rev();
        closed.find(|c| c.summary.records > 0).cloned()
    }

    /// When the oldest segment was written last, by the clocks of all that were written since.
    fn oldest_written(&self) -> Option<Millis> {
        let closed = self.closed.iter().map(|c| newest(&c.summary));
        let active = self.active.as_ref().map(|a| newest(&a.summary));
        closed.chain(active).min()
    }

    /// The oldest segment, if it is wholly settled, and old enough or in the way. `other` are bytes on disk besides the log.
    pub(in crate::spool) fn removable(
        &self,
        now: Millis,
        retain: Duration,
        max_bytes: u64,
        other: u64,
        pressed: bool,
    ) -> Option<Arc<Summary>> {
        let oldest = self.closed.front()?;
        let settled = oldest.summary.through <= self.settled.least();
        let due = pressed
            || self
                .oldest_written()
                .is_some_and(|at| now.since(at) >= retain)
            || self.disk_bytes() + other > max_bytes;
        (settled && due).then(|| Arc::clone(&oldest.summary))
    }
}

/// Without a record no time counts.
fn newest(summary: &Summary) -> Millis {
    if summary.records == 0 {
        Millis(u64::MAX)
    } else {
        summary.newest
    }
}
