//! Group commit: one thread writes, one sync makes a whole batch durable, and only then is anybody told.
//!
//! [`Writer::commit`] is one step and can be driven by hand; the thread is a loop around it. While one sync runs, callbacks
//! queue up, and the next batch takes them all: a lone callback waits for nothing, a crowd shares a sync.

mod crowd;
mod flush;

use super::{
    append::{AfterSync, Append, AppendError},
    disk::DiskFile,
    envelope, frame,
    index::{ENTRIES_MAX, Entry},
    metrics::level,
    prepare,
    record::Seq,
    segment::{self, Header, Name},
    shared::{Shared, locked},
    window::Window,
};
use crate::{
    callback::names::SourceName,
    clock::{Clock, Millis},
    metrics::Callbacks,
};
use crowd::Crowd;
use std::{io, sync::Arc, time::Instant};
use tokio::sync::mpsc;

/// Records in a batch.
pub(in crate::spool) const BATCH_RECORDS: usize = 4096;
/// Bytes in a write.
const BATCH_BYTES: usize = 8 << 20;

/// See the module.
pub(in crate::spool) struct Writer {
    shared: Arc<Shared>,
    window: Window,
    sources: Vec<SourceName>,
    /// Between two batches it is parked, for the housekeeper.
    segment: Option<Active>,
    next_seq: Seq,
    durable: Seq,
    last_accepted: Millis,
    buffer: Vec<u8>,
    staged: Vec<Staged>,
    joined: Vec<(Seq, Append)>,
    callbacks: Callbacks,
    after_sync: AfterSync,
}

/// The segment being written.
pub(in crate::spool) struct Active {
    name: Name,
    file: Box<dyn DiskFile>,
    len: u64,
    /// Where the next frame goes, what is in the buffer not counted.
    end: u64,
    records: usize,
}

/// A record in the buffer.
struct Staged {
    entry: Entry,
    append: Append,
}

/// What a writer starts from.
pub(in crate::spool) struct Start {
    pub(in crate::spool) window: Window,
    pub(in crate::spool) sources: Vec<SourceName>,
    pub(in crate::spool) next_seq: Seq,
    pub(in crate::spool) last_accepted: Millis,
}

impl Writer {
    pub(in crate::spool) fn new(
        shared: Arc<Shared>,
        start: Start,
        callbacks: Callbacks,
        after_sync: AfterSync,
    ) -> Self {
        Self {
            shared,
            window: start.window,
            sources: start.sources,
            segment: None,
            next_seq: start.next_seq,
            durable: Seq(start.next_seq.0.saturating_sub(1)),
            last_accepted: start.last_accepted,
            buffer: Vec::new(),
            staged: Vec::new(),
            joined: Vec::new(),
            callbacks,
            after_sync,
        }
    }

    /// Makes a batch durable and answers it. Empties `batch`.
    ///
    /// # Errors
    /// If a write or sync failed: nobody whose record was in it heard yes, and the writer must not be used again.
    pub(in crate::spool) fn commit(
        &mut self,
        batch: &mut Vec<Append>,
        now: Millis,
    ) -> io::Result<()> {
        self.segment = locked(&self.shared.parked).take();
        self.last_accepted = self.window.move_on(self.last_accepted, now);
        self.forget();
        for append in batch.drain(..) {
            let source = self.place_of(&append.envelope.source);
            match self.window.find(source, append.ce_id) {
                Some(seq) if seq <= self.durable => self.answer_duplicate(seq, append),
                Some(seq) => self.joined.push((seq, append)),
                None => self.stage(source, append)?,
            }
        }
        self.flush()?;
        self.shared
            .metrics
            .dedup_evicted
            .inc_by(self.window.take_evicted());
        self.shared
            .metrics
            .dedup_entries
            .set(level(self.window.len() as u64));
        self.shared.refresh();
        *locked(&self.shared.parked) = self.segment.take();
        Ok(())
    }

    /// What was found corrupt meanwhile is no longer a duplicate.
    fn forget(&mut self) {
        let forgets = std::mem::take(&mut *locked(&self.shared.forgets));
        if forgets.all {
            self.window.clear();
        }
        for seq in forgets.records {
            self.window.forget(seq);
        }
    }

    fn place_of(&mut self, source: &SourceName) -> u16 {
        let known = self.sources.iter().position(|s| s == source);
        let place = known.unwrap_or_else(|| {
            self.sources.push(source.clone());
            self.sources.len() - 1
        });
        // Sources come from the settings: there are never so many.
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn stage(&mut self, source: u16, append: Append) -> io::Result<()> {
        let payload = envelope::size_of(&append.envelope);
        let size = frame::size_of(payload);
        if payload > self.shared.limits.payload_max {
            tracing::error!(
                "a callback of {payload} bytes is larger than any that the spool was opened for: not taken"
            );
            refuse(append, AppendError::Full);
            return Ok(());
        }
        if !self.shared.admits(self.buffer.len() as u64, size as u64) || !self.make_room(size)? {
            refuse(append, AppendError::Full);
            return Ok(());
        }
        let Some(active) = &self.segment else {
            refuse(append, AppendError::Full);
            return Ok(());
        };
        let seq = self.next_seq;
        if active.end == 0 && self.buffer.is_empty() {
            let header = Header {
                name: active.name,
                first_seq: seq,
                instance: self.shared.instance,
            };
            header.encode(&mut self.buffer);
        }
        let offset = active.end + self.buffer.len() as u64;
        let head = frame::Head {
            seq,
            synced_through: self.durable,
            accepted_at: self.last_accepted,
            ce_id: append.ce_id,
        };
        let put = |out: &mut Vec<u8>| envelope::encode(&append.envelope, out);
        let framed = frame::encode(active.name.salt, &head, put, &mut self.buffer);
        let Some(size) = framed.ok().and_then(|size| u32::try_from(size).ok()) else {
            refuse(append, AppendError::Full);
            return Ok(());
        };
        self.next_seq = seq.next();
        self.window
            .insert(source, append.ce_id, seq, self.last_accepted);
        let entry = Entry {
            seq,
            accepted_at: self.last_accepted,
            ce_id: append.ce_id,
            offset,
            size,
            source,
            family: append.envelope.family,
        };
        self.staged.push(Staged { entry, append });
        Ok(())
    }

    /// Sees to it that a frame fits into the buffer and the segment. False: there is no segment for it.
    fn make_room(&mut self, size: usize) -> io::Result<bool> {
        if self.buffer.len() + size > BATCH_BYTES {
            self.flush()?;
        }
        if self.fits(size) {
            return Ok(true);
        }
        self.flush()?;
        self.segment = None;
        locked(&self.shared.view).close_active();
        match prepare::take(&self.shared) {
            Ok(ready) => {
                self.segment = Some(Active {
                    name: ready.name,
                    file: ready.file,
                    len: ready.len,
                    end: 0,
                    records: 0,
                });
                self.shared.wake_housekeeper();
                Ok(self.fits(size))
            }
            Err(e) => {
                // Nothing was written to it: not an end, only full.
                self.shared.stranded(&e);
                self.shared.wake_housekeeper();
                Ok(false)
            }
        }
    }

    fn fits(&self, size: usize) -> bool {
        self.segment.as_ref().is_some_and(|active| {
            let header = if active.end == 0 && self.buffer.is_empty() {
                segment::HEADER
            } else {
                0
            };
            let end = active.end + (self.buffer.len() + header + size) as u64;
            end <= active.len && active.records + self.staged.len() < ENTRIES_MAX
        })
    }

    /// Nothing more comes: the segment gets its index, so that the next start needn't read through it.
    pub(in crate::spool) fn finish(self) {
        *locked(&self.shared.parked) = None;
        locked(&self.shared.view).close_active();
        self.shared.wake_housekeeper();
    }
}

fn refuse(append: Append, why: AppendError) {
    let _ = append.done.send(Err(why));
}

/// The thread: until the last appender is gone, or the disk fails.
pub(in crate::spool) fn run(
    mut writer: Writer,
    mut queue: mpsc::Receiver<Append>,
    clock: &dyn Clock,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH_RECORDS);
    let mut crowd = Crowd::default();
    while queue.blocking_recv_many(&mut batch, BATCH_RECORDS) > 0 {
        crowd.gather(&mut queue, &mut batch);
        let (size, begin) = (batch.len(), Instant::now());
        writer.commit(&mut batch, clock.now())?;
        crowd = Crowd {
            size,
            commit: begin.elapsed(),
        };
    }
    writer.finish();
    Ok(())
}
