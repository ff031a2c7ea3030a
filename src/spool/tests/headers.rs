//! Headers of segments that are lost: none hides a record, and each is written anew.

use super::{
    super::{
        disk::Dir,
        outlet::Lineage,
        segment::{Instance, Name},
    },
    damage::{on, segments, seqs, settle_all_but_recordings, three_batches},
    fake_disk::{EIO, ENOSPC, FakeDisk, Verb},
    rig,
};
use std::ops::Range;

#[test]
fn a_damaged_header_hides_no_record_and_is_told() {
    let (disk, name, _) = three_batches();
    disk.damage(Dir::Root, &name.to_string(), 0, 100);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(
        (seqs(&run), run.report.corrupt_records),
        ((1..=9).collect(), 0)
    );
    let damage = &run.report.damage;
    assert!(
        damage.len() == 1 && damage[0].contains("header"),
        "{damage:?}"
    );
}

const HEADER: Range<usize> = 0..4096;

/// All fifteen records are known to have been acknowledged: an idle family's checkpoint stands at the end. And the second segment.
fn two_segments() -> (FakeDisk, Name) {
    let (disk, ..) = three_batches();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[10, 11, 12]);
    run.commit_ok(&[13, 14, 15]);
    settle_all_but_recordings(&mut run, 15);
    drop(run);
    let last = segments(&disk).into_iter().rfind(|name| name.ordinal > 1);
    (disk, last.unwrap())
}

/// What a lost write leaves of it where zeros were written ahead.
#[test]
fn a_header_that_reads_as_zeros_hides_no_record_either() {
    let (disk, last) = two_segments();
    disk.zero(Dir::Root, &last.to_string(), HEADER);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(seqs(&run), (1..=15).collect::<Vec<_>>());
    let report = &run.report;
    assert_eq!(report.corrupt_records, 0, "{report:?}");
    assert!(
        report.damage.len() == 1 && report.damage[0].contains("header"),
        "{report:?}"
    );
    // It is mended: by nobody's records exactly-once would stop for as long as the segment is there.
    let wrote: Vec<_> = run.outlet.written().iter().map(|w| w.by).collect();
    assert!(!wrote.contains(&Instance::default()), "{wrote:?}");
    drop(run);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert!(run.report.damage.is_empty(), "{:?}", run.report);
    assert_eq!(seqs(&run), (1..=15).collect::<Vec<_>>());
}

/// At how many writes a start fails, if each alone fails so.
fn fatal_writes(disk: &FakeDisk, error: i32) -> usize {
    let fails = |at: &u64| {
        let disk = disk.state().disk();
        disk.fail_verb_at(Verb::Write, *at, error);
        rig::open(&on(&disk), 1 << 20, 1).is_err()
    };
    (1..=10).filter(fails).count()
}

/// A filesystem that copies on write wants room for it; and where the disk gives nothing back, it may take nothing either.
#[test]
fn a_header_that_can_not_be_written_anew_stops_no_start() {
    let (disk, last) = two_segments();
    let (full, broken) = (fatal_writes(&disk, ENOSPC), fatal_writes(&disk, EIO));
    disk.zero(Dir::Root, &last.to_string(), HEADER);
    assert_eq!(fatal_writes(&disk, ENOSPC), full);
    assert!(
        fatal_writes(&disk, EIO) > broken,
        "any other failure is one"
    );
    disk.make_unreadable(Dir::Root, &last.to_string(), HEADER);
    assert_eq!(fatal_writes(&disk, EIO), broken);
}
