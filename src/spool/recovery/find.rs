//! Finding out what a segment holds, from its index if it has one, else by reading through it. Changes nothing, and is used by who only
//! looks, too.

use super::{Error, doing};
use crate::spool::{
    disk::{Dir, Disk, ReadDisk, ReadFile, is_unreadable},
    index::{self, Summary, Unusable},
    load,
    scan::{Scanned, judge::Part},
    segment::{Block, Name},
};
use std::io;

/// A segment as found.
pub(in crate::spool) enum Piece {
    Indexed(Box<Summary>),
    Scanned(Scanned),
}

impl Piece {
    pub(in crate::spool) fn part(&self) -> Part<'_> {
        match self {
            Self::Indexed(summary) => Part::Indexed {
                from: summary.from,
                through: summary.through,
            },
            Self::Scanned(scanned) => Part::Scanned(scanned),
        }
    }

    /// One written ahead and never used is not counted.
    pub(super) fn was_read_through(&self) -> bool {
        matches!(self, Self::Scanned(scanned) if scanned.block != Block::Unused)
    }

    /// Itself, if there is room for so many pieces of a segment.
    pub(super) fn within(self, room: &mut usize) -> Option<Self> {
        let takes = match &self {
            Self::Indexed(_) => 0,
            Self::Scanned(scanned) => scanned.items.len(),
        };
        *room = room.checked_sub(takes)?;
        Some(self)
    }
}

/// What a crash left under a temporary name, and indices without a segment.
pub(super) fn remove_leftovers(disk: &dyn Disk) -> io::Result<()> {
    let files = disk.list(Dir::Root)?;
    let is_leftover = |file: &String| {
        file.ends_with(".tmp")
            || Name::of_index(file).is_some_and(|name| !files.contains(&name.to_string()))
    };
    for file in files.iter().filter(|file| is_leftover(file)) {
        disk.remove(Dir::Root, file)?;
    }
    Ok(())
}

/// What one segment holds. Changes nothing.
pub(in crate::spool) fn find_out(disk: &dyn ReadDisk, name: Name) -> Result<Piece, Error> {
    let summary = match read_summary(disk, name) {
        Err(e) if is_unreadable(&e) => {
            tracing::warn!("{}: {e}: reading through the segment", name.index());
            Err(Unusable::Damaged)
        }
        other => other.map_err(doing(format!("reading {}", name.index())))?,
    };
    match summary {
        Ok(summary) => return Ok(Piece::Indexed(Box::new(summary))),
        Err(Unusable::Damaged) => {}
        Err(newer) => {
            return Err(Error::Newer {
                file: name.index(),
                what: newer.to_string(),
            });
        }
    }
    let scanned = load::scanned(disk, name).map_err(doing(format!("reading {name}")))?;
    let newer = match (&scanned.block, &scanned.not_understood) {
        (Block::Newer(version), _) => format!("segment version {version}"),
        (_, Some(why)) => why.to_string(),
        _ => return Ok(Piece::Scanned(scanned)),
    };
    Err(Error::Newer {
        file: name.to_string(),
        what: newer,
    })
}

/// The summary of an index that is there in full; its entries are checked when they are needed.
fn read_summary(disk: &dyn ReadDisk, name: Name) -> io::Result<Result<Summary, Unusable>> {
    let file = match disk.open(Dir::Root, &name.index()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Err(Unusable::Damaged)),
        other => other?,
    };
    let len = file.len()?;
    for size in [4096, index::SUMMARY_MAX + 4096] {
        let found = index::decode_summary(name, &read_start(&*file, size)?);
        match found {
            Ok((summary, start)) if index::file_len(&summary, start) == len => {
                return Ok(Ok(summary));
            }
            Err(Unusable::Damaged) if (size as u64) < len => {}
            Ok(_) => return Ok(Err(Unusable::Damaged)),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Err(Unusable::Damaged))
}

fn read_start(file: &dyn ReadFile, size: usize) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(size);
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
