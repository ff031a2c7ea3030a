//! Cursors over many short segments, while families come and go: nothing wanted is ever passed over.

use super::{
    super::{
        disk::Disk,
        outlet::{Cursor, Next, Outlet},
        record::Seq,
    },
    fake_disk::FakeDisk,
    rig::{self, Run},
};
use crate::callback::names::Family;
use proptest::prelude::*;
use std::sync::Arc;

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Records 2 to 601 are of another family than the first and the last two, over several segments.
fn one_family_between_two_stretches_of_another() -> (FakeDisk, Run) {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[2]);
    for batch in 0..60 {
        run.commit_ok(
            &(0..10)
                .map(|i| 1001 + 2 * (batch * 10 + i))
                .collect::<Vec<_>>(),
        );
        run.housekeeping();
    }
    // A new run begins a new segment.
    drop(run);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[4, 6]);
    assert!(run.shared.status().segments > 2);
    (disk, run)
}

#[test]
fn a_family_wanted_again_is_read_from_where_the_cursor_stands() {
    let (_, run) = one_family_between_two_stretches_of_another();
    let mut cursor = run.outlet.cursor(Seq(0));
    let stream = |family: Family| family == Family::Stream;
    let first = cursor.next(&stream, Seq(u64::MAX)).unwrap();
    assert!(matches!(first, Some(Next::Record(r)) if r.seq == Seq(1)));
    // Whole segments without a record of this family are skipped; the limit lies before the next one.
    assert_eq!(cursor.next(&stream, Seq(50)).unwrap(), None);
    assert_eq!(cursor.passed(), Seq(50));
    for seq in 51..=603 {
        let next = cursor.next(&|_| true, Seq(u64::MAX)).unwrap();
        assert!(
            matches!(&next, Some(Next::Record(r)) if r.seq == Seq(seq)),
            "{seq}: {next:?}"
        );
    }
}

#[test]
fn a_failed_read_leaves_the_cursor_where_it_stands_whatever_is_wanted_then() {
    let (disk, run) = one_family_between_two_stretches_of_another();
    // Nothing of this family up to the last segment, and reading that one fails.
    let mut cursor = run.outlet.cursor(Seq(1));
    let stream = |family: Family| family == Family::Stream;
    disk.fail_at(disk.calls() + 1);
    assert!(cursor.next(&stream, Seq(u64::MAX)).is_err());
    let stands = cursor.passed();
    let next = cursor.next(&|_| true, Seq(u64::MAX)).unwrap();
    assert!(
        matches!(&next, Some(Next::Record(r)) if r.seq == stands.next()),
        "after {stands}: {next:?}"
    );
}

const FAMILIES: [Family; 4] = [
    Family::Recording,
    Family::RecordingStatus,
    Family::Stream,
    Family::Screenshot,
];

#[derive(Debug, Clone)]
enum Act {
    /// So many records of this family.
    Append(usize, u64),
    Housekeeping,
    /// A new process; the cursor begins where the old one stood.
    Restart,
    /// Every entry up to so many numbers further on, of the families of this mask; at most so many entries.
    Read {
        wanted: u8,
        look_at: u64,
        most: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..FAMILIES.len(), 1..40_u64).prop_map(|(family, count)| Act::Append(family, count)),
        2 => Just(Act::Housekeeping),
        1 => Just(Act::Restart),
        6 => (0..16_u8, prop_oneof![0..60_u64, Just(1 << 40)], 1..30_usize)
            .prop_map(|(wanted, look_at, most)| Act::Read { wanted, look_at, most }),
    ]
}

/// A list that does the same slowly: what a cursor must return after `passed`.
fn expected(log: &[Family], passed: Seq, limit: Seq, wanted: &dyn Fn(Family) -> bool) -> Seq {
    let start = usize::try_from(passed.0).unwrap();
    let found = log.iter().skip(start).position(|family| wanted(*family));
    found
        .map_or(Seq(u64::MAX), |at| Seq(passed.0 + at as u64 + 1))
        .min(limit.next())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    /// Every record of a family is returned exactly once, in order, while the family is wanted, and `passed` says from where
    /// on it is when it is wanted again.
    #[test]
    fn a_cursor_is_a_walk_along_a_list_whatever_is_wanted_when(
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let disk = FakeDisk::new();
        let mut run = rig::open(&on(&disk), 1 << 22, 1).unwrap();
        let mut cursor = run.outlet.cursor(Seq(0));
        let mut log: Vec<Family> = Vec::new();
        for act in acts {
            match act {
                Act::Append(family, count) => {
                    let family = FAMILIES[family];
                    let numbers: Vec<u64> = (0..count)
                        .map(|i| u64::from(family.code()) * 1_000_000 + log.len() as u64 + i)
                        .collect();
                    run.commit_ok(&numbers);
                    log.extend(numbers.iter().map(|_| family));
                }
                Act::Housekeeping => run.housekeeping(),
                Act::Restart => {
                    let passed = cursor.passed();
                    drop((cursor, run));
                    run = rig::open(&on(&disk), 1 << 22, 1).unwrap();
                    cursor = run.outlet.cursor(passed);
                }
                Act::Read { wanted, look_at, most } => {
                    let limit = Seq(cursor.passed().0 + look_at);
                    let wanted = |family: Family| {
                        FAMILIES.iter().position(|f| *f == family).is_some_and(|at| wanted & (1 << at) != 0)
                    };
                    for _ in 0..most {
                        let stands = cursor.passed();
                        let reach = limit.min(Seq(log.len() as u64));
                        let seq = expected(&log, stands, reach, &wanted);
                        match cursor.next(&wanted, limit).unwrap() {
                            Some(Next::Record(record)) => {
                                prop_assert_eq!(record.seq, seq);
                                prop_assert_eq!(cursor.passed(), seq);
                            }
                            None => {
                                prop_assert_eq!(reach.next(), seq);
                                prop_assert_eq!(cursor.passed(), reach.max(stands));
                                break;
                            }
                            Some(corrupt @ Next::Corrupt { .. }) => panic!("{corrupt:?}"),
                        }
                    }
                }
            }
        }
    }
}
