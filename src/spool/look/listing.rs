//! What a spool holds, segment by segment, in numbers.

use super::super::{
    disk::{Dir, ReadDisk},
    index::Entry,
    outlet::Settled,
};
use super::{Look, LookError, Segment, aside};
use crate::{callback::names::Family, clock::Millis};
use serde::Serialize;
use std::{collections::BTreeMap, io};

/// A spool in numbers. Times print as RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The spool's random name.
    pub spool_id: String,
    /// Oldest first. One that was written ahead and holds nothing yet isn't among them.
    pub segments: Vec<SegmentListing>,
    /// How far each family is settled, by its key.
    pub checkpoint: BTreeMap<&'static str, u64>,
    /// Whether the checkpoint can be read; if not, everything counts as pending.
    pub checkpoint_valid: bool,
    /// Records that are there.
    pub records: u64,
    /// Those of them that are still to be published.
    pub pending: u64,
    /// Records in the quarantine, and their bytes.
    pub quarantine: Files,
    /// Copies of damaged ranges in `corrupt/`, and their bytes.
    pub corrupt: Files,
}

/// Some files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Files {
    /// How many.
    pub count: u64,
    /// All together.
    pub bytes: u64,
}

/// One segment in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentListing {
    /// Its file.
    pub file: String,
    /// Its place in the log.
    pub ordinal: u64,
    /// The run that wrote it.
    pub instance: String,
    /// The first record's number; 0 if there is none.
    pub first: u64,
    /// The last record's number; 0 if there is none.
    pub last: u64,
    /// How many are there.
    pub records: u64,
    /// Numbers that should be there and are not.
    pub lost: u64,
    /// Bytes written to it.
    pub used_bytes: u64,
    /// Bytes of the file, the zeros written ahead included.
    pub file_bytes: u64,
    /// When the first one was accepted.
    pub oldest: Option<Millis>,
    /// When the last one was.
    pub newest: Option<Millis>,
    /// Whether its index is there: a closed segment. Without one it is being written, or the last run was killed.
    pub indexed: bool,
    /// By family, those that have records.
    pub families: BTreeMap<&'static str, Held>,
}

/// The records of one family in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Held {
    /// Below the checkpoint.
    pub settled: u64,
    /// Above it.
    pub pending: u64,
}

impl Look {
    /// Counts. Memory: the entries of one segment at a time.
    ///
    /// # Errors
    /// If a file can't be read.
    pub fn list(&self) -> Result<Listing, LookError> {
        let mut segments = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            if let Some(entries) = self.entries(segment)? {
                segments.push(describe(segment, &entries, &self.settled));
            }
        }
        let pending = |s: &SegmentListing| s.families.values().map(|f| f.pending).sum::<u64>();
        let checkpoint = Family::ALL.iter().map(|f| (f.key(), self.settled.of(*f).0));
        let counted = |dir, what: &str| {
            self.count(dir)
                .map_err(|e| self.failed(format!("looking at {what}/"), e))
        };
        Ok(Listing {
            spool_id: self.id.clone(),
            checkpoint: checkpoint.collect(),
            checkpoint_valid: !self.checkpoint.is_lost(),
            records: segments.iter().map(|s| s.records).sum(),
            pending: segments.iter().map(pending).sum(),
            quarantine: Files {
                count: aside::numbers(&self.disk)
                    .map_err(|e| self.failed("listing the quarantine", e))?
                    .len() as u64,
                ..counted(Dir::Quarantine, "quarantine")?
            },
            corrupt: counted(Dir::Corrupt, "corrupt")?,
            segments,
        })
    }

    fn count(&self, dir: Dir) -> io::Result<Files> {
        let mut files = Files::default();
        for name in self.disk.list(dir)? {
            match self.disk.open(dir, &name).and_then(|file| file.len()) {
                Ok(bytes) => {
                    files.count += 1;
                    files.bytes += bytes;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(files)
    }
}

fn describe(segment: &Segment, entries: &[Entry], settled: &Settled) -> SegmentListing {
    let summary = &segment.summary;
    let mut families: BTreeMap<&'static str, Held> = BTreeMap::new();
    for entry in entries {
        let held = families.entry(entry.family.key()).or_default();
        if entry.seq <= settled.of(entry.family) {
            held.settled += 1;
        } else {
            held.pending += 1;
        }
    }
    let records = entries.len() as u64;
    let accounted = summary.through.next().0.saturating_sub(segment.from.0);
    SegmentListing {
        file: summary.name.to_string(),
        ordinal: summary.name.ordinal,
        instance: summary.instance.to_string(),
        first: entries.first().map_or(0, |e| e.seq.0),
        last: entries.last().map_or(0, |e| e.seq.0),
        records,
        lost: accounted.saturating_sub(records),
        used_bytes: summary.end,
        file_bytes: segment.file_len,
        oldest: entries.first().map(|e| e.accepted_at),
        newest: entries.last().map(|e| e.accepted_at),
        indexed: segment.indexed,
        families,
    }
}
