//! Finding out what the segments of the last run hold, before anything is done about it. Pure: bytes in, verdict out.
//!
//! Two steps. [`read`] says what is in one segment: frames, and ranges that are none. [`judge`] goes through the segments in
//! order and decides, for each hole in the sequence, whether it was ever acknowledged:
//!
//! ```text
//!  … 7 8 ▒▒▒ 10 11 …      a later frame was written when 9 was durable already (synced_through ≥ 9), or the next segment's
//!                         first_seq is beyond 9, or the checkpoint passed 9: acknowledged bytes are damaged. Set the range
//!                         aside, count, go on at 10.
//!  … 7 8 ▒▒▒ 10           nothing says that 9 was durable: a batch torn by the crash. The log ends at 8.
//! ```

use super::{
    envelope::{self, NotUnderstood},
    frame::{self, ALIGNMENT, Decoded},
    index::Entry,
    record::Seq,
    segment::{self, Block, Header, Name},
};
use crate::callback::names::SourceName;
use std::ops::Range;

/// A valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) struct Frame {
    /// What an index says about it.
    pub(in crate::spool) entry: Entry,
    /// The durable end when it was written.
    pub(in crate::spool) synced_through: Seq,
}

/// A piece of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::spool) enum Item {
    /// A valid frame.
    Frame(Frame),
    /// Bytes that are no frame and not only zeros up to the end.
    Bad(Range<u64>),
}

/// What one segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::spool) struct Scanned {
    pub(in crate::spool) name: Name,
    /// Its first block.
    pub(in crate::spool) block: Block,
    /// Its pieces, in order. Zeros up to its end are none.
    pub(in crate::spool) items: Vec<Item>,
    /// The table that the entries' `source` points into.
    pub(in crate::spool) sources: Vec<SourceName>,
    /// A valid frame of a later release.
    pub(in crate::spool) not_understood: Option<NotUnderstood>,
}

impl Scanned {
    fn first_frame(&self) -> Option<&Frame> {
        self.items.iter().find_map(|item| match item {
            Item::Frame(frame) => Some(frame),
            Item::Bad(_) => None,
        })
    }

    /// The first number that this segment may hold: everything before it was durable when its header was written.
    fn first_seq(&self) -> Option<Seq> {
        match self.block {
            Block::Header(Header { first_seq, .. }) => Some(first_seq),
            _ => self.first_frame().map(|frame| frame.entry.seq),
        }
    }

    /// How far anything in it says that the log was durable.
    fn witness(&self) -> Seq {
        let header = match self.block {
            Block::Header(Header { first_seq, .. }) => Seq(first_seq.0.saturating_sub(1)),
            _ => Seq(0),
        };
        let frames = self.items.iter().filter_map(|item| match item {
            Item::Frame(frame) => Some(frame.synced_through),
            Item::Bad(_) => None,
        });
        frames.max().unwrap_or_default().max(header)
    }
}

/// Reads through a segment; `bytes` may leave out the zeros at its end.
pub(in crate::spool) fn read(name: Name, bytes: &[u8]) -> Scanned {
    let mut scanned = Scanned {
        name,
        block: Header::decode(name, bytes),
        items: Vec::new(),
        sources: Vec::new(),
        not_understood: None,
    };
    if bytes.iter().all(|byte| *byte == 0) {
        scanned.block = Block::Unused;
        return scanned;
    }
    let mut reader = Reader {
        bytes,
        at: segment::HEADER,
        last: None,
    };
    while let Some(item) = reader.next(name.salt, &mut scanned) {
        scanned.items.push(item);
    }
    scanned
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    last: Option<Seq>,
}

impl Reader<'_> {
    fn next(&mut self, salt: u64, into: &mut Scanned) -> Option<Item> {
        let rest = self.bytes.get(self.at..)?;
        if let Some(frame) = self.frame(salt, rest, into) {
            self.at += frame.entry.size as usize;
            self.last = Some(frame.entry.seq);
            return Some(Item::Frame(frame));
        }
        // No frame: up to the next one, or to the last byte that isn't zero.
        let written = rest.iter().rposition(|byte| *byte != 0)? + 1;
        let from = self.at;
        let end = written.next_multiple_of(ALIGNMENT).min(rest.len());
        let next = (ALIGNMENT..end).step_by(ALIGNMENT).find(|skip| {
            rest.get(*skip..).is_some_and(|at| {
                self.plausible(at) && matches!(frame::decode(salt, at), Decoded::Record { .. })
            })
        });
        self.at += next.unwrap_or(rest.len());
        let to = from + next.unwrap_or(end);
        Some(Item::Bad(from as u64..to as u64))
    }

    fn frame(&self, salt: u64, rest: &[u8], into: &mut Scanned) -> Option<Frame> {
        let Decoded::Record {
            head,
            payload,
            size,
        } = frame::decode(salt, rest)
        else {
            return None;
        };
        let parts = match envelope::decode(payload) {
            Ok(parts) => parts,
            Err(why) => {
                into.not_understood = Some(why);
                return None;
            }
        };
        let known = into.sources.iter().position(|s| s.as_str() == parts.source);
        let source = known.unwrap_or(into.sources.len());
        if known.is_none() {
            into.sources.push(SourceName::parse(parts.source).ok()?);
        }
        Some(Frame {
            entry: Entry {
                seq: head.seq,
                accepted_at: head.accepted_at,
                ce_id: head.ce_id,
                offset: self.at as u64,
                size: u32::try_from(size).ok()?,
                source: u16::try_from(source).ok()?,
                family: parts.family,
            },
            synced_through: head.synced_through,
        })
    }

    /// Cheap to ask at every eighth byte: most places that hold no frame claim an impossible one.
    fn plausible(&self, at: &[u8]) -> bool {
        let Some((len, head)) = at.first_chunk().and_then(frame::parse_head) else {
            return false;
        };
        let follows = self.last.is_none_or(|last| {
            let most = (self.bytes.len() / frame::HEADER) as u64;
            head.seq > last && head.seq.0 - last.0 <= most
        });
        follows && head.synced_through < head.seq && frame::size_of(len) <= at.len()
    }
}

/// One segment of the log, in order.
#[derive(Debug, Clone, Copy)]
pub(in crate::spool) enum Part<'a> {
    /// Its index accounts for `from` to `through`.
    Indexed {
        /// See [`super::index::Summary::from`].
        from: Seq,
        /// See [`super::index::Summary::through`].
        through: Seq,
    },
    /// It was read through.
    Scanned(&'a Scanned),
}

impl Part<'_> {
    fn first_seq(&self) -> Option<Seq> {
        match self {
            Self::Indexed { from, .. } => Some(*from),
            Self::Scanned(scanned) => scanned.first_seq(),
        }
    }

    fn witness(&self) -> Seq {
        match self {
            Self::Indexed { through, .. } => *through,
            Self::Scanned(scanned) => scanned.witness(),
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
    /// Acknowledged numbers that should be there, or just before it, and are not.
    pub(in crate::spool) lost: Vec<Range<u64>>,
    /// The bytes where they were.
    pub(in crate::spool) damaged: Vec<Range<u64>>,
    /// Bytes after its end that were never acknowledged.
    pub(in crate::spool) torn_bytes: u64,
}

/// Decides about all segments, in order. `expected` is the first number that must be there, if that is known; up to `known`
/// everything was durable (a checkpoint never leads). Returns a verdict for each, and the end of the log.
pub(in crate::spool) fn judge(
    expected: Option<Seq>,
    known: Seq,
    parts: &[Part<'_>],
) -> (Vec<Verdict>, Seq) {
    let first = parts.iter().find_map(Part::first_seq);
    let mut next = match (expected, first) {
        (Some(expected), Some(first)) => expected.min(first),
        (expected, first) => expected.or(first).unwrap_or(Seq(1)),
    };
    let mut verdicts: Vec<Verdict> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            let later = parts.get(at + 1..).unwrap_or_default();
            let verdict = match part {
                Part::Indexed { from, through } => indexed(next, *from, *through),
                Part::Scanned(scanned) => scanned_through(next, known, scanned, later),
            };
            next = next.max(verdict.through.next());
            verdict
        })
        .collect();
    // Acknowledged, and the log ends before: told by the last segment that was written to.
    let written = |part: &Part<'_>| !matches!(part, Part::Scanned(s) if s.block == Block::Unused);
    let last = parts.iter().rposition(written);
    if next <= known
        && let Some(verdict) = last.and_then(|at| verdicts.get_mut(at))
    {
        verdict.lost.push(next.0..known.next().0);
        verdict.through = known;
        next = known.next();
    }
    (verdicts, Seq(next.0.saturating_sub(1)))
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

fn scanned_through(mut next: Seq, known: Seq, scanned: &Scanned, later: &[Part<'_>]) -> Verdict {
    let bound = later.iter().find_map(Part::first_seq);
    let later_witness = later.iter().map(Part::witness).max().unwrap_or_default();
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

#[cfg(test)]
mod tests;
