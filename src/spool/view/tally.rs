//! How much is pending, and from where on: counted exactly, from summaries where a segment is wholly on one side, from entries
//! where it isn't.

use super::{Closed, Held, Missing, View};
use crate::{
    callback::names::Family,
    clock::Millis,
    spool::{index::Entry, lineage::Written, outlet::Settled, record::Seq, segment},
};
use std::sync::Arc;

impl View {
    /// Who wrote what the log holds, in order.
    pub(in crate::spool) fn written(&self) -> Vec<Written> {
        let closed = self.closed.iter().map(|c| &*c.summary);
        let all = closed.chain(self.active.as_ref().map(|a| &a.summary));
        let mut runs: Vec<Written> = Vec::new();
        for summary in all.filter(|s| s.through >= s.from) {
            match runs.last_mut() {
                Some(run) if run.by == summary.instance => run.through = summary.through,
                _ => runs.push(Written {
                    by: summary.instance,
                    from: summary.from,
                    through: summary.through,
                }),
            }
        }
        runs
    }

    /// Counts what is pending, from nothing. To be called once, after recovery.
    pub(in crate::spool) fn recount(&mut self, held: &Held) -> Result<(), Missing> {
        for family in Family::ALL {
            let count = self.count(*family, self.settled.of(*family), self.durable, held)?;
            if let Some(pending) = self.pending.get_mut(usize::from(family.code())) {
                *pending = count;
            }
        }
        let first = if self.pending() == 0 {
            None
        } else {
            self.first_after(self.settled.least(), held)?
        };
        self.settled_place = first.map_or(self.end, |(place, _)| place);
        self.oldest_pending = first.map(|(_, at)| at);
        Ok(())
    }

    /// Takes over a synced checkpoint.
    pub(in crate::spool) fn settle(&mut self, new: &Settled, held: &Held) -> Result<(), Missing> {
        let mut pending = self.pending;
        for (family, pending) in Family::ALL.iter().zip(&mut pending) {
            let (old, new) = (self.settled.of(*family), new.of(*family));
            *pending = pending.saturating_sub(self.count(*family, old, new, held)?);
        }
        let mut settled = self.settled;
        Family::ALL
            .iter()
            .for_each(|f| settled.advance(*f, new.of(*f)));
        let first = if pending.iter().all(|n| *n == 0) {
            None
        } else {
            self.first_after(settled.least(), held)?
        };
        self.pending = pending;
        self.settled = settled;
        self.settled_place = first.map_or(self.end, |(place, _)| place);
        self.oldest_pending = first.map(|(_, at)| at);
        Ok(())
    }

    /// Records of a family above `after`, up to and including `through`.
    pub(in crate::spool) fn count(
        &self,
        family: Family,
        after: Seq,
        through: Seq,
        held: &Held,
    ) -> Result<u64, Missing> {
        let mut count = 0;
        if after >= through {
            return Ok(0);
        }
        let start = self.closed.partition_point(|c| c.summary.through <= after);
        for closed in self.closed.range(start..) {
            if closed.summary.from > through {
                break;
            }
            let of = closed.summary.family(family);
            if of.count == 0 || of.last <= after || of.first > through {
                continue;
            }
            count += if of.first > after && of.last <= through {
                of.count
            } else {
                count_in(entries_of(closed, held)?, family, after, through)
            };
        }
        let active = self.active.as_ref().map_or(&[][..], |a| &a.entries);
        Ok(count + count_in(active, family, after, through))
    }

    /// The first record after this one: its place in the log, and when it was accepted.
    fn first_after(&self, after: Seq, held: &Held) -> Result<Option<(u64, Millis)>, Missing> {
        let found = |base: u64, entries: &[Entry]| {
            let at = entries.partition_point(|e| e.seq <= after);
            entries.get(at).map(|e| {
                (
                    base + e.offset.saturating_sub(segment::HEADER as u64),
                    e.accepted_at,
                )
            })
        };
        let start = self.closed.partition_point(|c| c.summary.through <= after);
        for closed in self.closed.range(start..) {
            if closed.summary.records > 0
                && let Some(first) = found(closed.base, entries_of(closed, held)?)
            {
                return Ok(Some(first));
            }
        }
        Ok(self.active.as_ref().and_then(|a| found(a.base, &a.entries)))
    }
}

fn entries_of<'a>(closed: &'a Closed, held: &'a Held) -> Result<&'a [Entry], Missing> {
    let name = closed.summary.name;
    let held = held
        .iter()
        .find(|(of, _)| *of == name)
        .map(|(_, entries)| entries);
    closed
        .entries
        .as_ref()
        .or(held)
        .map(|entries| entries.as_slice())
        .ok_or_else(|| Missing(Arc::clone(&closed.summary)))
}

fn count_in(entries: &[Entry], family: Family, after: Seq, through: Seq) -> u64 {
    let start = entries.partition_point(|e| e.seq <= after);
    entries
        .iter()
        .skip(start)
        .take_while(|e| e.seq <= through)
        .filter(|e| e.family == family)
        .count() as u64
}
