//! The heart of the promise: one write, one sync, and only then the durable end, the window, the receipts.

use super::{Staged, Writer, refuse};
use crate::{
    metrics::Outcome,
    spool::{
        append::{Append, AppendError, Durable, How, Receipts},
        index::Entry,
        metrics::level,
        record::Seq,
        shared::locked,
    },
};
use std::{io, time::Instant};

impl Writer {
    /// One write, one sync; then, in this order: the durable end, the window, the receipts.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.write_and_sync() {
            self.fail();
            return Err(e);
        }
        // A window entry is durable as soon as the durable end has reached its number.
        self.durable = Seq(self.next_seq.0.saturating_sub(1));
        self.publish();
        let receipts = self.receipts();
        (self.after_sync.tell)(receipts);
        (self.after_sync.ring)();
        Ok(())
    }

    /// Of the batch that is durable now. Counted before anybody is told.
    fn receipts(&mut self) -> Receipts {
        let now = Instant::now();
        let staged = std::mem::take(&mut self.staged).into_iter();
        let staged = staged.map(|Staged { entry, append }| (entry.seq, append, How::New));
        let joined = std::mem::take(&mut self.joined).into_iter();
        let joined = joined.map(|(seq, append)| (seq, append, How::Duplicate));
        Receipts::of(staged.chain(joined).map(|(seq, append, how)| {
            self.count(&append, how, now);
            (append, Durable::after_sync(seq, how))
        }))
    }

    fn count(&self, append: &Append, how: How, now: Instant) {
        let outcome = match how {
            How::New => Outcome::Accepted,
            How::Duplicate => Outcome::Duplicate,
        };
        self.callbacks
            .count(&append.envelope.source, append.event, outcome);
        let took = now.saturating_duration_since(append.at);
        self.shared
            .metrics
            .append_seconds
            .observe(took.as_secs_f64());
    }

    fn write_and_sync(&mut self) -> io::Result<()> {
        let Some(active) = &mut self.segment else {
            return Err(io::Error::other("records without a segment"));
        };
        let start = Instant::now();
        active.file.write_at(&self.buffer, active.end)?;
        active.file.sync_data()?;
        self.shared
            .metrics
            .sync_seconds
            .observe(start.elapsed().as_secs_f64());
        Ok(())
    }

    /// Lets readers see the batch.
    fn publish(&mut self) {
        let Some(active) = &mut self.segment else {
            return;
        };
        let entries: Vec<Entry> = self.staged.iter().map(|s| s.entry).collect();
        // Before any reader can settle one of them.
        self.shared
            .metrics
            .pending_records
            .add(level(entries.len() as u64));
        let mut view = locked(&self.shared.view);
        if active.end == 0
            && let Some(first) = entries.first()
        {
            view.start(active.name, self.shared.instance, first.seq, active.len);
        }
        view.extend(&entries, &self.sources);
        drop(view);
        active.end += self.buffer.len() as u64;
        active.records += entries.len();
        self.buffer.clear();
    }

    /// The sender's retry must be appended anew: entries go first, then the receipts fail.
    fn fail(&mut self) {
        for Staged { entry, .. } in &self.staged {
            self.window.forget(entry.seq);
        }
        let staged = std::mem::take(&mut self.staged)
            .into_iter()
            .map(|s| s.append);
        let joined = std::mem::take(&mut self.joined)
            .into_iter()
            .map(|(_, append)| append);
        for append in staged.chain(joined) {
            refuse(append, AppendError::Stopped);
        }
    }

    /// Of something durable: there is nothing to wait for.
    pub(super) fn answer_duplicate(&self, seq: Seq, append: Append) {
        self.count(&append, How::Duplicate, Instant::now());
        let durable = Durable::after_sync(seq, How::Duplicate);
        Receipts::of(std::iter::once((append, durable))).tell();
    }
}
