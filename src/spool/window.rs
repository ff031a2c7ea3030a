//! The dedup window: which callbacks were taken lately, by source and `ce_id`. Pure.
//!
//! Entries lie in a ring in the order in which they were accepted, 40 bytes each; a hash table of 4-byte places in that ring
//! finds them. A million entries take at most 56 MiB, ring and table together.
//!
//! Whether an entry is pending or durable needs no mark: it is durable once its number is at most the durable end.
//!
//! Times don't go back: where the clock does, the last time stands still until the clock has caught up. But where it does by more
//! than the window is long, it was wrong before: the window then begins anew, for else it would grow for ever.

use super::record::{CeId, Seq};
use crate::clock::Millis;
use hashbrown::{DefaultHashBuilder, HashTable, hash_table};
use std::{collections::VecDeque, hash::BuildHasher, time::Duration};

#[derive(Debug, Clone, Copy)]
struct Remembered {
    ce_id: CeId,
    seq: Seq,
    accepted_at: Millis,
    source: u16,
    gone: bool,
}

const _: () = assert!(size_of::<Remembered>() == 40);

/// The window. Times given to it must not go back.
#[derive(Debug)]
pub(crate) struct Window {
    length: Duration,
    max_entries: usize,
    ring: VecDeque<Remembered>,
    /// The place of the ring's front; places wrap around.
    front: u32,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    evicted: u64,
}

/// More entries than this would make places ambiguous.
const MOST: usize = 1 << 30;

impl Window {
    /// An empty window.
    pub(crate) fn new(length: Duration, max_entries: usize) -> Self {
        Self {
            length,
            max_entries: max_entries.clamp(1, MOST),
            ring: VecDeque::new(),
            front: 0,
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            evicted: 0,
        }
    }

    /// Room for so many at once: growing step by step, while a log is read, costs more than all the rest.
    pub(in crate::spool) fn reserve(&mut self, entries: usize) {
        // A power of two, as it would have grown by itself: the memory that is stated holds.
        let entries = entries.min(self.max_entries).next_power_of_two();
        self.ring.reserve_exact(entries);
        let Self {
            ring,
            front,
            table,
            hasher,
            ..
        } = self;
        table.reserve(entries.min(self.max_entries), |place| {
            ring.get(place.wrapping_sub(*front) as usize)
                .map_or(0, |r| hasher.hash_one((r.source, r.ce_id)))
        });
    }

    /// The record that a callback has, if it is within the window.
    pub(crate) fn find(&self, source: u16, ce_id: CeId) -> Option<Seq> {
        let place = self.table.find(self.hash(source, ce_id), |place| {
            self.at(*place)
                .is_some_and(|r| r.source == source && r.ce_id == ce_id)
        })?;
        self.at(*place).map(|r| r.seq)
    }

    /// Remembers a callback, in place of an older one with the same identity. Numbers given to it must grow.
    pub(crate) fn insert(&mut self, source: u16, ce_id: CeId, seq: Seq, accepted_at: Millis) {
        self.remove(source, ce_id);
        while self.ring.len() >= self.max_entries {
            self.evicted += u64::from(self.drop_front());
        }
        let place = self
            .front
            .wrapping_add(u32::try_from(self.ring.len()).unwrap_or(u32::MAX));
        self.ring.push_back(Remembered {
            ce_id,
            seq,
            accepted_at,
            source,
            gone: false,
        });
        let hash = self.hash(source, ce_id);
        let Self {
            ring,
            front,
            table,
            hasher,
            ..
        } = self;
        table.insert_unique(hash, place, |place| {
            ring.get(place.wrapping_sub(*front) as usize)
                .map_or(0, |r| hasher.hash_one((r.source, r.ce_id)))
        });
    }

    /// Forgets the callback whose record is `seq`.
    pub(crate) fn forget(&mut self, seq: Seq) {
        let at = self.ring.partition_point(|r| r.seq < seq);
        if let Some(r) = self.ring.get(at).copied()
            && r.seq == seq
            && !r.gone
        {
            self.remove(r.source, r.ce_id);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.ring.clear();
        self.table.clear();
    }

    pub(crate) const fn length(&self) -> Duration {
        self.length
    }

    /// How many callbacks are remembered at most.
    pub(in crate::spool) const fn max_entries(&self) -> usize {
        self.max_entries
    }

    /// The time that it is for the window, after `last`, by a clock that says `now`; lets go of what is too old then.
    pub(crate) fn move_on(&mut self, last: Millis, now: Millis) -> Millis {
        if last.since(now) > self.length {
            self.clear();
            return now;
        }
        let now = now.max(last);
        self.expire(now);
        now
    }

    /// Lets go of what is as old as the window is long.
    fn expire(&mut self, now: Millis) {
        while self
            .ring
            .front()
            .is_some_and(|oldest| oldest.gone || now.since(oldest.accepted_at) >= self.length)
        {
            self.drop_front();
        }
    }

    /// How many callbacks are remembered, at most (forgotten ones leave with their age).
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many were dropped since the last call, only because there were too many.
    pub(crate) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Whether the front was still remembered.
    fn drop_front(&mut self) -> bool {
        let Some(oldest) = self.ring.front().copied() else {
            return false;
        };
        if !oldest.gone {
            self.remove(oldest.source, oldest.ce_id);
        }
        self.ring.pop_front();
        self.front = self.front.wrapping_add(1);
        !oldest.gone
    }

    fn remove(&mut self, source: u16, ce_id: CeId) {
        let hash = self.hash(source, ce_id);
        let Self {
            ring, front, table, ..
        } = self;
        let found = table.find_entry(hash, |place| {
            ring.get(place.wrapping_sub(*front) as usize)
                .is_some_and(|r| !r.gone && r.source == source && r.ce_id == ce_id)
        });
        if let Ok(found) = found {
            let (place, _): (u32, hash_table::VacantEntry<'_, u32>) = found.remove();
            if let Some(remembered) = ring.get_mut(place.wrapping_sub(*front) as usize) {
                remembered.gone = true;
            }
        }
    }

    fn at(&self, place: u32) -> Option<&Remembered> {
        self.ring.get(place.wrapping_sub(self.front) as usize)
    }

    fn hash(&self, source: u16, ce_id: CeId) -> u64 {
        self.hasher.hash_one((source, ce_id))
    }

    /// Bytes taken by ring and table.
    #[cfg(test)]
    fn memory(&self) -> usize {
        // A table has a power of two of places, 7/8 of them used, each with a control byte.
        let places = (self.table.capacity() * 8 / 7).next_power_of_two();
        self.ring.capacity() * size_of::<Remembered>() + places * (size_of::<u32>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u64) -> CeId {
        CeId((u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_le_bytes())
    }

    fn window(max: usize) -> Window {
        Window::new(Duration::from_secs(1800), max)
    }

    #[test]
    fn the_same_id_of_another_source_is_another_callback() {
        let mut w = window(10);
        w.insert(0, id(1), Seq(5), Millis(0));
        assert_eq!((w.find(0, id(1)), w.find(1, id(1))), (Some(Seq(5)), None));
    }

    #[test]
    fn a_record_that_turned_out_corrupt_is_forgotten_but_not_its_successor() {
        let mut w = window(10);
        w.insert(0, id(1), Seq(5), Millis(0));
        w.forget(Seq(4));
        assert_eq!(w.find(0, id(1)), Some(Seq(5)));
        w.forget(Seq(5));
        assert_eq!(w.find(0, id(1)), None);
        w.insert(0, id(1), Seq(9), Millis(1));
        assert_eq!(w.find(0, id(1)), Some(Seq(9)));
    }

    #[test]
    fn an_entry_lives_as_long_as_the_window_to_the_millisecond() {
        let mut w = window(10);
        w.insert(0, id(1), Seq(1), Millis(1000));
        w.expire(Millis(1000 + 1_799_999));
        assert_eq!(w.find(0, id(1)), Some(Seq(1)));
        w.expire(Millis(1000 + 1_800_000));
        assert_eq!((w.find(0, id(1)), w.take_evicted()), (None, 0));
    }

    #[test]
    fn time_stands_still_for_a_window_at_most_when_the_clock_goes_back() {
        let mut w = window(10);
        w.insert(0, id(1), Seq(1), Millis(5_000_000));
        let last = w.move_on(Millis(5_000_000), Millis(5_000_000 - 1_800_000));
        assert_eq!((last, w.len()), (Millis(5_000_000), 1));
        let last = w.move_on(last, Millis(5_000_000 - 1_800_001));
        assert_eq!((last, w.len()), (Millis(3_199_999), 0));
        w.insert(0, id(2), Seq(2), last);
        let last = w.move_on(last, Millis(4_999_999));
        assert_eq!((last, w.len()), (Millis(4_999_999), 0));
    }

    #[test]
    fn the_oldest_go_first_when_there_are_too_many_and_are_counted() {
        let mut w = window(3);
        for n in 1..=5 {
            w.insert(0, id(n), Seq(n), Millis(n));
        }
        let left: Vec<_> = (1..=5).map(|n| w.find(0, id(n)).is_some()).collect();
        assert_eq!(left, [false, false, true, true, true]);
        assert_eq!((w.take_evicted(), w.take_evicted(), w.len()), (2, 0, 3));
    }

    #[test]
    fn a_million_entries_take_at_most_56_mib() {
        let mut w = window(1_000_000);
        // As at a start: there were many, and more come.
        w.reserve(600_000);
        for n in 0..1_100_000 {
            w.insert(0, id(n), Seq(n), Millis(n));
        }
        assert_eq!(w.len(), 1_000_000);
        assert!(w.memory() <= 56 << 20, "{} bytes", w.memory());
    }

    proptest! {
        /// Against a plain list that does the same slowly, over places that wrap around.
        #[test]
        fn it_is_a_list_with_a_limit_and_an_age(
            steps in proptest::collection::vec((0u8..4, 0u64..12, 0u64..400_000), 1..300),
        ) {
            let mut w = window(5);
            w.front = u32::MAX - 3;
            let mut list: Vec<(u64, u64, u64)> = Vec::new();
            let mut now = 0;
            for (seq, (what, n, later)) in (1..).zip(steps) {
                now += later;
                match what {
                    0 | 1 => {
                        // Gone ones keep their place in the ring, so the list may remember more than the window.
                        list.retain(|e| e.0 != n);
                        list.push((n, seq, now));
                        w.insert(0, id(n), Seq(seq), Millis(now));
                    }
                    2 => {
                        w.expire(Millis(now));
                        list.retain(|e| now - e.2 < 1_800_000);
                    }
                    _ => if let Some(found) = w.find(0, id(n)) {
                        w.forget(found);
                        list.retain(|e| e.0 != n);
                    }
                }
                prop_assert!(w.ring.len() <= 5);
                for n in 0..12 {
                    let expected = list.iter().find(|e| e.0 == n).map(|e| Seq(e.1));
                    let found = w.find(0, id(n));
                    prop_assert!(found.is_none() || found == expected);
                }
                // The newest is always known.
                if matches!(what, 0 | 1) {
                    prop_assert_eq!(w.find(0, id(n)), Some(Seq(seq)));
                }
            }
        }
    }
}
