//! The log as it stands in memory: which segments there are, what they hold in total, how far all is settled. No IO: what
//! needs the entries of a closed segment says so, and whoever asks loads them.

mod age;
mod tally;

use super::{
    index::{ENTRIES_MAX, Entry, Summary},
    outlet::Settled,
    record::Seq,
    segment::{self, Instance, Name},
};
use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
};
use std::{collections::VecDeque, sync::Arc};

/// Entries of closed segments kept in memory, all together: 24 MiB.
pub(in crate::spool) const CACHED_MAX: usize = 2 * ENTRIES_MAX;

/// A segment that nothing is written to any more.
#[derive(Debug, Clone)]
pub(in crate::spool) struct Closed {
    pub(in crate::spool) summary: Arc<Summary>,
    /// The place in the whole log where its first frame lies, in bytes of frames since this run's start.
    pub(in crate::spool) base: u64,
    /// Its length on disk.
    pub(in crate::spool) file_len: u64,
    /// Whether its index is on disk.
    pub(in crate::spool) indexed: bool,
    /// Its entries, if they are in memory.
    pub(in crate::spool) entries: Option<Arc<Vec<Entry>>>,
    /// Whether it may be in the page cache since it was written or published.
    pub(in crate::spool) cached: bool,
}

/// The segment that is being written, up to the durable end.
#[derive(Debug)]
struct Active {
    summary: Summary,
    base: u64,
    file_len: u64,
    entries: Vec<Entry>,
}

/// The entries of this closed segment are needed and not in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::spool) struct Missing(pub(in crate::spool) Arc<Summary>);

/// Entries that somebody holds while he counts: by segment.
pub(in crate::spool) type Held = Vec<(Name, Arc<Vec<Entry>>)>;

/// A stretch of one segment to read.
#[derive(Debug, Clone)]
pub(in crate::spool) struct Stretch {
    pub(in crate::spool) summary: Arc<Summary>,
    pub(in crate::spool) entries: Arc<Vec<Entry>>,
    /// Passing its last entry means having passed everything up to here.
    pub(in crate::spool) through: Seq,
}

/// Where to go on reading.
#[derive(Debug)]
pub(in crate::spool) enum Ahead {
    /// Here.
    Stretch(Stretch),
    /// In this closed segment, whose entries have to be loaded.
    Load(Arc<Summary>),
    /// Nothing wanted up to here, the durable end.
    Nothing(Seq),
}

/// The log.
#[derive(Debug, Default)]
pub(in crate::spool) struct View {
    closed: VecDeque<Closed>,
    active: Option<Active>,
    durable: Seq,
    settled: Settled,
    pending: [u64; Family::ALL.len()],
    end: u64,
    settled_place: u64,
    oldest_pending: Option<Millis>,
}

/// How many entries of the segment being written are handed out at once.
const STRETCH_MAX: usize = 512;

impl View {
    /// After recovery: `closed` in order, all durable.
    pub(in crate::spool) fn new(closed: Vec<Closed>, durable: Seq, settled: Settled) -> Self {
        let mut view = Self {
            durable,
            settled,
            ..Self::default()
        };
        for mut segment in closed {
            segment.base = view.end;
            view.end += frames_of(&segment.summary);
            view.closed.push_back(segment);
        }
        view
    }

    /// Whether the log still has this segment.
    pub(in crate::spool) fn has(&self, name: Name) -> bool {
        self.closed.iter().any(|c| c.summary.name == name)
            || self.active.as_ref().is_some_and(|a| a.summary.name == name)
    }

    pub(in crate::spool) const fn durable(&self) -> Seq {
        self.durable
    }

    pub(in crate::spool) const fn settled(&self) -> Settled {
        self.settled
    }

    pub(in crate::spool) fn pending(&self) -> u64 {
        self.pending.iter().sum()
    }

    /// Bytes of frames from the least settled place to the durable end.
    pub(in crate::spool) fn unsettled_bytes(&self) -> u64 {
        if self.pending() == 0 {
            0
        } else {
            self.end - self.settled_place
        }
    }

    /// When the first record after the least settled one was accepted.
    pub(in crate::spool) fn oldest_pending(&self) -> Option<Millis> {
        self.oldest_pending.filter(|_| self.pending() > 0)
    }

    /// Bytes of segments on disk.
    pub(in crate::spool) fn disk_bytes(&self) -> u64 {
        let active = self.active.as_ref().map_or(0, |a| a.file_len);
        self.closed.iter().map(|c| c.file_len).sum::<u64>() + active
    }

    pub(in crate::spool) fn segments(&self) -> usize {
        self.closed.len() + usize::from(self.active.is_some())
    }

    /// A segment is about to be written for the first time.
    pub(in crate::spool) fn start(
        &mut self,
        name: Name,
        instance: Instance,
        first: Seq,
        file_len: u64,
    ) {
        self.close_active();
        self.active = Some(Active {
            summary: Summary::empty(name, instance, first),
            base: self.end,
            file_len,
            entries: Vec::new(),
        });
    }

    /// These records of the active segment are durable now: the only place where the durable end advances.
    pub(in crate::spool) fn extend(&mut self, entries: &[Entry], sources: &[SourceName]) {
        if self.pending() == 0
            && let Some(first) = entries.first()
        {
            self.settled_place = self.end;
            self.oldest_pending = Some(first.accepted_at);
        }
        let Some(active) = &mut self.active else {
            return;
        };
        if active.summary.sources.len() < sources.len() {
            active.summary.sources = sources.to_vec();
        }
        for entry in entries {
            active.summary.add(entry);
            self.durable = self.durable.max(entry.seq);
            self.end += u64::from(entry.size);
            if let Some(pending) = self.pending.get_mut(usize::from(entry.family.code())) {
                *pending += 1;
            }
        }
        active.entries.extend_from_slice(entries);
    }

    /// Nothing more is written to the active segment.
    pub(in crate::spool) fn close_active(&mut self) {
        if let Some(active) = self.active.take() {
            let name = active.summary.name;
            self.closed.push_back(Closed {
                summary: Arc::new(active.summary),
                base: active.base,
                file_len: active.file_len,
                indexed: false,
                entries: Some(Arc::new(active.entries)),
                cached: true,
            });
            self.trim(name);
        }
    }

    /// Closes the active segment if nothing in it is pending. The writer must not be writing.
    pub(in crate::spool) fn close_settled(&mut self) -> bool {
        let least = self.settled.least();
        let settled = |active: &Active| active.summary.through <= least;
        let settled = self.active.as_ref().is_some_and(settled);
        if settled {
            self.close_active();
        }
        settled
    }

    /// The oldest closed segment without an index.
    pub(in crate::spool) fn unindexed(&self) -> Option<Closed> {
        self.closed.iter().find(|c| !c.indexed).cloned()
    }

    /// The index of this segment is on disk.
    pub(in crate::spool) fn indexed(&mut self, name: Name) {
        if let Some(closed) = self.closed.iter_mut().find(|c| c.summary.name == name) {
            closed.indexed = true;
        }
    }

    /// The oldest closed segment that is wholly settled and may be in the page cache since it was written or published. Each is named
    /// once in a run: what a replay reads later is the system's to judge.
    pub(in crate::spool) fn uncache(&mut self) -> Option<Name> {
        let least = self.settled.least();
        let settled = self.closed.iter_mut();
        let mut settled = settled.take_while(|c| c.summary.through <= least);
        let closed = settled.find(|c| c.cached)?;
        closed.cached = false;
        Some(closed.summary.name)
    }

    /// The oldest segment is gone from disk.
    pub(in crate::spool) fn removed(&mut self, name: Name) {
        if self.closed.front().is_some_and(|c| c.summary.name == name) {
            self.closed.pop_front();
        }
    }

    /// Keeps entries in memory, at the price of others.
    pub(in crate::spool) fn keep(&mut self, name: Name, entries: &Arc<Vec<Entry>>) {
        if let Some(closed) = self.closed.iter_mut().find(|c| c.summary.name == name) {
            closed.entries = Some(Arc::clone(entries));
            self.trim(name);
        }
    }

    fn trim(&mut self, keep: Name) {
        let mut cached: usize = self
            .closed
            .iter()
            .filter_map(|c| c.entries.as_ref())
            .map(|e| e.len())
            .sum();
        for closed in &mut self.closed {
            if cached <= CACHED_MAX {
                break;
            }
            if closed.summary.name != keep
                && let Some(entries) = closed.entries.take()
            {
                cached -= entries.len();
            }
        }
    }

    /// Where to go on after `passed`, given the families wanted (by code).
    pub(in crate::spool) fn ahead(&self, passed: Seq, wanted: &[bool; Family::ALL.len()]) -> Ahead {
        let start = self.closed.partition_point(|c| c.summary.through <= passed);
        for closed in self.closed.range(start..) {
            let holds_some = closed
                .summary
                .families
                .iter()
                .zip(wanted)
                .any(|(family, wanted)| *wanted && family.count > 0 && family.last > passed);
            if holds_some {
                return match &closed.entries {
                    Some(entries) => Ahead::Stretch(Stretch {
                        summary: Arc::clone(&closed.summary),
                        entries: Arc::clone(entries),
                        through: closed.summary.through,
                    }),
                    None => Ahead::Load(Arc::clone(&closed.summary)),
                };
            }
        }
        self.ahead_in_active(passed)
            .map_or(Ahead::Nothing(self.durable), Ahead::Stretch)
    }

    fn ahead_in_active(&self, passed: Seq) -> Option<Stretch> {
        let active = self.active.as_ref()?;
        let start = active.entries.partition_point(|e| e.seq <= passed);
        let entries: Vec<Entry> = active
            .entries
            .iter()
            .skip(start)
            .take(STRETCH_MAX)
            .copied()
            .collect();
        let through = entries.last()?.seq;
        let mut summary = Summary::empty(
            active.summary.name,
            active.summary.instance,
            active.summary.from,
        );
        summary.sources.clone_from(&active.summary.sources);
        Some(Stretch {
            summary: Arc::new(summary),
            entries: Arc::new(entries),
            through,
        })
    }
}

fn frames_of(summary: &Summary) -> u64 {
    summary.end.saturating_sub(segment::HEADER as u64)
}
