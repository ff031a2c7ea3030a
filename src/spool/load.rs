//! Reading what segments and their indices hold, also where the disk gives back only some of it: a place that can't be read costs
//! what lies in it and nothing else.

use super::{
    bytes::{pad, written},
    disk::{Dir, ReadDisk, ReadFile, is_unreadable, read_all},
    index::{self, Entry, Summary},
    lost,
    scan::{self, Scanned},
    segment::Name,
};
use crate::callback::names::SourceName;
use std::{io, ops::Range};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;
/// After a fault, bytes read at once: what a page cache or a disk reads or fails to read as one.
const BLOCK: usize = 4096;
/// What stands where nothing could be read: a length that no frame has.
const FILL: u8 = 0xff;

/// Names of segments, oldest first.
pub(in crate::spool) fn segment_names(disk: &dyn ReadDisk) -> io::Result<Vec<Name>> {
    let mut names: Vec<Name> = disk
        .list(Dir::Root)?
        .iter()
        .filter_map(|n| n.parse().ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// What a segment holds, by reading through it.
pub(in crate::spool) fn scanned(disk: &dyn ReadDisk, name: Name) -> io::Result<Scanned> {
    let file = disk.open(Dir::Root, &name.to_string())?;
    let (bytes, unreadable) = read_written(&*file)?;
    Ok(Scanned {
        unreadable,
        ..scan::read(name, &bytes)
    })
}

/// The entries of a closed segment, from its index, or by reading through it if there is no usable one: then one for each record
/// that should be there and isn't, too.
pub(in crate::spool) fn entries(disk: &dyn ReadDisk, summary: &Summary) -> io::Result<Vec<Entry>> {
    let name = summary.name;
    match read_all(disk, Dir::Root, &name.index(), index::FILE_MAX) {
        Ok(bytes) => {
            if let Ok((_, entries)) = index::decode(name, &bytes) {
                return Ok(entries);
            }
            tracing::warn!("the index of {name} is damaged: reading through the segment instead");
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) if is_unreadable(&e) => {
            tracing::warn!("the index of {name}: {e}: reading through the segment instead");
        }
        Err(e) => return Err(e),
    }
    let scanned = scanned(disk, name)?;
    let sources: Vec<&SourceName> = scanned.sources.iter().collect();
    let entries = scanned.items.iter().filter_map(|item| match item {
        scan::Item::Frame(frame) => Some(frame.entry),
        scan::Item::Bad(_) => None,
    });
    let mut entries: Vec<Entry> = entries
        .filter(|e| e.seq >= summary.from && e.seq <= summary.through)
        .map(|mut e| {
            let place = sources
                .get(usize::from(e.source))
                .and_then(|source| summary.sources.iter().position(|s| s == *source));
            e.source = place
                .and_then(|p| u16::try_from(p).ok())
                .unwrap_or(u16::MAX);
            e
        })
        .collect();
    entries.extend(lost::lost(summary, &entries));
    entries.sort_unstable_by_key(|e| e.seq);
    Ok(entries)
}

/// A file without the zeros at its end, and which ranges of it can't be read: what a segment's memory needs is what was written to it.
///
/// # Errors
/// As far as no byte of the file can be read, it is the disk that fails, not a place on it.
pub(in crate::spool) fn read_written(
    file: &dyn ReadFile,
) -> io::Result<(Vec<u8>, Vec<Range<u64>>)> {
    let len = file.len()?;
    let (mut bytes, mut unreadable, mut offset) = (Vec::new(), Vec::new(), 0);
    let mut chunk = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
    while offset < len {
        let read = read_around(file, &mut chunk, offset, &mut unreadable)?;
        let Some(read_bytes) = chunk.get(..read).filter(|b| !b.is_empty()) else {
            break;
        };
        let written = written(read_bytes);
        if written > 0 {
            pad(&mut bytes, usize::try_from(offset).unwrap_or(usize::MAX));
            bytes.extend_from_slice(read_bytes.get(..written).unwrap_or_default());
        }
        offset += read as u64;
    }
    let lost: u64 = unreadable.iter().map(|r| r.end - r.start).sum();
    if lost > 0 && lost >= len {
        return Err(rustix::io::Errno::IO.into());
    }
    // A frame's padding is zeros too, and a body might end in some.
    let whole = bytes.len() + 2 * CHUNK;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    pad(&mut bytes, whole.min(len));
    Ok((bytes, unreadable))
}

/// These bytes of a file, as far as they can be read; the others are all ones.
pub(in crate::spool) fn read_range(file: &dyn ReadFile, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    let read = read_around(file, &mut bytes, range.start, &mut Vec::new())?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Reads like [`ReadFile::read_at`], but goes round what can't be read, block by block.
fn read_around(
    file: &dyn ReadFile,
    buffer: &mut [u8],
    offset: u64,
    unreadable: &mut Vec<Range<u64>>,
) -> io::Result<usize> {
    match file.read_at(buffer, offset) {
        Err(e) if is_unreadable(&e) => {}
        other => return other,
    }
    let len = file.len()?;
    let end = len.saturating_sub(offset).min(buffer.len() as u64);
    let buffer = buffer
        .get_mut(..usize::try_from(end).unwrap_or(0))
        .unwrap_or_default();
    let mut at = 0;
    while at < buffer.len() {
        // Up to the next boundary of blocks in the file.
        let inside = usize::try_from((offset + at as u64) % BLOCK as u64).unwrap_or(0);
        let to = (at + BLOCK - inside).min(buffer.len());
        let Some(block) = buffer.get_mut(at..to) else {
            break;
        };
        let here = offset + at as u64..offset + to as u64;
        match file.read_at(block, here.start) {
            Ok(_) => {}
            Err(e) if is_unreadable(&e) => {
                block.fill(FILL);
                match unreadable.last_mut() {
                    Some(last) if last.end == here.start => last.end = here.end,
                    _ => unreadable.push(here),
                }
            }
            Err(e) => return Err(e),
        }
        at = to;
    }
    Ok(buffer.len())
}

#[cfg(test)]
mod tests {
    use super::super::{disk::Disk, tests::fake_disk::FakeDisk};
    use super::*;

    #[test]
    fn what_can_be_read_is_read_block_by_block_around_what_cannot() {
        let disk = FakeDisk::new();
        let file = disk.create(Dir::Root, "f").unwrap();
        let mut content: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8 + 1).collect();
        content.resize(30_000, 0);
        file.write_at(&content, 0).unwrap();
        disk.make_unreadable(Dir::Root, "f", 4200..4201);
        disk.make_unreadable(Dir::Root, "f", 8200..8300);
        let (bytes, unreadable) = read_written(&*file).unwrap();
        assert_eq!((unreadable.len(), unreadable[0].clone()), (1, 4096..12_288));
        assert_eq!(bytes[..4096], content[..4096]);
        assert_eq!(bytes[4096..12_288], [FILL; 8192]);
        assert_eq!(bytes[12_288..], content[12_288..]);
        let some = read_range(&*file, &(4000..5000)).unwrap();
        assert_eq!(some[..96], content[4000..4096]);
        assert_eq!(some[96..], [FILL; 904]);
        disk.make_unreadable(Dir::Root, "f", 0..30_000);
        assert!(
            read_written(&*file).is_err_and(|e| is_unreadable(&e)),
            "nothing at all: the disk fails"
        );
    }
}
