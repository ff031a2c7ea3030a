//! What a closed segment holds, so that neither a start nor a reader needs to read through it. Pure.
//!
//! ```text
//!  0            8             12                16       20
//!  ├────────────┼─────────────┼─────────────────┼────────┼─────────┬─────────────────────┬────────┐
//!  │ "LBSINDEX" │ version u32 │ summary len u32 │ crc u32│ summary │ entries, 48 each    │ crc u32│
//!  └────────────┴─────────────┴─────────────────┴────────┴─────────┴─────────────────────┴────────┘
//!
//!  summary   ordinal u64, salt u64, instance [16], from u64, through u64, end u64, newest u64 ms, records u64,
//!            families u8 × {code u8, count u64, first u64, last u64, bytes u64}, sources u16 × {len u8, name}
//!  entry     seq u64, accepted_at u64 ms, ce_id [16], offset u64, size u32, source u16, family u8, 0 u8
//! ```
//!
//! The summary has a checksum of its own: a start reads the summaries only, and the entries of segments that are young enough
//! for the dedup window. `from` … `through` is what the index accounts for; a number in it without an entry was found damaged
//! at a recovery, and isn't counted again.

use super::{
    bytes::{take, take_slice, take_u8, take_u16, take_u32, take_u64},
    record::{CeId, Seq},
    segment::{Instance, Name},
};
use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
};

const MAGIC: &[u8; 8] = b"LBSINDEX";
const VERSION: u32 = 1;
const PREFIX: usize = 20;
const ENTRY: usize = 48;
/// No summary is longer: 9 families and, at most, 65,535 sources of 32 bytes.
pub(in crate::spool) const SUMMARY_MAX: usize = 4 << 20;
/// A segment is closed at this many records, so that its entries never take more than 12 MiB of memory.
pub(in crate::spool) const ENTRIES_MAX: usize = 1 << 18;
/// No index file is longer.
pub(in crate::spool) const FILE_MAX: u64 = (PREFIX + SUMMARY_MAX + 4 * ENTRIES_MAX * ENTRY) as u64;

/// One record of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) struct Entry {
    /// Its number.
    pub(in crate::spool) seq: Seq,
    /// When the writer took it.
    pub(in crate::spool) accepted_at: Millis,
    /// Its identity.
    pub(in crate::spool) ce_id: CeId,
    /// Where its frame starts in the segment.
    pub(in crate::spool) offset: u64,
    /// The length of its frame.
    pub(in crate::spool) size: u32,
    /// Its source's place in the table of sources.
    pub(in crate::spool) source: u16,
    /// Its family.
    pub(in crate::spool) family: Family,
}

impl Entry {
    /// Where its frame ends.
    pub(in crate::spool) fn end(&self) -> u64 {
        self.offset + u64::from(self.size)
    }
}

/// The records of one family in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::spool) struct FamilySummary {
    pub(in crate::spool) count: u64,
    pub(in crate::spool) first: Seq,
    pub(in crate::spool) last: Seq,
    pub(in crate::spool) bytes: u64,
}

/// A segment in a few bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::spool) struct Summary {
    /// The segment.
    pub(in crate::spool) name: Name,
    /// The run that wrote it; zeros if its header was damaged.
    pub(in crate::spool) instance: Instance,
    /// Everything from here …
    pub(in crate::spool) from: Seq,
    /// … to here is accounted for: there is an entry, or it was found damaged. `from` - 1 when there is nothing.
    pub(in crate::spool) through: Seq,
    /// Where the last frame ends.
    pub(in crate::spool) end: u64,
    /// The last accepted_at.
    pub(in crate::spool) newest: Millis,
    /// How many entries.
    pub(in crate::spool) records: u64,
    /// By family code.
    pub(in crate::spool) families: [FamilySummary; Family::ALL.len()],
    /// The table of sources.
    pub(in crate::spool) sources: Vec<SourceName>,
}

impl Summary {
    /// Of a segment without records.
    pub(in crate::spool) fn empty(name: Name, instance: Instance, from: Seq) -> Self {
        Self {
            name,
            instance,
            from,
            through: Seq(from.0.saturating_sub(1)),
            end: super::segment::HEADER as u64,
            newest: Millis(0),
            records: 0,
            families: Default::default(),
            sources: Vec::new(),
        }
    }

    /// Takes one more record into account, in order.
    pub(in crate::spool) fn add(&mut self, entry: &Entry) {
        self.through = self.through.max(entry.seq);
        self.end = self.end.max(entry.end());
        self.newest = self.newest.max(entry.accepted_at);
        self.records += 1;
        if let Some(family) = self.families.get_mut(usize::from(entry.family.code())) {
            if family.count == 0 {
                family.first = entry.seq;
            }
            family.count += 1;
            family.last = entry.seq;
            family.bytes += u64::from(entry.size);
        }
    }

    /// The records of a family.
    pub(in crate::spool) fn family(&self, family: Family) -> FamilySummary {
        self.families
            .get(usize::from(family.code()))
            .copied()
            .unwrap_or_default()
    }
}

/// Why an index can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::spool) enum Unusable {
    /// Damaged or cut: the segment is read through instead.
    #[error("it is damaged")]
    Damaged,
    /// Of a later release.
    #[error("index version {0}")]
    Newer(u32),
    /// Of a later release.
    #[error("family number {0}")]
    Family(u8),
}

/// The whole file.
pub(in crate::spool) fn encode(summary: &Summary, entries: &[Entry]) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    encode_summary(summary, &mut text);
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = Vec::with_capacity(PREFIX + text.len() + entries.len() * ENTRY + 4);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&len);
    out.extend_from_slice(&summary_checksum(len, &text).to_le_bytes());
    out.extend_from_slice(&text);
    let start = out.len();
    for entry in entries {
        encode_entry(entry, &mut out);
    }
    let crc = entries_checksum(summary.name, out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn encode_summary(summary: &Summary, out: &mut Vec<u8>) {
    out.extend_from_slice(&summary.name.ordinal.to_le_bytes());
    out.extend_from_slice(&summary.name.salt.to_le_bytes());
    out.extend_from_slice(&summary.instance.0);
    for number in [
        summary.from.0,
        summary.through.0,
        summary.end,
        summary.newest.0,
        summary.records,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.push(u8::try_from(Family::ALL.len()).unwrap_or(u8::MAX));
    for (family, of) in Family::ALL.iter().zip(&summary.families) {
        out.push(family.code());
        for number in [of.count, of.first.0, of.last.0, of.bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    let sources = u16::try_from(summary.sources.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&sources.to_le_bytes());
    for source in summary.sources.iter().take(usize::from(sources)) {
        out.push(u8::try_from(source.as_str().len()).unwrap_or(u8::MAX));
        out.extend_from_slice(source.as_str().as_bytes());
    }
}

fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.extend_from_slice(&entry.seq.0.to_le_bytes());
    out.extend_from_slice(&entry.accepted_at.0.to_le_bytes());
    out.extend_from_slice(&entry.ce_id.0);
    out.extend_from_slice(&entry.offset.to_le_bytes());
    out.extend_from_slice(&entry.size.to_le_bytes());
    out.extend_from_slice(&entry.source.to_le_bytes());
    out.extend_from_slice(&[entry.family.code(), 0]);
}

/// Reads the summary; `bytes` may stop anywhere after it. Also says where the entries start.
pub(in crate::spool) fn decode_summary(
    name: Name,
    bytes: &[u8],
) -> Result<(Summary, usize), Unusable> {
    let mut rest = bytes;
    let magic: [u8; 8] = take(&mut rest).ok_or(Unusable::Damaged)?;
    let version = take_u32(&mut rest).ok_or(Unusable::Damaged)?;
    if &magic != MAGIC {
        return Err(Unusable::Damaged);
    }
    let len: [u8; 4] = take(&mut rest).ok_or(Unusable::Damaged)?;
    let crc = take_u32(&mut rest).ok_or(Unusable::Damaged)?;
    let text_len = u32::from_le_bytes(len) as usize;
    let text = take_slice(&mut rest, text_len).ok_or(Unusable::Damaged)?;
    if text_len > SUMMARY_MAX || summary_checksum(len, text) != crc {
        return Err(Unusable::Damaged);
    }
    if version != VERSION {
        return Err(Unusable::Newer(version));
    }
    let summary = parse_summary(text)?.ok_or(Unusable::Damaged)?;
    if summary.name != name {
        return Err(Unusable::Damaged);
    }
    Ok((summary, PREFIX + text_len))
}

fn parse_summary(mut text: &[u8]) -> Result<Option<Summary>, Unusable> {
    let text = &mut text;
    let fixed = |text: &mut &[u8]| -> Option<Summary> {
        let name = Name {
            ordinal: take_u64(text)?,
            salt: take_u64(text)?,
        };
        Some(Summary {
            name,
            instance: Instance(take(text)?),
            from: Seq(take_u64(text)?),
            through: Seq(take_u64(text)?),
            end: take_u64(text)?,
            newest: Millis(take_u64(text)?),
            records: take_u64(text)?,
            families: Default::default(),
            sources: Vec::new(),
        })
    };
    let Some(mut summary) = fixed(text) else {
        return Ok(None);
    };
    for _ in 0..take_u8(text).unwrap_or(0) {
        let Some(code) = take_u8(text) else {
            return Ok(None);
        };
        let numbers = |text: &mut &[u8]| -> Option<FamilySummary> {
            Some(FamilySummary {
                count: take_u64(text)?,
                first: Seq(take_u64(text)?),
                last: Seq(take_u64(text)?),
                bytes: take_u64(text)?,
            })
        };
        let Some(found) = numbers(text) else {
            return Ok(None);
        };
        match summary.families.get_mut(usize::from(code)) {
            Some(place) => *place = found,
            None if found.count == 0 => {}
            None => return Err(Unusable::Family(code)),
        }
    }
    let Some(sources) = parse_sources(text) else {
        return Ok(None);
    };
    summary.sources = sources;
    Ok(Some(summary))
}

fn parse_sources(text: &mut &[u8]) -> Option<Vec<SourceName>> {
    let count = take_u16(text)?;
    (0..count)
        .map(|_| {
            let len = take_u8(text)?;
            let name = std::str::from_utf8(take_slice(text, usize::from(len))?).ok()?;
            SourceName::parse(name).ok()
        })
        .collect()
}

/// How long the whole file is, by its summary and where its entries start.
pub(in crate::spool) const fn file_len(summary: &Summary, start: usize) -> u64 {
    start as u64 + summary.records.saturating_mul(ENTRY as u64) + 4
}

/// Reads a whole file.
pub(in crate::spool) fn decode(
    name: Name,
    bytes: &[u8],
) -> Result<(Summary, Vec<Entry>), Unusable> {
    let (summary, start) = decode_summary(name, bytes)?;
    let rest = bytes.get(start..).ok_or(Unusable::Damaged)?;
    let (encoded, crc) = rest.split_last_chunk::<4>().ok_or(Unusable::Damaged)?;
    let whole = encoded.len().is_multiple_of(ENTRY)
        && (encoded.len() / ENTRY) as u64 == summary.records
        && entries_checksum(name, encoded) == u32::from_le_bytes(*crc);
    if !whole {
        return Err(Unusable::Damaged);
    }
    let entries = encoded
        .chunks_exact(ENTRY)
        .map(|mut bytes| decode_entry(&mut bytes))
        .collect::<Option<Vec<_>>>()
        .ok_or(Unusable::Damaged)?;
    Ok((summary, entries))
}

fn decode_entry(bytes: &mut &[u8]) -> Option<Entry> {
    Some(Entry {
        seq: Seq(take_u64(bytes)?),
        accepted_at: Millis(take_u64(bytes)?),
        ce_id: CeId(take(bytes)?),
        offset: take_u64(bytes)?,
        size: take_u32(bytes)?,
        source: take_u16(bytes)?,
        family: Family::from_code(take_u8(bytes)?)?,
    })
}

fn summary_checksum(len: [u8; 4], text: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len), text)
}

fn entries_checksum(name: Name, encoded: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&name.salt.to_le_bytes()), encoded)
}

#[cfg(test)]
mod tests;
