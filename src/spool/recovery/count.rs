//! What follows from what was taken over: records that are pending, the dedup window.

use super::Recovered;
use crate::{
    callback::names::SourceName,
    clock::Millis,
    spool::{
        corrupt::CorruptStore,
        disk::{Disk, ReadDisk},
        index::Entry,
        load,
        record::Seq,
        view::{Closed, Missing},
    },
};
use std::{io, sync::Arc};

impl Recovered {
    pub(super) fn count_pending(&mut self, disk: &dyn ReadDisk) -> io::Result<()> {
        let mut held = Vec::new();
        while let Err(Missing(summary)) = self.view.recount(&held) {
            held.push((summary.name, Arc::new(load::entries(disk, &summary)?)));
        }
        Ok(())
    }

    /// As the writer filled it: what is known to be damaged left out, and what a clock that was set right made it forget.
    pub(super) fn rebuild_window(
        &mut self,
        disk: &dyn Disk,
        corrupt: &CorruptStore,
        now: Millis,
    ) -> io::Result<()> {
        let length = self.window.length();
        let last = self.last_time(disk, now)?;
        if last.since(now) > length {
            // The clock was set right since, or isn't yet: what it said then says nothing now.
            self.last_accepted = now;
            return Ok(());
        }
        let now = now.max(last);
        let young = self.view.younger_than(now, length);
        // What is set aside has no place in the window, so it makes none fall out of it.
        let most = (self.window.max_entries() + corrupt.places()) as u64;
        let newest = newest(&young, most);
        let records: u64 = newest.iter().map(|closed| closed.summary.records).sum();
        self.window
            .reserve(usize::try_from(records).unwrap_or(usize::MAX));
        for closed in newest {
            let summary = &closed.summary;
            let entries = entries(disk, closed)?;
            let places: Vec<u16> = summary.sources.iter().map(|s| self.place_of(s)).collect();
            for entry in entries.iter() {
                if entry.accepted_at < self.last_accepted {
                    self.window.clear();
                }
                self.last_accepted = entry.accepted_at;
                let source = places.get(usize::from(entry.source));
                if let Some(source) = source
                    && now.since(entry.accepted_at) < length
                    && !corrupt.covers(summary.name, entry.offset)
                {
                    self.window
                        .insert(*source, entry.ce_id, entry.seq, entry.accepted_at);
                }
            }
        }
        self.last_accepted = self.window.move_on(self.last_accepted, now);
        Ok(())
    }

    /// When the last record was accepted, if that lies ahead of now; else any time that doesn't.
    fn last_time(&self, disk: &dyn ReadDisk, now: Millis) -> io::Result<Millis> {
        match self.view.last_with_records() {
            Some(last) if last.summary.newest > now => {
                let entries = entries(disk, &last)?;
                Ok(entries.last().map_or(now, |entry| entry.accepted_at))
            }
            _ => Ok(now),
        }
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

/// The segments that hold the newest `records`: what lies before them would fall out of the window as it is rebuilt. So a start
/// costs as much as the window may hold, whatever the log does.
fn newest(segments: &[Closed], records: u64) -> &[Closed] {
    let mut held = 0;
    let newer = segments.iter().rev().take_while(|closed| {
        let before = held;
        held += closed.summary.records;
        before < records
    });
    let skipped = segments.len() - newer.count();
    segments.get(skipped..).unwrap_or_default()
}

fn entries(disk: &dyn ReadDisk, closed: &Closed) -> io::Result<Arc<Vec<Entry>>> {
    match &closed.entries {
        Some(entries) => Ok(Arc::clone(entries)),
        None => load::entries(disk, &closed.summary).map(Arc::new),
    }
}
