//! Bits that rot: acknowledged records that are damaged are found, counted once, set aside, and the rest goes on.

use super::{
    super::{
        append::How,
        disk::{Dir, Disk, ReadDisk},
        outlet::Outlet,
        record::Seq,
        segment::Name,
    },
    fake_disk::FakeDisk,
    rig::{self, Run},
};
use crate::callback::names::Family;
use std::sync::Arc;

pub(super) fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(super) fn segments(disk: &FakeDisk) -> Vec<Name> {
    rig::segments(disk)
}

pub(super) fn seqs(run: &Run) -> Vec<u64> {
    run.read(Seq(0)).0.iter().map(|r| r.seq.0).collect()
}

/// Three batches in one segment, and where the frame of each record starts.
pub(super) fn three_batches() -> (FakeDisk, Name, Vec<usize>) {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[1, 2, 3]);
    run.commit_ok(&[4, 5, 6]);
    run.commit_ok(&[7, 8, 9]);
    let mut at = 4096;
    let offsets = (1..=9)
        .map(|n| {
            let here = at;
            at += super::super::frame::size_of(super::super::envelope::size_of(&rig::envelope(n)));
            here
        })
        .collect();
    let name = segments(&disk)[0];
    (disk, name, offsets)
}

#[test]
fn a_damaged_record_in_the_middle_is_skipped_counted_and_set_aside() {
    let (disk, name, offsets) = three_batches();
    disk.damage(Dir::Root, &name.to_string(), offsets[4] + 60, 8);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(seqs(&run), [1, 2, 3, 4, 6, 7, 8, 9]);
    let report = &run.report;
    assert_eq!(
        (report.recovered_records, report.corrupt_records),
        (9, 1),
        "{report:?}"
    );
    assert_eq!(run.shared.status().pending_records, 8);
    assert_eq!(disk.list(Dir::Corrupt).unwrap().len(), 1);
    drop(run);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let report = &run.report;
    assert_eq!(
        (report.recovered_records, report.corrupt_records),
        (8, 0),
        "not again: {report:?}"
    );
    // The sender's retry is a new record, and numbers go on.
    let again = run.commit_ok(&[5]);
    assert_eq!((again[0].how(), again[0].seq()), (How::New, Seq(10)));
}

#[test]
fn a_damaged_length_or_a_long_range_loses_no_more_than_it_hits() {
    let (disk, name, offsets) = three_batches();
    disk.damage(Dir::Root, &name.to_string(), offsets[1], 4);
    disk.damage(
        Dir::Root,
        &name.to_string(),
        offsets[3],
        offsets[5] - offsets[3] - 16,
    );
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(seqs(&run), [1, 3, 6, 7, 8, 9]);
    assert_eq!(
        (run.report.recovered_records, run.report.corrupt_records),
        (9, 3)
    );
}

#[test]
fn damage_in_the_last_batch_is_a_torn_tail_since_nothing_says_otherwise() {
    let (disk, name, offsets) = three_batches();
    disk.damage(Dir::Root, &name.to_string(), offsets[7], 4);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(
        (seqs(&run), run.report.corrupt_records),
        ((1..=7).collect(), 0)
    );
    assert!(run.report.torn_bytes > 0);
    // 8 is given out anew; the frame of the old 9 behind the damage stays dead, with or without an index.
    assert_eq!(run.commit_ok(&[70])[0].seq(), Seq(8));
    drop(run);
    disk.remove(Dir::Root, &name.index()).unwrap();
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let (records, _) = run.read(Seq(0));
    assert_eq!(
        records
            .iter()
            .map(|r| r.envelope.received_at.0)
            .collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7, 70]
    );
    assert_eq!(run.report.corrupt_records, 0);
}

/// Every family but the recordings' (the odd ones) is settled up to here; those stand at 2.
pub(super) fn settle_all_but_recordings(run: &mut Run, through: u64) {
    let mut settled = rig::settled(Seq(2));
    for family in Family::ALL.iter().filter(|f| **f != Family::Recording) {
        settled.advance(*family, Seq(through));
    }
    run.outlet.checkpoint(&settled).unwrap();
}

#[test]
fn the_checkpoint_says_that_the_last_batch_was_acknowledged() {
    let (disk, name, offsets) = three_batches();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    settle_all_but_recordings(&mut run, 9);
    drop(run);
    disk.remove(Dir::Root, &name.index()).unwrap();
    disk.damage(Dir::Root, &name.to_string(), offsets[7] + 60, 8);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(
        seqs(&run),
        [1, 2, 3, 4, 5, 6, 7, 9],
        "9 is acknowledged, intact, and pending"
    );
    assert_eq!(
        (run.report.corrupt_records, run.report.torn_bytes),
        (1, 0),
        "{:?}",
        run.report
    );
}

#[test]
fn what_the_checkpoint_passed_and_the_log_no_longer_has_is_counted_once() {
    let (disk, name, offsets) = three_batches();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    settle_all_but_recordings(&mut run, 9);
    drop(run);
    disk.remove(Dir::Root, &name.index()).unwrap();
    for offset in &offsets[7..] {
        disk.damage(Dir::Root, &name.to_string(), *offset, 4);
    }
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(
        (seqs(&run), run.report.corrupt_records),
        ((1..=7).collect(), 2)
    );
    assert_eq!(disk.list(Dir::Corrupt).unwrap().len(), 1);
    drop(run);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(run.report.corrupt_records, 0, "not again: {:?}", run.report);
    assert_eq!(run.commit_ok(&[70])[0].seq(), Seq(10));
}

#[test]
fn the_next_segments_first_number_says_that_a_lost_tail_was_acknowledged() {
    let (disk, name, offsets) = three_batches();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[10]);
    drop(run);
    disk.remove(Dir::Root, &name.index()).unwrap();
    disk.damage(Dir::Root, &name.to_string(), offsets[7], 4);
    disk.damage(Dir::Root, &name.to_string(), offsets[8], 4);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(seqs(&run), [1, 2, 3, 4, 5, 6, 7, 10]);
    assert_eq!(
        (run.report.recovered_records, run.report.corrupt_records),
        (10, 2),
        "{:?}",
        run.report
    );
    assert_eq!(disk.list(Dir::Corrupt).unwrap().len(), 1);
}

#[test]
fn damage_in_a_closed_segment_is_found_when_read_counted_once_and_forgotten_by_the_window() {
    let (disk, name, offsets) = three_batches();
    drop(rig::open(&on(&disk), 1 << 20, 1).unwrap());
    assert!(disk.list(Dir::Root).unwrap().contains(&name.index()));
    disk.damage(Dir::Root, &name.to_string(), offsets[4] + 200, 1);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(
        (
            run.report.scanned_segments,
            run.report.recovered_records,
            run.report.corrupt_records
        ),
        (0, 9, 0)
    );
    for _ in 0..2 {
        let (records, corrupt) = run.read(Seq(0));
        assert_eq!(
            (records.len(), corrupt),
            (8, vec![(Seq(5), Family::Recording)])
        );
        assert_eq!(run.shared.status().corrupt_records, 0);
    }
    run.outlet.settled_corrupt();
    assert_eq!(
        run.shared.status().corrupt_records,
        1,
        "counted when settled"
    );
    assert_eq!(disk.list(Dir::Corrupt).unwrap().len(), 1);
    let heard: Vec<_> = run
        .commit_ok(&[4, 5])
        .iter()
        .map(|d| (d.how(), d.seq().0))
        .collect();
    assert_eq!(heard, [(How::Duplicate, 4), (How::New, 10)]);
    run.settle_all(run.outlet.durable_end()).unwrap();
    assert_eq!(run.shared.status().pending_records, 0);
}

#[test]
fn a_missing_segment_is_told_from_a_torn_tail() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    for n in 0..8 {
        run.commit_ok(&(n * 10..n * 10 + 10).collect::<Vec<_>>());
        run.housekeeping();
    }
    drop(run);
    let whole = seqs(&rig::open(&on(&disk), 1 << 20, 1).unwrap());
    assert_eq!(whole, (1..=80).collect::<Vec<_>>());
    let victim = segments(&disk)[1];
    disk.remove(Dir::Root, &victim.to_string()).unwrap();
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let left = seqs(&run);
    assert_eq!(
        left.len() as u64 + run.report.corrupt_records,
        80,
        "{:?}",
        run.report
    );
    assert!(run.report.corrupt_records > 0 && left.ends_with(&[79, 80]));
    assert_eq!(run.report.recovered_records, 80);
}

#[test]
fn with_every_segment_gone_what_the_checkpoint_knows_of_is_counted_once() {
    let (disk, name, _) = three_batches();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    settle_all_but_recordings(&mut run, 9);
    drop(run);
    // What is left is the one that was prepared, and never written to.
    disk.remove(Dir::Root, &name.to_string()).unwrap();
    disk.remove(Dir::Root, &name.index()).unwrap();
    assert_eq!(segments(&disk).len(), 1);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let report = &run.report;
    assert_eq!(
        (report.corrupt_records, report.damage.len()),
        (7, 1),
        "3 to 9, acknowledged and perhaps not settled: {report:?}"
    );
    assert_eq!(run.commit_ok(&[70])[0].seq(), Seq(10), "no number twice");
    drop(run);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(run.report.corrupt_records, 0, "not again: {:?}", run.report);
}

#[test]
fn a_damaged_index_costs_a_read_through_and_nothing_else() {
    for at in [0, 30, 700] {
        let (disk, name, _) = three_batches();
        drop(rig::open(&on(&disk), 1 << 20, 1).unwrap());
        disk.damage(Dir::Root, &name.index(), at, 1);
        let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
        assert_eq!(
            (seqs(&run), run.report.recovered_records),
            ((1..=9).collect(), 9),
            "at {at}"
        );
        assert_eq!(run.commit_ok(&[5])[0].how(), How::Duplicate);
    }
}

#[test]
fn a_record_that_is_damaged_where_the_index_is_too_is_counted_and_its_retry_is_taken() {
    for at in [0, 30, 700] {
        let (disk, name, offsets) = three_batches();
        drop(rig::open(&on(&disk), 1 << 20, 1).unwrap());
        disk.damage(Dir::Root, &name.index(), at, 1);
        disk.damage(Dir::Root, &name.to_string(), offsets[4] + 200, 1);
        let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
        let (records, corrupt) = run.read(Seq(0));
        let mut counted: Vec<u64> = corrupt.iter().map(|(seq, _)| seq.0).collect();
        // A summary that can't be read costs a reading through at the start, which finds it by then.
        let at_start = run.report.corrupt_records;
        counted.extend((0..at_start).map(|_| 5));
        assert_eq!((records.len(), counted), (8, vec![5]), "at {at}");
        assert_eq!(
            run.commit_ok(&[5])[0].how(),
            How::New,
            "at {at}: the sender's retry"
        );
        run.settle_all(run.outlet.durable_end()).unwrap();
        assert_eq!(run.shared.status().pending_records, 0, "at {at}");
    }
}

#[test]
fn with_its_checkpoint_gone_a_log_is_published_again_and_misses_nothing_deleted_before() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    for n in 0..8 {
        run.commit_ok(&(n * 10..n * 10 + 10).collect::<Vec<_>>());
        run.housekeeping();
    }
    run.settle_all(Seq(80)).unwrap();
    drop(run);
    let first = segments(&disk)[0];
    disk.remove(Dir::Root, &first.to_string()).unwrap();
    disk.remove(Dir::Root, &first.index()).unwrap();
    disk.remove(Dir::Root, "checkpoint").unwrap();
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let left = seqs(&run);
    assert!(left.len() < 80 && left.ends_with(&[79, 80]), "{left:?}");
    let report = &run.report;
    assert_eq!(
        (report.corrupt_records, report.damage.len()),
        (0, 1),
        "{report:?}"
    );
    drop(run);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let report = &run.report;
    assert_eq!(
        (report.corrupt_records, report.damage.len()),
        (0, 0),
        "{report:?}"
    );
}

#[test]
fn a_damaged_checkpoint_publishes_again_rather_than_not_at_all() {
    let (disk, _, _) = three_batches();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.settle_all(Seq(9)).unwrap();
    drop(run);
    disk.damage(Dir::Root, "checkpoint", 0, 8192);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!((seqs(&run).len(), run.report.recovered_records), (9, 9));
    assert_eq!(run.report.damage.len(), 1);
}
