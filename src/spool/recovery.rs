//! Opening what an earlier run left behind: finds out (see [`super::scan`]), then acts.
//!
//! Whatever it takes over is durable before anyone relies on it. After a kill the last frames are whole, but perhaps only in the
//! page cache: so they are synced. After a sync that failed they may even be in the page cache, taken for clean, and nowhere else:
//! so what nothing vouches for is written again, the same bytes to the same place, and then synced.
//!
//! Memory: the entries of some segments at a time, whatever the number of segments.

mod count;
mod find;
mod take_over;

pub(in crate::spool) use find::{Piece, find_out};

use super::{
    checkpoint::{self, Checkpoint, Found},
    corrupt::CorruptStore,
    disk::{Dir, Disk},
    load::segment_names,
    record::Seq,
    scan::judge::Judge,
    segment::{Instance, Name},
    view::{CACHED_MAX, Closed, View},
    window::Window,
};
use crate::{callback::names::SourceName, clock::Millis, config::Dedup};
use std::{io, ops::Range};

/// What a run starts from.
pub(in crate::spool) struct Recovered {
    /// The run that recovers.
    instance: Instance,
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

/// See the module.
pub(in crate::spool) fn recover(
    disk: &dyn Disk,
    dedup: Dedup,
    now: Millis,
    corrupt: &CorruptStore,
    instance: Instance,
) -> Result<Recovered, Error> {
    find::remove_leftovers(disk).map_err(doing("removing unfinished files"))?;
    let (checkpoint, found) = Checkpoint::open(disk).map_err(|e| match e {
        checkpoint::Error::Io(source) => doing("reading the checkpoint")(source),
        checkpoint::Error::Newer(what) => Error::Newer {
            file: "checkpoint".into(),
            what,
        },
    })?;
    let names = segment_names(disk).map_err(doing("listing segments"))?;
    let expected = found
        .is_whole()
        .then(|| checkpoint.settled().least().next());
    let mut recovered = Recovered {
        instance,
        view: View::default(),
        window: Window::new(dedup.window, dedup.max_entries),
        sources: Vec::new(),
        last_accepted: Millis(0),
        next_ordinal: names.last().map_or(1, |name| name.ordinal + 1),
        scanned_segments: 0,
        corrupt_records: 0,
        torn_bytes: 0,
        damage: Vec::new(),
        checkpoint,
    };
    recovered.damage.extend(found.damage());
    let (closed, log) = recovered.segments(disk, corrupt, &names, expected)?;
    if found.is_lost() {
        let before = Seq(log.start.0.saturating_sub(1));
        recovered
            .checkpoint
            .begin_anew(disk, before)
            .map_err(doing("writing a new checkpoint"))?;
    }
    let settled = recovered.checkpoint.settled();
    // Never a number twice: not even if the log ends before what was settled.
    let durable = log.end.max(settled.most());
    recovered.view = View::new(closed, durable, settled);
    recovered
        .count_pending(disk)
        .map_err(doing("reading indices"))?;
    recovered
        .rebuild_window(disk, corrupt, now)
        .map_err(doing("reading indices for the dedup window"))?;
    Ok(recovered)
}

impl Found {
    /// What to tell about it, if it isn't as it should be.
    fn damage(self) -> Option<String> {
        match self {
            Self::New | Self::Valid => None,
            Self::Missing => Some(
                "the checkpoint: it is gone, though there are segments, so everything in the log is published again"
                    .into(),
            ),
            Self::HalfUnreadable => Some(
                "the checkpoint: one of its slots can't be read, so what the other one doesn't know of may be published again"
                    .into(),
            ),
            Self::Damaged => Some(
                "the checkpoint: both slots are damaged, so everything in the log is published again"
                    .into(),
            ),
        }
    }
}

impl Recovered {
    /// Finds out about all segments, then decides about each and acts on it. Returns what the log consists of, and the
    /// first and the last number of it.
    fn segments(
        &mut self,
        disk: &dyn Disk,
        corrupt: &CorruptStore,
        names: &[Name],
        expected: Option<Seq>,
    ) -> Result<(Vec<Closed>, Range<Seq>), Error> {
        let mut outlines = Vec::with_capacity(names.len());
        let mut pieces = Vec::with_capacity(names.len());
        let mut room = CACHED_MAX;
        for name in names {
            let piece = find_out(disk, *name)?;
            outlines.push(piece.part().outline());
            self.scanned_segments += usize::from(piece.was_read_through());
            // One without room is read again when its turn comes.
            pieces.push(piece.within(&mut room));
        }
        let known = self.checkpoint.settled().most();
        let mut judge = Judge::new(expected, known, outlines);
        let mut closed = Vec::with_capacity(names.len());
        let mut room = CACHED_MAX;
        for (name, piece) in names.iter().zip(pieces) {
            let piece = match piece {
                Some(piece) => piece,
                None => find_out(disk, *name)?,
            };
            let verdict = judge.verdict(&piece.part());
            self.torn_bytes += verdict.torn_bytes;
            self.count_lost(&name.to_string(), &verdict.lost);
            let last = closed.last().map_or(known, |c: &Closed| c.summary.through);
            let told = known.max(last);
            closed.extend(self.take_over(disk, corrupt, piece, verdict, told, &mut room)?);
        }
        if let Some(lost) = judge.unaccounted() {
            if expected.is_some() {
                self.count_lost("no segment is left", std::slice::from_ref(&lost));
            }
            self.checkpoint
                .pass(known)
                .map_err(doing("writing the checkpoint"))?;
        }
        disk.sync_dir(Dir::Root)
            .map_err(doing("syncing the directory"))?;
        Ok((closed, judge.first()..judge.log_end()))
    }

    /// Numbers that were acknowledged and are gone. Those that were settled already are told, not counted.
    fn count_lost(&mut self, told_by: &str, ranges: &[Range<u64>]) {
        let least = self.checkpoint.settled().least();
        for lost in ranges {
            let pending = lost.end.saturating_sub(lost.start.max(least.next().0));
            self.corrupt_records += pending;
            self.damage.push(format!(
                "{told_by}: records {} to {} are not there, {pending} of them not settled",
                lost.start,
                lost.end - 1
            ));
        }
    }
}
