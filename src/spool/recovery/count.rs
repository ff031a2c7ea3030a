//! What follows from what was taken over: numbers that are lost, records that are pending, the dedup window.

use super::Recovered;
use crate::{
    callback::names::SourceName,
    clock::Millis,
    config::Dedup,
    spool::{disk::Disk, record::Seq, scan::Verdict, segment::Name, shared, view::Missing},
};
use std::{io, sync::Arc};

impl Recovered {
    /// Numbers that were acknowledged and are gone. Those that were settled already are told, not counted.
    pub(super) fn count_lost(&mut self, names: &[Name], verdicts: &[Verdict]) {
        let least = self.checkpoint.settled().least();
        for (name, verdict) in names.iter().zip(verdicts) {
            for lost in &verdict.lost {
                let pending = lost.end.saturating_sub(lost.start.max(least.next().0));
                self.corrupt_records += pending;
                self.damage.push(format!(
                    "{name}: records {} to {} are not there, {pending} of them not settled",
                    lost.start,
                    lost.end - 1
                ));
            }
        }
    }

    pub(super) fn count_pending(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let mut held = Vec::new();
        while let Err(Missing(summary)) = self.view.recount(&held) {
            held.push((summary.name, Arc::new(shared::load(disk, &summary)?)));
        }
        Ok(())
    }

    pub(super) fn rebuild_window(
        &mut self,
        disk: &dyn Disk,
        dedup: Dedup,
        now: Millis,
    ) -> io::Result<()> {
        let now = now.max(self.last_accepted);
        let young = self.view.younger_than(now, dedup.window);
        for closed in young {
            let summary = &closed.summary;
            let entries = match closed.entries {
                Some(entries) => entries,
                None => Arc::new(shared::load(disk, summary)?),
            };
            let places: Vec<u16> = summary.sources.iter().map(|s| self.place_of(s)).collect();
            for entry in entries
                .iter()
                .filter(|e| now.since(e.accepted_at) < dedup.window)
            {
                if let Some(source) = places.get(usize::from(entry.source)) {
                    self.window
                        .insert(*source, entry.ce_id, entry.seq, entry.accepted_at);
                }
            }
        }
        Ok(())
    }

    fn place_of(&mut self, source: &SourceName) -> u16 {
        let known = self.sources.iter().position(|s| s == source);
        let place = known.unwrap_or_else(|| {
            self.sources.push(source.clone());
            self.sources.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// The number after everything that was ever given out.
    pub(in crate::spool) const fn next_seq(&self) -> Seq {
        self.view.durable().next()
    }
}
