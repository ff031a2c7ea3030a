//! Looking into a spool from outside: opens files to read only, takes no lock, changes nothing. Works beside a relay that
//! writes, and on a copy.
//!
//! A live spool changes under the eye: segments go and come, and its last bytes may be half written. So what looks damaged
//! is looked at again, and only what stays is damage; bytes once written never change.
//!
//! * [`Look`]: finds out what is there, as a recovery would, and stops there.
//! * [`Seen`], by [`Look::walk`]: record by record, with what became of each.
//! * [`Checked`], by [`Look::check`]: every frame against its checksum and its index.
//! * [`aside`]: the quarantine, which an operator may also take records out of.

pub mod aside;
mod check;
mod disk;
mod frames;
mod listing;
mod walk;

pub use check::Checked;
pub use listing::{Held, Listing, SegmentListing};
pub use walk::{Outcome, Seen};

use super::{
    checkpoint,
    disk::{Dir, read_all},
    index::{Entry, Summary},
    load::{self, segment_names},
    outlet::Settled,
    record::Seq,
    recovery::{self, Piece},
    scan::{
        Scanned,
        judge::{Part, Verdict, judge},
    },
    segment::{Block, Instance, Name},
};
use crate::owner;
use disk::ReadOnly;
use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How often what looks damaged is looked at again.
const LOOKS: usize = 4;

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Another directory, or none.
    #[error(
        "there is no spool in {0}: name its directory (spool.dir), the one with the file spool-id"
    )]
    NotASpool(PathBuf),
    /// The disk, or permissions.
    #[error("the spool {dir} can't be read: {doing}: {source}{}", owner::whose(.source, .dir))]
    Io {
        /// The spool.
        dir: PathBuf,
        /// What was tried.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Written by a later release.
    #[error("{file} was written by a later release of livebridge ({what}): use that release")]
    Newer {
        /// The file.
        file: String,
        /// What isn't known.
        what: String,
    },
}

/// Whether this is the directory of a spool.
///
/// # Errors
/// If it isn't, or can't be looked at.
pub fn find(dir: &Path) -> Result<(), LookError> {
    let missing = |e: &io::Error| {
        let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        kinds.contains(&e.kind())
    };
    match fs::metadata(dir.join("spool-id")) {
        Ok(found) if found.is_file() => Ok(()),
        Err(source) if !missing(&source) => Err(LookError::Io {
            dir: dir.into(),
            doing: "looking at spool-id".into(),
            source,
        }),
        _ => Err(LookError::NotASpool(dir.into())),
    }
}

/// A spool as it was at one moment.
#[derive(Debug)]
pub struct Look {
    root: PathBuf,
    disk: ReadOnly,
    id: String,
    segments: Vec<Segment>,
    /// Read before the segments, so that it can be held against them …
    settled_before: Settled,
    /// … and after them.
    settled: Settled,
    checkpoint: checkpoint::Found,
    /// Acknowledged, and no segment is left to tell so.
    unaccounted: Option<Range<u64>>,
}

/// One segment as found.
#[derive(Debug)]
struct Segment {
    summary: Arc<Summary>,
    /// It accounts for everything from here to `summary.through`.
    from: Seq,
    indexed: bool,
    file_len: u64,
    /// Of a segment without an index.
    entries: Option<Arc<Vec<Entry>>>,
    damaged: Vec<Range<u64>>,
    lost: Vec<Range<u64>>,
}

/// What looks damaged in one segment (none: in the log as a whole): bytes, and numbers.
type Damage = (Option<Name>, Vec<Range<u64>>, Vec<Range<u64>>);

impl Look {
    /// Finds out what is there. Reads summaries of indices, and whole segments only where there is none.
    ///
    /// # Errors
    /// If there is no spool, it can't be read, or is of a later release.
    pub fn open(dir: &Path) -> Result<Self, LookError> {
        let mut look = Self::once(dir)?;
        for _ in 1..LOOKS {
            let damage = look.damage();
            if damage.is_empty() {
                break;
            }
            look = Self::once(dir)?;
            if look.damage() == damage {
                break;
            }
        }
        Ok(look)
    }

    /// The spool's random name: 32 hex digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How far each family is settled, by the checkpoint.
    #[must_use]
    pub const fn settled(&self) -> Settled {
        self.settled
    }

    /// The last number that any segment accounts for.
    #[must_use]
    pub fn end(&self) -> Seq {
        let last = self.segments.iter().map(|s| s.summary.through).max();
        last.unwrap_or_default()
    }

    fn once(dir: &Path) -> Result<Self, LookError> {
        let disk = ReadOnly::new(dir);
        let failed = |doing: &str| {
            let doing = doing.to_owned();
            move |source| LookError::Io {
                dir: dir.into(),
                doing,
                source,
            }
        };
        let id = match read_all(&disk, Dir::Root, "spool-id", 4096) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(LookError::NotASpool(dir.into()));
            }
            Err(e) => return Err(failed("reading spool-id")(e)),
        };
        let (_, settled_before) = read_checkpoint(&disk, dir)?;
        let names = segment_names(&disk).map_err(failed("listing segments"))?;
        let mut pieces = Vec::with_capacity(names.len());
        for name in names {
            match recovery::find_out(&disk, name) {
                Ok(piece) => pieces.push((name, piece)),
                // Wholly settled, and removed meanwhile.
                Err(recovery::Error::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                Err(recovery::Error::Io { doing, source }) => return Err(failed(&doing)(source)),
                Err(recovery::Error::Newer { file, what }) => {
                    return Err(LookError::Newer { file, what });
                }
            }
        }
        let (checkpoint, settled) = read_checkpoint(&disk, dir)?;
        let (segments, unaccounted) = judged(&disk, &pieces, checkpoint, settled, settled_before);
        Ok(Self {
            root: dir.into(),
            id,
            segments,
            settled_before,
            settled,
            checkpoint,
            unaccounted,
            disk,
        })
    }

    /// What looks damaged: comparable between two looks.
    fn damage(&self) -> Vec<Damage> {
        let damaged = |s: &&Segment| !s.damaged.is_empty() || !s.lost.is_empty();
        let of = |s: &Segment| (Some(s.summary.name), s.damaged.clone(), s.lost.clone());
        let log = self.unaccounted.iter();
        let log = log.map(|lost| (None, Vec::new(), vec![lost.clone()]));
        let segments = self.segments.iter().filter(damaged).map(of);
        segments.chain(log).collect()
    }

    /// The entries of a segment. None: it was removed meanwhile.
    fn entries(&self, segment: &Segment) -> Result<Option<Arc<Vec<Entry>>>, LookError> {
        if let Some(entries) = &segment.entries {
            return Ok(Some(Arc::clone(entries)));
        }
        match load::entries(&self.disk, &segment.summary) {
            Ok(entries) => Ok(Some(Arc::new(entries))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed(format!("reading {}", segment.summary.name.index()), e)),
        }
    }

    fn failed(&self, doing: impl Into<String>, source: io::Error) -> LookError {
        LookError::Io {
            dir: self.root.clone(),
            doing: doing.into(),
            source,
        }
    }
}

fn read_checkpoint(disk: &ReadOnly, dir: &Path) -> Result<(checkpoint::Found, Settled), LookError> {
    match checkpoint::read(disk) {
        Ok((found, _, settled)) => Ok((found, settled)),
        Err(checkpoint::Error::Io(source)) => Err(LookError::Io {
            dir: dir.into(),
            doing: "reading the checkpoint".into(),
            source,
        }),
        Err(checkpoint::Error::Newer(what)) => Err(LookError::Newer {
            file: "checkpoint".into(),
            what,
        }),
    }
}

/// As a recovery would decide; segments without a record are left out. What was settled before the log was read was durable.
fn judged(
    disk: &ReadOnly,
    pieces: &[(Name, Piece)],
    found: checkpoint::Found,
    settled: Settled,
    settled_before: Settled,
) -> (Vec<Segment>, Option<Range<u64>>) {
    let parts: Vec<Part<'_>> = pieces.iter().map(|(_, piece)| piece.part()).collect();
    let expected = found.is_whole().then(|| settled.least().next());
    let (verdicts, mut judge) = judge(expected, settled_before.most(), &parts);
    let mut segments = Vec::with_capacity(pieces.len());
    for ((name, piece), verdict) in pieces.iter().zip(verdicts) {
        let mut segment = match piece {
            Piece::Indexed(summary) => indexed((**summary).clone(), verdict),
            Piece::Scanned(scanned) if scanned.block == Block::Unused => continue,
            Piece::Scanned(scanned) => scanned_through(scanned, verdict),
        };
        let len =
            super::disk::ReadDisk::open(disk, Dir::Root, &name.to_string()).and_then(|f| f.len());
        segment.file_len = len.unwrap_or(segment.summary.end);
        segments.push(segment);
    }
    (segments, judge.unaccounted().filter(|_| expected.is_some()))
}

fn indexed(summary: Summary, verdict: Verdict) -> Segment {
    Segment {
        summary: Arc::new(summary),
        from: verdict.from,
        indexed: true,
        file_len: 0,
        entries: None,
        damaged: Vec::new(),
        lost: verdict.lost,
    }
}

fn scanned_through(scanned: &Scanned, verdict: Verdict) -> Segment {
    let instance = match scanned.block {
        Block::Header(header) => header.instance,
        _ => Instance::default(),
    };
    let mut summary = Summary::empty(scanned.name, instance, verdict.from);
    verdict.kept.iter().for_each(|entry| summary.add(entry));
    summary.through = verdict.through;
    summary.sources.clone_from(&scanned.sources);
    Segment {
        summary: Arc::new(summary),
        from: verdict.from,
        indexed: false,
        file_len: 0,
        entries: Some(Arc::new(verdict.kept)),
        damaged: verdict.damaged,
        lost: verdict.lost,
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
