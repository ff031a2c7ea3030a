//! What a start may rely on: nothing that only a page cache says. After a kill the cache holds what the disk doesn't yet; after a sync
//! that failed it may hold, as clean, what the disk never will.

use super::{
    super::{disk::Disk, outlet::Outlet, record::Seq},
    fake_disk::{FakeDisk, Survives},
    rig,
};
use std::sync::{Arc, atomic::Ordering};

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// One batch acknowledged; the sync of the next one fails, and the process ends.
fn after_a_failed_sync() -> FakeDisk {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[1, 2]);
    disk.fail_at(disk.calls() + 2);
    assert!(run.commit(&[3, 4]).0.is_err());
    disk.after_crash(Survives::All)
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_written_again_before_it_is_relied_on() {
    let disk = after_a_failed_sync();
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let (seen, _) = run.read(Seq(0));
    assert_eq!(seen.len(), 4, "whole frames are kept");
    drop(run);
    for survives in [Survives::Nothing, Survives::Some(5), Survives::Some(6)] {
        let disk = disk.after_crash(survives);
        let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
        assert_eq!(run.read(Seq(0)).0, seen, "{survives:?}");
        assert_eq!(run.report.corrupt_records, 0, "{survives:?}");
    }
}

#[test]
fn the_first_batch_of_a_segment_is_written_again_with_its_header() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    disk.fail_at(disk.calls() + 2);
    assert!(run.commit(&[1, 2]).0.is_err());
    let disk = disk.after_crash(Survives::All);
    let (seen, _) = rig::open(&on(&disk), 1 << 20, 1).unwrap().read(Seq(0));
    assert_eq!(seen.len(), 2);
    let disk = disk.after_crash(Survives::Nothing);
    // Without its index, too.
    rig::remove_indices(&disk);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!((run.read(Seq(0)).0, run.report.damage.len()), (seen, 0));
}

/// Everything settled; the process ends after the checkpoint's write, in or before its sync. Then a run deletes what is settled.
fn deleted_after_an_unsynced_checkpoint(fails: bool) -> FakeDisk {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[1, 2, 3]);
    let end = run.outlet.durable_end();
    let sync = disk.calls() + 2;
    if fails {
        disk.fail_at(sync);
    } else {
        disk.die_at(sync);
    }
    assert!(run.settle_all(end).is_err());
    let disk = disk.after_crash(Survives::All);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(run.outlet.settled_at_start().least(), end);
    run.clock.0.store(1 << 40, Ordering::SeqCst);
    run.housekeeping();
    assert_eq!(run.shared.status().segments, 0, "settled, and old");
    disk
}

#[test]
fn a_checkpoint_found_in_the_page_cache_is_synced_before_segments_go_on_its_word() {
    for fails in [false, true] {
        let disk = deleted_after_an_unsynced_checkpoint(fails).after_crash(Survives::Nothing);
        let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
        let report = &run.report;
        assert_eq!((report.corrupt_records, report.damage.len()), (0, 0));
        assert_eq!(run.commit_ok(&[4])[0].seq(), Seq(4), "no number twice");
    }
}
