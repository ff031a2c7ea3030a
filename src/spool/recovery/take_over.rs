//! Acting on a verdict: sets aside what is damaged, makes durable what is kept, writes the index, removes what holds nothing.

use super::{Error, Piece, Recovered, doing};
use crate::spool::{
    corrupt::CorruptStore,
    disk::{Dir, Disk, DiskFile, write_whole},
    index::{self, Entry, Summary},
    load::read_range,
    record::Seq,
    removal::no_room,
    scan::{Scanned, judge::Verdict},
    segment::{self, Block, Header, Instance},
    view::Closed,
};
use std::{io, ops::Range, sync::Arc};

/// Bytes written again at once.
const CHUNK: u64 = 1 << 20;

impl Recovered {
    /// None: the segment held nothing, and is gone. `told` is the last number that an earlier segment or the checkpoint tells of; `room`
    /// says how many entries may stay in memory.
    pub(super) fn take_over(
        &mut self,
        disk: &dyn Disk,
        corrupt: &CorruptStore,
        piece: Piece,
        verdict: Verdict,
        told: Seq,
        room: &mut usize,
    ) -> Result<Option<Closed>, Error> {
        let scanned = match piece {
            Piece::Indexed(summary) => return close(disk, *summary).map(Some),
            Piece::Scanned(scanned) => scanned,
        };
        let name = scanned.name;
        let file = disk
            .open_to_write(Dir::Root, &name.to_string())
            .map_err(doing(format!("opening {name}")))?;
        let safe = self.set_aside(disk, corrupt, &scanned, &*file, &verdict);
        // What its header says of the numbers before it may be said nowhere else; and damage that couldn't be copied is still here.
        let tells = verdict.through >= verdict.from || verdict.through > told;
        if verdict.kept.is_empty() && !tells && safe {
            drop(file);
            disk.remove(Dir::Root, &name.to_string())
                .map_err(doing(format!("removing {name}, which holds no record")))?;
            return Ok(None);
        }
        write_again(&*file, &scanned, &verdict)
            .map_err(doing(format!("writing again what {name} holds")))?;
        let instance = match scanned.block {
            Block::Header(header) => header.instance,
            _ => {
                mend_header(&*file, &scanned, verdict.from, self.instance)
                    .map_err(doing(format!("writing the lost header of {name}")))?;
                self.instance
            }
        };
        file.sync_data().map_err(doing(format!("syncing {name}")))?;
        drop(file);
        let mut closed = close(disk, summary(&scanned, &verdict, instance))?;
        let bytes = index::encode(&closed.summary, &verdict.kept);
        // On a full disk the next start reads through it again; nothing else depends on it.
        match write_whole(disk, Dir::Root, &name.index(), &[&bytes]) {
            Ok(()) => closed.indexed = true,
            Err(e) => {
                tracing::warn!("{} can't be written: {e}", name.index());
                closed.indexed = false;
            }
        }
        if let Some(left) = room.checked_sub(verdict.kept.len()) {
            *room = left;
            closed.entries = Some(Arc::new(verdict.kept));
        }
        Ok(Some(closed))
    }

    /// Whether all that is damaged is copied elsewhere.
    fn set_aside(
        &mut self,
        disk: &dyn Disk,
        corrupt: &CorruptStore,
        scanned: &Scanned,
        file: &dyn DiskFile,
        verdict: &Verdict,
    ) -> bool {
        let name = scanned.name;
        for range in &scanned.unreadable {
            self.damage.push(format!(
                "{name}: the disk doesn't give back bytes {} to {}",
                range.start, range.end
            ));
        }
        // Written with the first frames, by one sync: if that isn't known to have ended, the header is torn as they may be.
        let first = verdict.kept.first();
        if scanned.block == Block::Bad && first.is_some_and(|entry| entry.seq <= verdict.witnessed)
        {
            self.damage.push(format!(
                "{name}: its header is damaged; its records don't need it"
            ));
        }
        let mut safe = scanned.unreadable.is_empty();
        for range in &verdict.damaged {
            self.damage.push(format!(
                "{name}: bytes {} to {} held acknowledged records",
                range.start, range.end
            ));
            let put = read_range(file, range)
                .and_then(|bytes| corrupt.put(disk, name, range.start, &bytes));
            if let Err(e) = put {
                tracing::warn!("damaged bytes of {name} can't be set aside: {e}");
                safe = false;
            }
        }
        safe
    }
}

/// In the name of the run that recovers: which one took the records nothing else says, and one that is nobody's would keep exactly-once
/// from ever knowing again what of it is committed.
fn mend_header(
    file: &dyn DiskFile,
    scanned: &Scanned,
    first_seq: Seq,
    instance: Instance,
) -> io::Result<()> {
    let name = scanned.name;
    // Where the disk doesn't even give back what is there, a write may fail, too; and the index says as much.
    if scanned
        .unreadable
        .iter()
        .any(|range| range.start < segment::HEADER as u64)
    {
        return Ok(());
    }
    let header = Header {
        name,
        first_seq,
        instance,
    };
    let mut block = Vec::new();
    header.encode(&mut block);
    match file.write_at(&block, 0) {
        // A filesystem that copies on write wants room even for that.
        Err(e) if no_room(&e) => {
            tracing::warn!("the header of {name} can't be written: {e}");
            Ok(())
        }
        written => written,
    }
}

fn summary(scanned: &Scanned, verdict: &Verdict, instance: Instance) -> Summary {
    let mut summary = Summary::empty(scanned.name, instance, verdict.from);
    verdict.kept.iter().for_each(|entry| summary.add(entry));
    summary.through = verdict.through;
    summary.sources.clone_from(&scanned.sources);
    summary
}

/// With its index.
fn close(disk: &dyn Disk, summary: Summary) -> Result<Closed, Error> {
    let name = summary.name;
    let file_len = disk
        .size(Dir::Root, &name.to_string())
        .map_err(doing(format!("looking at {name}")))?;
    Ok(Closed {
        base: 0,
        file_len,
        indexed: true,
        entries: None,
        cached: true,
        summary: Arc::new(summary),
    })
}

/// The same bytes to the same places, for what is kept and nothing says that it was ever durable: a page that a failed sync has left
/// clean is written by no later sync.
fn write_again(file: &dyn DiskFile, scanned: &Scanned, verdict: &Verdict) -> io::Result<()> {
    for range in in_doubt(scanned, verdict) {
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + CHUNK);
            let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
            let read = file.read_at(&mut bytes, start)?;
            file.write_at(bytes.get(..read).unwrap_or_default(), start)?;
            start = end;
        }
    }
    Ok(())
}

/// The header goes with the first frames.
fn in_doubt(scanned: &Scanned, verdict: &Verdict) -> Vec<Range<u64>> {
    let header = 0..segment::HEADER as u64;
    let first = match scanned.block {
        Block::Header(of) if of.first_seq > verdict.witnessed => Some(header),
        _ => None,
    };
    let doubtful = |entry: &&Entry| entry.seq > verdict.witnessed;
    let frames = verdict.kept.iter().filter(doubtful);
    let mut ranges: Vec<Range<u64>> = first.into_iter().collect();
    for range in frames.map(|entry| entry.offset..entry.end()) {
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    ranges
}
