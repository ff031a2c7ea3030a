//! Segments written ahead: zeros first, so that the writer's sync has only data to write, no lengths and no block maps.
//!
//! A segment is made under a temporary name, synced, renamed, and the directory synced, before anything is written to it. The
//! first one of a run is small, so that a start is fast and a crash loop doesn't eat the disk; each next one is four times as long.

use super::{
    disk::{Dir, Disk, DiskFile, Space},
    identity::new_salt,
    removal,
    segment::{self, Name},
    shared::{Shared, locked},
};
use std::{io, sync::atomic::Ordering};

/// The first segment of a run, if a record fits.
const FIRST_BYTES: u64 = 2 << 20;
/// Each segment is this many times as long as the one before, up to the limit.
const GROWTH: u64 = 4;
/// Zeros are written and synced in pieces, so that no sync of the writer waits for all of them.
const CHUNK: usize = 1 << 20;
/// Kept free on the filesystem: 5 %, at most this.
const RESERVE_MAX: u64 = 512 << 20;

/// How long segments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) struct Sizes {
    next: u64,
    least: u64,
    most: u64,
}

impl Sizes {
    /// From the settings: a segment is at most an eighth of `max_bytes`, but holds at least one record of the largest size.
    pub(in crate::spool) fn new(segment_bytes: u64, max_bytes: u64, largest_frame: u64) -> Self {
        let least =
            (segment::HEADER as u64 + largest_frame).next_multiple_of(segment::HEADER as u64);
        let most = segment_bytes.min(max_bytes / 8).max(least);
        Self {
            next: FIRST_BYTES.clamp(least, most),
            least,
            most,
        }
    }

    /// The next length; a shorter one if the filesystem has no room for it.
    fn that_fits(&self, space: Space) -> u64 {
        self.at_most(self.next, space)
    }

    /// A length that is soon written: for a writer that waits.
    fn in_a_hurry(&self, space: Space) -> u64 {
        self.at_most(FIRST_BYTES, space)
    }

    /// An eighth of the room is left for the segment's index, which comes later, so that it doesn't take from the reserve.
    fn at_most(&self, len: u64, space: Space) -> u64 {
        let room = space.free.saturating_sub(reserve(space));
        let room = room - room / 8;
        let whole_blocks = room - room % segment::HEADER as u64;
        len.min(self.most).min(whole_blocks).max(self.least)
    }

    fn grow(&mut self) {
        self.next = self.next.saturating_mul(GROWTH).min(self.most);
    }
}

/// A segment of zeros, in place.
pub(in crate::spool) struct Prepared {
    pub(in crate::spool) name: Name,
    pub(in crate::spool) file: Box<dyn DiskFile>,
    pub(in crate::spool) len: u64,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("name", &self.name)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Bytes that stay free, so that indices, the quarantine and the neighbours have room.
pub(in crate::spool) fn reserve(space: Space) -> u64 {
    (space.total / 20).min(RESERVE_MAX)
}

/// Makes sure that a segment is ready.
///
/// # Errors
/// If there is no room, or the disk fails. Nothing was lost: it may be tried again.
pub(in crate::spool) fn ensure_ready(shared: &Shared) -> io::Result<()> {
    let sizes = {
        let slot = locked(&shared.slot);
        if slot.ready.is_some() {
            return Ok(());
        }
        slot.sizes
    };
    put_ready(shared, sizes.that_fits(shared.disk.space()?), true)
}

/// The segment that is ready; a small one made now if the housekeeper is late.
///
/// # Errors
/// As [`ensure_ready`], but only when nothing settled is left that could be deleted.
pub(in crate::spool) fn take(shared: &Shared) -> io::Result<Prepared> {
    loop {
        let mut slot = locked(&shared.slot);
        if let Some(ready) = slot.ready.take() {
            shared.ready_bytes.store(0, Ordering::Relaxed);
            return Ok(ready);
        }
        let sizes = slot.sizes;
        drop(slot);
        removal::with_room(shared, || {
            put_ready(shared, sizes.in_a_hurry(shared.disk.space()?), false)
        })?;
    }
}

fn put_ready(shared: &Shared, len: u64, grow: bool) -> io::Result<()> {
    let disk = &*shared.disk;
    let space = disk.space()?;
    if space.free < len.saturating_add(reserve(space)) {
        let text = format!(
            "{} bytes are free on the filesystem: a segment of {len} and {} to spare don't fit",
            space.free,
            reserve(space)
        );
        return Err(io::Error::new(io::ErrorKind::StorageFull, text));
    }
    let salt = new_salt(disk)?;
    let temporary = format!("{salt:016x}.segment.tmp");
    let placed = write_zeros(disk, &temporary, len).and_then(|file| {
        let mut slot = locked(&shared.slot);
        if slot.ready.is_some() {
            // Writer and housekeeper made one each: the second isn't needed.
            return disk.remove(Dir::Root, &temporary);
        }
        // The ordinal is given at the moment of placing, so that the order of names is the order of use.
        let name = Name {
            ordinal: slot.next_ordinal,
            salt,
        };
        slot.next_ordinal += 1;
        disk.rename(Dir::Root, &temporary, &name.to_string())?;
        if let Err(e) = disk.sync_dir(Dir::Root) {
            let _ = disk.remove(Dir::Root, &name.to_string());
            return Err(e);
        }
        if grow {
            slot.sizes.grow();
        }
        slot.ready = Some(Prepared { name, file, len });
        shared.ready_bytes.store(len, Ordering::Relaxed);
        Ok(())
    });
    if placed.is_err() {
        // Best effort: what is left is removed at the next start.
        let _ = disk.remove(Dir::Root, &temporary);
    }
    placed
}

fn write_zeros(disk: &dyn Disk, name: &str, len: u64) -> io::Result<Box<dyn DiskFile>> {
    let file = disk.create(Dir::Root, name)?;
    let zeros = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
    let mut offset = 0;
    while offset < len {
        let rest = usize::try_from(len - offset).unwrap_or(CHUNK);
        let chunk = zeros.get(..rest.min(zeros.len())).unwrap_or(&zeros);
        file.write_at(chunk, offset)?;
        file.sync_data()?;
        offset += chunk.len() as u64;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_grow_from_small_to_the_limit_and_hold_the_largest_record() {
        let mut sizes = Sizes::new(64 << 20, 10 << 30, 1 << 20);
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(sizes.next >> 20);
            sizes.grow();
        }
        assert_eq!(seen, [2, 8, 32, 64, 64]);
        let tiny = Sizes::new(64 << 20, 1 << 20, 1 << 20);
        assert_eq!((tiny.next, tiny.most), ((1 << 20) + 4096, (1 << 20) + 4096));
        let eighth = Sizes::new(64 << 20, 80 << 20, 1 << 20);
        assert_eq!(eighth.most, 10 << 20);
    }

    #[test]
    fn a_segment_is_shorter_where_there_is_little_room() {
        let mut sizes = Sizes::new(64 << 20, 10 << 30, 1 << 20);
        (0..5).for_each(|_| sizes.grow());
        let fits = |free| {
            sizes.that_fits(Space {
                free,
                total: 100 << 20,
            })
        };
        assert_eq!(fits(100 << 20), 64 << 20);
        assert_eq!(fits(25 << 20), (20 << 20) / 8 * 7);
        assert_eq!(fits(0), sizes.least);
    }

    #[test]
    fn the_reserve_is_a_twentieth_of_the_filesystem_at_most_512_mib() {
        let of = |total| reserve(Space { free: 0, total });
        assert_eq!((of(1 << 20), of(1 << 40)), ((1 << 20) / 20, 512 << 20));
    }
}
