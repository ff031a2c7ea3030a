//! Going through a spool record by record, oldest first, with what became of each.

use super::super::{
    index::Entry,
    outlet::Settled,
    record::{CeId, Record, Seq},
    select::Selection,
};
use super::{
    Look, LookError, Segment, aside,
    frames::{Found, Frames},
};
use crate::{callback::names::Family, clock::Millis};
use std::ops::{ControlFlow, Range};

/// What became of a record that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Settled by its family's checkpoint: Kafka has it, or it was discarded since its family is `off`.
    Published,
    /// Still to be published.
    Pending,
    /// In the local quarantine.
    Quarantined,
}

impl Outcome {
    /// For people and for JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Pending => "pending",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What a walk comes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A whole record.
    Record(Box<Record>, Outcome),
    /// A record whose bytes are damaged; the index still says this much.
    Corrupt {
        /// Its number.
        seq: Seq,
        /// Its family.
        family: Family,
        /// When it was accepted.
        accepted_at: Millis,
        /// Its identity.
        ce_id: CeId,
        /// Its segment, and where in it.
        place: String,
    },
    /// These numbers should be there and are not; the end is not one of them.
    Lost(Range<u64>),
}

impl Look {
    /// Goes through what is selected until the end or until `each` breaks off. A segment that the relay removes meanwhile is
    /// passed over: it was wholly settled.
    ///
    /// # Errors
    /// If a file can't be read, or holds a record of a later release.
    pub fn walk(
        &self,
        selection: &Selection,
        each: &mut dyn FnMut(Seen) -> ControlFlow<()>,
    ) -> Result<(), LookError> {
        let quarantined =
            aside::numbers(&self.disk).map_err(|e| self.failed("listing the quarantine", e))?;
        for segment in &self.segments {
            if segment.misses(selection) {
                continue;
            }
            if self
                .walk_segment(segment, selection, &quarantined, each)?
                .is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn walk_segment(
        &self,
        segment: &Segment,
        selection: &Selection,
        quarantined: &[u64],
        each: &mut dyn FnMut(Seen) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, LookError> {
        let name = segment.summary.name;
        let Some(entries) = self.entries(segment)? else {
            return Ok(ControlFlow::Continue(()));
        };
        let opened = Frames::open(&self.disk, name);
        let Some(mut frames) = opened.map_err(|e| self.failed(format!("opening {name}"), e))?
        else {
            return Ok(ControlFlow::Continue(()));
        };
        let mut next = segment.from;
        for entry in entries.iter() {
            let hole = next..entry.seq;
            next = entry.seq.next();
            if told(hole, selection, each).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if !selection.takes_entry(entry) {
                continue;
            }
            let found = frames
                .read(entry)
                .map_err(|e| self.failed(format!("reading {name}"), e))?;
            let seen = match found {
                Found::Record(record) if !selection.takes_body(&record.envelope.body) => continue,
                Found::Record(record) => {
                    let outcome = outcome(&self.settled, quarantined, entry);
                    Seen::Record(record, outcome)
                }
                Found::Corrupt => Seen::Corrupt {
                    seq: entry.seq,
                    family: entry.family,
                    accepted_at: entry.accepted_at,
                    ce_id: entry.ce_id,
                    place: format!("{name} at {}", entry.offset),
                },
                Found::Newer(what) => {
                    let file = format!("record {} in {name}", entry.seq);
                    return Err(LookError::Newer { file, what });
                }
            };
            if each(seen).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(told(next..segment.summary.through.next(), selection, each))
    }
}

impl Segment {
    /// Whether nothing in it can be selected, as far as its summary tells.
    fn misses(&self, selection: &Selection) -> bool {
        let summary = &self.summary;
        selection
            .first
            .is_some_and(|first| summary.through.0 < first)
            || selection.last.is_some_and(|last| self.from.0 > last)
            || selection
                .since
                .is_some_and(|since| summary.records > 0 && summary.newest < since)
    }
}

fn told(
    hole: Range<Seq>,
    selection: &Selection,
    each: &mut dyn FnMut(Seen) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let start = hole.start.0.max(selection.first.unwrap_or(0));
    let end = hole.end.0.min(
        selection
            .last
            .map_or(u64::MAX, |last| last.saturating_add(1)),
    );
    if start < end {
        return each(Seen::Lost(start..end));
    }
    ControlFlow::Continue(())
}

fn outcome(settled: &Settled, quarantined: &[u64], entry: &Entry) -> Outcome {
    if quarantined.binary_search(&entry.seq.0).is_ok() {
        Outcome::Quarantined
    } else if entry.seq <= settled.of(entry.family) {
        Outcome::Published
    } else {
        Outcome::Pending
    }
}
