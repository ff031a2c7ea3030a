//! Deciding about the holes in the log. Pure.
//!
//! ```text
//!  … 7 8 ▒▒▒ 10 11 …      a later frame was written when 9 was durable already (synced_through ≥ 9), or the next segment's
//!                         first_seq is beyond 9, or the checkpoint passed 9: acknowledged bytes are damaged. Set the range
//!                         aside, count, go on at 10.
//!  … 7 8 ▒▒▒ 10           nothing says that 9 was durable: a batch torn by the crash. The log ends at 8.
//! ```
//!
//! A segment is decided by its own pieces and by the outlines of the later ones: so no more than one has to be in memory.

use super::{Item, Scanned};
use crate::spool::{
    index::Entry,
    record::Seq,
    segment::{Block, Header},
};
use std::ops::Range;

/// One segment of the log, in order.
#[derive(Debug, Clone, Copy)]
pub(in crate::spool) enum Part<'a> {
    /// Its index accounts for `from` to `through`.
    Indexed {
        /// See [`crate::spool::index::Summary::from`].
        from: Seq,
        /// See [`crate::spool::index::Summary::through`].
        through: Seq,
    },
    /// It was read through.
    Scanned(&'a Scanned),
}

/// What the segments before it need to know of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) struct Outline {
    /// The first number that it may hold.
    first_seq: Option<Seq>,
    /// How far anything in it says that the log was durable.
    witness: Seq,
    /// Whether anything was ever written to it.
    written: bool,
}

impl Part<'_> {
    pub(in crate::spool) fn outline(&self) -> Outline {
        match self {
            Self::Indexed { from, through } => Outline {
                first_seq: Some(*from),
                witness: *through,
                written: true,
            },
            Self::Scanned(scanned) => Outline {
                first_seq: scanned.first_seq(),
                witness: scanned.witness(),
                written: scanned.block != Block::Unused,
            },
        }
    }
}

/// What is to be thought of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::spool) struct Verdict {
    /// Its records. Empty for a segment with an index.
    pub(in crate::spool) kept: Vec<Entry>,
    /// What it accounts for: from here …
    pub(in crate::spool) from: Seq,
    /// … to here.
    pub(in crate::spool) through: Seq,
    /// Up to here everything was durable for sure; beyond it records are kept that may never have been.
    pub(in crate::spool) witnessed: Seq,
    /// Acknowledged numbers that should be there, or just before it, and are not.
    pub(in crate::spool) lost: Vec<Range<u64>>,
    /// The bytes where they were.
    pub(in crate::spool) damaged: Vec<Range<u64>>,
    /// Bytes after its end that were never acknowledged.
    pub(in crate::spool) torn_bytes: u64,
}

/// Decides about one segment after the other.
#[derive(Debug)]
pub(in crate::spool) struct Judge {
    outlines: Vec<Outline>,
    known: Seq,
    first: Seq,
    /// The number that comes next.
    next: Seq,
    at: usize,
    /// The last segment that was written to.
    last: Option<usize>,
}

impl Judge {
    /// Of these segments, in order. `expected` is the first number that must be there, if that is known; up to `known` everything was
    /// durable (a checkpoint never leads).
    pub(in crate::spool) fn new(expected: Option<Seq>, known: Seq, outlines: Vec<Outline>) -> Self {
        let first = outlines.iter().find_map(|o| o.first_seq);
        let next = match (expected, first) {
            (Some(expected), Some(first)) => expected.min(first),
            (expected, first) => expected.or(first).unwrap_or(Seq(1)),
        };
        Self {
            last: outlines.iter().rposition(|o| o.written),
            outlines,
            known,
            first: next,
            next,
            at: 0,
        }
    }

    /// About the next segment.
    pub(in crate::spool) fn verdict(&mut self, part: &Part<'_>) -> Verdict {
        let later = self.outlines.get(self.at + 1..).unwrap_or_default();
        let mut verdict = match part {
            Part::Indexed { from, through } => indexed(self.next, *from, *through),
            Part::Scanned(scanned) => scanned_through(self.next, self.known, scanned, later),
        };
        self.next = self.next.max(verdict.through.next());
        // Acknowledged, and the log ends before: told by the last segment that was written to.
        if self.next <= self.known && self.last == Some(self.at) {
            verdict.lost.push(self.next.0..self.known.next().0);
            verdict.through = self.known;
            self.next = self.known.next();
        }
        self.at += 1;
        verdict
    }

    /// After all segments: what was acknowledged although no segment that was ever written to is left to tell so.
    pub(in crate::spool) fn unaccounted(&mut self) -> Option<Range<u64>> {
        let lost = self.next.0..self.known.next().0;
        self.next = self.next.max(self.known.next());
        (!lost.is_empty()).then_some(lost)
    }

    /// Where the log begins.
    pub(in crate::spool) const fn first(&self) -> Seq {
        self.first
    }

    /// The end of the log, as far as it was decided.
    pub(in crate::spool) const fn log_end(&self) -> Seq {
        Seq(self.next.0.saturating_sub(1))
    }
}

/// Decides about all segments at once. Returns a verdict for each, and the one who decided, for what else it knows.
pub(in crate::spool) fn judge(
    expected: Option<Seq>,
    known: Seq,
    parts: &[Part<'_>],
) -> (Vec<Verdict>, Judge) {
    let outlines = parts.iter().map(Part::outline).collect();
    let mut judge = Judge::new(expected, known, outlines);
    let verdicts = parts.iter().map(|part| judge.verdict(part)).collect();
    (verdicts, judge)
}

fn indexed(next: Seq, from: Seq, through: Seq) -> Verdict {
    Verdict {
        from: next.min(from),
        through,
        lost: (next < from)
            .then_some(next.0..from.0)
            .into_iter()
            .collect(),
        ..Verdict::default()
    }
}

fn scanned_through(mut next: Seq, known: Seq, scanned: &Scanned, later: &[Outline]) -> Verdict {
    let bound = later.iter().find_map(|o| o.first_seq);
    let later_witness = later.iter().map(|o| o.witness).max().unwrap_or_default();
    let mut verdict = Verdict {
        from: next,
        ..Verdict::default()
    };
    if let Block::Header(Header { first_seq, .. }) = scanned.block
        && first_seq > next
    {
        verdict.lost.push(next.0..first_seq.0);
        next = first_seq;
    }
    let witness = scanned.witness().max(later_witness).max(known);
    verdict.witnessed = witness;
    let mut doubtful = Vec::new();
    let mut items = scanned.items.iter();
    for item in items.by_ref() {
        match item {
            Item::Bad(range) => doubtful.push(range.clone()),
            Item::Frame(frame) => {
                let seq = frame.entry.seq;
                let decided_away = bound.is_some_and(|bound| seq >= bound);
                if decided_away || (seq > next && witness < next) {
                    // Never acknowledged, or decided so by a recovery that went on with these numbers.
                    verdict.torn_bytes += u64::from(frame.entry.size);
                    break;
                }
                if seq < next {
                    continue;
                }
                if seq > next {
                    verdict.lost.push(next.0..seq.0);
                    verdict.damaged.append(&mut doubtful);
                }
                // A range between two frames that follow each other held nothing.
                doubtful.clear();
                verdict.kept.push(frame.entry);
                next = seq.next();
            }
        }
    }
    verdict.torn_bytes += items.map(length).sum::<u64>();
    if witness >= next && bound.is_none_or(|bound| bound > next) {
        verdict.damaged.append(&mut doubtful);
    }
    verdict.torn_bytes += doubtful.iter().map(|r| r.end - r.start).sum::<u64>();
    verdict.through = Seq(next.0.saturating_sub(1));
    verdict
}

fn length(item: &Item) -> u64 {
    match item {
        Item::Frame(frame) => u64::from(frame.entry.size),
        Item::Bad(range) => range.end - range.start,
    }
}
