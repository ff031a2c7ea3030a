//! Finding out what the segments of the last run hold, before anything is done about it. Pure: bytes in, verdict out.
//!
//! Two steps. [`read`] says what is in one segment: frames, and ranges that are none. [`judge`] goes through the segments in
//! order and decides, for each hole in the sequence, whether it was ever acknowledged.

pub(in crate::spool) mod judge;

use super::{
    bytes::written,
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
    /// Bytes that the disk doesn't give back. They are among the pieces as well, as what they were read as.
    pub(in crate::spool) unreadable: Vec<Range<u64>>,
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
        unreadable: Vec::new(),
    };
    if written(bytes) == 0 {
        scanned.block = Block::Unused;
        return scanned;
    }
    if scanned.block == Block::Unused {
        // Something was written behind it: the write of the header itself is lost, and zeros written ahead are what is left.
        scanned.block = Block::Bad;
    }
    let mut reader = Reader {
        bytes,
        at: segment::HEADER,
        last: None,
    };
    while let Some(item) = reader.next(name.salt, &mut scanned) {
        scanned.items.push(item);
    }
    put_displaced_aside(&mut scanned.items);
    scanned
}

/// Frames are written in order. Where they aren't, some lie where they don't belong (a write that went astray): the fewest that have
/// to be taken for damage, so that the others are in order.
fn put_displaced_aside(items: &mut [Item]) {
    let seqs: Vec<(usize, Seq)> = items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| match item {
            Item::Frame(frame) => Some((at, frame.entry.seq)),
            Item::Bad(_) => None,
        })
        .collect();
    if seqs.is_sorted_by(|(_, one), (_, next)| one < next) {
        return;
    }
    // The longest increasing subsequence: `ends` holds, by length, the one that ends lowest; `before` who comes before whom in it.
    let mut ends: Vec<(usize, Seq)> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; items.len()];
    for (at, seq) in &seqs {
        let length = ends.partition_point(|(_, end)| end < seq);
        if let Some(place) = before.get_mut(*at) {
            *place = length
                .checked_sub(1)
                .and_then(|shorter| ends.get(shorter))
                .map(|(end, _)| *end);
        }
        match ends.get_mut(length) {
            Some(end) => *end = (*at, *seq),
            None => ends.push((*at, *seq)),
        }
    }
    let mut kept = vec![false; items.len()];
    let mut last = ends.last().map(|(at, _)| *at);
    while let Some(at) = last {
        if let Some(kept) = kept.get_mut(at) {
            *kept = true;
        }
        last = before.get(at).copied().flatten();
    }
    for (item, kept) in items.iter_mut().zip(kept) {
        if let (Item::Frame(frame), false) = (&*item, kept) {
            *item = Item::Bad(frame.entry.offset..frame.entry.end());
        }
    }
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
        let from = self.at;
        let end = written(rest).next_multiple_of(ALIGNMENT).min(rest.len());
        if end == 0 {
            return None;
        }
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
            head.seq.0.abs_diff(last.0) <= most
        });
        follows && head.synced_through < head.seq && frame::size_of(len) <= at.len()
    }
}

#[cfg(test)]
mod tests;
