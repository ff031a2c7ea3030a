//! How the spools of others are known to have died: each of these ways, tried here.

use super::{
    super::{
        disk::{Dir, Disk, ReadDisk},
        outlet::{Cursor, Next, Outlet},
        record::Seq,
    },
    fake_disk::{FakeDisk, Verb},
    rig::{self, Run},
};
use std::sync::{Arc, Mutex, atomic::Ordering};

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &FakeDisk) -> Run {
    rig::open(&on(disk), 1 << 20, 1).unwrap()
}

/// Sixty records over several segments, each with its index.
fn sixty() -> FakeDisk {
    let disk = FakeDisk::new();
    let mut run = open(&disk);
    for batch in 0..10 {
        run.commit_ok(&(batch * 6 + 1..batch * 6 + 7).collect::<Vec<_>>());
        run.housekeeping();
    }
    drop(run);
    drop(open(&disk));
    disk
}

#[test]
fn corruption_is_neither_an_endless_loop_nor_a_dead_reader() {
    let disk = sixty();
    let names = rig::segments(&disk);
    for name in names[..names.len() - 2].iter().step_by(2) {
        disk.damage(Dir::Root, &name.to_string(), 4096, 4096);
    }
    for with_indices in [true, false] {
        if !with_indices {
            rig::remove_indices(&disk);
        }
        let mut run = open(&disk);
        let (records, _) = run.read(Seq(0));
        assert!(!records.is_empty() && records.len() < 60);
        assert_eq!(records.last().map(|r| r.seq), Some(Seq(60)));
        let next = run.commit_ok(&[100 + u64::from(with_indices)])[0].seq();
        assert_eq!(run.read(Seq(60)).0.last().map(|r| r.seq), Some(next));
        if with_indices {
            // As if that one hadn't been.
            let last = *rig::segments(&disk).last().unwrap();
            drop(run);
            disk.remove(Dir::Root, &last.to_string()).unwrap();
        }
    }
}

#[test]
fn the_last_record_is_there_for_the_reader_without_another_one() {
    let disk = FakeDisk::new();
    let mut run = open(&disk);
    let mut cursor = run.outlet.cursor(Seq(0));
    for n in 1..=40 {
        let next = cursor.next(&|_| true, Seq(u64::MAX)).unwrap();
        assert_eq!(next, None);
        run.commit_ok(&[n]);
        let next = cursor.next(&|_| true, Seq(u64::MAX)).unwrap();
        assert!(matches!(next, Some(Next::Record(r)) if r.seq == Seq(n)));
    }
}

#[test]
fn nothing_is_deleted_before_the_checkpoint_is_on_the_platter() {
    let disk = sixty();
    let mut run = open(&disk);
    let before = rig::segments(&disk).len();
    let deleted = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&deleted);
    disk.watch(Some(Box::new(move |state| {
        let live = state.names.live();
        let left = live
            .iter()
            .filter(|(_, name, _)| name.ends_with(".segment"));
        if left.count() < before {
            *seen.lock().unwrap() += 1;
            let id = state.names.find(Dir::Root, "checkpoint").unwrap();
            assert_eq!(state.contents[&id].doubts().count(), 0);
        }
    })));
    run.settle_all(Seq(60)).unwrap();
    run.clock.0.store(1 << 40, Ordering::SeqCst);
    run.housekeeping();
    disk.watch(None);
    assert!(*deleted.lock().unwrap() > 0);
}

#[test]
fn a_housekeeper_that_never_comes_does_not_lock_the_writer() {
    let disk = FakeDisk::new();
    let mut run = open(&disk);
    for n in 0..100 {
        run.commit_ok(&[n * 3 + 1, n * 3 + 2, n * 3 + 3]);
    }
    assert!(rig::segments(&disk).len() > 10);
    assert_eq!(run.read(Seq(0)).0.len(), 300);
}

#[test]
fn no_damaged_file_keeps_a_spool_from_opening_or_taking_records() {
    let files = sixty().list(Dir::Root).unwrap();
    for file in files.iter().filter(|file| *file != "spool-id") {
        for part in [0..20, 4096..4200, 0..usize::MAX] {
            let disk = sixty();
            let len = usize::try_from(disk.size(Dir::Root, file).unwrap()).unwrap();
            let (start, end) = (part.start.min(len), part.end.min(len));
            disk.damage(Dir::Root, file, start, end - start);
            let mut run = open(&disk);
            run.commit_ok(&[1000]);
        }
    }
}

#[test]
fn on_a_full_disk_the_checkpoint_is_stored_and_what_is_settled_is_deleted() {
    let disk = sixty();
    disk.set_capacity(disk.used());
    let mut run = open(&disk);
    assert!(run.shared.status().full);
    run.settle_all(Seq(60)).unwrap();
    disk.set_capacity(1 << 40);
    disk.set_free(1 << 39);
    run.clock.0.store(1 << 40, Ordering::SeqCst);
    run.housekeeping();
    let status = run.shared.status();
    assert!(!status.full && status.segments == 0, "{status:?}");
    run.commit_ok(&[1000]);
    let left = disk.list(Dir::Root).unwrap();
    assert!(left.len() <= 4, "no orphans: {left:?}");
}

#[test]
fn reading_back_a_backlog_reads_each_byte_once() {
    let disk = sixty();
    let run = open(&disk);
    let (segments, before) = (rig::segments(&disk).len() as u64, disk.calls_of(Verb::Read));
    assert_eq!(run.read(Seq(0)).0.len(), 60);
    let reads = disk.calls_of(Verb::Read) - before;
    // Of each segment its index and its frames.
    assert!(
        reads <= 2 * segments,
        "{reads} reads of {segments} segments"
    );
}

#[test]
fn an_empty_cut_or_senseless_checkpoint_never_blocks_a_start() {
    for content in [&b""[..], b"LBCHECKP", &[0; 8192], &[0xff; 8192], &[7; 100]] {
        let disk = sixty();
        disk.remove(Dir::Root, "checkpoint").unwrap();
        let file = disk.create(Dir::Root, "checkpoint").unwrap();
        file.write_at(content, 0).unwrap();
        let mut run = open(&disk);
        assert_eq!(run.read(Seq(0)).0.len(), 60);
        assert!(run.report.damage.join("").contains("checkpoint"));
        assert_eq!(run.commit_ok(&[1000])[0].seq(), Seq(61));
    }
}
