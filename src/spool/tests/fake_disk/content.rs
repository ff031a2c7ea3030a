//! The bytes of one file: what a process reads, and what may be on the platter instead, sector by sector.
//!
//! ```text
//!  live       ▓▓▓▓▓▓▓▓▓▓▓▓   the page cache: what reads return
//!  doubtful   · · ▒ · ▒▒ ·   for each sector written since its last sync that worked: what it held before, each time
//!  dirty      · · x · x  ·   which of them the next sync will write. A sync that fails makes them clean, and leaves them
//!                            doubtful: that is what kernels do.
//! ```
//!
//! A crash may leave any of the contents of any doubtful sector, whatever it leaves of the others.

use crate::spool::bytes::pad;
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
    ops::Range,
    sync::Arc,
};

pub(in crate::spool) const SECTOR: usize = 512;

#[derive(Debug, Clone, Default)]
pub(in crate::spool) struct Content {
    live: Arc<Vec<u8>>,
    /// Oldest first, none of them equal to what is live.
    doubtful: BTreeMap<usize, Vec<Arc<[u8]>>>,
    dirty: BTreeSet<usize>,
    /// Other lengths that may be on the platter, oldest first.
    lengths: Vec<usize>,
    unreadable: Vec<Range<usize>>,
    /// Of what is live: the sum of the sectors' digests. Zeros count nothing.
    digest: u64,
}

fn digest(sector: usize, bytes: &[u8]) -> u64 {
    if bytes == &[0; SECTOR][..bytes.len()] {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    hasher.write_usize(sector);
    hasher.write(bytes);
    hasher.finish()
}

fn swapped(sum: u64, sector: usize, old: &[u8], new: &[u8]) -> u64 {
    sum.wrapping_sub(digest(sector, old))
        .wrapping_add(digest(sector, new))
}

impl Content {
    pub(in crate::spool) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(in crate::spool) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        let old_len = self.live.len();
        let live = Arc::make_mut(&mut self.live);
        if end > old_len {
            self.lengths.push(old_len);
            pad(live, end);
        }
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let from = (sector * SECTOR).max(offset);
            let to = ((sector + 1) * SECTOR).min(end);
            let new = &bytes[from - offset..to - offset];
            self.dirty.insert(sector);
            if live[from..to] == *new {
                continue;
            }
            let whole = sector * SECTOR..((sector + 1) * SECTOR).min(live.len());
            let old: Arc<[u8]> = live[whole.clone()].into();
            live[from..to].copy_from_slice(new);
            self.digest = swapped(self.digest, sector, &old, &live[whole.clone()]);
            let others = self.doubtful.entry(sector).or_default();
            if !others.contains(&old) {
                others.push(old);
            }
            others.retain(|other| **other != live[whole.clone()]);
        }
        self.doubtful.retain(|_, others| !others.is_empty());
        // A sector that was written well is a new one.
        self.unreadable
            .retain(|bad| bad.end <= offset || bad.start >= end);
    }

    /// What is dirty is on the platter now; or it isn't, and nobody will try again.
    pub(in crate::spool) fn sync(&mut self, works: bool) {
        for sector in std::mem::take(&mut self.dirty) {
            if works {
                self.doubtful.remove(&sector);
            }
        }
        if works {
            self.lengths.clear();
        }
    }

    /// The sectors whose content isn't certain, with the number of contents that each may have.
    pub(in crate::spool) fn doubts(&self) -> impl Iterator<Item = (usize, usize)> {
        let choices = |(sector, others): (&usize, &Vec<_>)| (*sector, others.len() + 1);
        self.doubtful.iter().map(choices)
    }

    /// Lengths besides the live one that may be on the platter.
    pub(in crate::spool) fn other_lengths(&self) -> usize {
        self.lengths.len()
    }

    /// After a power cut: of each doubtful sector what `choose(sector, how many)` says, where 0 is what was live and 1 the oldest;
    /// likewise the length.
    pub(in crate::spool) fn after_power_cut(
        &self,
        mut choose: impl FnMut(usize, usize) -> usize,
        length: usize,
    ) -> Self {
        let mut live = self.live.to_vec();
        let mut digest = self.digest;
        for (sector, others) in &self.doubtful {
            if let Some(chosen) = choose(*sector, others.len() + 1).checked_sub(1) {
                let start = sector * SECTOR;
                let old = &others[chosen];
                let place = &mut live[start..start + old.len()];
                digest = swapped(digest, *sector, place, old);
                place.copy_from_slice(old);
            }
        }
        if let Some(chosen) = length.checked_sub(1) {
            live.truncate(self.lengths[chosen]);
        }
        Self {
            live: live.into(),
            unreadable: self.unreadable.clone(),
            digest,
            ..Self::default()
        }
    }

    /// Tells contents apart: of what [`Self::after_power_cut`] would leave by these choices.
    pub(in crate::spool) fn digest(
        &self,
        mut choose: impl FnMut(usize, usize) -> usize,
        length: usize,
    ) -> u64 {
        let mut sum = self.digest;
        for (sector, others) in &self.doubtful {
            if let Some(chosen) = choose(*sector, others.len() + 1).checked_sub(1) {
                let start = sector * SECTOR;
                let live = &self.live[start..(start + SECTOR).min(self.live.len())];
                sum = swapped(sum, *sector, live, &others[chosen]);
            }
        }
        let len = length
            .checked_sub(1)
            .map_or(self.live.len(), |chosen| self.lengths[chosen]);
        sum.wrapping_mul(31).wrapping_add(len as u64)
    }

    /// Flips bits behind everyone's back, on the platter and in every cache.
    pub(in crate::spool) fn damage(&mut self, at: usize, len: usize) {
        self.change(at..at + len, |byte| byte ^ 0x55);
    }

    pub(in crate::spool) fn zero(&mut self, bytes: Range<usize>) {
        self.change(bytes, |_| 0);
    }

    fn change(&mut self, bytes: Range<usize>, to: impl Fn(u8) -> u8) {
        for sector in bytes.start / SECTOR..bytes.end.div_ceil(SECTOR) {
            self.doubtful.remove(&sector);
        }
        let live = Arc::make_mut(&mut self.live);
        live[bytes].iter_mut().for_each(|byte| *byte = to(*byte));
    }

    /// From now on no read that touches these bytes succeeds, until they are written.
    pub(in crate::spool) fn make_unreadable(&mut self, bytes: Range<usize>) {
        self.unreadable.push(bytes);
    }

    pub(in crate::spool) fn can_read(&self, bytes: &Range<usize>) -> bool {
        let apart = |bad: &Range<usize>| bad.end <= bytes.start || bad.start >= bytes.end;
        self.unreadable.iter().all(apart)
    }
}
