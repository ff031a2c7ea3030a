//! Opening what an earlier run left behind: finds out (see [`super::scan`]), then acts. Whatever it takes over is synced before
//! anyone relies on it: after a kill the last frames are whole, but perhaps only in the page cache.

mod count;

use super::{
    checkpoint::{self, Checkpoint, Found},
    corrupt::CorruptStore,
    disk::{Dir, Disk, DiskFile, write_whole},
    index::{self, Summary, Unusable},
    scan::{self, Part, Scanned, Verdict},
    segment::{Block, Instance, Name},
    shared::{read_written, segment_names},
    view::{Closed, View},
    window::Window,
};
use crate::{callback::names::SourceName, clock::Millis, config::Dedup};
use std::{io, sync::Arc};

/// What a run starts from.
pub(in crate::spool) struct Recovered {
    pub(in crate::spool) view: View,
    pub(in crate::spool) checkpoint: Checkpoint,
    pub(in crate::spool) window: Window,
    pub(in crate::spool) sources: Vec<SourceName>,
    pub(in crate::spool) last_accepted: Millis,
    pub(in crate::spool) next_ordinal: u64,
    pub(in crate::spool) scanned_segments: usize,
    /// Acknowledged, above the least checkpoint, and gone.
    pub(in crate::spool) corrupt_records: u64,
    pub(in crate::spool) torn_bytes: u64,
    pub(in crate::spool) damage: Vec<String>,
}

/// Why recovery can't go on.
#[derive(Debug, thiserror::Error)]
pub(in crate::spool) enum Error {
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("{file}: {what}")]
    Newer { file: String, what: String },
}

fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let doing = what.into();
    move |source| Error::Io { doing, source }
}

/// A segment as found.
pub(in crate::spool) enum Piece {
    Indexed(Box<Summary>),
    Scanned(Scanned),
}

impl Piece {
    /// One written ahead and never used is not counted.
    fn was_read_through(&self) -> bool {
        matches!(self, Self::Scanned(scanned) if scanned.block != Block::Unused)
    }
}

/// See the module.
pub(in crate::spool) fn recover(
    disk: &dyn Disk,
    dedup: Dedup,
    now: Millis,
    corrupt: &CorruptStore,
) -> Result<Recovered, Error> {
    remove_leftovers(disk).map_err(doing("removing unfinished files"))?;
    let (checkpoint, found) = Checkpoint::open(disk).map_err(|e| match e {
        checkpoint::Error::Io(source) => doing("reading the checkpoint")(source),
        checkpoint::Error::Newer(what) => Error::Newer {
            file: "checkpoint".into(),
            what,
        },
    })?;
    let names = segment_names(disk).map_err(doing("listing segments"))?;
    let pieces = names
        .iter()
        .map(|name| find_out(disk, *name))
        .collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<Part<'_>> = pieces.iter().map(part).collect();
    let expected = (found == Found::Valid).then(|| checkpoint.settled().least().next());
    let known = checkpoint.settled().most();
    let (verdicts, log_end) = scan::judge(expected, known, &parts);
    let mut recovered = Recovered {
        view: View::default(),
        window: Window::new(dedup.window, dedup.max_entries),
        sources: Vec::new(),
        last_accepted: Millis(0),
        next_ordinal: names.last().map_or(1, |name| name.ordinal + 1),
        scanned_segments: pieces.iter().filter(|p| p.was_read_through()).count(),
        corrupt_records: 0,
        torn_bytes: verdicts.iter().map(|v| v.torn_bytes).sum(),
        damage: Vec::new(),
        checkpoint,
    };
    if found == Found::Damaged {
        recovered.damage.push(
            "the checkpoint: both slots are damaged, so everything in the log is published again"
                .into(),
        );
    }
    recovered.count_lost(&names, &verdicts);
    let closed = take_over(disk, corrupt, &mut recovered, pieces, verdicts)?;
    let settled = recovered.checkpoint.settled();
    // Never a number twice: not even if the log ends before what was settled.
    let durable = log_end.max(settled.most());
    recovered.last_accepted = closed
        .iter()
        .map(|c| c.summary.newest)
        .max()
        .unwrap_or_default();
    recovered.view = View::new(closed, durable, settled);
    recovered
        .count_pending(disk)
        .map_err(doing("reading indices"))?;
    recovered
        .rebuild_window(disk, dedup, now)
        .map_err(doing("reading indices for the dedup window"))?;
    Ok(recovered)
}

pub(in crate::spool) fn part(piece: &Piece) -> Part<'_> {
    match piece {
        Piece::Indexed(summary) => Part::Indexed {
            from: summary.from,
            through: summary.through,
        },
        Piece::Scanned(scanned) => Part::Scanned(scanned),
    }
}

/// What a crash left under a temporary name, and indices without a segment.
fn remove_leftovers(disk: &dyn Disk) -> io::Result<()> {
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
pub(in crate::spool) fn find_out(disk: &dyn Disk, name: Name) -> Result<Piece, Error> {
    match read_summary(disk, name).map_err(doing(format!("reading {}", name.index())))? {
        Ok(summary) => return Ok(Piece::Indexed(Box::new(summary))),
        Err(Unusable::Damaged) => {}
        Err(newer) => {
            return Err(Error::Newer {
                file: name.index(),
                what: newer.to_string(),
            });
        }
    }
    let read = || read_written(&*disk.open(Dir::Root, &name.to_string())?);
    let scanned = scan::read(name, &read().map_err(doing(format!("reading {name}")))?);
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
fn read_summary(disk: &dyn Disk, name: Name) -> io::Result<Result<Summary, Unusable>> {
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

fn read_start(file: &dyn DiskFile, size: usize) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(size);
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Acts on the verdicts: copies what is damaged, syncs what is kept, removes what holds nothing, writes the indices.
fn take_over(
    disk: &dyn Disk,
    corrupt: &CorruptStore,
    recovered: &mut Recovered,
    pieces: Vec<Piece>,
    verdicts: Vec<Verdict>,
) -> Result<Vec<Closed>, Error> {
    let mut closed = Vec::new();
    for (piece, verdict) in pieces.into_iter().zip(verdicts) {
        let segment = match piece {
            Piece::Indexed(summary) => close(disk, *summary, None)?,
            Piece::Scanned(scanned) => {
                let Some(segment) = take_over_scanned(disk, corrupt, recovered, &scanned, verdict)?
                else {
                    continue;
                };
                segment
            }
        };
        closed.push(segment);
    }
    disk.sync_dir(Dir::Root)
        .map_err(doing("syncing the directory"))?;
    for segment in closed.iter_mut().filter(|c| !c.indexed) {
        let entries = segment.entries.as_ref().map_or(&[][..], |e| e.as_slice());
        let bytes = index::encode(&segment.summary, entries);
        // On a full disk the next start reads through it again; nothing else depends on it.
        match write_whole(disk, Dir::Root, &segment.summary.name.index(), &[&bytes]) {
            Ok(()) => segment.indexed = true,
            Err(e) => tracing::warn!("{} can't be written: {e}", segment.summary.name.index()),
        }
    }
    Ok(closed)
}

fn take_over_scanned(
    disk: &dyn Disk,
    corrupt: &CorruptStore,
    recovered: &mut Recovered,
    scanned: &Scanned,
    verdict: Verdict,
) -> Result<Option<Closed>, Error> {
    let name = scanned.name;
    let file = disk
        .open(Dir::Root, &name.to_string())
        .map_err(doing(format!("opening {name}")))?;
    for range in &verdict.damaged {
        recovered.damage.push(format!(
            "{name}: bytes {} to {} held acknowledged records",
            range.start, range.end
        ));
        if let Err(e) = set_aside(disk, corrupt, name, &*file, range.start, range.end) {
            tracing::warn!("damaged bytes of {name} can't be set aside: {e}");
        }
    }
    if verdict.kept.is_empty() {
        drop(file);
        disk.remove(Dir::Root, &name.to_string())
            .map_err(doing(format!("removing {name}, which holds no record")))?;
        return Ok(None);
    }
    file.sync_data().map_err(doing(format!("syncing {name}")))?;
    let instance = match scanned.block {
        Block::Header(header) => header.instance,
        _ => Instance::default(),
    };
    let mut summary = Summary::empty(name, instance, verdict.from);
    verdict.kept.iter().for_each(|entry| summary.add(entry));
    summary.through = verdict.through;
    summary.sources.clone_from(&scanned.sources);
    close(disk, summary, Some(verdict.kept)).map(Some)
}

fn close(
    disk: &dyn Disk,
    summary: Summary,
    entries: Option<Vec<index::Entry>>,
) -> Result<Closed, Error> {
    let name = summary.name;
    let len = || disk.open(Dir::Root, &name.to_string())?.len();
    Ok(Closed {
        base: 0,
        file_len: len().map_err(doing(format!("looking at {name}")))?,
        indexed: entries.is_none(),
        entries: entries.map(Arc::new),
        summary: Arc::new(summary),
    })
}

fn set_aside(
    disk: &dyn Disk,
    corrupt: &CorruptStore,
    name: Name,
    file: &dyn DiskFile,
    start: u64,
    end: u64,
) -> io::Result<()> {
    let len = usize::try_from(end - start).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, start)?;
    bytes.truncate(read);
    corrupt.put(disk, name, start, &bytes)
}
