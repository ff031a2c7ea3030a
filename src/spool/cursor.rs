//! Reading the log in order, up to the durable end. Indices say where each record lies and of which family it is: so an unwanted
//! record costs no read, and a damaged one has a number and a family.

use super::{
    disk::{Dir, ReadFile, is_unreadable},
    envelope,
    frame::{self, Decoded},
    index::{Entry, Summary},
    load::read_range,
    outlet::{Cursor, Next},
    record::{Record, Seq},
    segment::Name,
    shared::{Shared, locked},
    view::{Ahead, Stretch},
};
use crate::callback::names::Family;
use std::{io, sync::Arc};

/// Bytes read at once.
const CHUNK: u64 = 1 << 20;

/// See [`Cursor`].
pub struct LogCursor {
    shared: Arc<Shared>,
    passed: Seq,
    stretch: Option<(Stretch, usize)>,
    file: Option<(Name, Box<dyn ReadFile>)>,
    chunk: Vec<u8>,
    chunk_at: u64,
}

impl std::fmt::Debug for LogCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogCursor")
            .field("passed", &self.passed)
            .finish_non_exhaustive()
    }
}

impl LogCursor {
    pub(in crate::spool) fn new(shared: Arc<Shared>, after: Seq) -> Self {
        Self {
            shared,
            passed: after,
            stretch: None,
            file: None,
            chunk: Vec::new(),
            chunk_at: 0,
        }
    }

    /// Finds the stretch to go on in, or that it has to look again. Otherwise there is nothing wanted up to the durable end, which is
    /// returned.
    fn look_ahead(&mut self, wanted: &dyn Fn(Family) -> bool) -> io::Result<Result<(), Seq>> {
        let mut by_code = [false; Family::ALL.len()];
        for (place, family) in by_code.iter_mut().zip(Family::ALL) {
            *place = wanted(*family);
        }
        let ahead = locked(&self.shared.view).ahead(self.passed, &by_code);
        let stretch = match ahead {
            Ahead::Nothing(durable) => return Ok(Err(durable)),
            Ahead::Stretch(stretch) => stretch,
            Ahead::Load(summary) => Stretch {
                entries: match self.shared.load(&summary) {
                    Err(e) if self.was_removed(&summary, &e) => return Ok(Ok(())),
                    entries => entries?,
                },
                through: summary.through,
                summary,
            },
        };
        let at = stretch.entries.partition_point(|e| e.seq <= self.passed);
        self.stretch = Some((stretch, at));
        Ok(Ok(()))
    }

    /// The frame's bytes; fewer if the file is too short. None: the disk doesn't give them back.
    fn read(&mut self, stretch: &Stretch, entry: &Entry) -> io::Result<Option<&[u8]>> {
        let name = stretch.summary.name;
        if self.file.as_ref().is_none_or(|(open, _)| *open != name) {
            let file = self.shared.disk.open(Dir::Root, &name.to_string())?;
            self.file = Some((name, file));
            self.chunk.clear();
        }
        let inside = |at: u64, len: usize| entry.offset >= at && entry.end() <= at + len as u64;
        if !inside(self.chunk_at, self.chunk.len()) {
            // Nothing past the last entry is read: it may not be durable yet.
            let last = stretch.entries.last().map_or(0, Entry::end);
            let alone = u64::from(entry.size);
            let ahead = last.saturating_sub(entry.offset).min(CHUNK).max(alone);
            let read = match self.fill(entry.offset, ahead) {
                // Something further on may be what can't be read; and once more never hurts.
                Err(e) if is_unreadable(&e) => self.fill(entry.offset, alone),
                read => read,
            };
            match read {
                Err(e) if is_unreadable(&e) => return Ok(None),
                read => read?,
            }
        }
        let start = usize::try_from(entry.offset - self.chunk_at).unwrap_or(usize::MAX);
        let rest = self.chunk.get(start..).unwrap_or_default();
        Ok(Some(rest.get(..entry.size as usize).unwrap_or(rest)))
    }

    fn fill(&mut self, offset: u64, len: u64) -> io::Result<()> {
        let Some((_, file)) = &self.file else {
            return Ok(());
        };
        self.chunk.resize(usize::try_from(len).unwrap_or(0), 0);
        self.chunk_at = offset;
        let read = file.read_at(&mut self.chunk, offset);
        // After an error nothing of the chunk may be taken for read.
        self.chunk.truncate(*read.as_ref().unwrap_or(&0));
        read.map(drop)
    }

    fn was_removed(&self, summary: &Summary, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::NotFound && !locked(&self.shared.view).has(summary.name)
    }

    fn open_record(&mut self, stretch: &Stretch, entry: &Entry) -> io::Result<Option<Next>> {
        let Some(bytes) = self.read(stretch, entry)? else {
            return self.unreadable(stretch, entry);
        };
        if let Decoded::Record { head, payload, .. } =
            frame::decode(stretch.summary.name.salt, bytes)
            && head.seq == entry.seq
            && head.ce_id == entry.ce_id
        {
            let envelope = envelope::decode(payload)
                .and_then(|parts| parts.to_envelope())
                .map_err(|why| {
                    let text =
                        format!("record {} was written by a later release: {why}", entry.seq);
                    io::Error::new(io::ErrorKind::InvalidData, text)
                })?;
            return Ok(Some(Next::Record(Record {
                seq: head.seq,
                ce_id: head.ce_id,
                accepted_at: head.accepted_at,
                envelope,
            })));
        }
        let bytes = bytes.to_vec();
        self.corrupt(stretch, entry, &bytes, "is damaged on disk,")
    }

    /// One place that can't be read is damage, not the end of a run: a restart wouldn't read it either.
    fn unreadable(&self, stretch: &Stretch, entry: &Entry) -> io::Result<Option<Next>> {
        let range = entry.offset..entry.end();
        let bytes = match &self.file {
            Some((_, file)) => read_range(&**file, &range)?,
            None => Vec::new(),
        };
        self.corrupt(
            stretch,
            entry,
            &bytes,
            "is not given back by the disk (I/O error),",
        )
    }

    fn corrupt(
        &self,
        stretch: &Stretch,
        entry: &Entry,
        bytes: &[u8],
        what: &str,
    ) -> io::Result<Option<Next>> {
        self.shared
            .found_corrupt(&stretch.summary, entry, bytes, what)?;
        Ok(Some(Next::Corrupt {
            seq: entry.seq,
            family: entry.family,
        }))
    }
}

impl Cursor for LogCursor {
    fn passed(&self) -> Seq {
        self.passed
    }

    fn next(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Option<Next>> {
        loop {
            let Some((stretch, mut at)) = self.stretch.take() else {
                if self.passed >= limit {
                    return Ok(None);
                }
                if let Err(durable) = self.look_ahead(wanted)? {
                    self.passed = self.passed.max(durable.min(limit));
                    return Ok(None);
                }
                continue;
            };
            while let Some(entry) = stretch.entries.get(at).copied() {
                if entry.seq > limit {
                    // The stretch goes: what lies before it held nothing wanted now, but the next call may want more.
                    self.passed = self.passed.max(limit);
                    return Ok(None);
                }
                if wanted(entry.family) {
                    let next = self.open_record(&stretch, &entry);
                    if next
                        .as_ref()
                        .is_err_and(|e| self.was_removed(&stretch.summary, e))
                    {
                        // Wholly settled and gone: nothing of it is left to send.
                        break;
                    }
                    // Only a stretch that starts at `passed` is kept; after a fault it may be one that lies further on.
                    if next.is_ok() {
                        self.passed = entry.seq;
                        self.stretch = Some((stretch, at + 1));
                    }
                    return next;
                }
                self.passed = entry.seq;
                at += 1;
            }
            self.passed = self.passed.max(stretch.through.min(limit));
        }
    }
}
