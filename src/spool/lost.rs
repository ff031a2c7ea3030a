//! Which records a segment should have and hasn't: its index's summary says how many, its entries, which said where, can't be read.
//! Pure.

use super::{
    index::{Entry, Summary},
    record::{CeId, Seq},
    segment,
};
use crate::callback::names::Family;

/// The place of no source.
const NO_SOURCE: u16 = u16::MAX;
/// Bytes of a damaged place that stand for its first record.
const EVIDENCE_MAX: u64 = 8 << 20;
/// Bytes that stand for each other one: frames begin at multiples of this.
const STEP: u64 = 8;

/// How many records of a family aren't there, and between which numbers they lay.
struct Missing {
    family: Family,
    count: u64,
    first: Seq,
    last: Seq,
}

/// `found` are the frames that could be read, in order. An entry for each record that is missing, in order, whose place holds no frame:
/// whoever reads it finds it damaged, and counts it. Of numbers that could be either, the lower ones are taken: one that an earlier
/// recovery counted has no entry, and which it was isn't known any more.
pub(in crate::spool) fn lost(summary: &Summary, found: &[Entry]) -> Vec<Entry> {
    let mut missing = missing(summary, found);
    let mut lost = Vec::new();
    let ends = found
        .iter()
        .map(|e| (e.seq, e.offset, e.end(), e.accepted_at))
        .chain([(
            summary.through.next(),
            summary.end,
            summary.end,
            summary.newest,
        )]);
    let (mut next, mut from) = (summary.from, segment::HEADER as u64);
    // Times don't go back within a segment.
    let mut time = found.first().map_or(summary.newest, |e| e.accepted_at);
    for (seq, to, end, accepted_at) in ends {
        for step in 0..seq.0.saturating_sub(next.0) {
            if missing.is_empty() {
                return lost;
            }
            let seq = Seq(next.0 + step);
            let Some(family) = take(&mut missing, seq) else {
                continue;
            };
            let offset = (from + step * STEP).min(to);
            let most = if step == 0 { EVIDENCE_MAX } else { STEP };
            lost.push(Entry {
                seq,
                accepted_at: time,
                ce_id: CeId([0; 16]),
                offset,
                size: u32::try_from((to - offset).min(most)).unwrap_or(u32::MAX),
                source: NO_SOURCE,
                family,
            });
        }
        (next, from, time) = (seq.next(), end, accepted_at);
    }
    lost
}

fn missing(summary: &Summary, found: &[Entry]) -> Vec<Missing> {
    let of = |family: &Family| {
        let should = summary.family(*family);
        let there = found.iter().filter(|e| e.family == *family).count() as u64;
        Missing {
            family: *family,
            count: should.count.saturating_sub(there),
            first: should.first,
            last: should.last,
        }
    };
    let mut missing: Vec<_> = Family::ALL.iter().map(of).collect();
    missing.retain(|m| m.count > 0);
    missing
}

/// Of which family this number may have been: of those, the one that ends first, so that none is left over in the end.
fn take(missing: &mut Vec<Missing>, seq: Seq) -> Option<Family> {
    let (at, of) = missing
        .iter_mut()
        .enumerate()
        .filter(|(_, m)| m.first <= seq && seq <= m.last)
        .min_by_key(|(_, m)| m.last)?;
    let family = of.family;
    of.count -= 1;
    if of.count == 0 {
        missing.remove(at);
    }
    Some(family)
}

#[cfg(test)]
mod tests {
    use super::{super::segment::Name, *};
    use crate::clock::Millis;
    use proptest::prelude::*;

    const SIZE: u32 = 64;

    fn entry(seq: u64, family: Family) -> Entry {
        Entry {
            seq: Seq(seq),
            accepted_at: Millis(seq),
            ce_id: CeId([1; 16]),
            offset: segment::HEADER as u64 + (seq - 1) * u64::from(SIZE),
            size: SIZE,
            source: 0,
            family,
        }
    }

    fn summary(entries: &[Entry]) -> Summary {
        let name = Name {
            ordinal: 1,
            salt: 2,
        };
        let mut summary = Summary::empty(name, Default::default(), Seq(1));
        entries.iter().for_each(|e| summary.add(e));
        summary
    }

    #[test]
    fn the_records_of_one_damaged_place_are_told_apart() {
        let all: Vec<Entry> = (1..=6).map(|n| entry(n, Family::Recording)).collect();
        let found = [all[0], all[1], all[5]];
        let lost = lost(&summary(&all), &found);
        let places: Vec<_> = lost.iter().map(|e| (e.seq.0, e.offset, e.size)).collect();
        let begin = all[2].offset;
        assert_eq!(
            places,
            [
                (3, begin, 3 * SIZE),
                (4, begin + STEP, 8),
                (5, begin + 2 * STEP, 8)
            ]
        );
    }

    proptest! {
        /// Also where an earlier recovery found some damaged, which have no entry in the index any more.
        #[test]
        fn with_what_is_lost_each_family_has_what_the_summary_says(
            fates in prop::collection::vec((0..Family::ALL.len(), 0_u8..4), 1..40)
        ) {
            let of = |(at, (family, fate)): (usize, &(usize, u8))| (entry(at as u64 + 1, Family::ALL[*family]), *fate);
            let all: Vec<_> = fates.iter().enumerate().map(of).collect();
            let indexed: Vec<Entry> = all.iter().filter(|(_, fate)| *fate > 0).map(|(e, _)| *e).collect();
            let found: Vec<Entry> = all.iter().filter(|(_, fate)| *fate > 1).map(|(e, _)| *e).collect();
            let summary = summary(&indexed);
            let lost = lost(&summary, &found);
            prop_assert!(lost.is_sorted_by(|a, b| a.seq < b.seq));
            let mut whole = [found.clone(), lost.clone()].concat();
            whole.sort_by_key(|e| e.seq);
            prop_assert!(whole.is_sorted_by_key(|e| e.accepted_at), "times don't go back");
            for entry in &lost {
                prop_assert!(found.iter().all(|f| f.seq != entry.seq));
                prop_assert!((summary.from..=summary.through).contains(&entry.seq));
                prop_assert!(found.iter().all(|f| f.end() <= entry.offset || entry.end() <= f.offset));
            }
            for family in Family::ALL {
                let there = found.iter().chain(&lost).filter(|e| e.family == *family).count();
                prop_assert_eq!(there as u64, summary.family(*family).count);
            }
        }
    }
}
