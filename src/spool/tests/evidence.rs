//! What a start learned must not be unlearned by what it tidies up: numbers that were given out, records that are known to be damaged,
//! bytes that nobody has a copy of.

use super::{
    super::{
        append::How,
        disk::{Dir, Disk, DiskFile, ReadDisk, ReadFile, Space},
        outlet::{Cursor, Next, Outlet},
        record::Seq,
        removal,
        shared::Shared,
    },
    fake_disk::{ENOSPC, FakeDisk, Survives, Verb},
    rig::{self, Run},
};
use crate::clock::Millis;
use std::{
    io,
    sync::{Arc, OnceLock, Weak},
};

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &FakeDisk) -> Run {
    rig::open(&on(disk), 1 << 20, 1).unwrap()
}

/// The first segment, of records 1 to 4, is gone, and of the second one only the header is left: it begins with 5.
fn only_a_header_is_left() -> FakeDisk {
    let disk = FakeDisk::new();
    open(&disk).commit_ok(&[1, 2, 3, 4]);
    let mut run = open(&disk);
    run.commit_ok(&[5]);
    drop(run);
    let names = rig::segments(&disk);
    rig::remove_indices(&disk);
    disk.remove(Dir::Root, &names[0].to_string()).unwrap();
    disk.damage(Dir::Root, &names[1].to_string(), 4096, 100);
    disk
}

#[test]
fn a_header_that_alone_tells_of_a_number_stays() {
    let disk = only_a_header_is_left();
    let run = open(&disk);
    assert_eq!(run.report.corrupt_records, 4, "1 to 4 were acknowledged");
    drop(run);
    for _ in 0..2 {
        let run = open(&disk);
        assert_eq!(run.report.corrupt_records, 0, "not again");
        assert_eq!(run.outlet.durable_end(), Seq(4));
    }
    assert_eq!(open(&disk).commit_ok(&[9])[0].seq(), Seq(5));
}

#[test]
fn also_where_the_checkpoint_is_lost_and_everything_before_was_settled() {
    let disk = only_a_header_is_left();
    disk.damage(Dir::Root, "checkpoint", 0, 8192);
    for _ in 0..3 {
        let run = open(&disk);
        assert_eq!(run.outlet.durable_end(), Seq(4));
        assert_eq!(run.report.corrupt_records, 0);
    }
}

#[test]
fn an_older_copy_put_back_beside_the_checkpoint_uses_no_number_again() {
    let disk = FakeDisk::new();
    open(&disk).commit_ok(&[1, 2, 3]);
    let older = disk.after_crash(Survives::All);
    let mut run = open(&disk);
    run.commit_ok(&[4, 5, 6]);
    run.settle_all(Seq(6)).unwrap();
    drop(run);
    // Its segments come back as they were; the checkpoint is the later one.
    for name in rig::segments(&disk) {
        disk.remove(Dir::Root, &name.to_string()).unwrap();
    }
    for name in rig::segments(&older) {
        let from = older.open(Dir::Root, &name.to_string()).unwrap();
        let mut bytes = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
        from.read_at(&mut bytes, 0).unwrap();
        let to = disk.create(Dir::Root, &name.to_string()).unwrap();
        to.write_at(&bytes, 0).unwrap();
    }
    assert_eq!(open(&disk).commit_ok(&[7])[0].seq(), Seq(7));
}

#[test]
fn a_segment_whose_damaged_bytes_have_no_copy_stays() {
    let disk = FakeDisk::new();
    let mut run = open(&disk);
    run.commit_ok(&[1]);
    run.settle_all(Seq(1)).unwrap();
    drop(run);
    rig::remove_indices(&disk);
    let name = rig::segments(&disk)[0];
    disk.damage(Dir::Root, &name.to_string(), 4096 + 60, 8);
    // The copy is the first file that is made.
    disk.fail_verb_at(Verb::Create, disk.calls_of(Verb::Create) + 1, ENOSPC);
    let run = open(&disk);
    assert!(disk.list(Dir::Corrupt).unwrap().is_empty());
    assert!(rig::segments(&disk).contains(&name), "{:?}", run.report);
}

#[test]
fn a_record_known_to_be_damaged_is_no_duplicate_after_a_restart() {
    let disk = FakeDisk::new();
    open(&disk).commit_ok(&[1, 2, 3]);
    drop(open(&disk));
    let name = rig::segments(&disk)[0];
    disk.damage(Dir::Root, &name.to_string(), 4096 + 60, 8);
    let run = open(&disk);
    assert_eq!(run.report.window_entries, 3, "not read yet");
    assert_eq!(run.read(Seq(0)).1.len(), 1);
    drop(run);
    let mut run = open(&disk);
    let heard: Vec<How> = run.commit_ok(&[1, 2]).iter().map(|d| d.how()).collect();
    assert_eq!(heard, [How::New, How::Duplicate]);
}

/// A disk on which all settled segments are deleted in the moment before an index is opened.
struct Hasty {
    disk: FakeDisk,
    shared: OnceLock<Weak<Shared>>,
}

impl ReadDisk for Hasty {
    fn list(&self, dir: Dir) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn open(&self, dir: Dir, name: &str) -> io::Result<Box<dyn ReadFile>> {
        if name.ends_with(".index")
            && let Some(shared) = self.shared.get().and_then(Weak::upgrade)
        {
            removal::remove_due(&shared, Millis(1 << 40)).unwrap();
        }
        self.disk.open(dir, name)
    }
    fn size(&self, dir: Dir, name: &str) -> io::Result<u64> {
        self.disk.size(dir, name)
    }
}

impl Disk for Hasty {
    fn create(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(dir, name)
    }
    fn open_to_write(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open_to_write(dir, name)
    }
    fn rename(&self, dir: Dir, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(dir, from, to)
    }
    fn remove(&self, dir: Dir, name: &str) -> io::Result<()> {
        self.disk.remove(dir, name)
    }
    fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

#[test]
fn a_reader_that_meets_a_segment_being_deleted_goes_on_behind_it() {
    let fake = FakeDisk::new();
    let mut run = open(&fake);
    run.commit_ok(&[1, 2]);
    run.settle_all(Seq(2)).unwrap();
    drop(run);
    open(&fake).commit_ok(&[3]);
    let hasty = Arc::new(Hasty {
        disk: fake,
        shared: OnceLock::new(),
    });
    let disk: Arc<dyn Disk> = hasty.clone();
    drop(rig::open(&disk, 1 << 20, 1).unwrap());
    let run = rig::open(&disk, 1 << 20, 3_600_000).unwrap();
    assert_eq!(run.report.scanned_segments, 0, "to be loaded");
    hasty.shared.set(Arc::downgrade(&run.shared)).unwrap();
    let mut cursor = run.outlet.cursor(Seq(0));
    let next = cursor.next(&|_| true, Seq(u64::MAX)).unwrap();
    assert!(
        matches!(&next, Some(Next::Record(r)) if r.seq == Seq(3)),
        "{next:?}"
    );
}
