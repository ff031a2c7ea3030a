//! Sectors that can't be read: each costs what lies in it, loudly, and nothing else. A disk that gives nothing back is another thing.

use super::{
    super::{
        append::How,
        disk::{Dir, Disk, ReadDisk},
        outlet::{Cursor, Next, Outlet},
        record::Seq,
        segment::Name,
    },
    fake_disk::{EIO, FakeDisk, Survives, Verb},
    rig::{self, Run},
};
use crate::callback::names::Family;
use std::sync::Arc;

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &FakeDisk) -> Run {
    rig::open(&on(disk), 1 << 20, 1).unwrap()
}

/// Nine records in one segment, and where the frame of each starts.
fn nine() -> (FakeDisk, Name, Vec<usize>) {
    let disk = FakeDisk::new();
    let mut run = open(&disk);
    for batch in [[1, 2, 3], [4, 5, 6], [7, 8, 9]] {
        run.commit_ok(&batch);
    }
    drop(run);
    let mut at = 4096;
    let offsets = (1..=9)
        .map(|n| {
            let here = at;
            at += super::super::frame::size_of(super::super::envelope::size_of(&rig::envelope(n)));
            here
        })
        .collect();
    let name = rig::segments(&disk)[0];
    (disk, name, offsets)
}

fn seqs(run: &Run) -> Vec<u64> {
    run.read(Seq(0)).0.iter().map(|r| r.seq.0).collect()
}

#[test]
fn an_unreadable_record_is_passed_over_counted_and_set_aside_as_far_as_it_can_be_read() {
    let (disk, name, offsets) = nine();
    drop(open(&disk));
    let bad = offsets[4] + 10..offsets[4] + 20;
    disk.make_unreadable(Dir::Root, &name.to_string(), bad);
    let mut run = open(&disk);
    assert_eq!(run.report.scanned_segments, 0);
    for _ in 0..2 {
        let (records, corrupt) = run.read(Seq(0));
        assert_eq!(corrupt, [(Seq(5), Family::Recording)]);
        assert_eq!(records.len(), 8);
    }
    run.outlet.settled_corrupt();
    let status = run.shared.status();
    assert_eq!(status.corrupt_records, 1);
    let told = status.last_error.unwrap();
    assert!(
        told.contains("record 5") && told.contains("I/O error"),
        "{told}"
    );
    assert_eq!(disk.list(Dir::Corrupt).unwrap().len(), 1);
    assert_eq!(run.commit_ok(&[5])[0].how(), How::New);
    // It isn't the end of the next run either.
    drop(run);
    let (records, corrupt) = open(&disk).read(Seq(0));
    assert_eq!((records.len(), corrupt.len()), (9, 1));
}

#[test]
fn a_read_that_fails_once_costs_nothing() {
    let (disk, _, _) = nine();
    let run = open(&disk);
    let mut cursor = run.outlet.cursor(Seq(0));
    disk.fail_verb_at(Verb::Read, disk.calls_of(Verb::Read) + 1, EIO);
    let next = cursor.next(&|_| true, Seq(u64::MAX)).unwrap();
    assert!(matches!(next, Some(Next::Record(r)) if r.seq == Seq(1)));
}

#[test]
fn a_disk_that_takes_nothing_either_ends_the_run_instead_of_passing_over_records() {
    let (disk, name, offsets) = nine();
    let run = open(&disk);
    let bad = offsets[4]..offsets[5];
    disk.make_unreadable(Dir::Root, &name.to_string(), bad);
    let mut cursor = run.outlet.cursor(Seq(4));
    disk.fail_verb_at(Verb::Sync, disk.calls_of(Verb::Sync) + 1, EIO);
    assert!(cursor.next(&|_| true, Seq(u64::MAX)).is_err());
    assert_eq!(cursor.passed(), Seq(4));
}

#[test]
fn an_unreadable_block_at_recovery_costs_the_records_in_it() {
    let (disk, name, _) = nine();
    disk.make_unreadable(Dir::Root, &name.to_string(), 4096..8192);
    let mut run = open(&disk);
    let report = run.report.clone();
    let told = "the disk doesn't give back bytes 4096 to 8192";
    assert!(report.damage.iter().any(|d| d.contains(told)), "{report:?}");
    assert!(
        rig::segments(&disk).contains(&name),
        "never removed: {report:?}"
    );
    // It goes on, and does so again.
    let next = run.commit_ok(&[100])[0].seq();
    drop(run);
    assert!(seqs(&open(&disk)).contains(&next.0));
}

#[test]
fn an_unreadable_header_hides_no_record() {
    let (disk, name, _) = nine();
    disk.make_unreadable(Dir::Root, &name.to_string(), 0..4096);
    let run = open(&disk);
    assert_eq!(seqs(&run), (1..=9).collect::<Vec<_>>());
    assert_eq!(run.report.corrupt_records, 0);
}

#[test]
fn a_segment_of_which_nothing_can_be_read_is_never_taken_for_empty() {
    let (disk, name, _) = nine();
    disk.make_unreadable(Dir::Root, &name.to_string(), 0..1 << 20);
    let refused = rig::open(&on(&disk), 1 << 20, 1).map(|_| ()).unwrap_err();
    assert!(refused.contains(&name.to_string()), "{refused}");
    assert!(rig::segments(&disk).contains(&name));
}

#[test]
fn an_unreadable_index_costs_a_read_through() {
    let (disk, name, _) = nine();
    drop(open(&disk));
    disk.make_unreadable(Dir::Root, &name.index(), 0..10);
    let mut run = open(&disk);
    assert_eq!(seqs(&run), (1..=9).collect::<Vec<_>>());
    assert_eq!(run.commit_ok(&[5])[0].how(), How::Duplicate);
    drop(run);
    assert_eq!(open(&disk).report.scanned_segments, 0, "it has a new one");
    // Its entries alone, once it is needed.
    let end = usize::try_from(disk.size(Dir::Root, &name.index()).unwrap()).unwrap();
    let disk = disk.after_crash(Survives::All);
    disk.make_unreadable(Dir::Root, &name.index(), end - 4..end);
    assert_eq!(seqs(&open(&disk)), (1..=9).collect::<Vec<_>>());
}

#[test]
fn either_slot_of_the_checkpoint_may_be_unreadable() {
    for (slot, settled) in [(0..4096, 3), (4096..8192, 6), (0..8192, 0)] {
        let (disk, _, _) = nine();
        let mut run = open(&disk);
        for through in [3, 6] {
            run.settle_all(Seq(through)).unwrap();
        }
        drop(run);
        disk.make_unreadable(Dir::Root, "checkpoint", slot.clone());
        let mut run = open(&disk);
        let least = run.outlet.settled_at_start().least();
        assert_eq!(least, Seq(settled), "{slot:?}");
        let told = run.report.damage.join(" ");
        assert!(told.contains("checkpoint"), "{slot:?}: {told}");
        run.settle_all(Seq(7)).unwrap();
        run.settle_all(Seq(9)).unwrap();
        drop(run);
        let run = open(&disk);
        assert_eq!(run.outlet.settled_at_start().least(), Seq(9), "{slot:?}");
        assert!(run.report.damage.is_empty(), "it has a new file");
    }
}

/// The other slot may be the older one: what that one doesn't know to be settled may have been, and deleted since.
#[test]
fn half_a_checkpoint_makes_nothing_that_is_gone_a_loss() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[1, 2, 3]);
    let mut ahead = rig::settled(Seq(1));
    ahead.advance(Family::Stream, Seq(3));
    run.outlet.checkpoint(&ahead).unwrap();
    run.settle_all(Seq(3)).unwrap();
    drop(run);
    for name in rig::segments(&disk) {
        disk.remove(Dir::Root, &name.to_string()).unwrap();
    }
    rig::remove_indices(&disk);
    for slot in 0..2 {
        let disk = disk.state().disk();
        let start = slot * 4096;
        disk.make_unreadable(Dir::Root, "checkpoint", start..start + 4096);
        let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
        let report = &run.report;
        assert_eq!(report.corrupt_records, 0, "{report:?}");
        assert!(
            report.damage.iter().all(|what| what.contains("slots")),
            "{report:?}"
        );
    }
}
